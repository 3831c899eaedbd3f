//! What a footer needs to know of a post's MIME structure (RFC 2045, RFC 2046): only what the header and the outermost
//! boundary say. If that is not certain, the post gets no footer.

use super::no_footer::NoFooter;
use crate::view::View;
use mail_parser::parsers::MessageStream;
use std::collections::BTreeMap;

/// The content type and encoding of a message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Content {
    /// Type and subtype in lower case, such as `text/plain`.
    pub(super) kind: String,
    pub(super) transfer: Transfer,
    /// Whether the content is to be shown, and is not a file.
    pub(super) is_inline: bool,
    /// The parameters by their names in lower case.
    parameters: BTreeMap<String, String>,
}

/// The transfer encoding of a body.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Transfer {
    SevenBit,
    EightBit,
    QuotedPrintable,
    Base64,
}

impl Content {
    pub(super) fn read(view: &View<'_>) -> Result<Self, NoFooter> {
        let (kind, parameters) = match single(view, "Content-Type")? {
            Some(value) => content_type(&value)?,
            None => ("text/plain".to_owned(), BTreeMap::new()),
        };
        let transfer = match single(view, "Content-Transfer-Encoding")?.as_deref().map(word).as_deref() {
            None | Some("" | "7bit") => Transfer::SevenBit,
            Some("8bit") => Transfer::EightBit,
            Some("quoted-printable") => Transfer::QuotedPrintable,
            Some("base64") => Transfer::Base64,
            Some(_) => return Err(NoFooter::Unsupported),
        };
        let disposition = single(view, "Content-Disposition")?.as_deref().map(word);
        let is_inline = disposition.is_none_or(|word| word == "inline");
        Ok(Self { kind, transfer, is_inline, parameters })
    }

    /// Returns a parameter of Content-Type, in lower case.
    pub(super) fn parameter(&self, name: &str) -> String {
        self.parameters.get(name).map(|value| value.to_ascii_lowercase()).unwrap_or_default()
    }

    /// Returns the boundary between the parts (RFC 2046 section 5.1.1).
    pub(super) fn boundary(&self) -> Result<&str, NoFooter> {
        let boundary = self.parameters.get("boundary").ok_or(NoFooter::Malformed)?;
        let is_valid = (1..=70).contains(&boundary.len())
            && boundary.bytes().all(|octet| matches!(octet, b' '..=b'~'))
            && !boundary.ends_with(' ');
        if is_valid { Ok(boundary) } else { Err(NoFooter::Malformed) }
    }
}

/// Returns the value of a field that may occur only once.
fn single(view: &View<'_>, name: &str) -> Result<Option<String>, NoFooter> {
    let mut fields = view.named(name);
    let value = fields.next().map(|field| field.unfolded());
    if fields.next().is_some() { Err(NoFooter::Malformed) } else { Ok(value) }
}

/// Returns a value without its parameters, in lower case.
fn word(value: &str) -> String {
    value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

fn content_type(value: &str) -> Result<(String, BTreeMap<String, String>), NoFooter> {
    let line = format!("{value}\n");
    let parsed = MessageStream::new(line.as_bytes()).parse_content_type().into_content_type();
    let parsed = parsed.ok_or(NoFooter::Malformed)?;
    let kind = format!("{}/{}", parsed.ctype(), parsed.subtype().unwrap_or_default()).to_ascii_lowercase();
    // The other reading, without comments and quotes, must be the same.
    if kind != word(value) {
        return Err(NoFooter::Malformed);
    }
    let mut parameters = BTreeMap::new();
    for attribute in parsed.attributes().unwrap_or_default() {
        let name = attribute.name.to_ascii_lowercase();
        if parameters.insert(name, attribute.value.to_string()).is_some() {
            return Err(NoFooter::Malformed);
        }
    }
    Ok((kind, parameters))
}

/// Returns the offset of the line that ends the last part of a multipart body. A part inserted there is the last one.
pub(super) fn closing(view: &View<'_>, boundary: &str) -> Result<u64, NoFooter> {
    let whole = view.whole_body();
    let (start, end) = (view.body_start(), view.body_end());
    let delimiter = format!("--{boundary}");
    let mut found = BTreeMap::new();
    let is_cut = whole.is_none();
    for (octets, at, is_end) in [(start, view.body_at(), false), (end, view.size() - end.len() as u64, true)]
    {
        if is_end && !is_cut {
            continue;
        }
        for (line, line_at, is_last) in lines(octets) {
            // At a cut, a line may be a part of one.
            let is_part = is_cut && (is_end && line_at == 0 || !is_end && is_last);
            if !is_part && line.starts_with(delimiter.as_bytes()) {
                found.insert(at + line_at as u64, line);
            }
        }
    }
    let is_opening = |line: &&[u8]| line.trim_ascii_end() == delimiter.as_bytes();
    let is_closing = |line: &&[u8]| line.trim_ascii_end().strip_suffix(b"--") == Some(delimiter.as_bytes());
    let Some((at, _)) = found.pop_last().filter(|(_, line)| is_closing(line)) else {
        return Err(if is_cut { NoFooter::NotSeen } else { NoFooter::Malformed });
    };
    // Something else that begins with the delimiter, or comes after the end, may be read in two ways.
    if found.is_empty() || !found.values().all(is_opening) { Err(NoFooter::Malformed) } else { Ok(at) }
}

/// Returns the lines of a body without their line ends, with their offsets, and whether each is the last one.
fn lines(octets: &[u8]) -> impl Iterator<Item = (&[u8], usize, bool)> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let rest = octets.get(at..).filter(|rest| !rest.is_empty())?;
        let len = memchr::memchr2(b'\r', b'\n', rest).unwrap_or(rest.len());
        let start = at;
        at += len + if rest[len..].starts_with(b"\r\n") { 2 } else { 1 };
        Some((&rest[..len], start, at >= octets.len()))
    })
}

/// Returns whether a line begins an armored message, signature or key of OpenPGP (RFC 9580 section 6.2).
pub(super) fn has_armor(octets: &[u8]) -> bool {
    lines(octets).any(|(line, ..)| line.starts_with(b"-----BEGIN PGP "))
}
