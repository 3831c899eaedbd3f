//! The manual pages and shell completions of Listgate, made from the definitions of its commands and from the table of
//! its configuration keys, so that nothing is written twice.
//!
//! [`files`] returns them, and the program `listgate-manual` writes them into a folder. They are not part of the
//! program `listgate`.

mod commands;
mod completions;
mod file;
mod keys;
mod page;

pub use file::File;

use std::fs;
use std::io;
use std::path::Path;

/// Returns all pages and completions. The same version always gives the same texts.
pub fn files() -> Vec<File> {
    let mut files = commands::pages();
    files.push(keys::page());
    files.extend(completions::scripts());
    files
}

/// Writes all pages and completions below a folder, which it creates if it is missing.
///
/// # Errors
/// A folder or a file cannot be written.
pub fn write(folder: &Path) -> io::Result<()> {
    for File { path, text } in files() {
        let path = folder.join(path);
        fs::create_dir_all(path.parent().expect("each file is in a folder"))?;
        fs::write(path, text)?;
    }
    Ok(())
}
