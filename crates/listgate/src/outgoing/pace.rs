//! Keeps the way out below a maximum rate.

use crate::limits;
use std::time::{Duration, Instant};

/// When the next transaction may start, so that all connections together offer no more recipients in a second than they
/// may.
///
/// Each transaction takes the time that its recipients may take, and the next one starts after that. A transaction has at
/// most as many recipients as may be offered in a second.
#[derive(Debug)]
pub(super) struct Pace {
    /// The maximum number of recipients in a second; `None`: no limit.
    per_second: Option<u32>,
    /// The end of the time that the transactions so far may take.
    taken_until: Option<Instant>,
}

impl Pace {
    pub(super) fn new(per_second: Option<u32>) -> Self {
        Self { per_second, taken_until: None }
    }

    /// Returns the maximum number of recipients of a transaction: those of a second.
    pub(super) fn most_at_once(&self) -> usize {
        self.per_second.and_then(|rate| usize::try_from(rate).ok()).unwrap_or(usize::MAX)
    }

    /// Returns until when the next transaction waits, or `None` if it may start now.
    pub(super) fn waits_until(&self, now: Instant) -> Option<Instant> {
        self.taken_until.filter(|until| *until > now)
    }

    /// Notes that a transaction has started, and how many recipients it has.
    pub(super) fn started(&mut self, recipients: usize, now: Instant) {
        let Some(rate) = self.per_second else { return };
        let time = Duration::from_secs(recipients as u64) / rate;
        // Timers are a little late, which must not make the rate lower.
        let late = self.taken_until.map_or(Duration::ZERO, |until| now.saturating_duration_since(until));
        self.taken_until = Some(now - late.min(limits::RATE_SLACK) + time);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns when each of so many transactions starts, in milliseconds, if timers are late by `late`.
    fn starts(rate: u32, recipients: usize, transactions: usize, late: Duration) -> Vec<u128> {
        let start = Instant::now();
        let mut pace = Pace::new(Some(rate));
        let mut now = start;
        let mut starts = Vec::new();
        for _ in 0..transactions {
            if let Some(until) = pace.waits_until(now) {
                now = until + late;
            }
            assert_eq!(pace.waits_until(now), None);
            pace.started(recipients, now);
            starts.push((now - start).as_millis());
        }
        starts
    }

    #[test]
    fn transactions_start_when_those_before_have_had_their_time() {
        assert_eq!(starts(100, 100, 4, Duration::ZERO), [0, 1000, 2000, 3000]);
        assert_eq!(starts(100, 1, 4, Duration::ZERO), [0, 10, 20, 30]);
        assert_eq!(starts(1, 1, 3, Duration::ZERO), [0, 1000, 2000]);
    }

    #[test]
    fn late_timers_do_not_lower_the_rate() {
        let starts = starts(5000, 1, 5001, Duration::from_millis(1));
        assert!((1000..1010).contains(&starts[5000]), "{}", starts[5000]);
    }

    #[test]
    fn a_pause_does_not_allow_more_afterwards() {
        let mut pace = Pace::new(Some(10));
        let start = Instant::now();
        pace.started(10, start);
        let later = start + Duration::from_secs(3600);
        assert_eq!(pace.waits_until(later), None);
        pace.started(10, later);
        assert_eq!(pace.waits_until(later), Some(later + Duration::from_secs(1) - limits::RATE_SLACK));
    }

    #[test]
    fn without_a_limit_nothing_waits() {
        let mut pace = Pace::new(None);
        let now = Instant::now();
        pace.started(1_000_000, now);
        assert_eq!((pace.waits_until(now), pace.most_at_once()), (None, usize::MAX));
    }
}
