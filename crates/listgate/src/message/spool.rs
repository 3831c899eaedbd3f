//! Spool files: files for bodies that are too large for a database row.

use crate::error_chain::Chain;
use crate::file_error::During;
use crate::model::StoreError;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// The directory of spool files.
#[derive(Clone, Debug)]
pub(crate) struct Spool {
    pub(super) dir: Arc<Path>,
    /// The start time, which makes file names unique among processes. `count` makes them unique within this
    /// process.
    started: u64,
    count: Arc<AtomicU64>,
}

impl Spool {
    pub(crate) fn new(dir: &Path) -> Self {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self {
            dir: dir.into(),
            started: u64::try_from(since_epoch.as_micros()).unwrap_or(u64::MAX),
            count: Arc::default(),
        }
    }

    pub(super) fn create(&self) -> Result<SpoolFile, StoreError> {
        let count = self.count.fetch_add(1, Ordering::Relaxed);
        let name = format!("{:x}-{count:x}", self.started);
        let path = self.dir.join(&name);
        let opened = OpenOptions::new().write(true).create_new(true).open(&path);
        let file = opened.during("create", &path)?;
        Ok(SpoolFile { file, unlink: Unlink(Some(path)), name, len: 0 })
    }
}

/// A guard that unlinks a file when dropped, unless the file is kept.
#[derive(Debug)]
struct Unlink(Option<PathBuf>);

impl Drop for Unlink {
    fn drop(&mut self) {
        if let Some(path) = &self.0
            && let Err(why) = fs::remove_file(path).during("remove", path)
        {
            tracing::warn!("{}; the next start will", Chain(&why));
        }
    }
}

/// A spool file that is still being written.
#[derive(Debug)]
pub(super) struct SpoolFile {
    file: File,
    unlink: Unlink,
    name: String,
    pub(super) len: u64,
}

impl SpoolFile {
    fn path(&self) -> &Path {
        self.unlink.0.as_deref().expect("only `keep` takes the path, and it consumes the file")
    }

    /// Overwrites octets that were appended before.
    pub(super) fn overwrite(&self, at: u64, octets: &[u8]) -> Result<(), StoreError> {
        assert!(at + octets.len() as u64 <= self.len, "only what was appended is written over");
        Ok(self.file.write_all_at(octets, at).during("write", self.path())?)
    }

    pub(super) fn append(&mut self, octets: &[u8]) -> Result<(), StoreError> {
        self.file.write_all(octets).during("write", self.path())?;
        self.len += octets.len() as u64;
        Ok(())
    }

    /// Syncs the file and then its directory, without which the file's name might not survive a crash.
    pub(super) fn sync(self, dir: &Path) -> Result<Spooled, StoreError> {
        self.file.sync_all().during("sync", self.path()).map_err(StoreError::sync)?;
        let opened = File::open(dir).during("open", dir)?;
        opened.sync_all().during("sync", dir).map_err(StoreError::sync)?;
        Ok(Spooled { unlink: self.unlink, name: self.name, len: self.len })
    }
}

/// A spool file whose octets and name are on stable storage. It is unlinked when dropped, unless it was kept
/// because a committed row names it.
#[derive(Debug)]
pub(crate) struct Spooled {
    unlink: Unlink,
    name: String,
    pub(super) len: u64,
}

impl Spooled {
    pub(crate) fn path(&self) -> &Path {
        self.unlink.0.as_deref().expect("only `keep` takes the path, and it consumes the file")
    }

    /// Returns the file's name within the spool directory.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Keeps the file when this is dropped: a committed row names it now.
    pub(crate) fn keep(&mut self) {
        self.unlink.0 = None;
    }
}
