//! System calls, as strace writes them down.

use crate::support::{Server, Site};
use crate::tools::until;
use std::collections::HashMap;
use std::fs;
use std::ops::Range;
use std::path::Path;
use std::process::Command;

/// One system call. It began at one line of the trace and ended at another.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) name: String,
    /// What its descriptor is open on, where it has one or makes one.
    pub(crate) path: String,
    /// All octets that it was given.
    pub(crate) data: Vec<u8>,
    pub(crate) result: i64,
    pub(crate) began: usize,
    pub(crate) ended: usize,
}

impl Call {
    pub(crate) fn is_write(&self) -> bool {
        matches!(self.name.as_str(), "write" | "writev" | "sendto" | "sendmsg" | "pwrite64")
    }

    pub(crate) fn has(&self, text: &str) -> bool {
        self.data.windows(text.len()).any(|window| window == text.as_bytes())
    }

    pub(crate) fn has_synced(&self, path: &str) -> bool {
        matches!(self.name.as_str(), "fsync" | "fdatasync") && self.result == 0 && self.path == path
    }
}

/// The calls of a trace by `strace -f -y`, in the order in which they began.
pub(crate) fn calls(trace: &str) -> Vec<Call> {
    let mut calls = Vec::new();
    let mut unfinished: HashMap<u32, (usize, &str)> = HashMap::new();
    for (at, line) in trace.lines().enumerate() {
        let Some((process, rest)) = line.split_once(' ') else { continue };
        let (process, rest) = (process.parse().unwrap(), rest.trim_start());
        if let Some(beginning) = rest.strip_suffix(" <unfinished ...>") {
            unfinished.insert(process, (at, beginning));
        } else if let Some(resumed) = rest.strip_prefix("<... ") {
            let (began, beginning) = unfinished.remove(&process).expect("what is resumed was begun");
            let (_, end) = resumed.split_once(" resumed>").unwrap();
            calls.extend(call(&format!("{beginning}{end}"), began..at));
        } else {
            calls.extend(call(rest, at..at));
        }
    }
    // The process died in the middle of these.
    calls.extend(
        unfinished.into_iter().filter_map(|(_, (at, text))| call(&format!("{text}) = -1"), at..usize::MAX)),
    );
    calls.sort_by_key(|call| call.began);
    calls
}

fn call(text: &str, lines: Range<usize>) -> Option<Call> {
    let (name, rest) = text.split_once('(')?;
    let (arguments, result) = rest.rsplit_once(" = ")?;
    let (result, made) = result.split_once('<').unwrap_or((result, ""));
    let path = match arguments.split_once('<') {
        Some((descriptor, rest)) if descriptor.bytes().all(|octet| octet.is_ascii_digit()) => rest,
        _ => made,
    };
    Some(Call {
        name: name.to_owned(),
        path: path.split('>').next()?.to_owned(),
        data: quoted(arguments),
        result: result.split(' ').next()?.parse().unwrap_or(-1),
        began: lines.start,
        ended: lines.end,
    })
}

/// The octets of every string in quotes, as strace escapes them.
fn quoted(arguments: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut octets = arguments.bytes().peekable();
    let mut inside = false;
    while let Some(octet) = octets.next() {
        match octet {
            b'"' => inside = !inside,
            _ if !inside => {}
            b'\\' => match octets.next().unwrap() {
                b'n' => out.push(b'\n'),
                b'r' => out.push(b'\r'),
                b't' => out.push(b'\t'),
                b'v' => out.push(0x0b),
                b'f' => out.push(0x0c),
                digit @ b'0'..=b'7' => {
                    let mut value = u32::from(digit - b'0');
                    for _ in 0..2 {
                        let Some(digit) = octets.next_if(|octet| matches!(octet, b'0'..=b'7')) else { break };
                        value = value * 8 + u32::from(digit - b'0');
                    }
                    out.push(u8::try_from(value).unwrap());
                }
                other => out.push(other),
            },
            _ => out.push(octet),
        }
    }
    out
}

/// What changes a directory, or tells somebody. Not every machine has those with a question mark.
const CALLS: &str = "openat,?mkdir,mkdirat,write,writev,sendto,sendmsg,pwrite64,pwritev,ftruncate,\
                     fsync,fdatasync,?unlink,unlinkat,?rename,renameat,renameat2";

/// `listgate` on this data directory under an strace that writes down what is written, synced, made
/// and removed. Arguments may follow.
pub(crate) fn strace(site: &Site, trace: &Path, options: &[&str]) -> Command {
    let mut strace = Command::new("strace");
    strace.args(["-e", &format!("trace={CALLS}")]);
    strace.args(["-f", "-y", "-q", "-o"]).arg(trace).args(options);
    strace.arg("--").arg(env!("CARGO_BIN_EXE_listgate")).env("LISTGATE_DATA_DIR", site.data());
    strace
}

/// Waits for the end of a gate that was told to, and gives its trace.
pub(crate) fn finished(mut server: Server, trace: &Path) -> String {
    assert_eq!(server.wait(), Some(0));
    let pid = server.child.id().to_string();
    until("strace has written everything", || {
        let trace = fs::read_to_string(trace).unwrap();
        trace.lines().last().is_some_and(|line| line.starts_with(&pid) && line.ends_with("exited with 0 +++"))
    });
    fs::read_to_string(trace).unwrap()
}
