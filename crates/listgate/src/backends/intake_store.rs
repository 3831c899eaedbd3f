//! What a backend does for arriving mail.

use super::answer::Answer;
use super::begun::Begun;
use super::delivery::{Delivery, NotStored};
use super::queued::Queued;
use crate::message::Style;
use crate::model::{QueueNow, StoreError};
use tokio::sync::watch;

/// Where arriving mail is stored.
pub(crate) trait IntakeStore: Send + Sync {
    /// Counts a message that a session begins, until the returned value is dropped. A commit may wait a moment for such
    /// a message. Put the value into the [`Delivery`]: the store drops it when it takes the message up. `None`: this
    /// store waits for no mail.
    fn begin(&self) -> Option<Begun> {
        None
    }

    /// Stores a delivery, all or nothing, and returns one proof for each of its recipients, in order, once it is on
    /// stable storage. A delivery that is put again with the same key is not stored again; the same entries are
    /// returned.
    ///
    /// If the future is dropped before it completes, either the whole delivery is stored or nothing.
    fn put(&self, delivery: Delivery) -> Answer<'_, Vec<Queued>, NotStored>;

    /// Returns the current state of the queues, for monitoring the gate.
    fn backlog(&self) -> Answer<'_, Vec<QueueNow>>;

    /// Returns how the header of a message is edited before it is stored.
    fn style(&self) -> Style;

    /// Completes when the thread that stores mail has taken up everything that was handed to it before; at once if there is
    /// no such thread. Nothing is stored for it.
    fn takes_up(&self) -> Answer<'_, ()>;

    /// Stops taking mail for good, after a final error that occurred elsewhere.
    fn give_up(&self, why: &StoreError);

    /// Returns a flag that becomes true when the backend has stopped taking mail.
    fn given_up(&self) -> watch::Receiver<bool>;
}
