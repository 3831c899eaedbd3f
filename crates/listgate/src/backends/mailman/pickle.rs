//! Writes the pickles that Mailman's runners read from a queue file: a message, then its metadata.
//!
//! The message is written as a program rather than an object: it calls `email.message_from_bytes(octets, Message)`
//! and sets two attributes. So the site's own Python parses the octets, with the same result as in Mailman's LMTP
//! runner, and nothing here parses MIME. The opcodes are from protocol 3 or older, which every Python 3 reads.

use crate::model::Role;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Octets or text that are too long for one opcode.
#[derive(Debug, thiserror::Error)]
#[error("{0} octets are too many for one value of a pickle")]
pub(super) struct TooLong(u64);

const GLOBAL: u8 = b'c';
const REDUCE: u8 = b'R';
const POP: u8 = b'0';
const STOP: u8 = b'.';
const MARK: u8 = b'(';
const EMPTY_DICT: u8 = b'}';
const SETITEMS: u8 = b'u';
const BINUNICODE: u8 = b'X';
const BINBYTES: u8 = b'B';
const SHORT_BINBYTES: u8 = b'C';
const BININT: u8 = b'J';
const BININT1: u8 = b'K';
const BINPUT: u8 = b'q';
const BINGET: u8 = b'h';
const PROTO: u8 = 0x80;
const TUPLE1: u8 = 0x85;
const TUPLE2: u8 = 0x86;
const TUPLE3: u8 = 0x87;
const NEWTRUE: u8 = 0x88;
const NEWFALSE: u8 = 0x89;
const LONG1: u8 = 0x8a;

/// The memo slots of the message and of `setattr`.
const MESSAGE: u8 = 0;
const SETATTR: u8 = 1;

/// Returns what comes before the octets of a message. Exactly `len` octets must follow, then [`message_tail`].
pub(super) fn message_head(len: u64) -> Result<Vec<u8>, TooLong> {
    let mut out = Pickle::new();
    out.global("email", "message_from_bytes");
    out.0.push(BINBYTES);
    out.len(len)?;
    Ok(out.0)
}

/// Returns what comes after the octets of a message: the attributes that Mailman's LMTP runner sets.
pub(super) fn message_tail(original_size: u64, mail_from: &str) -> Result<Vec<u8>, TooLong> {
    let mut out = Pickle(Vec::new());
    out.global("mailman.email.message", "Message");
    out.0.extend([TUPLE2, REDUCE, BINPUT, MESSAGE]);
    out.global("builtins", "setattr");
    out.0.extend([BINPUT, SETATTR, BINGET, MESSAGE]);
    out.text("original_size")?;
    out.integer(original_size);
    out.0.extend([TUPLE3, REDUCE, POP, BINGET, SETATTR, BINGET, MESSAGE]);
    out.text("_unixfrom")?;
    out.text(mail_from)?;
    out.0.extend([TUPLE3, REDUCE, POP, STOP]);
    Ok(out.0)
}

/// The metadata that Mailman's runners need besides the message.
#[derive(Debug)]
pub(super) struct Metadata<'a> {
    pub(super) list_id: &'a str,
    pub(super) original_size: u64,
    pub(super) received_at: SystemTime,
    pub(super) role: Role,
    /// The envelope sender of mail to a list's owners.
    pub(super) site_owner: &'a str,
}

impl Metadata<'_> {
    /// Returns the dictionary, with its keys in Mailman's order.
    pub(super) fn pickle(&self) -> Result<Vec<u8>, TooLong> {
        let mut out = Pickle::new();
        out.0.extend([EMPTY_DICT, MARK]);
        out.text("listid")?;
        out.text(self.list_id)?;
        out.text("original_size")?;
        out.integer(self.original_size);
        out.text("received_time")?;
        out.datetime(self.received_at);
        if self.role == Role::Post {
            out.truth("to_list")?;
        } else {
            out.text("subaddress")?;
            out.text(self.role.name())?;
        }
        if self.role == Role::Request {
            out.truth("to_request")?;
        }
        if self.role == Role::Owner {
            out.truth("to_owner")?;
            out.text("envsender")?;
            out.text(self.site_owner)?;
        }
        out.text("version")?;
        out.0.extend([BININT1, 3]);
        out.text("_parsemsg")?;
        out.0.extend([NEWFALSE, SETITEMS, STOP]);
        Ok(out.0)
    }
}

/// A pickle that is being written.
struct Pickle(Vec<u8>);

impl Pickle {
    fn new() -> Self {
        Self(vec![PROTO, 3])
    }

    fn global(&mut self, module: &str, name: &str) {
        self.0.push(GLOBAL);
        self.0.extend(format!("{module}\n{name}\n").bytes());
    }

    fn len(&mut self, len: u64) -> Result<(), TooLong> {
        // Python reads the length of text and of octets as an unsigned number of four octets.
        self.0.extend(u32::try_from(len).map_err(|_| TooLong(len))?.to_le_bytes());
        Ok(())
    }

    fn text(&mut self, text: &str) -> Result<(), TooLong> {
        self.0.push(BINUNICODE);
        self.len(text.len() as u64)?;
        self.0.extend(text.bytes());
        Ok(())
    }

    fn truth(&mut self, key: &str) -> Result<(), TooLong> {
        self.text(key)?;
        self.0.push(NEWTRUE);
        Ok(())
    }

    fn integer(&mut self, integer: u64) {
        match i32::try_from(integer) {
            Ok(small) => {
                self.0.push(BININT);
                self.0.extend(small.to_le_bytes());
            }
            Err(_) => {
                // The number takes nine octets, because the highest bit is the sign.
                self.0.extend([LONG1, 9]);
                self.0.extend(integer.to_le_bytes());
                self.0.push(0);
            }
        }
    }

    /// Writes a `datetime` without a time zone, in UTC.
    fn datetime(&mut self, time: SystemTime) {
        /// The last second that a `datetime` can represent.
        const LAST: Duration = Duration::from_secs(253_402_300_799);
        let since_epoch = time.duration_since(UNIX_EPOCH).unwrap_or_default().min(LAST);
        let seconds = since_epoch.as_secs();
        let (year, month, day) = date(seconds / 86_400);
        let clock = [seconds / 3600 % 24, seconds / 60 % 60, seconds % 60];
        self.global("datetime", "datetime");
        self.0.extend([SHORT_BINBYTES, 10]);
        self.0.extend(year.to_be_bytes());
        self.0.extend([month, day]);
        self.0.extend(clock.map(|part| u8::try_from(part).expect("60 at most")));
        self.0.extend(&since_epoch.subsec_micros().to_be_bytes()[1..]);
        self.0.extend([TUPLE1, REDUCE]);
    }
}

/// Returns the year, month and day that are so many days after 1970-01-01.
fn date(mut days: u64) -> (u16, u8, u8) {
    let is_leap = |year: u16| year.is_multiple_of(4) && !year.is_multiple_of(100) || year.is_multiple_of(400);
    let mut year = 1970;
    while days >= 365 + u64::from(is_leap(year)) {
        days -= 365 + u64::from(is_leap(year));
        year += 1;
    }
    let mut month = 1;
    for len in [31, 28 + u64::from(is_leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if days < len {
            break;
        }
        days -= len;
        month += 1;
    }
    (year, month, u8::try_from(days + 1).expect("a day of a month"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_length_too_large_for_any_opcode_is_an_error() {
        assert!(message_head(u64::from(u32::MAX)).is_ok());
        assert!(message_head(1 << 32).is_err());
    }

    proptest! {
        #[test]
        fn dates_agree_with_rfc_3339(seconds in 0..253_402_300_800_u64) {
            let (year, month, day) = date(seconds / 86_400);
            let time = UNIX_EPOCH + Duration::from_secs(seconds);
            let text = humantime::format_rfc3339_seconds(time).to_string();
            prop_assert_eq!(&text[..10], format!("{year:04}-{month:02}-{day:02}"));
        }
    }
}
