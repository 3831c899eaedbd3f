//! A clock that a test sets.

use listgate::queue::Clock;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime};

/// A clock that runs at a settable offset from the system's clock. Clones share the offset.
///
/// A `listgate` command is a separate process and uses the system's clock. Timestamps that this clock made
/// while it was behind look old to it.
#[derive(Clone, Default)]
pub struct TestClock {
    /// Milliseconds by which it is ahead of the system's clock; negative if it is behind.
    ahead: Arc<AtomicI64>,
}

impl TestClock {
    /// Returns its current time.
    pub fn now(&self) -> SystemTime {
        now(&self.ahead)
    }

    /// Moves the clock forward.
    pub fn advance(&self, by: Duration) {
        self.ahead.fetch_add(milliseconds(by), Ordering::SeqCst);
    }

    /// Moves the clock back.
    pub fn set_back(&self, by: Duration) {
        self.ahead.fetch_sub(milliseconds(by), Ordering::SeqCst);
    }

    /// Returns this clock for use by the library.
    pub fn handle(&self) -> Clock {
        let ahead = Arc::clone(&self.ahead);
        Clock::new(move || now(&ahead))
    }
}

fn now(ahead: &AtomicI64) -> SystemTime {
    let ahead = ahead.load(Ordering::SeqCst);
    let by = Duration::from_millis(ahead.unsigned_abs());
    if ahead < 0 { SystemTime::now() - by } else { SystemTime::now() + by }
}

fn milliseconds(time: Duration) -> i64 {
    time.as_millis().try_into().unwrap()
}
