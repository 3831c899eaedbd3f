//! The times in which something counts towards a limit.

use crate::model::milliseconds;
use std::time::{Duration, UNIX_EPOCH};

/// Returns the times between which something counts that is counted for so long. If the clock was set back, what is later
/// than now still counts, but not for more than twice as long.
pub(super) fn counted_within(length: Duration, now: i64) -> (i64, i64) {
    let length = milliseconds(UNIX_EPOCH + length);
    (now.saturating_sub(length), now.saturating_add(length))
}
