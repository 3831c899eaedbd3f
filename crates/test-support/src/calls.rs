//! System calls, as recorded by strace.

use std::collections::HashMap;
use std::ops::Range;

/// A system call. It starts at one line of the trace and ends at another.
#[derive(Debug)]
pub struct Call {
    /// The id of the thread that made it.
    pub process: u32,
    /// Its name, such as `pwrite64`.
    pub name: String,
    /// The path that its descriptor is open on, if it has or returns one.
    pub path: String,
    /// All octets that were passed to it.
    pub data: Vec<u8>,
    /// The arguments after the octets.
    pub rest: String,
    /// The result; -1 for a failure, or if the process ended first.
    pub result: i64,
    /// The line of the trace where it starts, counted from 0.
    pub began: usize,
    /// The line where it ends; `usize::MAX` if it never did.
    pub ended: usize,
}

impl Call {
    /// Returns whether this call writes octets to a file or a socket.
    pub fn is_write(&self) -> bool {
        matches!(self.name.as_str(), "write" | "writev" | "sendto" | "sendmsg" | "pwrite64")
    }

    /// Returns whether it wrote octets to this file.
    pub fn has_written(&self, path: &str) -> bool {
        let is_copy = matches!(self.name.as_str(), "copy_file_range" | "sendfile");
        let into = if is_copy { self.rest.contains(&format!("<{path}>")) } else { self.path == path };
        (is_copy || self.is_write()) && into && self.result >= 0
    }

    /// Returns whether the octets passed to it contain this text.
    pub fn has(&self, text: &str) -> bool {
        self.data.windows(text.len()).any(|window| window == text.as_bytes())
    }

    /// Returns the path that it operates on, open or named.
    pub fn about(&self) -> &str {
        if self.path.is_empty() { std::str::from_utf8(&self.data).unwrap_or_default() } else { &self.path }
    }

    /// Returns whether it is an fsync or an fdatasync.
    pub fn is_sync(&self) -> bool {
        matches!(self.name.as_str(), "fsync" | "fdatasync")
    }

    /// Returns whether it synced this file successfully.
    pub fn has_synced(&self, path: &str) -> bool {
        self.is_sync() && self.result == 0 && self.path == path
    }

    /// Returns the offset of a `pwrite64`, or the length of an `ftruncate`.
    pub fn last_number(&self) -> u64 {
        let number = self.rest.trim_end_matches(')').rsplit(", ").next().unwrap_or_default().parse();
        number.unwrap_or_else(|_| panic!("{}({:?}: it ends with no number", self.name, self.rest))
    }
}

/// Returns the calls in a trace by `strace -f -y`, in the order in which they started.
pub fn calls(trace: &str) -> Vec<Call> {
    let mut calls = Vec::new();
    let mut unfinished: HashMap<u32, (usize, &str)> = HashMap::new();
    for (at, line) in trace.lines().enumerate() {
        let Some((process, rest)) = line.split_once(' ') else { continue };
        let (process, rest) = (process.parse().unwrap(), rest.trim_start());
        if let Some(beginning) = rest.strip_suffix(" <unfinished ...>") {
            unfinished.insert(process, (at, beginning));
        } else if let Some(resumed) = rest.strip_prefix("<... ") {
            let (began, beginning) = unfinished.remove(&process).expect("only a started call is resumed");
            let (_, end) = resumed.split_once(" resumed>").unwrap();
            calls.extend(call(process, &format!("{beginning}{end}"), began..at));
        } else {
            calls.extend(call(process, rest, at..at));
        }
    }
    // The process died during these calls.
    calls.extend(
        unfinished
            .into_iter()
            .filter_map(|(process, (at, text))| call(process, &format!("{text}) = -1"), at..usize::MAX)),
    );
    calls.sort_by_key(|call| call.began);
    calls
}

fn call(process: u32, text: &str, lines: Range<usize>) -> Option<Call> {
    let (name, rest) = text.split_once('(')?;
    let (arguments, result) = rest.rsplit_once(" = ")?;
    // strace pads short lines to a column, and the end of a resumed call is often short.
    let arguments = arguments.trim_end();
    let (result, made) = result.split_once('<').unwrap_or((result, ""));
    let path = match arguments.split_once('<') {
        Some((descriptor, rest)) if descriptor.bytes().all(|octet| octet.is_ascii_digit()) => rest,
        _ => made,
    };
    Some(Call {
        process,
        name: name.to_owned(),
        path: path.split('>').next()?.to_owned(),
        data: quoted(arguments),
        rest: arguments.rsplit_once('"').map_or(arguments, |(_, rest)| rest).to_owned(),
        result: result.split(' ').next()?.parse().unwrap_or(-1),
        began: lines.start,
        ended: lines.end,
    })
}

/// Merges several traces by `strace -ttt` into one without the times.
pub fn merge(traces: &[String]) -> String {
    let mut lines: Vec<(&str, &str, &str)> = Vec::new();
    for line in traces.iter().flat_map(|trace| trace.lines()) {
        let (process, rest) = line.split_once(' ').unwrap();
        let (time, rest) = rest.trim_start().split_once(' ').unwrap();
        lines.push((time, process, rest));
    }
    lines.sort_by_key(|(time, ..)| *time);
    lines.iter().map(|(_, process, rest)| format!("{process} {rest}\n")).collect()
}

/// Returns the octets of all quoted strings, with strace's escapes decoded.
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

/// The calls that change a directory or report something, for `strace -e trace=`. Those with a question mark
/// do not exist on every machine.
pub const CALLS: &str = "openat,?mkdir,mkdirat,write,writev,sendto,sendmsg,pwrite64,pwritev,ftruncate,\
                     fsync,fdatasync,?unlink,unlinkat,?rename,renameat,renameat2";
