//! What a backend is asked to store.

use super::begun::Begun;
use crate::message::Message;
use crate::model::{Addressed, Changes, DeliveryKey, Envelope, StoreError};

/// The message and recipients of one transaction: one body, N entries, one commit.
#[derive(Debug)]
pub(crate) struct Delivery {
    /// Identifies the delivery if its answer was lost and it is put again.
    pub(crate) key: DeliveryKey,
    pub(crate) envelope: Envelope,
    pub(crate) message: Message,
    /// At least one.
    pub(crate) to: Vec<Addressed>,
    /// The count of changes at which every endpoint was looked up; the delivery is stored only if it is still the
    /// same. `None`: the endpoints were looked up after the data.
    pub(crate) as_of: Option<Changes>,
    /// What the store returned when the message began.
    pub(crate) begun: Option<Begun>,
}

/// Why a delivery was not stored.
#[derive(Debug)]
pub(crate) enum NotStored {
    Store(StoreError),
    /// Lists or domains have changed since the endpoints were looked up. The delivery is returned complete, so that
    /// they can be looked up again.
    Changed(Box<Delivery>),
}

impl From<StoreError> for NotStored {
    fn from(why: StoreError) -> Self {
        Self::Store(why)
    }
}
