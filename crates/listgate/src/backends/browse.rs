//! What operators see of the queues, and do to entries.

use super::answer::Answer;
use crate::model::{Arrival, Change, Endpoint, Entry, EntryError, Id, Msgdata, Name};
use std::ops::ControlFlow;

/// Takes entries one at a time, and says whether it wants more.
pub(crate) type EachEntry<'a> = &'a mut (dyn FnMut(Entry) -> ControlFlow<()> + Send);

/// Which entries are wanted.
#[derive(Clone, Default, Debug)]
pub(crate) struct Wanted {
    /// Those of one queue; `None`: of all.
    pub(crate) queue: Option<Name>,
    /// Those of one Message-ID, with its brackets; `None`: all.
    pub(crate) message_id: Option<String>,
}

/// The queues, as operators look at them.
pub(crate) trait BrowseStore: Send + Sync {
    /// Hands the entries that are wanted to `each`, oldest first, until it wants no more.
    fn each_entry<'a>(&'a self, wanted: &'a Wanted, each: EachEntry<'a>) -> Answer<'a, ()>;

    /// Hands every entry of a queue to `each`, as far as it is counted, in any order.
    fn each_arrival<'a>(
        &'a self,
        queue: Name,
        each: &'a mut (dyn FnMut(Arrival<'_>) + Send),
    ) -> Answer<'a, ()>;

    /// An entry, without its message.
    fn entry<'a>(&'a self, id: &'a Id) -> Answer<'a, Entry, EntryError>;

    /// Up to `length` octets of an entry's message as stored, from `offset`; none behind its end.
    fn read<'a>(&'a self, id: &'a Id, offset: u64, length: usize) -> Answer<'a, Vec<u8>, EntryError>;

    /// Removes entries, all or none.
    fn remove<'a>(&'a self, ids: &'a [Id]) -> Answer<'a, (), EntryError>;

    /// Holds, releases or retries entries, all or none.
    fn change<'a>(&'a self, ids: &'a [Id], change: Change) -> Answer<'a, (), EntryError>;

    /// The metadata of an entry, as far as it is known without a message. `owner` is the site's owner.
    fn msgdata(&self, endpoint: &Endpoint, owner: &str) -> Msgdata;
}
