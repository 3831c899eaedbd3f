//! The state of the queues, for operators.

use super::error::OperationError;
use crate::backends::{Console, Wanted};
use crate::model::{Arrival, Entry, Name, OutgoingNow, StateName};
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::time::SystemTime;

/// The upper bounds of a status's columns of ages, in minutes, like those of Postfix's qshape.
pub(crate) const AGES: [u64; 9] = [5, 10, 20, 40, 80, 160, 320, 640, 1280];

/// The number of entries by age: one column for each of [`AGES`], and one for older entries.
pub(crate) type Shape = [u64; AGES.len() + 1];

/// The states that a status counts. An unreadable entry, which only a Mailman site can have, counts as waiting:
/// the site's runners decide what becomes of it.
pub(crate) const STATES: [StateName; 5] =
    [StateName::Waiting, StateName::Leased, StateName::Later, StateName::Held, StateName::Shunted];

/// The status of a queue.
pub(crate) struct QueueStatus {
    pub(crate) queue: Name,
    /// When its oldest entry arrived.
    pub(crate) oldest: Option<SystemTime>,
    /// How many entries are in each of [`STATES`].
    pub(crate) states: [u64; STATES.len()],
    /// The number of entries of each list_id by age. Entries without a list have an empty list_id.
    pub(crate) lists: BTreeMap<String, Shape>,
}

impl QueueStatus {
    fn new(queue: Name) -> Self {
        Self { queue, oldest: None, states: Default::default(), lists: BTreeMap::new() }
    }

    fn count(&mut self, Arrival { list_id, received_at, state }: Arrival<'_>, now: SystemTime) {
        self.oldest = Some(self.oldest.map_or(received_at, |time| time.min(received_at)));
        self.states[column(state)] += 1;
        // A time in the future counts as now.
        let minutes = now.duration_since(received_at).unwrap_or_default().as_secs() / 60;
        let column = AGES.iter().position(|&age| minutes < age).unwrap_or(AGES.len());
        match self.lists.get_mut(list_id) {
            Some(shape) => shape[column] += 1,
            None => {
                let mut shape = Shape::default();
                shape[column] = 1;
                self.lists.insert(list_id.to_owned(), shape);
            }
        }
    }
}

/// Returns the index of a state in [`STATES`].
fn column(state: StateName) -> usize {
    match state {
        StateName::Waiting | StateName::Unreadable => 0,
        StateName::Leased => 1,
        StateName::Later => 2,
        StateName::Held => 3,
        StateName::Shunted => 4,
    }
}

/// Returns the current status of a queue.
///
/// # Errors
/// The backend could not be asked.
pub(crate) async fn queue_status(console: &dyn Console, queue: Name) -> Result<QueueStatus, OperationError> {
    let (mut status, now) = (QueueStatus::new(queue), SystemTime::now());
    console.each_arrival(queue, &mut |arrival| status.count(arrival, now)).await?;
    Ok(status)
}

/// Returns what waits to leave, and about how many members have not been in any batch of a post; `None` if another program
/// distributes posts.
///
/// # Errors
/// The backend could not be asked.
pub(crate) async fn outgoing(console: &dyn Console) -> Result<Option<(OutgoingNow, u64)>, OperationError> {
    match console.posts() {
        Some(posts) => Ok(Some((posts.outgoing().await?, posts.left().await?))),
        None => Ok(None),
    }
}

/// Hands the entries of a queue, or of all queues, to `each`, oldest first, until it wants no more. With
/// `message_id`, in brackets or not, only those of that message.
///
/// # Errors
/// The backend could not be asked.
pub(crate) async fn each_entry(
    console: &dyn Console,
    queue: Option<Name>,
    message_id: Option<&str>,
    each: &mut (dyn FnMut(Entry) -> ControlFlow<()> + Send),
) -> Result<(), OperationError> {
    let ids = message_id.map_or_else(|| vec![None], |id| forms(id).map(Some).collect());
    for message_id in ids {
        console.each_entry(&Wanted { queue, message_id }, each).await?;
    }
    Ok(())
}

/// Returns the Message-IDs that a text can mean: almost every one has brackets, but a log may show it without them.
pub(super) fn forms(message_id: &str) -> impl Iterator<Item = String> {
    let bare = Some(message_id).filter(|id| !id.starts_with('<'));
    std::iter::once(message_id.to_owned()).chain(bare.map(|id| format!("<{id}>")))
}
