//! Checks whether the files that a process holds open, or keeps using by path, are still the ones at their paths.
//!
//! A data directory may be moved away and replaced while a gate runs on it. From then on the gate writes into files
//! that no longer have a path, and its lock excludes no other gate. So the files are checked after each sync, before
//! anything is promised, and whenever free space is checked.

use crate::file_error::{During, FileError};
use crate::file_id::FileId;
use crate::model::StoreError;
use std::fmt;
use std::fs;
use std::io;
use std::path::PathBuf;

/// The files as they were when they were opened.
#[derive(Debug)]
pub(super) struct HeldFiles(Vec<(PathBuf, FileId)>);

impl HeldFiles {
    /// Records which files these paths name now.
    pub(super) fn at(paths: impl IntoIterator<Item = PathBuf>) -> Result<Self, FileError> {
        let note = |path: PathBuf| {
            let id = FileId::of(&path).during("look at", &path)?;
            Ok((path, id))
        };
        paths.into_iter().map(note).collect::<Result<_, _>>().map(Self)
    }

    /// # Errors
    /// A path now names another file or none, which is final. Or the path cannot be examined, which is not.
    pub(super) fn check(&self) -> Result<(), StoreError> {
        for (path, opened) in &self.0 {
            let replaced = match FileId::of(path) {
                Ok(now) if now == *opened => continue,
                Ok(_) => Replaced { path: path.clone(), removed: false, place: Place::of(*opened) },
                // ENOTDIR: a directory above it was replaced by a file.
                Err(why) if matches!(why.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                    Replaced { path: path.clone(), removed: true, place: Place::of(*opened) }
                }
                Err(source) => return Err(FileError::new("look at", path, source).into()),
            };
            return Err(StoreError::replaced(path, replaced));
        }
        Ok(())
    }
}

/// The error for an open file that is no longer the one at its path.
#[derive(Debug, thiserror::Error)]
pub(crate) struct Replaced {
    path: PathBuf,
    /// Whether the path names no file now.
    removed: bool,
    place: Place,
}

impl fmt::Display for Replaced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = std::path::absolute(&self.path).unwrap_or_else(|_| self.path.clone());
        let happened = if self.removed { "was moved away or removed" } else { "was replaced by another" };
        write!(f, "{} {happened} while it was in use; ", path.display())?;
        match &self.place {
            Place::Path(place) => write!(f, "what was stored before is in {}", place.display()),
            Place::Deleted => write!(f, "the file with what was stored before was deleted"),
            Place::Unknown => write!(f, "what was stored before is where the old file is"),
        }
    }
}

/// Where an open file is now.
#[derive(Debug)]
enum Place {
    Path(PathBuf),
    /// The file no longer has a name.
    Deleted,
    Unknown,
}

impl Place {
    /// Finds the file among the open files of this process (`/proc/self/fd`, Linux). It opens and closes none of
    /// them, because closing one would drop SQLite's locks.
    fn of(id: FileId) -> Self {
        let open = fs::read_dir("/proc/self/fd").into_iter().flatten().flatten();
        let mut same = open.map(|link| link.path()).filter(|link| FileId::of(link).is_ok_and(|it| it == id));
        match same.next().and_then(|link| fs::read_link(link).ok()) {
            Some(path) if path.exists() => Self::Path(path),
            Some(_) => Self::Deleted,
            None => Self::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;

    fn error_text(held: &HeldFiles) -> String {
        let why = held.check().unwrap_err();
        assert!(why.is_final());
        why.to_string()
    }

    #[test]
    fn a_file_that_was_moved_replaced_or_removed_is_a_final_error() {
        let dir = tempfile::tempdir().unwrap();
        let (path, moved) = (dir.path().join("a"), dir.path().join("b"));
        let file = File::create(&path).unwrap();
        let held = HeldFiles::at([path.clone()]).unwrap();
        held.check().unwrap();
        fs::rename(&path, &moved).unwrap();
        let place = moved.canonicalize().unwrap().display().to_string();
        assert!(error_text(&held).ends_with(&format!(
            "moved away or removed while it was in use; what was stored before is in {place}"
        )));
        fs::write(&path, "another").unwrap();
        assert!(error_text(&held).contains(" was replaced by another while "));
        fs::remove_file(&moved).unwrap();
        assert!(error_text(&held).ends_with("the file with what was stored before was deleted"));
        drop(file);
        assert!(HeldFiles::at([dir.path().join("none")]).is_err());
    }

    #[test]
    fn a_path_that_cannot_be_examined_is_a_temporary_failure() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x".repeat(200));
        fs::write(&path, "").unwrap();
        let mut held = HeldFiles::at([path]).unwrap();
        held.0[0].0 = dir.path().join("x".repeat(300));
        assert!(!held.check().unwrap_err().is_final());
    }
}
