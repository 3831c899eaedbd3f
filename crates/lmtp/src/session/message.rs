//! One message while it arrives, and the reasons for which it may be refused.

use super::settings::{BareNewline, Settings};
use crate::data::{DataReader, Piece};
use crate::reply::Refusal;

/// A message between the reply 354 and the final dot.
#[derive(Debug)]
pub(super) struct Message {
    reader: DataReader,
    /// Octets so far, after dots are unstuffed.
    received: u64,
    /// The message has been refused before its end; the rest is read and discarded.
    unwanted: bool,
}

/// A part of the input.
pub(super) enum Part<'i> {
    /// Octets of a message that has not been refused so far.
    Text(&'i [u8]),
    /// The first octets that make the message unacceptable.
    FirstUnwanted,
    /// More octets of such a message.
    Unwanted,
    /// The final dot, and the reason if the message is refused.
    End(Option<Refusal>),
}

impl Message {
    pub(super) fn new() -> Self {
        Self { reader: DataReader::new(), received: 0, unwanted: false }
    }

    /// Returns the next part of `input` and removes it, or `None` when `input` is used up.
    pub(super) fn next<'i>(&mut self, input: &mut &'i [u8], settings: &Settings) -> Option<Part<'i>> {
        Some(match self.reader.next(input)? {
            Piece::Text(text) => self.text(text, settings),
            Piece::End => Part::End(self.fault(settings)),
        })
    }

    fn text<'i>(&mut self, text: &'i [u8], settings: &Settings) -> Part<'i> {
        self.received += text.len() as u64;
        if self.unwanted {
            return Part::Unwanted;
        }
        self.unwanted = self.fault(settings).is_some();
        if self.unwanted { Part::FirstUnwanted } else { Part::Text(text) }
    }

    /// Returns why the message, as far as it has arrived, is refused. This is checked again at its end, so
    /// that the reply to a message with both faults does not depend on the pieces in which it arrived.
    fn fault(&self, settings: &Settings) -> Option<Refusal> {
        if self.received > settings.limits.message_size {
            return Some(too_large());
        }
        let rejected = self.reader.bare_newline() && settings.bare_newline == BareNewline::Reject;
        rejected.then(|| Refusal::new(554, 6, 0, "Bare CR or LF in the message"))
    }
}

/// Returns the refusal for a declared size that is too large, at MAIL, and for a message that is, after the data.
pub(super) fn too_large() -> Refusal {
    Refusal::new(552, 3, 4, "Message too large")
}
