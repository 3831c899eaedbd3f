//! The parts of a stored message that decisions see.

use super::not_decided::NotDecided;
use crate::backends::{Messages, read_part};
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
        store: &(impl Messages + ?Sized),
        message: MessageId,
        size: u64,
    ) -> Result<Self, NotDecided> {
        let start = read_part(store, message, 0, most(size, START)).await?.ok_or(NotDecided::Gone)?;
        let end = if start.len() as u64 == size {
            Vec::new()
        } else {
            let end = most(size, END);
            read_part(store, message, size - end as u64, end).await?.ok_or(NotDecided::Gone)?
        };
        Ok(Self { start, end, size })
    }

    /// Returns the first octets of the message, at most `most`.
    pub(super) fn beginning(&self, most: usize) -> &[u8] {
        &self.start[..self.start.len().min(most)]
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
