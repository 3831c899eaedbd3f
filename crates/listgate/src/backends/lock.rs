//! The lock that admits only one gate to a data directory.

use crate::file_error::{During, FileError};
use crate::file_id::FileId;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, SystemTime};

/// The name of the lock file in a data directory.
const NAME: &str = "lock";

/// The operation that errors name when any step of locking fails.
const LOCK: &str = "lock";

/// The start of the second line of the lock file, before the directory that the file locks.
const SERVES: &str = "serves ";

/// Returns the path of a directory's lock file.
pub(super) fn path(dir: &Path) -> PathBuf {
    dir.join(NAME)
}

/// An exclusive lock on a data directory. The kernel releases it however the process ends.
#[derive(Debug)]
pub(super) struct Lock {
    path: PathBuf,
    _held: File,
}

/// Why a data directory cannot be locked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LockError {
    #[error("{} is held by {holder}: stop that gate first", dir.display())]
    Held { dir: PathBuf, holder: String },
    #[error(transparent)]
    File(#[from] FileError),
}

/// Returns how the process that holds the lock on a data directory describes itself. Takes a shared lock for an
/// instant.
pub(super) fn holder(dir: &Path) -> io::Result<Option<String>> {
    let mut file = match File::open(path(dir)) {
        Err(why) if why.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file?,
    };
    match file.try_lock_shared() {
        Ok(()) => Ok(None),
        Err(TryLockError::Error(why)) => Err(why),
        Err(TryLockError::WouldBlock) => read_holder(&mut file).map(Some),
    }
}

fn read_holder(file: &mut File) -> io::Result<String> {
    let mut text = String::new();
    file.read_to_string(&mut text)?;
    Ok(text.lines().next().unwrap_or_default().trim().to_owned())
}

/// The gate that holds a data directory.
#[derive(Debug)]
pub(crate) enum Holder {
    Nobody,
    /// It serves the files at the path. The text is how it describes itself.
    Serving(String),
    /// Its files are no longer those at the path: they were replaced, and the gate is ending.
    Replaced(String),
}

/// Returns the gate that holds the directory `dir`. It serves the files at the path if it has the file at `held`
/// open. Which files it has open can be seen only as far as the kernel shows them to this user (Linux).
pub(super) fn examine(dir: &Path, held: &Path) -> io::Result<Holder> {
    let Some(holder) = holder(dir)? else {
        return Ok(holder_of_another(dir).map_or(Holder::Nobody, Holder::Replaced));
    };
    let process = holder.split_once("(process ").and_then(|(_, rest)| rest.split_once(','));
    let open = process.map(|(id, _)| open_files(&Path::new("/proc").join(id))).unwrap_or_default();
    let is_open = |id| open.iter().any(|file| FileId::of(file).is_ok_and(|open| open == id));
    let is_served = open.is_empty() || FileId::of(held).is_ok_and(is_open);
    Ok(if is_served { Holder::Serving(holder) } else { Holder::Replaced(holder) })
}

/// Finds a gate that serves `dir` with a lock file that is no longer at the path.
fn holder_of_another(dir: &Path) -> Option<String> {
    let dir = dir.canonicalize().ok()?;
    let processes = fs::read_dir("/proc").ok()?.flatten().map(|process| process.path());
    let mut files = processes.flat_map(|process| open_files(&process));
    files.find_map(|file| {
        let name = fs::read_link(&file).ok()?;
        let name = name.file_name()?.to_str()?;
        if name.trim_end_matches(" (deleted)") != NAME {
            return None;
        }
        let text = fs::read_to_string(&file).ok()?;
        let (holder, serves) = text.split_once('\n')?;
        (serves.trim_end().strip_prefix(SERVES)? == dir.to_str()?).then(|| holder.to_owned())
    })
}

/// Returns the open files of a process, as links in its directory below /proc.
fn open_files(process: &Path) -> Vec<PathBuf> {
    fs::read_dir(process.join("fd")).into_iter().flatten().flatten().map(|file| file.path()).collect()
}

/// The pause before the second attempt at the lock: longer than `holder` keeps its shared lock.
const ASKED: Duration = Duration::from_millis(20);

impl Lock {
    /// Takes the lock and writes the holder into its file.
    pub(super) fn take(dir: &Path) -> Result<Self, LockError> {
        let path = path(dir);
        let mut file = loop {
            let file = Self::locked(dir, &path)?;
            let id = FileId::of_open(&file).during(LOCK, &path)?;
            // If the directory was replaced at this moment, no other process would find this lock.
            if FileId::of(&path).is_ok_and(|now| now == id) {
                break file;
            }
        };
        let since = humantime::format_rfc3339_seconds(SystemTime::now());
        let dir = dir.canonicalize().during(LOCK, &path)?;
        let holder = format!(
            "listgate serve (process {}, since {since})\n{SERVES}{}\n",
            std::process::id(),
            dir.display()
        );
        let written =
            file.set_len(0).and_then(|()| file.rewind()).and_then(|()| file.write_all(holder.as_bytes()));
        written.during(LOCK, &path)?;
        Ok(Self { path, _held: file })
    }

    fn locked(dir: &Path, path: &Path) -> Result<File, LockError> {
        let opened = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
        let mut file = opened.during(LOCK, path)?;
        let locked = file.try_lock().or_else(|_| {
            thread::sleep(ASKED);
            file.try_lock()
        });
        match locked {
            Ok(()) => Ok(file),
            Err(TryLockError::Error(source)) => Err(FileError::new(LOCK, path, source).into()),
            Err(TryLockError::WouldBlock) => {
                let holder = read_holder(&mut file).during(LOCK, path)?;
                Err(LockError::Held { dir: dir.to_owned(), holder })
            }
        }
    }

    /// Returns the path of the lock file.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}
