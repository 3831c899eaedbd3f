//! One run of the command: its input, its time limit, how it ends, and what that means for the entry.

use super::look::{CommandError, is_misconfigured};
use super::reaper::Reaper;
use crate::error_chain::Chain;
use crate::file_error::During;
use crate::limits;
use crate::model::{Entry, Lease, Step, Verdict, rfc3339};
use crate::systemd;
use crate::work::body::Body;
use crate::work::processor::{Outcome, Processor};
use rustix::fs::{MemfdFlags, Mode, OFlags, memfd_create};
use rustix::process::{Pid, Signal, kill_process_group};
use std::collections::VecDeque;
use std::env;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Seek, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::process::{Child, ChildStderr, Command};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep, timeout};

/// EX_DATAERR of sysexits.h: the input is wrong, and a retry will not help.
const EX_DATAERR: i32 = 65;

/// The command, and what each run of it needs.
pub(super) struct Handler {
    pub(super) command: Vec<OsString>,
    pub(super) timeout: Duration,
    /// The data directory, for a command that calls `listgate`.
    pub(super) data: PathBuf,
    pub(super) reaper: Reaper,
}

/// How a run ended.
#[derive(Debug)]
struct Report {
    end: End,
    /// The last octets that the command wrote to standard error.
    output: String,
}

#[derive(Debug)]
enum End {
    Itself(ExitStatus),
    /// The command exceeded its time limit.
    TooLong,
    /// The worker stopped the command.
    Stopped,
}

impl Processor for Handler {
    async fn process(&self, lease: &Lease, body: Body, stopped: oneshot::Receiver<()>) -> Outcome {
        let message = match as_file(body, lease.entry.size).await {
            Ok(message) => message,
            Err(why) => return Outcome::Failed { why: Chain(&why).to_string() },
        };
        match self.run(&lease.entry, message, stopped).await {
            Ok(report) => report.outcome(lease, self.timeout),
            Err(source) if is_misconfigured(&source) => {
                let command = self.command.first().map(|name| name.to_string_lossy().into_owned());
                Outcome::Broken(CommandError::NotRun { command: command.unwrap_or_default(), source }.into())
            }
            Err(why) => Outcome::Failed { why: format!("cannot run it: {}", Chain(&why)) },
        }
    }
}

impl Handler {
    /// Runs the command for an entry until it ends, its time limit is reached, or `stopped` resolves.
    ///
    /// # Errors
    /// The command cannot be run.
    async fn run(
        &self,
        entry: &Entry,
        message: File,
        mut stopped: oneshot::Receiver<()>,
    ) -> io::Result<Report> {
        let mut child = self.spawn(entry, message)?;
        let group = Group::of(&child);
        self.reaper.began(group.0);
        let mut stderr = child.stderr.take();
        let mut tail = Tail::default();
        let mut ended = None;
        let over = sleep(self.timeout);
        tokio::pin!(over);
        let status = loop {
            tokio::select! {
                status = child.wait() => break status?,
                reading = tail.read(&mut stderr), if stderr.is_some() => if !reading { stderr = None },
                () = &mut over => {
                    group.end(ended.is_some());
                    ended.get_or_insert(End::TooLong);
                    over.as_mut().reset(Instant::now() + limits::GRACE_OF_A_COMMAND);
                }
                Ok(()) = &mut stopped, if ended.is_none() => {
                    group.end(false);
                    ended = Some(End::Stopped);
                    over.as_mut().reset(Instant::now() + limits::GRACE_OF_A_COMMAND);
                }
            }
        };
        if ended.is_some() {
            // Kill its children too.
            group.end(true);
        }
        // A process that it left in the background may keep its standard error open indefinitely.
        let rest = async { while tail.read(&mut stderr).await {} };
        let _ = timeout(limits::LAST_WORDS, rest).await;
        self.reaper.ended(group.0);
        Ok(Report { end: ended.unwrap_or(End::Itself(status)), output: tail.into_text() })
    }

    fn spawn(&self, entry: &Entry, message: File) -> io::Result<Child> {
        let (name, arguments) = self.command.split_first().expect("clap wants a command");
        let text = |key| entry.msgdata.get(key).and_then(serde_json::Value::as_str).unwrap_or_default();
        let mut command = Command::new(name);
        systemd::keep_from(command.as_std_mut());
        command
            .args(arguments)
            .env("LISTGATE_DATA_DIR", &self.data)
            .env("LISTGATE_ID", entry.id.to_string())
            .env("LISTGATE_QUEUE", entry.queue.as_str())
            .env("LISTGATE_LIST_ID", &entry.list_id)
            .env("LISTGATE_LISTNAME", text("listname"))
            .env("LISTGATE_SUBADDRESS", text("subaddress"))
            .env("LISTGATE_DETAIL", entry.detail.as_deref().unwrap_or_default())
            .env("LISTGATE_MAIL_FROM", stored(entry.mail_from.as_deref()))
            .env("LISTGATE_RECIPIENT", stored(entry.recipient.as_deref()))
            .env("LISTGATE_RECEIVED_AT", rfc3339(entry.received_at))
            .env("LISTGATE_MESSAGE_ID", stored(entry.message_id.as_deref()))
            .env("LISTGATE_ATTEMPT", entry.attempts.to_string())
            .env("LISTGATE_MSGDATA", serde_json::to_string(&entry.msgdata)?)
            .stdin(Stdio::from(message))
            .stderr(Stdio::piped())
            // In its own process group, so that Ctrl-C reaches only us and the whole group can be killed.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
    }
}

/// Returns a fact that every leasable entry has.
fn stored(fact: Option<&str>) -> &str {
    fact.expect("only entries of a Mailman site lack it, and those are not leased")
}

/// Writes the message to a file, so that a command that does not read it cannot block the worker.
async fn as_file(mut message: Body, size: u64) -> io::Result<File> {
    let mut file = if size <= limits::BODY_IN_MEMORY as u64 {
        File::from(memfd_create("message", MemfdFlags::CLOEXEC)?)
    } else {
        temporary_file()?
    };
    loop {
        let octets = message.next().await.map_err(io::Error::other)?;
        if octets.is_empty() {
            break;
        }
        file.write_all(&octets)?;
    }
    file.rewind()?;
    Ok(file)
}

/// Creates an unnamed temporary file on disk.
fn temporary_file() -> io::Result<File> {
    let dir = env::temp_dir();
    let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
    let file = rustix::fs::open(&dir, flags, Mode::RUSR | Mode::WUSR);
    let file = file.map_err(io::Error::from).during("create a temporary file in", &dir);
    file.map(File::from).map_err(io::Error::other)
}

/// A command's process group: the command, and its children unless they leave the group.
#[derive(Clone, Copy)]
struct Group(Pid);

impl Group {
    fn of(child: &Child) -> Self {
        let pid = child.id().and_then(|pid| Pid::from_raw(pid.try_into().ok()?));
        Self(pid.expect("a child that was not waited for has a process id"))
    }

    /// Asks the group to end, or kills it if `at_once` is set.
    fn end(self, at_once: bool) {
        // The group may have ended by itself.
        let _ = kill_process_group(self.0, if at_once { Signal::KILL } else { Signal::TERM });
    }
}

/// A buffer that keeps the last octets that were read.
#[derive(Default)]
struct Tail(VecDeque<u8>);

impl Tail {
    /// Reads more, and returns whether there may be still more. Cancel-safe: no octets are lost if the future is
    /// dropped.
    async fn read(&mut self, from: &mut Option<ChildStderr>) -> bool {
        let mut buffer = [0; 8192];
        let Some(from) = from else { return false };
        match from.read(&mut buffer).await {
            Ok(len) if len > 0 => {
                self.push(&buffer[..len]);
                true
            }
            _ => false,
        }
    }

    fn push(&mut self, octets: &[u8]) {
        self.0.extend(&octets[octets.len().saturating_sub(limits::STANDARD_ERROR)..]);
        let surplus = self.0.len().saturating_sub(limits::STANDARD_ERROR);
        self.0.drain(..surplus);
    }

    /// Returns the text. If its first line has lost its beginning and other lines follow, that line is left out.
    fn into_text(self) -> String {
        let octets: Vec<u8> = self.0.into();
        let text = String::from_utf8_lossy(&octets);
        let whole = match text.split_once('\n') {
            Some((_, rest)) if octets.len() == limits::STANDARD_ERROR && !rest.trim().is_empty() => rest,
            _ => &text,
        };
        whole.trim().to_owned()
    }
}

impl Report {
    /// Returns what a run means for its entry: exit code 0 is done, 65 is shunted, and anything else failed and
    /// is retried.
    fn outcome(self, lease: &Lease, limit: Duration) -> Outcome {
        let Self { end, output } = self;
        let with_output = |end: String| if output.is_empty() { end } else { format!("{end}: {output}") };
        let decided = |verdict| Outcome::Decided(Step::settling(lease.id(), verdict));
        let failed = |end| Outcome::Failed { why: with_output(end) };
        match end {
            // The command did not fail: the worker stopped it.
            End::Stopped => Outcome::Released,
            End::TooLong => failed(format!("it took longer than {}", humantime::format_duration(limit))),
            End::Itself(status) => match (status.code(), status.signal()) {
                (Some(0), _) => decided(Verdict::Done),
                (Some(EX_DATAERR), _) => {
                    decided(Verdict::Shunt { why: with_output(format!("exit code {EX_DATAERR}")) })
                }
                (Some(code), _) => failed(format!("exit code {code}")),
                (None, Some(signal)) => failed(format!("signal {signal}")),
                (None, None) => failed("an unknown end".to_owned()),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_lines_of_the_output_are_kept() {
        let mut tail = Tail::default();
        tail.push(b"a word\n");
        tail.push(&b"x\n".repeat(10_000));
        tail.push(b"first \xff\nlast\n\n");
        let text = tail.into_text();
        assert!(text.ends_with("x\nfirst \u{fffd}\nlast") && !text.contains("word"), "{text}");
        assert!(text.len() <= limits::STANDARD_ERROR);
        let mut tail = Tail::default();
        tail.push(&[b'x'; 10_000]);
        tail.push(b"y");
        assert!(tail.into_text().ends_with("xy"), "a line without an end is kept too");
    }
}
