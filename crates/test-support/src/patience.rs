//! How long a test waits for something that must happen.

use std::time::{Duration, Instant};

/// Longer than any step of a test takes, so that a test that hangs fails.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until `so` returns true, and panics with `what` after [`PATIENCE`].
#[track_caller]
pub fn until(what: &str, mut so: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !so() {
        assert!(Instant::now() < end, "{what}: not in time");
        std::thread::sleep(Duration::from_millis(10));
    }
}
