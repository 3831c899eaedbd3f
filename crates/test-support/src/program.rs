//! The location of the program that the tests run.

use std::path::PathBuf;

/// Returns the path of the `listgate` program. Only integration tests of the `listgate` package can call
/// this: cargo builds the program before it runs them, into the folder above the one that holds the test.
///
/// # Panics
///
/// If the program is not there.
pub fn program() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let program = test.ancestors().nth(2).expect("a test is in `deps` of its profile").join("listgate");
    assert!(
        program.is_file(),
        "{} does not exist: only cargo's runs of the integration tests of `listgate` build it",
        program.display()
    );
    program
}
