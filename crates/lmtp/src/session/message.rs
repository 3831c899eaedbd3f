//! One message while it arrives, and why it may be refused.

use super::settings::{BareNewline, Settings};
use crate::data::{DataReader, Piece};
use crate::reply::Refusal;

/// A message between the reply 354 and the final dot.
#[derive(Debug)]
pub(super) struct Message {
    reader: DataReader,
    /// Octets so far, dots unstuffed.
    received: u64,
    /// It is refused before its end: the rest is read and forgotten.
    unwanted: bool,
}

/// What a piece of the input was.
pub(super) enum Part<'i> {
    /// Octets of a message that may be taken.
    Text(&'i [u8]),
    /// The first octets with which the message cannot be taken.
    FirstUnwanted,
    /// More octets of such a message.
    Unwanted,
    /// The final dot, and why the message is refused, if it is.
    End(Option<Refusal>),
}

impl Message {
    pub(super) fn new() -> Self {
        Self { reader: DataReader::new(), received: 0, unwanted: false }
    }

    /// The next part out of `input`, which loses it; `None` when `input` is used up.
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

    /// Why the message as far as it is known cannot be taken. Asked again at its end, so that the
    /// reply to a message with both faults does not depend on the pieces it came in.
    fn fault(&self, settings: &Settings) -> Option<Refusal> {
        if self.received > settings.limits.message_size {
            return Some(too_large());
        }
        let rejected = self.reader.bare_newline() && settings.bare_newline == BareNewline::Reject;
        rejected.then(|| Refusal::new(554, 6, 0, "Bare CR or LF in the message"))
    }
}

/// For MAIL, where the declared size is too large, and after the data, where the message was.
pub(super) fn too_large() -> Refusal {
    Refusal::new(552, 3, 4, "Message too large")
}
