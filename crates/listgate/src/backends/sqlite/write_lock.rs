//! Whether the database can be written, and which process prevents it.

use super::connection;
use super::data_dir::DataDir;
use rusqlite::ErrorCode;
use std::fmt;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

/// The octet of the log's index that SQLite locks for a write transaction (SQLite's WAL-index format, section 2.2).
const WRITE_LOCK: u64 = 120;

/// The state of the write lock.
#[derive(Debug)]
pub(crate) enum WriteLock {
    Free,
    /// Held by the given process; `None` if the system does not show it, for example because it runs in another
    /// container.
    Held(Option<Process>),
}

/// A process, and the name of its program.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Process {
    id: u32,
    name: String,
}

impl fmt::Display for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (process {})", self.name, self.id)
    }
}

impl WriteLock {
    /// Waits for the write lock and releases it. Nothing is written.
    ///
    /// # Errors
    /// The database cannot be opened for writing, or cannot be read.
    pub(crate) fn of(data: &DataDir, patience: Duration) -> rusqlite::Result<Self> {
        let connection = connection::to_be_locked(&data.database(), patience)?;
        match connection.execute_batch("BEGIN IMMEDIATE; ROLLBACK") {
            Ok(()) => Ok(Self::Free),
            Err(why) if why.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) => {
                Ok(Self::Held(holder(&data.index())))
            }
            Err(why) => Err(why),
        }
    }
}

/// Finds the holder in `/proc/locks` (proc_locks(5)). This does not open the index, because closing it would drop
/// this process's own locks.
fn holder(index: &Path) -> Option<Process> {
    let inode = fs::metadata(index).ok()?.ino();
    let locks = fs::read_to_string("/proc/locks").ok()?;
    let id = locks.lines().find_map(|line| locker(line, inode))?;
    let name = fs::read_to_string(format!("/proc/{id}/comm")).ok()?;
    Some(Process { id, name: name.trim_end().to_owned() })
}

/// Returns the process in a line such as `1: POSIX  ADVISORY  WRITE 4711 fe:00:5619929 120 120`, if the line is the
/// write lock on the file with this inode.
fn locker(line: &str, inode: u64) -> Option<u32> {
    let [_, "POSIX", _, "WRITE", id, file, first, last] = line.split_whitespace().collect::<Vec<_>>()[..]
    else {
        return None;
    };
    let covers = first.parse::<u64>().is_ok_and(|first| first <= WRITE_LOCK)
        && (last == "EOF" || last.parse::<u64>().is_ok_and(|last| WRITE_LOCK <= last));
    let is_ours = file.rsplit(':').next()?.parse() == Ok(inode);
    if covers && is_ours { id.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_names_the_process_that_has_the_write_lock() {
        for (line, found) in [
            ("1: POSIX  ADVISORY  WRITE 4711 fe:00:17 120 120", Some(4711)),
            ("1: POSIX  ADVISORY  WRITE 4711 fe:00:17 0 EOF", Some(4711)),
            ("1: POSIX  ADVISORY  WRITE 4711 fe:00:17 121 121", None),
            ("1: POSIX  ADVISORY  WRITE 4711 fe:00:18 120 120", None),
            ("1: POSIX  ADVISORY  READ 4711 fe:00:17 120 120", None),
            ("1: FLOCK  ADVISORY  WRITE 4711 fe:00:17 0 EOF", None),
            ("1: -> POSIX  ADVISORY  WRITE 4711 fe:00:17 120 120", None),
            ("", None),
        ] {
            assert_eq!(locker(line, 17), found, "{line}");
        }
    }
}
