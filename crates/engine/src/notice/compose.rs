//! Writes a notice as a message.

use super::date::date;
use super::envelope::{Envelope, Notice};
use super::text::Text;
use super::values::Values;
use crate::encode::{base64, quoted_printable};
use crate::limits;
use crate::token::Purpose;
use crate::write::{
    address, encoded_words, folded_field, list_id, mailto, needs_encoding, with_suffix, without_controls,
};
use listgate_lmtp::Mailbox;

/// Octets of a line, without its line end (RFC 5322 section 2.1.1).
const LINE: usize = 998;

/// Returns the whole message, with lines that end in CR LF. It has at most [`limits::GENERATED`] octets: a value or a text
/// that is too long is cut at a line, and the mail says so.
///
/// - It is recognized as automatic by [`of_command`](crate::automatic::of_command) and by other programs (RFC 3834), and
///   its own list discards it as a post.
/// - No value, name or address begins another field. The header is ASCII if the addresses and the list_id are.
/// - The body is ASCII as it is, and else in UTF-8, as quoted-printable or base64, whichever is shorter.
/// - An address in To that has more than [`limits::ADDRESS`] octets is left out.
pub fn compose(notice: &Notice, text: &Text, envelope: &Envelope<'_>) -> Vec<u8> {
    let values = Values::new(notice, envelope);
    let body = Body::new(values.body(text));
    let mut message = String::new();
    for (name, value) in fields(notice, &values.subject(text), envelope) {
        message += &folded_field(name, &value);
    }
    for (name, value) in
        [("MIME-Version", "1.0"), ("Content-Type", body.kind), ("Content-Transfer-Encoding", body.transfer)]
    {
        message += &folded_field(name, value);
    }
    (message + "\r\n" + &body.encoded).into_bytes()
}

/// Returns the subject of the message as people see it, decoded.
pub fn subject(notice: &Notice, text: &Text, envelope: &Envelope<'_>) -> String {
    Values::new(notice, envelope).subject(text)
}

/// Returns the fields, without those of the content.
fn fields(notice: &Notice, subject: &str, envelope: &Envelope<'_>) -> Vec<(&'static str, String)> {
    let Envelope { list, to, .. } = *envelope;
    let purpose = notice.template.purpose();
    let token = envelope.token_address.zip(purpose);
    let reply_to = match token {
        Some((_, Purpose::Leave)) => None,
        Some((address, _)) => Some(address.to_string()),
        None => notice.template.is_for_owners().then(|| with_suffix(list, "-owner")),
    };
    let unsubscribe =
        token.filter(|(_, purpose)| *purpose == Purpose::Leave).map(|(leave, _)| uri(leave, "", ""));
    let from = address(&envelope.list_name(), with_suffix(list, "-request"));
    let to = if to.as_str().len() > limits::ADDRESS { "undisclosed-recipients:;" } else { to.as_str() };
    let answered = notice.in_reply_to.as_deref().and_then(message_id);
    let submitted = if notice.in_reply_to.is_some() { "auto-replied" } else { "auto-generated" };
    let always = |name: &'static str, value: String| Some((name, value));
    let fields = [
        // A notice that comes back as a post is discarded: it may have a token.
        always("X-BeenThere", without_controls(envelope.list_id)),
        always("From", from),
        always("To", to.to_owned()),
        reply_to.map(|address| ("Reply-To", address)),
        always("Subject", if needs_encoding(subject) { encoded_words(subject) } else { subject.to_owned() }),
        always("Date", date(envelope.at)),
        always("Message-ID", own_message_id(envelope)),
        answered.map(|id| ("In-Reply-To", id.to_owned())),
        answered.map(|id| ("References", id.to_owned())),
        always("Auto-Submitted", submitted.to_owned()),
        always("Precedence", "bulk".to_owned()),
        always("X-Auto-Response-Suppress", "All".to_owned()),
        always("List-Id", list_id(envelope.display_name, envelope.list_id)),
        always("List-Help", uri(list, "-request", "?subject=help")),
        always("List-Owner", uri(list, "-owner", "")),
        unsubscribe.map(|uri| ("List-Unsubscribe", uri)),
    ];
    fields.into_iter().flatten().collect()
}

fn uri(mailbox: &Mailbox, suffix: &str, query: &str) -> String {
    format!("<{}{query}>", mailto(mailbox, suffix))
}

/// Returns the Message-ID. What cannot stand on its left side (RFC 5322 section 3.6.4) is left out.
fn own_message_id(envelope: &Envelope<'_>) -> String {
    let words = envelope.id.split('.').map(|word| -> String {
        word.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_')).take(64).collect()
    });
    let words: Vec<_> = words.filter(|word| !word.is_empty()).take(8).collect();
    let id = if words.is_empty() { "notice".to_owned() } else { words.join(".") };
    format!("<{id}@{}>", envelope.list.domain().as_str())
}

/// Returns a Message-ID of another mail, if it can be written on one line.
fn message_id(id: &str) -> Option<&str> {
    let inner = id.trim().strip_prefix('<')?.strip_suffix('>')?;
    let is_valid = !inner.is_empty()
        && inner.bytes().all(|octet| octet.is_ascii_graphic() && !matches!(octet, b'<' | b'>'))
        && "In-Reply-To: <>".len() + inner.len() <= LINE;
    is_valid.then_some(id.trim())
}

/// A body with the fields that describe it.
struct Body {
    kind: &'static str,
    transfer: &'static str,
    encoded: String,
}

impl Body {
    /// Encodes text whose lines end in CR LF.
    fn new(text: String) -> Self {
        const UTF8: &str = "text/plain; charset=utf-8";
        let is_ascii = text.is_ascii();
        if is_ascii && text.split("\r\n").all(|line| line.len() <= LINE) {
            return Self { kind: "text/plain; charset=us-ascii", transfer: "7bit", encoded: text };
        }
        let kind = if is_ascii { "text/plain; charset=us-ascii" } else { UTF8 };
        let quoted = quoted_printable(text.as_bytes());
        let base64 = base64(text.as_bytes());
        let lines: Vec<_> = base64.as_bytes().chunks(76).map(|line| String::from_utf8_lossy(line)).collect();
        let base64 = lines.join("\r\n") + "\r\n";
        if quoted.len() <= base64.len() {
            Self { kind, transfer: "quoted-printable", encoded: quoted }
        } else {
            Self { kind, transfer: "base64", encoded: base64 }
        }
    }
}
