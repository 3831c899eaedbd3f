//! The schedule of messages: each is sent as soon as a session is free, or they are sent at a given rate.

use std::time::{Duration, Instant};

/// The end of a run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Until {
    /// After this many messages.
    Messages(u64),
    /// After this time. Messages that were started by then are still finished.
    Elapsed(Duration),
}

/// The time of the next message.
#[derive(Debug, PartialEq)]
pub(super) enum Due {
    /// Send it now, and count its latency from `since`.
    Now { number: u64, since: Instant },
    /// Not before this time.
    At(Instant),
    /// No message is left.
    Over,
}

/// A schedule that numbers the messages and says when each is due.
pub(super) struct Pace {
    start: Instant,
    until: Until,
    /// Messages per second. With a rate, a message is due at its own time whether or not a session is free, and its
    /// latency counts from then. A server that stalls is thus charged for all messages that became due meanwhile,
    /// and not only for those that a stalled client still sent ("coordinated omission").
    rate: Option<f64>,
    begun: u64,
}

impl Pace {
    pub(super) fn new(until: Until, rate: Option<f64>, start: Instant) -> Self {
        Self { start, until, rate, begun: 0 }
    }

    pub(super) fn begun(&self) -> u64 {
        self.begun
    }

    /// Takes the next message if it is due.
    pub(super) fn next(&mut self, now: Instant) -> Due {
        let since = match self.rate {
            Some(rate) => self.start + Duration::from_secs_f64(self.begun as f64 / rate),
            None => now,
        };
        let over = match self.until {
            Until::Messages(messages) => self.begun >= messages,
            Until::Elapsed(duration) => since.duration_since(self.start) >= duration,
        };
        if over {
            Due::Over
        } else if since > now {
            Due::At(since)
        } else {
            self.begun += 1;
            Due::Now { number: self.begun - 1, since }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_late_message_counts_from_when_it_was_due() {
        let start = Instant::now();
        let mut pace = Pace::new(Until::Messages(3), Some(2.0), start);
        assert_eq!(pace.next(start), Due::Now { number: 0, since: start });
        assert_eq!(pace.next(start), Due::At(start + SECOND / 2));
        let late = start + 9 * SECOND;
        assert_eq!(pace.next(late), Due::Now { number: 1, since: start + SECOND / 2 });
        assert_eq!(pace.next(late), Due::Now { number: 2, since: start + SECOND });
        assert_eq!((pace.next(late), pace.begun()), (Due::Over, 3));
    }

    #[test]
    fn a_duration_limits_due_messages_and_not_late_ones() {
        let start = Instant::now();
        let mut pace = Pace::new(Until::Elapsed(SECOND), Some(4.0), start);
        let late = start + 9 * SECOND;
        let due = std::iter::from_fn(|| matches!(pace.next(late), Due::Now { .. }).then_some(())).count();
        assert_eq!(due, 4);
        let mut pace = Pace::new(Until::Elapsed(SECOND), None, start);
        assert_eq!(pace.next(start), Due::Now { number: 0, since: start });
        assert_eq!(pace.next(start + SECOND), Due::Over);
    }
}
