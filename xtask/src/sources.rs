//! The project's own files.

use crate::run::root;
use std::path::{Path, PathBuf};
use std::{fs, io};

/// What git, cargo, a gate and a reader of the tutorial keep in the project's folder.
const OTHERS: [&str; 4] = [".git", "target", "var", "tutorial"];

/// Returns the paths of all files of the project, without what others keep in its folder.
///
/// # Errors
/// A folder cannot be read.
pub fn all() -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    list(&root(), &mut files)?;
    Ok(files)
}

fn list(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if OTHERS.iter().any(|name| path.ends_with(name)) {
            continue;
        }
        if path.is_dir() {
            list(&path, files)?;
        } else if path.is_file() {
            files.push(path);
        }
    }
    Ok(())
}
