//! Times as they are stored and shown, and the clock that they are taken from.

use crate::limits;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The clock from which a backend takes its times. A test may supply one that it moves.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> SystemTime + Send + Sync>);

impl Clock {
    /// Makes a clock that reads `now`.
    pub fn new(now: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    pub(crate) fn now(&self) -> SystemTime {
        (self.0)()
    }

    /// Returns the current time in milliseconds since 1970.
    pub(crate) fn milliseconds(&self) -> i64 {
        milliseconds(self.now())
    }
}

impl Default for Clock {
    /// Returns the system's clock.
    fn default() -> Self {
        Self::new(SystemTime::now)
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}

/// The end of something that lasts for a limited time. It is over at `at`, and also if `at` is further away than it
/// can ever have been, because the clock was set back. So nothing lasts longer than it should.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Due {
    /// Milliseconds since 1970.
    pub(crate) at: i64,
    /// How long it lasts in milliseconds, plus a tolerance for small corrections of the clock.
    pub(crate) span: i64,
}

impl Due {
    /// Returns the end of what lasts for `pause` from `now`, in milliseconds since 1970.
    pub(crate) fn after(now: i64, pause: Duration) -> Self {
        let ms = |time: Duration| i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
        let span = ms(pause.saturating_add(limits::CLOCK_TOLERANCE));
        Self { at: now.saturating_add(ms(pause)), span }
    }

    /// Returns whether it is over at `now`, in milliseconds since 1970. The SQL of a backend uses the same rule.
    pub(crate) fn is_over(self, now: i64) -> bool {
        self.at <= now || self.at.saturating_sub(now) > self.span
    }
}

/// Returns a time in milliseconds since 1970.
pub(crate) fn milliseconds(time: SystemTime) -> i64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// Returns the time so many milliseconds after the start of 1970; a negative number gives the start of 1970.
pub(crate) fn time_at(milliseconds: i64) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(u64::try_from(milliseconds).unwrap_or(0))
}

/// Returns a time in RFC 3339 format, with milliseconds.
pub(crate) fn rfc3339(time: SystemTime) -> String {
    humantime::format_rfc3339_millis(time).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_ends_on_time_and_when_the_clock_is_set_back_before_its_start() {
        const MINUTE: i64 = 60_000;
        let due = Due::after(100 * MINUTE, Duration::from_secs(600));
        for (now, is_over) in [
            (100 * MINUTE, false),
            (110 * MINUTE - 1, false),
            (110 * MINUTE, true),
            (1000 * MINUTE, true),
            // Setting the clock back by up to a minute makes no difference.
            (99 * MINUTE, false),
            (99 * MINUTE - 1, true),
            (0, true),
        ] {
            assert_eq!(due.is_over(now), is_over, "{now}");
        }
        assert!(!Due::after(0, Duration::MAX).is_over(i64::MAX - 1));
    }
}
