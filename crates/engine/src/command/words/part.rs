//! The text of a message (RFC 2045, RFC 2046). Only the first text matters, so this does not read the other parts, and
//! takes a time that grows with the length of the message and not faster.

use crate::limits;
use crate::view::{Field, View};
use mail_parser::decoders::base64::base64_decode;
use mail_parser::decoders::charsets::map::charset_decoder;
use mail_parser::decoders::quoted_printable::quoted_printable_decode;
use mail_parser::parsers::MessageStream;

/// A text, decoded.
#[derive(PartialEq, Eq, Debug)]
pub(super) enum Text {
    Plain(String),
    Html(String),
}

/// Returns the first part that is text, is not attached as a file, and is not blank.
pub(super) fn first_text(view: &View<'_>) -> Option<Text> {
    let mut parts = Vec::new();
    match Part::read(view) {
        Part::Text(text) => return text,
        Part::Multipart(octets, boundary) => push(&mut parts, octets, &boundary, 1),
        Part::Other => {}
    }
    while let Some((octets, level)) = parts.pop() {
        match Part::read(&View::whole(octets)) {
            Part::Text(None) | Part::Other => {}
            Part::Text(text) => return text,
            Part::Multipart(octets, boundary) => push(&mut parts, octets, &boundary, level + 1),
        }
    }
    None
}

/// Puts the parts of a multipart on the stack, the first one on top.
fn push<'m>(stack: &mut Vec<(&'m [u8], usize)>, octets: &'m [u8], boundary: &str, level: usize) {
    if level <= limits::NESTED_PARTS {
        let parts = split(octets, boundary);
        stack.extend(parts.into_iter().rev().map(|part| (part, level)));
    }
}

/// What a part is.
enum Part<'m> {
    /// A text, or `None` if it is blank.
    Text(Option<Text>),
    /// A multipart: its content, and its boundary.
    Multipart(&'m [u8], String),
    Other,
}

impl<'m> Part<'m> {
    fn read(view: &View<'m>) -> Self {
        let content = view.first("Content-Type").and_then(|field| Content::read(&field));
        // RFC 2045 section 5.2: without a valid type, it is plain text.
        let content =
            content.unwrap_or_else(|| Content { kind: "text/plain".to_owned(), ..Content::default() });
        match content.kind.as_str() {
            kind if kind.starts_with("multipart/") => Self::Multipart(view.body_start(), content.boundary),
            _ if word(view, "Content-Disposition") == "attachment" => Self::Other,
            "text/plain" => Self::text(view, &content.charset, Text::Plain),
            "text/html" => Self::text(view, &content.charset, Text::Html),
            _ => Self::Other,
        }
    }

    fn text(view: &View<'m>, charset: &str, kind: fn(String) -> Text) -> Self {
        let octets = decoded(view.body_start(), &word(view, "Content-Transfer-Encoding"));
        let text = match charset_decoder(charset.as_bytes()) {
            Some(decode) => decode(&octets),
            None => String::from_utf8_lossy(&octets).into_owned(),
        };
        Self::Text((!text.trim().is_empty()).then(|| kind(text)))
    }
}

/// What a Content-Type says.
#[derive(Default)]
struct Content {
    /// Type and subtype in lower case.
    kind: String,
    charset: String,
    boundary: String,
}

impl Content {
    /// Reads a Content-Type, or returns `None` if it is malformed.
    fn read(field: &Field<'_>) -> Option<Self> {
        let value = &field.value[..field.value.len().min(limits::CONTENT_TYPE)];
        let line = format!("{}\n", crate::text::unfold(value));
        let parsed = MessageStream::new(line.as_bytes()).parse_content_type().into_content_type()?;
        let kind = format!("{}/{}", parsed.ctype(), parsed.subtype()?).to_ascii_lowercase();
        let mut content = Self { kind, ..Self::default() };
        for attribute in parsed.attributes().unwrap_or_default() {
            match attribute.name.to_ascii_lowercase().as_str() {
                "charset" => content.charset = attribute.value.to_string(),
                "boundary" => content.boundary = attribute.value.to_string(),
                _ => {}
            }
        }
        Some(content)
    }
}

/// Returns the value of a field without its parameters, in lower case.
fn word(view: &View<'_>, name: &str) -> String {
    let value = view.first(name).map(|field| field.unfolded()).unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// Undoes a transfer encoding. Content that is not valid in it stays as it is, or loses the octets that are not.
fn decoded(octets: &[u8], encoding: &str) -> Vec<u8> {
    let decoded = match encoding {
        "base64" => {
            let is_content = |octet: &u8| octet.is_ascii_alphanumeric() || matches!(octet, b'+' | b'/');
            let content: Vec<u8> =
                octets.iter().copied().take_while(|octet| *octet != b'=').filter(is_content).collect();
            base64_decode(&padded(content))
        }
        "quoted-printable" => quoted_printable_decode(octets),
        _ => None,
    };
    decoded.unwrap_or_else(|| octets.to_vec())
}

/// Completes the last group of four characters.
fn padded(mut base64: Vec<u8>) -> Vec<u8> {
    match base64.len() % 4 {
        1 => _ = base64.pop(),
        2 => base64.extend(b"=="),
        3 => base64.push(b'='),
        _ => {}
    }
    base64
}

/// Returns the parts of a multipart. The last one may lack its end.
fn split<'m>(octets: &'m [u8], boundary: &str) -> Vec<&'m [u8]> {
    let delimiter = format!("--{boundary}");
    let mut parts = Vec::new();
    if boundary.is_empty() {
        return parts;
    }
    let (mut at, mut start) = (0, None);
    while at < octets.len() {
        let len = memchr::memchr(b'\n', &octets[at..]).map_or(octets.len() - at, |end| end + 1);
        let line = octets[at..at + len].trim_ascii_end();
        if let Some(rest) =
            line.strip_prefix(delimiter.as_bytes()).filter(|rest| rest.is_empty() || *rest == b"--")
        {
            if let Some(start) = start {
                parts.push(&octets[start..at]);
            }
            start = Some(at + len);
            if !rest.is_empty() {
                return parts;
            }
        }
        at += len;
    }
    parts.extend(start.map(|start| &octets[start..]));
    parts
}
