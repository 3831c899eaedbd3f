//! Files and folders of packages.

use crate::run::{Outcome, root};
use std::fs;
use std::path::Path;

/// Returns a file of `packaging/` with the words between at signs replaced.
pub(super) fn filled(template: &str, values: &[(&str, &str)]) -> Outcome<String> {
    let path = root().join("packaging").join(template);
    let text = fs::read_to_string(&path).map_err(|why| cannot("read", &path, &why))?;
    Ok(values.iter().fold(text, |text, (name, value)| text.replace(&format!("@{name}@"), value)))
}

pub(super) fn write(path: &Path, text: &str) -> Outcome {
    fs::write(path, text).map_err(|why| cannot("write", path, &why))
}

/// Makes a folder with those above it. If it is there, it is emptied.
pub(super) fn make_empty(folder: &Path) -> Outcome {
    if folder.exists() {
        fs::remove_dir_all(folder).map_err(|why| cannot("remove", folder, &why))?;
    }
    fs::create_dir_all(folder).map_err(|why| cannot("create", folder, &why))
}

pub(super) fn cannot(verb: &str, path: &Path, why: &dyn std::fmt::Display) -> String {
    format!("cannot {verb} {}: {why}", path.display())
}
