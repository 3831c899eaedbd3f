//! The location of other programs that xtask installs for the tests.

use std::path::PathBuf;

/// Returns the path that xtask passed in an environment variable, or else the path `name` in `peers`, below the target
/// folder that this test was built into. A plain `cargo test` finds there what xtask has installed.
pub fn installed(variable: &str, name: &str) -> PathBuf {
    std::env::var_os(variable).map(PathBuf::from).unwrap_or_else(|| {
        let test = std::env::current_exe().unwrap();
        let target = test.ancestors().nth(3).expect("a test is in `deps` of a profile of the target folder");
        target.join("peers").join(name)
    })
}
