//! What a backend knows about addresses: lists and domains, and how full their queues are.

use super::answer::Answer;
use super::registry::Registry;
use crate::model::{Depth, Name, Space};
use std::time::Duration;

/// How full the queues are, and how much space is left for mail.
pub(crate) trait Rooms: Send + Sync {
    /// Returns how full a queue is. If `age` is zero, this is read now. Otherwise, the answer includes all mail that was
    /// stored until at least `age` ago, but may still count entries that consumers have removed since. A backend whose queues are emptied by other programs
    /// does not count entries and returns zero.
    fn depth(&self, queue: Name, age: Duration) -> Answer<'_, Depth>;

    /// Returns how much space is left for mail; the answer may be [`crate::limits::SPACE_AGE`] old.
    fn space(&self) -> Answer<'_, Space>;
}

/// Everything that is asked about an address.
pub(crate) trait Addresses: Registry + Rooms {}

impl<B: Registry + Rooms + ?Sized> Addresses for B {}
