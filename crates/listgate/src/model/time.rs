//! Times as they are stored and shown, and the clock that stamps them.

use crate::limits;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// What a backend stamps times with. A test may hand in one that it moves.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> SystemTime + Send + Sync>);

impl Clock {
    /// The clock that `now` reads.
    pub fn new(now: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    pub(crate) fn now(&self) -> SystemTime {
        (self.0)()
    }

    /// In milliseconds since 1970.
    pub(crate) fn milliseconds(&self) -> i64 {
        milliseconds(self.now())
    }
}

impl Default for Clock {
    /// The system's clock.
    fn default() -> Self {
        Self::new(SystemTime::now)
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}

/// When something that lasts a while is over: at a time, or once that time is further away than it can ever have
/// been, since the clock was set back. So nothing lasts longer than it can.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Due {
    /// Milliseconds since 1970.
    pub(crate) at: i64,
    /// In milliseconds: how long it lasts, and a little more, as clocks are corrected by a little now and then.
    pub(crate) span: i64,
}

impl Due {
    /// What lasts for `pause` from `now`, in milliseconds since 1970.
    pub(crate) fn after(now: i64, pause: Duration) -> Self {
        let ms = |time: Duration| i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
        let span = ms(pause.saturating_add(limits::CLOCK_TOLERANCE));
        Self { at: now.saturating_add(ms(pause)), span }
    }

    /// Whether it is over `now`, in milliseconds since 1970. The SQL of a backend says the same.
    pub(crate) fn is_over(self, now: i64) -> bool {
        self.at <= now || self.at.saturating_sub(now) > self.span
    }
}

/// Milliseconds since 1970.
pub(crate) fn milliseconds(time: SystemTime) -> i64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// The time that is so many milliseconds since 1970; what is before is 1970.
pub(crate) fn time_at(milliseconds: i64) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(u64::try_from(milliseconds).unwrap_or(0))
}

/// A time as RFC 3339, in milliseconds.
pub(crate) fn rfc3339(time: SystemTime) -> String {
    humantime::format_rfc3339_millis(time).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_is_over_at_its_end_and_once_the_clock_is_set_back_behind_its_beginning() {
        const MINUTE: i64 = 60_000;
        let due = Due::after(100 * MINUTE, Duration::from_secs(600));
        for (now, is_over) in [
            (100 * MINUTE, false),
            (110 * MINUTE - 1, false),
            (110 * MINUTE, true),
            (1000 * MINUTE, true),
            // A correction of the clock by up to a minute leaves it as it is.
            (99 * MINUTE, false),
            (99 * MINUTE - 1, true),
            (0, true),
        ] {
            assert_eq!(due.is_over(now), is_over, "{now}");
        }
        assert!(!Due::after(0, Duration::MAX).is_over(i64::MAX - 1));
    }
}
