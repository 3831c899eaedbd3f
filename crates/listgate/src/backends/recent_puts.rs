//! Remembers recent puts by their keys, so that a put that is retried after its answer was lost stores nothing
//! twice.
//!
//! Keys are valid only while their gate runs, so this lives in memory.

use crate::limits;
use crate::model::DeliveryKey;
use std::collections::{BTreeMap, VecDeque};

/// The entries of the latest deliveries, as the backend identifies them.
pub(super) struct RecentPuts<E> {
    /// The entries by delivery and by place in it. This is one map because a vector for each delivery would cost an
    /// allocation for every message.
    entries: BTreeMap<(DeliveryKey, usize), E>,
    /// The keys in the order of their deliveries, oldest first.
    order: VecDeque<DeliveryKey>,
}

impl<E> Default for RecentPuts<E> {
    fn default() -> Self {
        Self { entries: BTreeMap::new(), order: VecDeque::new() }
    }
}

impl<E: Clone> RecentPuts<E> {
    /// Returns the entries of a delivery, one for each recipient, if it was noted and not yet forgotten.
    pub(super) fn get(&self, key: DeliveryKey) -> Option<Vec<E>> {
        let entries = self.entries.range((key, 0)..=(key, usize::MAX));
        let entries: Vec<E> = entries.map(|(_, entry)| entry.clone()).collect();
        (!entries.is_empty()).then_some(entries)
    }

    /// Notes the entries of a delivery that was stored. Forgets the oldest delivery beyond [`limits::RECENT_PUTS`].
    pub(super) fn note(&mut self, key: DeliveryKey, entries: impl IntoIterator<Item = E>) {
        let is_new = !self.entries.contains_key(&(key, 0));
        self.entries.extend(entries.into_iter().enumerate().map(|(place, entry)| ((key, place), entry)));
        if is_new {
            self.order.push_back(key);
        }
        if self.order.len() > limits::RECENT_PUTS
            && let Some(oldest) = self.order.pop_front()
        {
            for place in 0.. {
                if self.entries.remove(&(oldest, place)).is_none() {
                    break;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_puts_are_forgotten_beyond_the_bound() {
        let key = |n| DeliveryKey { gate: 1, n };
        let mut recent = RecentPuts::default();
        let last = limits::RECENT_PUTS as u64;
        (0..=last).for_each(|n| recent.note(key(n), [n, n + 1]));
        recent.note(key(last), [last, last + 1]);
        assert_eq!(recent.get(key(0)), None);
        assert_eq!(recent.get(key(1)), Some(vec![1, 2]));
        assert_eq!(recent.get(key(last)), Some(vec![last, last + 1]));
        assert_eq!(recent.entries.len(), 2 * limits::RECENT_PUTS);
    }
}
