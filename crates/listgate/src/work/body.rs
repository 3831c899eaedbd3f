//! The message of a leased entry.

use crate::backends::LeaseStore;
use crate::limits;
use crate::model::{EntryId, Lease, MessageId};
use crate::queue::Error;
use std::sync::Arc;

/// A reader of a stored message, from its beginning, one piece at a time.
pub(crate) struct Body {
    store: Arc<dyn LeaseStore>,
    entry: EntryId,
    /// Octets read so far.
    offset: u64,
}

impl Body {
    pub(super) fn new(store: Arc<dyn LeaseStore>, lease: &Lease) -> Self {
        Self { store, entry: lease.id().entry, offset: 0 }
    }

    /// Returns the next octets, or none at the end of the message.
    ///
    /// # Errors
    /// An operator removed the entry, or its message cannot be read.
    pub(super) async fn next(&mut self) -> Result<Vec<u8>, Error> {
        let message = MessageId(self.entry.delivery);
        let read = self.store.read(message, self.offset, limits::READ_AT_ONCE).await;
        let octets =
            read.map_err(Error::unavailable)?.ok_or_else(|| Error::Removed(self.entry.to_string()))?;
        self.offset += octets.len() as u64;
        Ok(octets)
    }
}
