//! A model of what a disk may hold after a power failure, given what was written and what was synced.
//!
//! What a sync covers is there: everything done to its file, or all names in its directory, before it
//! started. Anything else may be there or not, in any combination: a write in full, or up to the end of a
//! sector, or not at all; a name that was created or removed.

use crate::calls::Call;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs;
use std::path::Path;

const SECTOR: u64 = 512;

/// The identity of a file or a directory, like an inode number.
type Node = usize;

const ROOT: Node = 0;

#[derive(Debug, Clone, Copy)]
enum Effect<'a> {
    Write { node: Node, offset: u64, data: &'a [u8] },
    Truncate { node: Node, length: u64 },
    Name { name: &'a str, node: Option<Node> },
}

/// A change made by a call, which may be lost until it is synced.
#[derive(Debug)]
struct Change<'a> {
    call: usize,
    /// Whether the call has ended.
    done: bool,
    /// The file or directory that has to be synced.
    of: Node,
    effect: Effect<'a>,
}

#[derive(Debug, Default, Clone)]
struct State<'a> {
    contents: HashMap<Node, Vec<u8>>,
    names: BTreeMap<&'a str, Node>,
}

impl<'a> State<'a> {
    fn apply(&mut self, effect: Effect<'a>) {
        match effect {
            Effect::Write { node, offset, data } => {
                let content = self.contents.entry(node).or_default();
                let offset = usize::try_from(offset).unwrap();
                let end = offset + data.len();
                content.resize(content.len().max(end), 0);
                content[offset..end].copy_from_slice(data);
            }
            Effect::Truncate { node, length } => {
                self.contents.entry(node).or_default().resize(usize::try_from(length).unwrap(), 0);
            }
            Effect::Name { name, node: Some(node) } => drop(self.names.insert(name, node)),
            Effect::Name { name, node: None } => drop(self.names.remove(name)),
        }
    }
}

/// A data directory while a trace is replayed.
pub struct Disk<'a> {
    root: &'a str,
    calls: &'a [Call],
    /// The starts and ends of calls (line, whether it is the end, index of the call), the earliest last.
    moments: Vec<(usize, bool, usize)>,
    settled: State<'a>,
    pending: Vec<Change<'a>>,
    /// The changes that each running sync will settle.
    covered: HashMap<usize, HashSet<usize>>,
    /// What processes see as long as there is power.
    names: HashMap<&'a str, Node>,
    lengths: HashMap<Node, u64>,
    directories: HashSet<Node>,
}

impl<'a> Disk<'a> {
    /// Returns an empty directory. The disk ignores syncs of the files for which `ignores_sync_of` returns true.
    pub fn new(root: &'a str, calls: &'a [Call], ignores_sync_of: impl Fn(&str) -> bool) -> Self {
        let is_ignored = |call: &Call| call.is_sync() && Self::name(root, call).is_some_and(&ignores_sync_of);
        let counted = calls.iter().enumerate().filter(|(_, call)| call.result >= 0 && !is_ignored(call));
        let mut moments: Vec<_> =
            counted.flat_map(|(at, call)| [(call.began, false, at), (call.ended, true, at)]).collect();
        moments.sort_unstable_by(|one, other| other.cmp(one));
        Self {
            root,
            calls,
            moments,
            settled: State::default(),
            pending: Vec::new(),
            covered: HashMap::new(),
            names: HashMap::from([("", ROOT)]),
            lengths: HashMap::new(),
            directories: HashSet::new(),
        }
    }

    /// Replays the trace up to this line.
    pub fn advance(&mut self, line: usize) {
        while let Some((_, ends, at)) = self.moments.pop_if(|(moment, ..)| *moment <= line) {
            if ends {
                self.end(at);
            } else {
                self.begin(at);
            }
        }
    }

    /// Returns the name of the file that a call is about, if the file survives a power loss.
    pub fn name<'b>(root: &str, call: &'b Call) -> Option<&'b str> {
        let name = call.about().strip_prefix(root)?.trim_start_matches('/');
        let is_kept =
            matches!(name, "" | "listgate.db" | "listgate.db-wal" | "listgate.db-journal" | "spool");
        (is_kept || name.starts_with("spool/")).then_some(name)
    }

    fn begin(&mut self, at: usize) {
        let call = &self.calls[at];
        let Some(name) = Self::name(self.root, call) else { return };
        let node = self.names.get(name).copied();
        match call.name.as_str() {
            "openat" if node.is_some() || !call.rest.contains("O_CREAT") => {}
            "openat" => self.make(at, name),
            "mkdir" | "mkdirat" => {
                self.make(at, name);
                self.directories.insert(self.names[name]);
            }
            "unlink" | "unlinkat" => {
                self.names.remove(name);
                self.change(at, self.parent(name), Effect::Name { name, node: None });
            }
            "write" | "pwrite64" => {
                let node = node.expect("what is written was made");
                let offset = if call.name == "write" { self.lengths[&node] } else { call.last_number() };
                assert_eq!(call.data.len(), usize::try_from(call.result).unwrap(), "all octets are known");
                let length = self.lengths.get_mut(&node).unwrap();
                *length = (*length).max(offset + call.data.len() as u64);
                self.change(at, node, Effect::Write { node, offset, data: &call.data });
            }
            "ftruncate" => {
                let (node, length) = (node.expect("what is cut was made"), call.last_number());
                self.lengths.insert(node, length);
                self.change(at, node, Effect::Truncate { node, length });
            }
            "fsync" | "fdatasync" => {
                let covers = |change: &&Change<'_>| change.done && Some(change.of) == node;
                let covered = self.pending.iter().filter(covers).map(|change| change.call).collect();
                self.covered.insert(at, covered);
            }
            other => panic!("{other} is new here: teach the model what it does"),
        }
    }

    fn parent(&self, name: &str) -> Node {
        self.names[name.rsplit_once('/').map_or("", |(parent, _)| parent)]
    }

    fn make(&mut self, at: usize, name: &'a str) {
        let node = at + 1;
        self.names.insert(name, node);
        self.lengths.insert(node, 0);
        self.change(at, self.parent(name), Effect::Name { name, node: Some(node) });
    }

    fn change(&mut self, call: usize, of: Node, effect: Effect<'a>) {
        self.pending.push(Change { call, done: false, of, effect });
    }

    fn end(&mut self, at: usize) {
        if let Some(change) = self.pending.iter_mut().rfind(|change| change.call == at) {
            change.done = true;
        }
        let Some(covered) = self.covered.remove(&at) else { return };
        for change in self.pending.extract_if(.., |change| covered.contains(&change.call)) {
            self.settled.apply(change.effect);
        }
    }

    /// Writes to `dir` what is left if the power fails now. Without `chance`, everything that may be lost is lost.
    pub fn leave(&self, dir: &Path, mut chance: Option<&mut Chance>) {
        let mut state = self.settled.clone();
        for change in &self.pending {
            let Some(chance) = chance.as_deref_mut() else { continue };
            match (chance.below(3), change.effect) {
                (0, _) => {}
                (1, Effect::Write { node, offset, data }) => {
                    let end = (offset + chance.below(data.len() as u64 + 1)) / SECTOR * SECTOR;
                    let torn = usize::try_from(end.saturating_sub(offset)).unwrap();
                    state.apply(Effect::Write { node, offset, data: &data[..torn] });
                }
                (_, effect) => state.apply(effect),
            }
        }
        for (name, node) in &state.names {
            let path = dir.join(name);
            if self.directories.contains(node) {
                fs::create_dir(path).unwrap();
            } else if path.parent().is_some_and(Path::exists) {
                fs::write(path, state.contents.get(node).map_or(&[][..], Vec::as_slice)).unwrap();
            }
        }
    }
}

/// A generator of numbers that look random and are the same in every run (SplitMix64).
pub struct Chance(pub u64);

impl Chance {
    /// Returns a number from 0 up to, but not including, `bound`.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }
}
