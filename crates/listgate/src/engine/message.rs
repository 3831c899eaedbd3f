//! The parts of a stored message that decisions see.

use super::decision::NotDecided;
use crate::backends::LeaseStore;
use crate::limits;
use crate::model::{Entry, Id, MessageId};
use listgate_engine::view::{END, START, View, WrongLength};

/// Returns the message of a leased entry.
pub(super) fn id(entry: &Entry) -> MessageId {
    let Id::Entry(id) = entry.id else { unreachable!("entries of files are not leased") };
    MessageId(id.delivery)
}

/// The beginning and the end of a message. Whatever its size, they have a bound.
pub(super) struct Ends {
    start: Vec<u8>,
    /// Empty if all of the message is in `start`.
    end: Vec<u8>,
    size: u64,
}

impl Ends {
    pub(super) async fn read(
        store: &(impl LeaseStore + ?Sized),
        message: MessageId,
        size: u64,
    ) -> Result<Self, NotDecided> {
        let start = read(store, message, 0, most(size, START)).await?;
        let end = if start.len() as u64 == size {
            Vec::new()
        } else {
            let end = most(size, END);
            read(store, message, size - end as u64, end).await?
        };
        Ok(Self { start, end, size })
    }

    /// Returns the first octets of the header, at most `most`.
    pub(super) fn header(&self, view: &View<'_>, most: usize) -> &[u8] {
        let end = usize::try_from(view.header_end()).map_or(most, |end| end.min(most));
        &self.start[..end]
    }

    pub(super) fn view(&self) -> Result<View<'_>, WrongLength> {
        if self.end.is_empty() && self.start.len() as u64 == self.size {
            return Ok(View::whole(&self.start));
        }
        View::new(&self.start, &self.end, self.size)
    }
}

fn most(size: u64, most: usize) -> usize {
    usize::try_from(size).map_or(most, |size| size.min(most))
}

/// Returns `length` octets of a message from `offset` on, or fewer if it ends before that.
async fn read(
    store: &(impl LeaseStore + ?Sized),
    message: MessageId,
    offset: u64,
    length: usize,
) -> Result<Vec<u8>, NotDecided> {
    let mut octets = Vec::with_capacity(length);
    while octets.len() < length {
        let some = (length - octets.len()).min(limits::READ_AT_ONCE);
        let read = store.read(message, offset + octets.len() as u64, some).await?.ok_or(NotDecided::Gone)?;
        if read.is_empty() {
            break;
        }
        octets.extend(read);
    }
    Ok(octets)
}
