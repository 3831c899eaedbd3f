//! Remembers recent puts by their keys, so that a put that is retried after its answer was lost stores nothing
//! twice.
//!
//! Keys are valid only while their gate runs, so this lives in memory.

use crate::limits;
use crate::model::DeliveryKey;
use foldhash::HashSet;
use std::collections::VecDeque;

/// The entries of the latest deliveries, as the backend identifies them.
pub(super) struct RecentPuts<E> {
    /// The entries, those of the oldest delivery first. Almost no put is retried, so a search in all of them is fast
    /// enough.
    entries: VecDeque<(DeliveryKey, E)>,
    /// The deliveries of these entries.
    keys: HashSet<DeliveryKey>,
}

impl<E> Default for RecentPuts<E> {
    fn default() -> Self {
        Self { entries: VecDeque::new(), keys: HashSet::default() }
    }
}

impl<E: Clone> RecentPuts<E> {
    /// Returns the entries of a delivery, one for each recipient, if it was noted and not yet forgotten.
    pub(super) fn get(&self, key: DeliveryKey) -> Option<Vec<E>> {
        let of_it = self.entries.iter().filter(|(of, _)| *of == key);
        self.keys.contains(&key).then(|| of_it.map(|(_, entry)| entry.clone()).collect())
    }

    /// Notes the entries of a delivery that was stored, unless it is noted already. Forgets the oldest delivery beyond
    /// [`limits::RECENT_PUTS`].
    pub(super) fn note(&mut self, key: DeliveryKey, entries: impl IntoIterator<Item = E>) {
        let mut entries = entries.into_iter().map(|entry| (key, entry)).peekable();
        if entries.peek().is_none() || !self.keys.insert(key) {
            return;
        }
        self.entries.extend(entries);
        if self.keys.len() > limits::RECENT_PUTS {
            let oldest = self.entries.front().expect("each key has an entry").0;
            self.keys.remove(&oldest);
            while self.entries.front().is_some_and(|(of, _)| *of == oldest) {
                self.entries.pop_front();
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
        recent.note(key(last), [0]);
        recent.note(key(last + 1), []);
        assert_eq!(recent.get(key(0)), None);
        assert_eq!(recent.get(key(1)), Some(vec![1, 2]));
        assert_eq!(recent.get(key(last)), Some(vec![last, last + 1]));
        assert_eq!(recent.get(key(last + 1)), None);
        assert_eq!((recent.keys.len(), recent.entries.len()), (limits::RECENT_PUTS, 2 * limits::RECENT_PUTS));
    }
}
