//! What a backend knows of addresses: lists and domains, and how full their queues are.

use super::answer::Answer;
use super::registry::Registry;
use crate::model::{Depth, Name, Space};
use std::time::Duration;

/// How much there is in the queues, and how much there is room for.
pub(crate) trait Rooms: Send + Sync {
    /// How full a queue was at some moment of the last `age`. Nothing, where other programs empty the queues and their
    /// entries are not counted.
    fn depth(&self, queue: Name, age: Duration) -> Answer<'_, Depth>;

    /// What there is room for; it may be [`crate::limits::SPACE_AGE`] old.
    fn space(&self) -> Answer<'_, Space>;
}

/// All that is asked about an address.
pub(crate) trait Addresses: Registry + Rooms {}

impl<B: Registry + Rooms + ?Sized> Addresses for B {}
