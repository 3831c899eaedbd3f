//! A transaction as its caller describes it, and the parameters that follow from it.

use super::server::Server;
use crate::limits;
use crate::mailbox::{ForwardPath, Mailbox, ReversePath};
use memchr::memmem;
use std::{fmt, fmt::Write, str::FromStr};

/// A message's envelope, and what is known of the message before it is sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Transaction<'t> {
    /// The sender.
    pub from: &'t ReversePath,
    /// The recipients: one or more.
    pub to: &'t [Recipient],
    /// What is known of the message.
    pub declared: Declared,
    /// The reports that are wanted, for servers that announce DSN.
    pub dsn: Option<&'t Dsn>,
}

impl<'t> Transaction<'t> {
    /// Returns a transaction that leaves it to the server which reports it sends.
    pub fn new(from: &'t ReversePath, to: &'t [Recipient], declared: Declared) -> Self {
        Self { from, to, declared, dsn: None }
    }
}

/// A recipient of a transaction.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Recipient {
    /// The address.
    pub path: ForwardPath,
    /// The address that reports should name, for servers that announce DSN (RFC 3461 section 4.2, ORCPT). It is left
    /// out if it takes more than [`limits::ORIGINAL_RECIPIENT`] octets.
    pub original: Option<Mailbox>,
}

impl From<ForwardPath> for Recipient {
    fn from(path: ForwardPath) -> Self {
        Self { path, original: None }
    }
}

/// What a client knows of a message before it sends it, for the parameters of MAIL.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Declared {
    /// The size in octets, if known, for servers that announce SIZE (RFC 1870).
    pub size: Option<u64>,
    /// The header has UTF-8, for servers that announce SMTPUTF8 (RFC 6531). UTF-8 in addresses need not be declared.
    pub utf8_header: bool,
    /// The message has octets that are not ASCII, for servers that announce 8BITMIME (RFC 6152). Other servers get
    /// it unchanged, without a declaration.
    pub eight_bit: bool,
}

impl Declared {
    /// Returns the facts of a whole message. A header with octets that are neither ASCII nor UTF-8 does not count as
    /// UTF-8: SMTPUTF8 would not make it valid.
    ///
    /// ```
    /// use listgate_lmtp::Declared;
    /// let declared = Declared::of("Subject: Grüße\r\n\r\nHello.\r\n".as_bytes());
    /// assert_eq!(declared, Declared { size: Some(28), utf8_header: true, eight_bit: true });
    /// let declared = Declared::of("Subject: hello\r\n\r\nGrüße\r\n".as_bytes());
    /// assert_eq!((declared.utf8_header, declared.eight_bit), (false, true));
    /// ```
    pub fn of(message: &[u8]) -> Self {
        let begins_with_body = message.starts_with(b"\r\n");
        let end = if begins_with_body { Some(0) } else { memmem::find(message, b"\r\n\r\n") };
        let header = &message[..end.unwrap_or(message.len())];
        let utf8_header = !header.is_ascii() && std::str::from_utf8(header).is_ok();
        Self { size: Some(message.len() as u64), utf8_header, eight_bit: !message.is_ascii() }
    }
}

/// The reports that a sender wants (RFC 3461).
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Dsn {
    /// The name that reports have for this transaction (ENVID).
    pub envelope_id: Option<EnvelopeId>,
    /// Reports return only the header of the message (RET=HDRS).
    pub headers_only: bool,
    /// Only failures are reported, and no delays (NOTIFY=FAILURE).
    pub failures_only: bool,
}

/// The name of a transaction in reports (RFC 3461 section 4.4, ENVID).
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct EnvelopeId(String);

impl EnvelopeId {
    /// Returns the name as reports show it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for EnvelopeId {
    type Err = InvalidEnvelopeId;

    /// Takes printable ASCII that needs at most [`limits::ENVELOPE_ID`] octets once it is encoded.
    fn from_str(text: &str) -> Result<Self, InvalidEnvelopeId> {
        let mut encoded = String::new();
        xtext(text, &mut encoded);
        let printable = text.bytes().all(|octet| matches!(octet, b' '..=b'~'));
        let fits = (1..=limits::ENVELOPE_ID).contains(&encoded.len());
        if printable && fits { Ok(Self(text.to_owned())) } else { Err(InvalidEnvelopeId) }
    }
}

/// The error for a text that cannot be an [`EnvelopeId`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct InvalidEnvelopeId;

impl fmt::Display for InvalidEnvelopeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an envelope id is printable ASCII of 1 to {} octets", limits::ENVELOPE_ID)
    }
}

impl std::error::Error for InvalidEnvelopeId {}

/// Returns whether the transaction needs SMTPUTF8, for an address or for the header.
pub(super) fn needs_utf8(transaction: &Transaction<'_>) -> bool {
    let ascii = transaction.from.is_ascii() && transaction.to.iter().all(|to| to.path.is_ascii());
    transaction.declared.utf8_header || !ascii
}

/// Returns MAIL with the parameters that the server understands, without a line end.
pub(super) fn mail(transaction: &Transaction<'_>, server: &Server) -> String {
    let Transaction { from, declared, dsn, .. } = transaction;
    let mut line = match from {
        ReversePath::Null => "MAIL FROM:<>".to_owned(),
        ReversePath::Mailbox(from) => format!("MAIL FROM:<{from}>"),
    };
    if let Some(octets) = declared.size.filter(|_| server.size) {
        write!(line, " SIZE={octets}").expect("writing to a String does not fail");
    }
    if server.eight_bit_mime && declared.eight_bit {
        line.push_str(" BODY=8BITMIME");
    }
    if server.smtputf8 && needs_utf8(transaction) {
        line.push_str(" SMTPUTF8");
    }
    if let Some(dsn) = dsn.filter(|_| server.dsn) {
        if dsn.headers_only {
            line.push_str(" RET=HDRS");
        }
        if let Some(EnvelopeId(id)) = &dsn.envelope_id {
            line.push_str(" ENVID=");
            xtext(id, &mut line);
        }
    }
    line
}

/// Appends the parameters of RCPT for a server with DSN, each after a space. `utf8` says whether the transaction has
/// SMTPUTF8.
pub(super) fn rcpt_parameters(
    transaction: &Transaction<'_>,
    recipient: &Recipient,
    utf8: bool,
    parameters: &mut String,
) {
    if transaction.dsn.is_some_and(|dsn| dsn.failures_only) {
        parameters.push_str(" NOTIFY=FAILURE");
    }
    if let Some(original) = &recipient.original {
        let before = parameters.len();
        parameters.push_str(" ORCPT=");
        let start = parameters.len();
        original_recipient(original, utf8, parameters);
        if parameters.len() - start > limits::ORIGINAL_RECIPIENT {
            parameters.truncate(before);
        }
    }
}

/// Appends an address with its type, as ORCPT has it: `rfc822` (RFC 3461 section 4.2), or `utf-8` for an address with
/// UTF-8 (RFC 6533 section 3). `utf8` says whether the transaction has SMTPUTF8; without it, the result is ASCII.
fn original_recipient(address: &Mailbox, utf8: bool, text: &mut String) {
    if address.is_ascii() {
        text.push_str("rfc822;");
        return xtext(address.as_str(), text);
    }
    text.push_str("utf-8;");
    for c in address.as_str().chars() {
        match c {
            ' ' | '+' | '=' | '\\' => write!(text, "\\x{{{:X}}}", u32::from(c)),
            _ if c.is_ascii() || utf8 => text.write_char(c),
            _ => write!(text, "\\x{{{:X}}}", u32::from(c)),
        }
        .expect("writing to a String does not fail");
    }
}

/// Appends `text` as xtext (RFC 3461 section 4): `+` and `=`, and what is not a visible character of ASCII, become `+`
/// and two digits.
fn xtext(text: &str, out: &mut String) {
    let is_plain = |octet: u8| matches!(octet, b'!'..=b'~') && octet != b'+' && octet != b'=';
    if text.bytes().all(is_plain) {
        return out.push_str(text);
    }
    for octet in text.bytes() {
        match octet {
            _ if is_plain(octet) => out.push(octet.into()),
            _ => write!(out, "+{octet:02X}").expect("writing to a String does not fail"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_message_declares_what_it_has() {
        for (message, utf8_header, eight_bit) in [
            ("Subject: a\r\n\r\nb\r\n".as_bytes(), false, false),
            ("Subject: a\r\n\r\n\u{fc}\r\n".as_bytes(), false, true),
            ("Subject: \u{fc}\r\n\r\nb\r\n".as_bytes(), true, true),
            ("Subject: \u{fc}".as_bytes(), true, true),
            ("\r\n\u{fc}\r\n\r\n".as_bytes(), false, true),
            (b"Subject: \xfc\r\n\r\nb\r\n", false, true),
            (b"", false, false),
        ] {
            let expected = Declared { size: Some(message.len() as u64), utf8_header, eight_bit };
            assert_eq!(Declared::of(message), expected, "{}", message.escape_ascii());
        }
    }

    #[test]
    fn an_envelope_id_is_printable_and_fits() {
        let longest = "x".repeat(limits::ENVELOPE_ID);
        assert_eq!(longest.parse::<EnvelopeId>().unwrap().as_str(), longest);
        for text in ["", "a\u{fc}", "a\n", &format!("{longest}x"), &"+".repeat(limits::ENVELOPE_ID / 2)] {
            let error = text.parse::<EnvelopeId>().unwrap_err().to_string();
            assert!(error.contains("printable"), "{text}: {error}");
        }
    }
}
