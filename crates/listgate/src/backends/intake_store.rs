//! What a backend does for arriving mail.

use super::answer::Answer;
use super::delivery::{Delivery, NotStored};
use super::queued::Queued;
use crate::message::Style;
use crate::model::{QueueNow, StoreError};
use tokio::sync::watch;

/// Where arriving mail is stored.
pub(crate) trait IntakeStore: Send + Sync {
    /// Stores a delivery, all or nothing: one proof for each of its recipients, in order, after it is on stable
    /// storage. Repeated with the same key, it stores nothing again and gives the same entries.
    ///
    /// Dropped at its await, either all of it is stored or nothing.
    fn put(&self, delivery: Delivery) -> Answer<'_, Vec<Queued>, NotStored>;

    /// The queues as they are now, for who watches the gate.
    fn backlog(&self) -> Answer<'_, Vec<QueueNow>>;

    /// How the header of a message is edited before it is stored.
    fn style(&self) -> Style;

    /// Ends the taking of mail for good, after a final error that somebody else met.
    fn give_up(&self, why: &StoreError);

    /// Becomes true when the taking of mail has ended.
    fn given_up(&self) -> watch::Receiver<bool>;
}
