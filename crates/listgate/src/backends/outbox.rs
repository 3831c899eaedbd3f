//! What the outgoing side asks of a backend.

use super::answer::Answer;
use crate::model::{Advance, Claimed};
use tokio::sync::watch;

/// Batches of posts on their way to the mail server.
pub(crate) trait Outbox: Send + Sync {
    /// Records refusals and what became of batches, marks those that are about to be sent, and claims others, in this
    /// order and in one commit. It is on stable storage when this returns. Posts take turns.
    ///
    /// After an error, it may be repeated: what is left of a batch is claimed under another id, so each result counts
    /// once, and so does each refusal, whether it was recorded before the result or with it. If only the answer was
    /// lost, what it claimed stays claimed until the process ends.
    ///
    /// A batch that was claimed or marked by a process that has ended is free again when the next one opens the
    /// backend; what was marked then counts as doubted. Recipients whose refusal was recorded are not part of it. The
    /// posts of a list that was removed end.
    fn advance(&self, advance: Advance) -> Answer<'_, Vec<Claimed>>;

    /// Returns a channel that changes when this process has stored a post; `None` if the store does not notice.
    fn posts(&self) -> Option<watch::Receiver<()>> {
        None
    }

    /// Returns about how many members have not been in any batch of the posts that have the next turns.
    fn left(&self) -> Answer<'_, u64>;
}
