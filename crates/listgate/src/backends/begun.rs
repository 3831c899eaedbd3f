//! The messages that sessions have begun. A commit may wait a moment for them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Counts the messages that have begun and that the store has not taken up yet.
///
/// It is one number, so that it changes in one step. The lower half is the count. The upper half is the round, which
/// changes whenever the count starts again at zero.
#[derive(Clone, Default, Debug)]
pub(super) struct BegunMail(Arc<AtomicU64>);

/// A message that has begun. It counts until this is dropped.
#[derive(Debug)]
pub(crate) struct Begun {
    mail: BegunMail,
    round: u64,
}

const COUNT: u64 = u32::MAX as u64;

impl BegunMail {
    /// Counts a message that begins.
    pub(super) fn begin(&self) -> Begun {
        let before = self.0.fetch_add(1, Ordering::Relaxed);
        Begun { mail: self.clone(), round: before & !COUNT }
    }

    /// Returns how many messages have begun and are not forgotten.
    pub(super) fn count(&self) -> usize {
        usize::try_from(self.0.load(Ordering::Relaxed) & COUNT).unwrap_or(usize::MAX)
    }

    /// Stops counting the messages that have begun so far, so that only one commit waits for a slow peer.
    pub(super) fn forget(&self) {
        let next_round = |now: u64| Some((now & !COUNT).wrapping_add(COUNT + 1));
        let _ = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next_round);
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        // If its round is over, it was forgotten already.
        let one_less = |now: u64| (now & !COUNT == self.round).then(|| now - 1);
        let _ = self.mail.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_counts_from_its_beginning_to_its_end() {
        let mail = BegunMail::default();
        let (first, second) = (mail.begin(), mail.begin());
        assert_eq!(mail.count(), 2);
        drop(first);
        assert_eq!(mail.count(), 1);
        drop(second);
        assert_eq!(mail.count(), 0);
    }

    #[test]
    fn a_forgotten_message_does_not_count_and_its_end_changes_nothing() {
        let mail = BegunMail::default();
        let slow = mail.begin();
        mail.forget();
        assert_eq!(mail.count(), 0);
        let next = mail.begin();
        drop(slow);
        assert_eq!(mail.count(), 1);
        drop(next);
        assert_eq!(mail.count(), 0);
    }
}
