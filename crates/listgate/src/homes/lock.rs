//! One gate for each data directory.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, SystemTime};

/// An exclusive lock on a data directory; the kernel releases it however the process ends.
#[derive(Debug)]
pub(super) struct Lock(#[expect(dead_code, reason = "held, never read")] File);

/// Why a data directory cannot be had.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LockError {
    #[error("{} is held by {holder}: stop that gate first", dir.display())]
    Held { dir: PathBuf, holder: String },
    #[error("cannot lock {}: {source}", path.display())]
    File { path: PathBuf, source: io::Error },
}

/// Who holds the lock on a data directory, in its own words. Asking takes a shared lock for an
/// instant.
pub(super) fn holder(dir: &Path) -> io::Result<Option<String>> {
    let mut file = match File::open(dir.join("lock")) {
        Err(why) if why.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file?,
    };
    match file.try_lock_shared() {
        Ok(()) => Ok(None),
        Err(TryLockError::Error(why)) => Err(why),
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            file.read_to_string(&mut holder)?;
            Ok(Some(holder.trim().to_owned()))
        }
    }
}

/// Longer than `holder` takes.
const ASKED: Duration = Duration::from_millis(20);

impl Lock {
    /// Takes the lock and writes down who has it.
    pub(super) fn take(dir: &Path) -> Result<Self, LockError> {
        let path = dir.join("lock");
        let failed = |source| LockError::File { path: path.clone(), source };
        let opened = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
        let mut file = opened.map_err(failed)?;
        let locked = file.try_lock().or_else(|_| {
            thread::sleep(ASKED);
            file.try_lock()
        });
        match locked {
            Ok(()) => {}
            Err(TryLockError::Error(source)) => return Err(failed(source)),
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                file.read_to_string(&mut holder).map_err(failed)?;
                return Err(LockError::Held { dir: dir.to_owned(), holder: holder.trim().to_owned() });
            }
        }
        let since = humantime::format_rfc3339_seconds(SystemTime::now());
        let holder = format!("listgate serve (process {}, since {since})\n", std::process::id());
        let written =
            file.set_len(0).and_then(|()| file.rewind()).and_then(|()| file.write_all(holder.as_bytes()));
        written.map_err(failed)?;
        Ok(Self(file))
    }
}
