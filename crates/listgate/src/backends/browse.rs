//! What operators see of the queues and can do to entries.

use super::answer::Answer;
use crate::model::{Arrival, Change, Endpoint, Entry, EntryError, Id, Msgdata, Name};
use std::ops::ControlFlow;

/// A callback that takes one entry at a time and returns whether it wants more.
pub(crate) type EachEntry<'a> = &'a mut (dyn FnMut(Entry) -> ControlFlow<()> + Send);

/// A filter for entries.
#[derive(Clone, Default, Debug)]
pub(crate) struct Wanted {
    /// Only entries of this queue; `None`: of all queues.
    pub(crate) queue: Option<Name>,
    /// Only entries with this Message-ID, given with its brackets; `None`: with any.
    pub(crate) message_id: Option<String>,
}

/// The queues, as operators see them.
pub(crate) trait BrowseStore: Send + Sync {
    /// Passes the wanted entries to `each`, oldest first, until it wants no more.
    fn each_entry<'a>(&'a self, wanted: &'a Wanted, each: EachEntry<'a>) -> Answer<'a, ()>;

    /// Passes every entry that the backend counts in a queue to `each`, in any order.
    fn each_arrival<'a>(
        &'a self,
        queue: Name,
        each: &'a mut (dyn FnMut(Arrival<'_>) + Send),
    ) -> Answer<'a, ()>;

    /// Returns an entry, without its message.
    fn entry<'a>(&'a self, id: &'a Id) -> Answer<'a, Entry, EntryError>;

    /// Returns up to `length` octets of an entry's stored message, starting at `offset`; none past its end.
    fn read<'a>(&'a self, id: &'a Id, offset: u64, length: usize) -> Answer<'a, Vec<u8>, EntryError>;

    /// Removes entries, all or none.
    fn remove<'a>(&'a self, ids: &'a [Id]) -> Answer<'a, (), EntryError>;

    /// Holds, releases or retries entries, all or none.
    fn change<'a>(&'a self, ids: &'a [Id], change: Change) -> Answer<'a, (), EntryError>;

    /// Returns the metadata of an entry as far as it is known without a message. `owner` is the site's owner.
    fn msgdata(&self, endpoint: &Endpoint, owner: &str) -> Msgdata;
}
