//! How far the write-ahead log may grow on a disk that has little room.

use super::connection::PAGE_SIZE;
use super::data_dir::DataDir;
use std::fs;
use std::io;
use std::path::Path;

/// Octets of a page's header in the log.
const FRAME_HEADER: u64 = 24;

/// What the database has, as a connection sees it.
#[derive(Clone, Copy)]
pub(super) struct Pages {
    /// All of them, also those that are in the log alone.
    pub(super) all: u64,
    /// Those of the log that its next commit stands behind.
    pub(super) in_log: u64,
}

/// How the log stands to the disk.
#[derive(Clone, Copy)]
pub(super) struct LogRoom {
    /// Octets that the log may grow by before the file system is full, so that all of it can still be copied into the
    /// database.
    pub(super) octets: u64,
    /// Octets that the database's file grows by when the log is copied.
    pub(super) uncopied: u64,
}

/// `free` is what the file system has, in octets.
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
