//! A file that is made.

use std::path::PathBuf;

/// A manual page, or the completions for a shell.
#[derive(Clone, Debug)]
pub struct File {
    /// Its place: `man1/NAME.1`, `man5/NAME.5`, or `bash`, `zsh` or `fish` with the name that the shell looks for.
    pub path: PathBuf,
    /// The text: roff, or a script.
    pub text: String,
}
