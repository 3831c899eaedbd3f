//! Finds violations of the rules.

use super::names::{Named, Role, Space};
use super::resolve::{self, End};
use super::tree::{Id, ROOT, Tree};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Violation {
    file: String,
    line: usize,
    path: String,
    rule: char,
    why: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, line, path, rule, why } = self;
        write!(f, "{file}:{line}: {path}: rule {rule}: {why}")
    }
}

/// Something that a path reveals about its module.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fact {
    /// Of the children of `of`, the one that contains the module needs another.
    Edge { of: Id, from: Id, to: Id },
    /// The module needs something that a module above it defines itself.
    Above(Id),
}

/// For each module, which of its children need which others.
type Edges = BTreeMap<Id, BTreeMap<Id, BTreeSet<Id>>>;

pub(crate) fn check(tree: &Tree, order: &[&str]) -> Vec<Violation> {
    let mut facts = Vec::new();
    let mut edges = Edges::new();
    for id in 0..tree.modules.len() {
        for named in &tree.modules[id].named {
            for fact in news(tree, id, named) {
                if let Fact::Edge { of, from, to } = fact {
                    edges.entry(of).or_default().entry(from).or_default().insert(to);
                }
                facts.push((id, named, fact));
            }
        }
    }
    let mut violations = unlisted(tree, order);
    for (id, named, fact) in facts {
        if let Some((rule, why)) = judge(tree, order, &edges, id, fact) {
            let file = tree.modules[id].file.clone();
            violations.push(Violation { file, line: named.line, path: shown(named), rule, why });
        }
    }
    violations.sort();
    violations.dedup();
    violations
}

fn shown(named: &Named) -> String {
    let path = named.segments.join("::");
    if matches!(named.role, Role::Glob) { format!("{path}::*") } else { path }
}

/// Checks rule d.
fn unlisted(tree: &Tree, order: &[&str]) -> Vec<Violation> {
    let root = &tree.modules[ROOT];
    let missing = root.children.keys().filter(|name| !order.contains(&name.as_str()));
    let missing = missing.map(|name| (name.clone(), "is not in the list"));
    let unknown = order.iter().filter(|name| !root.children.contains_key(**name));
    let unknown = unknown.map(|name| ((*name).to_owned(), "is in the list and is not a module"));
    let violation = |(path, why): (String, &str)| {
        let why = format!("`{path}` {why}");
        Violation { file: root.file.clone(), line: 1, path, rule: 'd', why }
    };
    missing.chain(unknown).map(violation).collect()
}

/// Returns what a path reveals beyond what the import at its start has already revealed.
fn news(tree: &Tree, from: Id, named: &Named) -> BTreeSet<Fact> {
    let mut facts = facts(tree, from, named);
    if facts.is_empty() {
        return facts;
    }
    let first = named.segments.first();
    for import in &tree.modules[from].named {
        let is_known = match &import.role {
            Role::Import(bound) => Some(bound) == first && !std::ptr::eq(import, named),
            Role::Glob => !matches!(named.role, Role::Glob) && !is_anchored(named),
            Role::Mention(_) => false,
        };
        if is_known {
            let known = self::facts(tree, from, import);
            facts.retain(|fact| !known.contains(fact));
        }
    }
    facts
}

/// Returns whether a path states where it starts.
fn is_anchored(named: &Named) -> bool {
    named.segments.first().is_some_and(|first| ["crate", "self", "super"].contains(&first.as_str()))
}

fn facts(tree: &Tree, from: Id, named: &Named) -> BTreeSet<Fact> {
    let space = match named.role {
        Role::Mention(space) => space,
        Role::Import(_) => None,
        Role::Glob => Some(Space::Type),
    };
    let from_home = tree.home(from);
    let mut facts = BTreeSet::new();
    for target in resolve::targets(tree, from, &named.segments, space) {
        let (end, is_item) = match target.end {
            // A glob imports what the module itself defines.
            End::Module(id) => (Some(id), matches!(named.role, Role::Glob) || !tree.modules[id].owns_file),
            End::ItemOf(id) => (Some(id), true),
            End::Foreign => (None, false),
        };
        facts.extend(target.through.iter().chain(&end).filter_map(|id| edge(tree, from_home, *id)));
        if let Some(home) = end.map(|id| tree.home(id)).filter(|_| is_item)
            && home != from_home
            && tree.chain(from_home).contains(&home)
        {
            facts.insert(Fact::Above(home));
        }
    }
    facts
}

/// Returns where the paths from the root to two modules diverge, or `None` if one contains the other.
fn edge(tree: &Tree, from: Id, to: Id) -> Option<Fact> {
    let (from, to) = (tree.chain(from), tree.chain(tree.home(to)));
    let parted = from.iter().zip(&to).position(|(from, to)| from != to)?;
    Some(Fact::Edge { of: from[parted - 1], from: from[parted], to: to[parted] })
}

fn judge(tree: &Tree, order: &[&str], edges: &Edges, at: Id, fact: Fact) -> Option<(char, String)> {
    let name = |id: Id| tree.modules[id].name.as_str();
    match fact {
        Fact::Edge { of: ROOT, from, to } => {
            let place = |id| order.iter().position(|listed| *listed == name(id));
            // A module that is not in the list is a separate violation.
            (place(from)? < place(to)?)
                .then(|| ('a', format!("`{}` is below `{}` and may not name it", name(from), name(to))))
        }
        Fact::Edge { of, from, to } => {
            let back = way(&edges[&of], to, from)?;
            let around: Vec<&str> = [from].into_iter().chain(back).map(name).collect();
            Some(('b', format!("children of `{}` in a cycle: {}", tree.path(of), around.join(" → "))))
        }
        Fact::Above(ROOT) => {
            Some(('c', format!("`{}` names what the root file defines", tree.path(tree.home(at)))))
        }
        Fact::Above(above) => Some((
            'c',
            format!("`{}` names what `{}` above it defines", tree.path(tree.home(at)), tree.path(above)),
        )),
    }
}

/// Returns the shortest path from one module to another along their needs.
fn way(edges: &BTreeMap<Id, BTreeSet<Id>>, from: Id, to: Id) -> Option<Vec<Id>> {
    let mut before = BTreeMap::from([(from, None)]);
    let mut next = VecDeque::from([from]);
    while let Some(at) = next.pop_front() {
        if at == to {
            let mut way: Vec<Id> = std::iter::successors(Some(at), |at| before[at]).collect();
            way.reverse();
            return Some(way);
        }
        for needed in edges.get(&at).into_iter().flatten() {
            before.entry(*needed).or_insert_with(|| {
                next.push_back(*needed);
                Some(at)
            });
        }
    }
    None
}
