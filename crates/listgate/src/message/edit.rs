//! The streaming edit of the header, which is the only change that is made to a message.
//!
//! The edit adds `Message-ID`, if there is none, and `X-MailFrom` at the end of the header. It removes any
//! X-MailFrom that was there, and an empty Message-ID, because readers take the first field of a name. For GNU
//! Mailman, it also writes fields that are not ASCII in ASCII.
//!
//! Lines end at CR, LF or CR LF. A line belongs to the header if it begins with a blank, with `From `, or with a
//! name and a colon. Blanks may stand between the name and the colon (RFC 5322 section 4.5.8), except for GNU
//! Mailman: its runners use Python's `email.feedparser`, which ends the header at such a line, so the edit ends
//! it there too.
//!
//! A hostile message could make the edit hold a name or a `From ` line of any length, so one of more than
//! [`limits::HEADER_NAME`] octets ends the header early. That is safe: the edit writes a blank line there, where
//! the header then ends for every reader.

use super::facts::Facts;
use super::mailman_ascii::{ascii_field, masked};
use super::mailman_id::{self, MessageId as MailmanId};
use super::mailman_mail_from;
use crate::limits;
use listgate_lmtp::ReversePath;
use memchr::memchr2;

/// The handling of the octets of the current header line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Line {
    Keep,
    /// A field to remove, such as an X-MailFrom that is not ours.
    Drop,
    /// A `From ` line that is not the first line: part of the header if another header line follows, otherwise
    /// the first line of the body.
    Undecided,
    /// The first Message-ID, which is held until it is complete.
    Id,
    /// A Message-ID that has only blanks so far. It is removed if it ends that way.
    BlankId,
    /// A field for Mailman, which is held until it is complete, because it may have to be written in ASCII.
    Field,
    /// The rest of a field for Mailman that is too long to be held.
    LongField,
}

/// The fields that are added to a header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Style {
    /// Message-ID, if there is none, and X-MailFrom.
    Plain,
    /// The fields that Mailman's LMTP runner adds, in its order: Message-ID, if there is none; Message-ID-Hash
    /// and X-Message-ID-Hash, replacing any that were there; X-MailFrom. A Message-ID in square brackets is
    /// corrected as Mailman corrects it. Fields that are not ASCII are written in ASCII.
    Mailman,
}

impl Style {
    /// Returns the envelope sender in the form used in X-MailFrom and by readers of the message.
    pub(crate) fn mail_from(self, sender: &ReversePath) -> String {
        match self {
            Self::Plain => sender.to_string(),
            Self::Mailman => mailman_mail_from::mail_from(sender),
        }
    }

    /// Returns whether blanks may stand between the name of a field and its colon.
    pub(crate) fn allows_blanks_before_colon(self) -> bool {
        self == Self::Plain
    }

    /// Returns whether we add the field of this name ourselves, so that any other is removed.
    fn is_ours(self, name: &[u8]) -> bool {
        let is = |other: &str| name.eq_ignore_ascii_case(other.as_bytes());
        is("X-MailFrom") || self == Self::Mailman && (is("Message-ID-Hash") || is("X-Message-ID-Hash"))
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    LineStart,
    /// The beginning of a line is held until the kind of line is known.
    Name,
    /// Blanks after the name of a field are held until it is known whether a colon follows.
    BeforeColon,
    InLine,
    /// After a CR that ended a line: an LF belongs to that line end.
    AfterCr,
    Body,
}

/// The number of digits in the placeholder for a Message-ID that is known only when the message is complete.
pub(crate) const ID_DIGITS: usize = 32;

/// The edit of one message's header.
#[derive(Debug)]
pub(crate) struct HeaderEdit {
    style: Style,
    /// The value of X-MailFrom.
    mail_from: String,
    /// The right-hand side of a Message-ID that we add.
    hostname: String,
    /// A Received line to add, until it is written before the first header line.
    received: Option<String>,
    state: State,
    line: Line,
    first_line: bool,
    held: Vec<u8>,
    from_line: Vec<u8>,
    /// The part of a [`Line::Id`] or [`Line::BlankId`] that is held.
    id_field: Vec<u8>,
    /// The part of a [`Line::Field`] that is held.
    field: Vec<u8>,
    /// Octets of the fields that were written in ASCII so far.
    recoded: usize,
    /// The hash of the Message-ID, for the hash fields.
    id_hash: Option<String>,
    facts: Facts,
    /// Octets written so far.
    written: u64,
    missing_id: Option<Blanks>,
}

/// The Message-ID of an edited message.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum MessageId {
    /// The message came with this one.
    Given(String),
    /// We added one, to be filled in when the message is complete.
    Missing(Blanks),
}

/// The places that hold zeros until the Message-ID that we add is known. The id is `<digits@hostname>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Blanks {
    /// The offset of the [`ID_DIGITS`] digits.
    digits_at: u64,
    /// The offset of the hash in each field that has the id's hash.
    hashes_at: Vec<u64>,
    hostname: String,
}

impl Blanks {
    /// Returns the id with these digits, and the texts to write with their offsets.
    pub(crate) fn fill(self, digits: String) -> (String, Vec<(u64, String)>) {
        let id = format!("<{digits}@{}>", self.hostname);
        let hash = mailman_id::hash(id.as_bytes());
        let hashes = self.hashes_at.into_iter().map(|at| (at, hash.clone()));
        (id, std::iter::once((self.digits_at, digits)).chain(hashes).collect())
    }
}

impl HeaderEdit {
    pub(crate) fn new(style: Style, mail_from: String, hostname: String, received: Option<String>) -> Self {
        Self {
            style,
            mail_from,
            hostname,
            received,
            state: State::LineStart,
            line: Line::Keep,
            first_line: true,
            held: Vec::new(),
            from_line: Vec::new(),
            id_field: Vec::new(),
            field: Vec::new(),
            recoded: 0,
            id_hash: None,
            facts: Facts::default(),
            written: 0,
            missing_id: None,
        }
    }

    /// Edits the next octets of the message and appends the result to `out`.
    pub(crate) fn push(&mut self, mut input: &[u8], out: &mut Vec<u8>) {
        while let Some(&first) = input.first() {
            match self.state {
                State::Body => {
                    self.write(input, out);
                    return;
                }
                State::LineStart => self.line_start(first, out),
                State::Name => self.name(&mut input, out),
                State::BeforeColon => self.before_colon(&mut input, out),
                State::InLine => self.in_line(&mut input, out),
                State::AfterCr => {
                    if first == b'\n' {
                        self.line_octets(b"\n", out);
                        input = &input[1..];
                    }
                    self.state = State::LineStart;
                }
            }
        }
    }

    /// Ends the message, and its header if that has not ended.
    pub(crate) fn finish(&mut self, out: &mut Vec<u8>) -> MessageId {
        if self.state == State::BeforeColon {
            self.begin_line(b'\n', out);
        }
        if self.state == State::InLine {
            match self.line {
                Line::Keep | Line::LongField => self.write(b"\r\n", out),
                Line::Field => self.field.extend_from_slice(b"\r\n"),
                Line::Id => self.id_octets(b"\r\n", out),
                Line::Drop | Line::Undecided | Line::BlankId => {}
            }
        }
        if self.state != State::Body {
            self.end_header(true, out);
        }
        match self.missing_id.take() {
            Some(blanks) => MessageId::Missing(blanks),
            None => MessageId::Given(self.facts.message_id().unwrap_or_default()),
        }
    }

    /// Returns the value of X-MailFrom.
    pub(crate) fn mail_from(&self) -> &str {
        &self.mail_from
    }

    /// Returns the facts in the header, once the message has ended.
    pub(crate) fn into_facts(self) -> Facts {
        self.facts
    }

    fn line_start(&mut self, first: u8, out: &mut Vec<u8>) {
        match first {
            b' ' | b'\t' => {
                // A continuation is handled like the line that it continues. After a `From ` line it continues
                // nothing, but then that line is not the last of the header.
                self.before_line(out);
                if self.line == Line::Undecided {
                    self.line = Line::Keep;
                }
                self.first_line = false;
                self.state = State::InLine;
            }
            b'\r' | b'\n' => {
                self.end_header(false, out);
            }
            _ => {
                self.held.clear();
                self.state = State::Name;
            }
        }
    }

    fn name(&mut self, input: &mut &[u8], out: &mut Vec<u8>) {
        self.hold_while(|octet| matches!(octet, 0x21..=0x39 | 0x3b..=0x7e), input, out);
        if self.state == State::Body {
            return;
        }
        match input.first() {
            None => {}
            Some(b' ' | b'\t') if self.style.allows_blanks_before_colon() => self.state = State::BeforeColon,
            Some(&next) => self.begin_line(next, out),
        }
    }

    fn before_colon(&mut self, input: &mut &[u8], out: &mut Vec<u8>) {
        self.hold_while(|octet| matches!(octet, b' ' | b'\t'), input, out);
        if self.state == State::Body {
            return;
        }
        if let Some(&next) = input.first() {
            self.begin_line(next, out);
        }
    }

    /// Holds octets at the beginning of a line. Ends the header if there are too many.
    fn hold_while(&mut self, belongs: impl Fn(u8) -> bool, input: &mut &[u8], out: &mut Vec<u8>) {
        let len = input.iter().take_while(|&&octet| belongs(octet)).count();
        if self.held.len() + len > limits::HEADER_NAME {
            return self.end_header(true, out);
        }
        let (held, rest) = input.split_at(len);
        self.held.extend_from_slice(held);
        *input = rest;
    }

    /// Decides what kind of line begins with the octets that are held: a name, perhaps followed by blanks. `next`
    /// is the octet after them, or a line end if the message ends there.
    fn begin_line(&mut self, next: u8, out: &mut Vec<u8>) {
        let mut held = std::mem::take(&mut self.held);
        let is_field = next == b':';
        if !is_field && !is_from_line(&held, next) {
            self.held = held;
            return self.end_header(true, out);
        }
        if is_field || !self.first_line {
            // First, because an empty Message-ID before this line does not count as one.
            self.end_field(out);
            self.before_line(out);
        }
        let line = match (is_field, self.first_line) {
            (true, _) => self.line_named(held.trim_ascii_end()),
            (false, true) => Line::Keep,
            (false, false) => Line::Undecided,
        };
        self.line = line;
        self.first_line = false;
        self.state = State::InLine;
        self.facts.begin_other();
        if line != Line::BlankId {
            self.line_octets(&held, out);
        }
        if is_field {
            self.facts.begin(held.trim_ascii_end());
        }
        if line == Line::BlankId {
            std::mem::swap(&mut self.id_field, &mut held);
        }
        self.held = held;
        self.held.clear();
    }

    fn line_named(&self, name: &[u8]) -> Line {
        let is_id = || name.eq_ignore_ascii_case(b"Message-ID") && !self.facts.has_message_id();
        match self.style {
            style if style.is_ours(name) => Line::Drop,
            Style::Mailman if is_id() => Line::Id,
            Style::Plain if is_id() => Line::BlankId,
            Style::Mailman => Line::Field,
            Style::Plain => Line::Keep,
        }
    }

    fn in_line(&mut self, input: &mut &[u8], out: &mut Vec<u8>) {
        let (len, state) = match memchr2(b'\r', b'\n', input) {
            Some(at) if input[at] == b'\r' => (at + 1, State::AfterCr),
            Some(at) => (at + 1, State::LineStart),
            None => (input.len(), State::InLine),
        };
        if self.line == Line::Undecided && self.from_line.len() + len > limits::HEADER_NAME {
            return self.end_header(true, out);
        }
        self.line_octets(&input[..len], out);
        self.state = state;
        *input = &input[len..];
    }

    /// Writes, holds or drops octets of the current header line.
    fn line_octets(&mut self, octets: &[u8], out: &mut Vec<u8>) {
        match self.line {
            Line::Keep => {
                self.facts.value(octets);
                self.write(octets, out);
            }
            Line::Drop => {}
            Line::Undecided => self.from_line.extend_from_slice(octets),
            Line::Id => {
                // With non-ASCII octets, Python returns an object where Mailman expects a string.
                let octets = masked(octets);
                self.facts.value(&octets);
                self.id_octets(&octets, out);
            }
            Line::BlankId => {
                self.facts.value(octets);
                self.blank_id_octets(octets, out);
            }
            Line::Field => {
                self.facts.value(octets);
                self.field_octets(octets, out);
            }
            Line::LongField => {
                self.facts.value(octets);
                self.write(&masked(octets), out);
            }
        }
    }

    /// Holds a field for Mailman until it is complete. One that is too long is written with question marks for what
    /// is not ASCII.
    fn field_octets(&mut self, octets: &[u8], out: &mut Vec<u8>) {
        if self.field.len() + octets.len() <= limits::MAILMAN_FIELD {
            return self.field.extend_from_slice(octets);
        }
        let beginning = std::mem::take(&mut self.field);
        self.write(&masked(&beginning), out);
        self.write(&masked(octets), out);
        self.line = Line::LongField;
    }

    /// Holds a Message-ID until the first octet of its value arrives. Removes it if too many blanks come before
    /// that.
    fn blank_id_octets(&mut self, octets: &[u8], out: &mut Vec<u8>) {
        let is_blank = |octet: &u8| matches!(octet, b' ' | b'\t' | b'\r' | b'\n' | 0);
        let colon = usize::from(!self.id_field.contains(&b':'));
        let value = octets[colon..].iter().position(|octet| !is_blank(octet));
        let blanks = value.unwrap_or(octets.len());
        if self.id_field.len() + blanks > limits::MESSAGE_ID_FIELD {
            self.end_blank_id();
            self.line = Line::Drop;
            return;
        }
        if value.is_none() {
            return self.id_field.extend_from_slice(octets);
        }
        // Usually the value arrives with its name, and nothing is copied.
        let mut before = std::mem::take(&mut self.id_field);
        self.write(&before, out);
        self.write(octets, out);
        before.clear();
        (self.held, self.line) = (before, Line::Keep);
    }

    /// Removes an empty Message-ID.
    fn end_blank_id(&mut self) {
        self.id_field.clear();
        self.facts.forget_message_id();
    }

    /// Holds the Message-ID until it is complete. One that is too long is written unchanged, and the hash is that
    /// of its beginning.
    fn id_octets(&mut self, octets: &[u8], out: &mut Vec<u8>) {
        if self.id_hash.is_some() {
            return self.write(octets, out);
        }
        let room = limits::MESSAGE_ID_FIELD - self.id_field.len();
        let (held, rest) = octets.split_at(octets.len().min(room));
        self.id_field.extend_from_slice(held);
        if !rest.is_empty() {
            let beginning = std::mem::take(&mut self.id_field);
            self.id_hash = Some(MailmanId::of_field(&beginning).hash());
            self.write(&beginning, out);
            self.write(rest, out);
        }
    }

    /// Ends the field that is held, if there is one.
    fn end_field(&mut self, out: &mut Vec<u8>) {
        self.end_id_field(out);
        let mut field = std::mem::take(&mut self.field);
        if !field.is_ascii() {
            self.recoded = self.recoded.saturating_add(field.len());
        }
        // Encoded words are longer than what they encode, many times so at worst.
        let ascii = if self.recoded > limits::MAILMAN_FIELDS { masked(&field) } else { ascii_field(&field) };
        self.write(&ascii, out);
        drop(ascii);
        field.clear();
        self.field = field;
    }

    /// Ends the Message-ID, if one is held.
    fn end_id_field(&mut self, out: &mut Vec<u8>) {
        if self.id_field.is_empty() {
            return;
        }
        if self.line == Line::BlankId {
            return self.end_blank_id();
        }
        let field = std::mem::take(&mut self.id_field);
        let id = MailmanId::of_field(&field);
        self.write(&id.corrected_field().unwrap_or_else(|| field.clone()), out);
        self.id_hash = Some(id.hash());
    }

    /// Writes what was held back, because another header line follows it.
    fn before_line(&mut self, out: &mut Vec<u8>) {
        if let Some(received) = self.received.take() {
            self.write(received.as_bytes(), out);
        }
        self.flush_from_line(out);
    }

    fn flush_from_line(&mut self, out: &mut Vec<u8>) {
        let from_line = std::mem::take(&mut self.from_line);
        self.write(&from_line, out);
    }

    /// Ends the header: writes the fields to add, then what was held back as the beginning of the body.
    /// `separate` says that the message has no blank line here.
    fn end_header(&mut self, separate: bool, out: &mut Vec<u8>) {
        self.end_field(out);
        if let Some(received) = self.received.take() {
            self.write(received.as_bytes(), out);
        }
        self.add_id(out);
        let x_mail_from = format!("X-MailFrom: {}\r\n", self.mail_from);
        self.write(x_mail_from.as_bytes(), out);
        if separate || !self.from_line.is_empty() {
            self.write(b"\r\n", out);
        }
        self.flush_from_line(out);
        let held = std::mem::take(&mut self.held);
        self.write(&held, out);
        self.state = State::Body;
    }

    /// Writes a Message-ID, if there is none, and the hashes that Mailman expects.
    fn add_id(&mut self, out: &mut Vec<u8>) {
        if !self.facts.has_message_id() {
            self.write(b"Message-ID: <", out);
            let digits_at = self.written;
            let rest = format!("{:0ID_DIGITS$}@{}>\r\n", 0, self.hostname);
            self.write(rest.as_bytes(), out);
            let hostname = self.hostname.clone();
            self.missing_id = Some(Blanks { digits_at, hashes_at: Vec::new(), hostname });
        }
        if self.style == Style::Plain {
            return;
        }
        let hash = self.id_hash.take().unwrap_or_else(|| "0".repeat(mailman_id::HASH));
        for name in ["Message-ID-Hash: ", "X-Message-ID-Hash: "] {
            self.write(name.as_bytes(), out);
            if let Some(blanks) = &mut self.missing_id {
                blanks.hashes_at.push(self.written);
            }
            self.write(format!("{hash}\r\n").as_bytes(), out);
        }
    }

    fn write(&mut self, octets: &[u8], out: &mut Vec<u8>) {
        out.extend_from_slice(octets);
        self.written += octets.len() as u64;
    }
}

/// Returns whether a line is the `From ` line of a mailbox file. `held` is its beginning; `next` is the octet
/// after it, which is not a colon.
fn is_from_line(held: &[u8], next: u8) -> bool {
    held.starts_with(b"From ") || held == b"From" && next == b' '
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fuzz::{FROM, edited_at_once, edited_in_pieces};
    use proptest::prelude::*;

    fn edited(message: &[u8], piece: usize) -> (Vec<u8>, MessageId) {
        let mut edit = HeaderEdit::new(Style::Plain, FROM.to_owned(), "host".to_owned(), None);
        let mut out = Vec::new();
        for chunk in message.chunks(piece) {
            edit.push(chunk, &mut out);
        }
        let id = edit.finish(&mut out);
        assert_eq!(edit.written, out.len() as u64);
        (out, id)
    }

    /// Generates messages from the words that matter here.
    fn message() -> impl Strategy<Value = Vec<u8>> {
        let word = prop_oneof![
            Just(b"X-MailFrom".to_vec()),
            Just(b"x-mailFROM: evil".to_vec()),
            Just(b"Message-ID".to_vec()),
            Just(b"Message-ID: <[a@b]>".to_vec()),
            Just(b"X-Message-id-HASH: x".to_vec()),
            Just(b": <a@b>".to_vec()),
            Just(b"From ".to_vec()),
            Just(b"From".to_vec()),
            Just(b"X-MailFrom \t: x".to_vec()),
            Just(b":".to_vec()),
            Just(b" ".to_vec()),
            Just(b"\t".to_vec()),
            Just(b"\r\n".to_vec()),
            Just(b"\r".to_vec()),
            Just(b"\n".to_vec()),
            Just(b"A: b\r\n".to_vec()),
            Just(b"\xe4\0".to_vec()),
            Just("To: \u{e4}, <\u{e4}@b>".as_bytes().to_vec()),
            proptest::collection::vec(any::<u8>(), 0..3),
        ];
        proptest::collection::vec(word, 0..14).prop_map(|words| words.concat())
    }

    proptest! {
        #[test]
        fn the_edit_agrees_with_the_reference_for_any_split(message in message(), piece in 1..20_usize) {
            for style in [Style::Plain, Style::Mailman] {
                let (out, _) = edited_in_pieces(style, &message, piece);
                prop_assert_eq!(
                    out.escape_ascii().to_string(),
                    edited_at_once(style, &message).escape_ascii().to_string(),
                    "of {}", message.escape_ascii()
                );
            }
        }
    }

    #[test]
    fn a_forged_x_mailfrom_is_removed_with_its_continuations() {
        for end in ["\r\n", "\n", "\r"] {
            let message = format!(
                "A: b{end}x-MAILfrom: evil{end}\tmore{end} still{end}Message-ID: <x@y>{end}{end}X-MailFrom: body{end}"
            );
            let expected =
                format!("A: b{end}Message-ID: <x@y>{end}X-MailFrom: {FROM}\r\n{end}X-MailFrom: body{end}");
            for piece in 1..8 {
                let (out, id) = edited(message.as_bytes(), piece);
                assert_eq!(String::from_utf8(out).unwrap(), expected);
                assert_eq!(id, MessageId::Given("<x@y>".to_owned()));
            }
        }
    }

    #[test]
    fn the_first_message_id_is_remembered_on_one_line_and_bounded() {
        let (_, id) = edited(b"message-id:\r\n  <folded@\r\n x>  \r\nMessage-ID: <second>\r\n\r\n", 3);
        assert_eq!(id, MessageId::Given("<folded@ x>".to_owned()));
        let (_, id) = edited(format!("Message-ID: {}\r\n\r\n", "x".repeat(5000)).as_bytes(), 100);
        assert!(matches!(id, MessageId::Given(id) if id.len() < limits::MESSAGE_ID));
    }

    #[test]
    fn an_empty_message_id_is_removed_and_counts_as_missing() {
        let ours = format!("Message-ID: <{:032}@host>\r\nX-MailFrom: {FROM}\r\n\r\n", 0);
        let given = format!("X-MailFrom: {FROM}\r\n\r\n");
        let blanks = " ".repeat(2 * limits::MESSAGE_ID_FIELD);
        for (message, expected) in [
            ("A: b\r\nMessage-ID:\r\nB: c\r\n\r\n", format!("A: b\r\nB: c\r\n{ours}")),
            ("Message-ID:\r\nMessage-ID: \r\nB: c\r\n\r\n", format!("B: c\r\n{ours}")),
            ("Message-ID: \r\nMessage-ID:<x@y>\r\n\r\n", format!("Message-ID:<x@y>\r\n{given}")),
            ("Message-ID: \t\r\n \r\n\r\n", ours.clone()),
            ("Message-ID:", ours.clone()),
            ("Message-ID :\0\nMessage-ID: <x@y>\r\n\r\n", format!("Message-ID: <x@y>\r\n{given}")),
            ("Message-ID:\r\n <x@y>\r\n\r\n", format!("Message-ID:\r\n <x@y>\r\n{given}")),
            ("Message-ID: :\r\n\r\n", format!("Message-ID: :\r\n{given}")),
            (
                "Message-ID: <x@y>\r\nMessage-ID:\r\n\r\n",
                format!("Message-ID: <x@y>\r\nMessage-ID:\r\n{given}"),
            ),
            (&format!("Message-ID:{blanks}<x@y>\r\n\r\n"), ours.clone()),
        ] {
            for piece in [1, 3, 7, 100_000] {
                let (out, _) = edited(message.as_bytes(), piece);
                assert_eq!(String::from_utf8(out).unwrap(), expected, "{message:?} in pieces of {piece}");
            }
        }
        // Mailman's runner accepts it as an id, and so does the gate that replaces the runner.
        let (out, _) = edited_in_pieces(Style::Mailman, b"Message-ID:\r\n\r\n", 100);
        assert!(out.starts_with(b"Message-ID:\r\nMessage-ID-Hash: "));
    }

    #[test]
    fn blanks_before_the_colon_do_not_end_the_header() {
        let message = "Subject : x\r\nX-MailFrom\t: evil\r\nFrom  : a@b\r\nMessage-ID \t : <x@y>\r\n\r\nbody";
        let expected =
            format!("Subject : x\r\nFrom  : a@b\r\nMessage-ID \t : <x@y>\r\nX-MailFrom: {FROM}\r\n\r\nbody");
        for piece in 1..20 {
            let (out, id) = edited(message.as_bytes(), piece);
            assert_eq!(String::from_utf8(out).unwrap(), expected);
            assert_eq!(id, MessageId::Given("<x@y>".to_owned()));
        }
    }

    #[test]
    fn for_mailman_a_blank_before_the_colon_ends_the_header() {
        let (out, _) =
            edited_in_pieces(Style::Mailman, b"Message-ID: <a@b>\r\nSubject : x\r\nA: b\r\n\r\n", 7);
        let out = String::from_utf8(out).unwrap();
        assert!(out.ends_with(&format!("X-MailFrom: {FROM}\r\n\r\nSubject : x\r\nA: b\r\n\r\n")), "{out}");
    }

    #[test]
    fn input_that_would_need_unbounded_memory_ends_the_header() {
        let name = "N".repeat(limits::HEADER_NAME + 1);
        let blanks = " ".repeat(limits::HEADER_NAME);
        for message in [
            format!("A: b\r\n{name}: x\r\n\r\n"),
            format!("A: b\r\nFrom {name}\r\nB: c\r\n\r\n"),
            format!("A: b\r\nB{blanks}: c\r\n\r\n"),
        ] {
            let rest = message.strip_prefix("A: b\r\n").unwrap();
            let expected =
                format!("A: b\r\nMessage-ID: <{:032}@host>\r\nX-MailFrom: {FROM}\r\n\r\n{rest}", 0);
            for piece in [1, 7, 5000] {
                let (out, _) = edited(message.as_bytes(), piece);
                assert_eq!(String::from_utf8(out).unwrap(), expected);
            }
        }
    }

    #[test]
    fn fields_for_mailman_are_ascii_whatever_their_length_and_number() {
        let edited = |message: &str, piece| {
            let (out, facts) = edited_in_pieces(Style::Mailman, message.as_bytes(), piece);
            let end = out.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
            (String::from_utf8(out[..end].to_vec()).unwrap(), facts)
        };
        let held = "\u{fc}".repeat(limits::MAILMAN_FIELD / 2 - 10);
        let long = "\u{fc}".repeat(limits::MAILMAN_FIELD);
        let some = "\u{fc}".repeat(50_000);
        let many = format!("A: {some}\r\n").repeat(limits::MAILMAN_FIELDS / some.len() + 2);
        for piece in [1000, usize::MAX] {
            let (out, facts) = edited(&format!("Precedence: \u{fc}\r\nA: {held}\r\n\r\n\u{fc}"), piece);
            assert!(out.starts_with("Precedence: =?utf-8?b?w7w=?=\r\nA: =?utf-8?b?w7zD") && out.is_ascii());
            assert!(!out.contains("??"));
            assert!(facts.contains("[58, 32, 195, 188"), "facts are of what came: {facts}");
            let (out, _) = edited(&format!("A: {long}\r\n b\r\nB: \u{fc}\r\n\r\n"), piece);
            let masked = "?".repeat(long.len());
            assert!(out.starts_with(&format!("A: {masked}\r\n b\r\nB: =?utf-8?b?w7w=?=\r\n")));
            let (out, _) = edited(&format!("{many}\r\n"), piece);
            let masked = format!("A: {}\r\n", "?".repeat(some.len()));
            assert!(out.is_ascii() && out.starts_with("A: =?"));
            assert_eq!(out.matches(&masked).count(), 2);
        }
        let message = format!("A: \u{fc}{}", " b".repeat(limits::MAILMAN_FIELD / 2 + 1));
        assert!(edited(&message, 7).0.starts_with("A: ?? b b"), "a field that has no line end");
    }

    #[test]
    fn a_received_line_comes_first_but_after_a_leading_from_line() {
        for (message, expected) in [
            ("A: b\r\n\r\n", "R\r\nA: b\r\n"),
            ("From x\r\nA: b\r\n\r\n", "From x\r\nR\r\nA: b\r\n"),
            ("\r\n", "R\r\nMessage-ID"),
            ("no header\r\n", "R\r\nMessage-ID"),
        ] {
            let received = Some("R\r\n".to_owned());
            let mut edit = HeaderEdit::new(Style::Plain, FROM.to_owned(), "host".to_owned(), received);
            let mut out = Vec::new();
            edit.push(message.as_bytes(), &mut out);
            edit.finish(&mut out);
            let out = String::from_utf8(out).unwrap();
            assert!(out.starts_with(expected), "{message:?} became {out:?}");
        }
    }

    #[test]
    fn mailman_gets_its_hashes_and_a_corrected_id_in_place() {
        let hashes = |hash: &str| {
            format!("Message-ID-Hash: {hash}\r\nX-Message-ID-Hash: {hash}\r\nX-MailFrom: {FROM}\r\n")
        };
        let of_ab = hashes("2AZYWIZED4JE6LED7JXVQIMSAA437BO3");
        let long = format!("Message-ID: [{}]\r\n", "x".repeat(limits::MESSAGE_ID_FIELD));
        let of_long = MailmanId::of_field(&long.as_bytes()[..limits::MESSAGE_ID_FIELD]).hash();
        for (message, expected) in [
            ("message-id:\t<a@b>\n\nx", format!("message-id:\t<a@b>\n{of_ab}\nx")),
            ("Message-ID: <[a@b]>\r\nA: b", format!("Message-ID: <a@b>\r\nA: b\r\n{of_ab}\r\n")),
            ("Message-ID:[a@b]", format!("Message-ID: <a@b>\r\n{of_ab}\r\n")),
            (
                "message-id-hash: x\r\n\ty\r\nMessage-ID: <a@b>\r\nX-MESSAGE-ID-HASH: z\r\nMessage-ID: [c]\r\n\r\n",
                format!("Message-ID: <a@b>\r\nMessage-ID: [c]\r\n{of_ab}\r\n"),
            ),
            (
                "Message-ID: <a@b>\r\nFrom x\r\n\r\n",
                format!("Message-ID: <a@b>\r\n{of_ab}\r\nFrom x\r\n\r\n"),
            ),
            (&format!("{long}\r\n"), format!("{long}{}\r\n", hashes(&of_long))),
            (
                "Message-ID: <\u{e4}@b>\r\nMessage-ID: \u{e4}\r\n\r\n",
                format!(
                    "Message-ID: <??@b>\r\nMessage-ID: ??\r\n{}\r\n",
                    hashes(&mailman_id::hash(b"<??@b>"))
                ),
            ),
        ] {
            for piece in [1, 7, usize::MAX] {
                let (out, _) = edited_in_pieces(Style::Mailman, message.as_bytes(), piece);
                assert_eq!(String::from_utf8(out).unwrap(), expected, "{message:?}");
            }
        }
    }
}
