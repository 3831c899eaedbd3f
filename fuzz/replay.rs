//! Replays a fuzz target's corpus. The tests of each crate with targets include this file.

use std::{fs, path::Path};

/// Checks every input in the corpus of `target`, including those that once failed.
pub(super) fn replay(target: &str, holds: fn(&[u8])) {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
    let mut count = 0;
    for input in fs::read_dir(&corpus).unwrap() {
        let path = input.unwrap().path();
        eprintln!("{}", path.display());
        holds(&fs::read(path).unwrap());
        count += 1;
    }
    assert!(count > 0, "{} is empty", corpus.display());
}
