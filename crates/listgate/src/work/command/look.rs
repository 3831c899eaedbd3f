//! Checks whether a command can be run, and names the fix if it cannot.

use rustix::fs::{Access, access};
use rustix::io::Errno;
use std::env;
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// The reason why a command cannot be run for any entry.
#[derive(Debug, thiserror::Error)]
pub(super) enum CommandError {
    #[error("command {0} not found: give its path, or add its directory to PATH")]
    Missing(String),
    #[error("command {0:?} not found: to run a line of shell, write `-- sh -c {0:?}`")]
    Shell(String),
    #[error("{0} is not executable for this user: `chmod +x {0}`")]
    NotExecutable(String),
    #[error("{0} is a directory: give the path of a command")]
    Directory(String),
    #[error("cannot run {command}; its entry waits again ({})", fix(source))]
    NotRun { command: String, source: io::Error },
}

/// Checks that the command exists and is executable, before any entry is leased for it.
pub(super) fn look_for(command: &OsStr) -> Result<(), CommandError> {
    let may_run = |path: &Path| path.is_file() && access(path, Access::EXEC_OK).is_ok();
    let shown = || command.to_string_lossy().into_owned();
    let path = Path::new(command);
    let is_there = if command.as_bytes().contains(&b'/') {
        may_run(path)
    } else {
        // Without PATH, the system uses a default of its own.
        env::var_os("PATH").is_none_or(|path| env::split_paths(&path).any(|dir| may_run(&dir.join(command))))
    };
    if is_there {
        Ok(())
    } else if path.is_dir() {
        Err(CommandError::Directory(shown()))
    } else if path.exists() && command.as_bytes().contains(&b'/') {
        Err(CommandError::NotExecutable(shown()))
    } else if command.as_bytes().iter().any(u8::is_ascii_whitespace) {
        Err(CommandError::Shell(shown()))
    } else {
        Err(CommandError::Missing(shown()))
    }
}

/// Returns how to fix a command that exists but cannot be run.
fn fix(why: &io::Error) -> &'static str {
    match Errno::from_io_error(why) {
        Some(Errno::NOENT) => "the interpreter behind its #! is not there",
        Some(Errno::NOEXEC) => {
            "a script begins with a line such as #!/bin/sh, a program is for this processor"
        }
        Some(Errno::TXTBSY) => "another process is writing it",
        Some(Errno::ACCESS | Errno::PERM) => "make it executable for this user, and its interpreter too",
        _ => "see to its path and its format",
    }
}

/// Returns whether the error (execve(2)) prevents the command from running for every entry. A lack of memory or
/// descriptors passes, and an environment that is too large concerns a single entry.
pub(super) fn is_misconfigured(why: &io::Error) -> bool {
    let of_the_command = [
        Errno::NOENT,
        Errno::ACCESS,
        Errno::PERM,
        Errno::NOEXEC,
        Errno::TXTBSY,
        Errno::LIBBAD,
        Errno::ISDIR,
        Errno::NOTDIR,
        Errno::LOOP,
        Errno::NAMETOOLONG,
    ];
    Errno::from_io_error(why).is_some_and(|errno| of_the_command.contains(&errno))
}
