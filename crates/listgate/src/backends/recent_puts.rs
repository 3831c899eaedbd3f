//! What was put lately: a put whose answer was lost comes again with its key, and stores nothing twice.
//!
//! A key lives no longer than the gate that gave it, and neither does this.

use crate::limits;
use crate::model::DeliveryKey;
use std::collections::{HashMap, VecDeque};

/// The entries that the latest deliveries became, as a backend names them.
pub(super) struct RecentPuts<E> {
    entries: HashMap<DeliveryKey, Vec<E>>,
    /// The keys in the order of their deliveries, oldest first.
    order: VecDeque<DeliveryKey>,
}

impl<E> Default for RecentPuts<E> {
    fn default() -> Self {
        Self { entries: HashMap::new(), order: VecDeque::new() }
    }
}

impl<E> RecentPuts<E> {
    pub(super) fn get(&self, key: DeliveryKey) -> Option<&[E]> {
        self.entries.get(&key).map(Vec::as_slice)
    }

    /// Notes a delivery that is stored, and forgets the oldest beyond [`limits::RECENT_PUTS`].
    pub(super) fn note(&mut self, key: DeliveryKey, entries: Vec<E>) {
        if self.entries.insert(key, entries).is_none() {
            self.order.push_back(key);
        }
        if self.order.len() > limits::RECENT_PUTS
            && let Some(oldest) = self.order.pop_front()
        {
            self.entries.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_are_forgotten_beyond_the_bound() {
        let key = |n| DeliveryKey { gate: 1, n };
        let mut recent = RecentPuts::default();
        let last = limits::RECENT_PUTS as u64;
        (0..=last).for_each(|n| recent.note(key(n), vec![n]));
        recent.note(key(last), vec![last]);
        assert_eq!(recent.get(key(0)), None);
        assert_eq!(recent.get(key(1)), Some(&[1][..]));
        assert_eq!(recent.get(key(last)), Some(&[last][..]));
        assert_eq!(recent.entries.len(), limits::RECENT_PUTS);
    }
}
