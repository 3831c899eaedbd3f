//! What a backend is given to store.

use crate::message::Message;
use crate::model::{Addressed, Changes, DeliveryKey, Envelope, StoreError};

/// One transaction's message and its recipients: one body, N entries, one commit.
#[derive(Debug)]
pub(crate) struct Delivery {
    /// Known again when the answer was lost, and it is put once more.
    pub(crate) key: DeliveryKey,
    pub(crate) envelope: Envelope,
    pub(crate) message: Message,
    /// At least one.
    pub(crate) to: Vec<Addressed>,
    /// The count of changes that every endpoint was found at, and is to be stored at. `None`: they were
    /// looked up after the data.
    pub(crate) as_of: Option<Changes>,
}

/// Why a delivery was not stored.
#[derive(Debug)]
pub(crate) enum NotStored {
    Store(StoreError),
    /// Lists or domains have changed since its endpoints were found: it is whole, and they are to be
    /// looked up again.
    Changed(Box<Delivery>),
}

impl From<StoreError> for NotStored {
    fn from(why: StoreError) -> Self {
        Self::Store(why)
    }
}
