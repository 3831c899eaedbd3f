//! Stored messages, and parts of them that are too long for one read.

use super::answer::Answer;
use crate::limits;
use crate::model::{MessageId, StoreError};

/// The messages that a backend has stored.
pub(crate) trait Messages: Send + Sync {
    /// Returns up to `length` octets of a stored message, starting at `offset`; `None` if the message was removed.
    fn read(&self, message: MessageId, offset: u64, length: usize) -> Answer<'_, Option<Vec<u8>>>;
}

/// Returns `length` octets of a stored message from `offset` on, or fewer if it ends before that; `None` if the message
/// was removed.
///
/// # Errors
/// The message cannot be read.
pub(crate) async fn read_part(
    store: &(impl Messages + ?Sized),
    message: MessageId,
    offset: u64,
    length: usize,
) -> Result<Option<Vec<u8>>, StoreError> {
    let mut octets = Vec::with_capacity(length);
    while octets.len() < length {
        let some = (length - octets.len()).min(limits::READ_AT_ONCE);
        let Some(read) = store.read(message, offset + octets.len() as u64, some).await? else {
            return Ok(None);
        };
        if read.is_empty() {
            break;
        }
        octets.extend(read);
    }
    Ok(Some(octets))
}
