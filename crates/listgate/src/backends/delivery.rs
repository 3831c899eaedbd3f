//! What a backend is given to store.

use super::queued::Queued;
use crate::message::Message;
use crate::model::{Addressed, Changes, Envelope, StoreError};
use listgate_lmtp::{PerRecipient, Refusal};

/// One transaction's message and its recipients: one body, N entries, one commit.
#[derive(Debug)]
pub(crate) struct Delivery {
    pub(crate) envelope: Envelope,
    pub(crate) message: Message,
    pub(crate) to: PerRecipient<Result<Addressed, Refusal>>,
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

/// One outcome for each recipient of a delivery.
pub(crate) type Outcomes = PerRecipient<Result<Queued, Refusal>>;
