//! How far the write-ahead log may grow on a disk with little free space.

use super::connection::PAGE_SIZE;
use super::data_dir::DataDir;
use std::fs;
use std::io;
use std::path::Path;

/// Octets of the header of each page in the log.
const FRAME_HEADER: u64 = 24;

/// The sizes of the database and its log, as a connection sees them.
#[derive(Clone, Copy)]
pub(super) struct Pages {
    /// All pages of the database, including those that are only in the log.
    pub(super) all: u64,
    /// Pages in the log before the point where the next commit is written.
    pub(super) in_log: u64,
}

/// How far the log may grow, and how far the database has to.
#[derive(Clone, Copy)]
pub(super) struct LogRoom {
    /// Octets that the log may grow by such that all of it can still be copied into the database before the file
    /// system is full.
    pub(super) octets: u64,
    /// Octets that the database file grows by when the log is copied into it.
    pub(super) uncopied: u64,
}

/// Calculates the [`LogRoom`]. `free` is the free space of the file system in octets.
pub(super) fn log_room(data: &DataDir, pages: Pages, free: u64) -> io::Result<LogRoom> {
    let (database, log) = (length(&data.database())?, length(&data.log())?);
    let rest_of_log = log.saturating_sub(pages.in_log * (PAGE_SIZE + FRAME_HEADER));
    let uncopied = (pages.all * PAGE_SIZE).saturating_sub(database);
    Ok(LogRoom { octets: (free + rest_of_log).saturating_sub(uncopied), uncopied })
}

fn length(path: &Path) -> io::Result<u64> {
    match fs::metadata(path) {
        Err(why) if why.kind() == io::ErrorKind::NotFound => Ok(0),
        metadata => Ok(metadata?.len()),
    }
}
