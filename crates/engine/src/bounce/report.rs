//! What a bounce reports: the recipients of a delivery status (RFC 3464), the text for people, and the message that was
//! returned.

use crate::limits;
use crate::view::View;
use mail_parser::{MessageParser, MessagePart, MimeHeaders, PartType, decoders::html::html_to_text};

/// Lines after which the message follows that was returned, in lower case.
const RETURNED: &[&str] = &[
    "--- below this line is a copy of the message",
    "------ this is a copy of",
    "----- original message",
    "-----original message",
    "--- original message",
    "--- returned message",
    "----- unsent message",
    "message headers follow",
    "below is a copy of the original message",
    "original message follows",
    "received: from",
    "received: by",
];

/// The parts of a bounce.
#[derive(Debug, Default)]
pub(super) struct Report {
    /// One for each recipient.
    pub(super) recipients: Vec<Fields>,
    /// The text for people, one line after the other.
    pub(super) text: String,
    /// The Message-ID of the message that was returned.
    pub(super) message_id: Option<String>,
    /// The content types of the parts, in lower case.
    pub(super) kinds: Vec<String>,
}

/// The fields of one recipient: names in lower case, and values on one line.
#[derive(Debug, Default)]
pub(super) struct Fields(Vec<(String, String)>);

impl Fields {
    fn read(lines: &str) -> Self {
        let mut fields: Vec<(String, String)> = Vec::new();
        for line in lines.lines() {
            match (line.starts_with([' ', '\t']), fields.last_mut(), line.split_once(':')) {
                (true, Some((_, value)), _) => {
                    value.push(' ');
                    *value += line.trim();
                }
                (_, _, Some((name, value))) => {
                    fields.push((name.trim().to_ascii_lowercase(), value.trim().to_owned()));
                }
                _ => {}
            }
        }
        Self(fields)
    }

    /// Returns the first value of a name in lower case.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }
}

impl Report {
    pub(super) fn read(view: &View<'_>) -> Self {
        let mut report = Self::default();
        let Some(message) = MessageParser::default().parse(view.seen()) else { return report };
        for part in &message.parts {
            report.add(part);
        }
        if report.text.is_empty() && report.recipients.is_empty() {
            // The MIME structure is not valid.
            report.add_text(&String::from_utf8_lossy(view.body_start()));
        }
        report
    }

    fn add(&mut self, part: &MessagePart<'_>) {
        let kind = kind(part);
        match (kind.as_str(), &part.body) {
            ("message/delivery-status" | "message/global-delivery-status", _) => {
                let status = String::from_utf8_lossy(part.contents()).replace("\r\n", "\n");
                self.add_status(&status);
            }
            ("text/rfc822-headers" | "message/rfc822-headers", _) => {
                let header = String::from_utf8_lossy(part.contents());
                self.found_id(Fields::read(&header).get("message-id"));
            }
            (_, PartType::Message(message)) => self.found_id(message.message_id()),
            (_, PartType::Text(_) | PartType::Html(_)) => {
                let text = part.text_contents().unwrap_or_default();
                let text = if kind == "text/html" { html_to_text(text) } else { text.to_owned() };
                self.add_text(&text);
            }
            _ => {}
        }
        self.kinds.push(kind);
    }

    /// Adds the groups of a delivery status, which empty lines separate. The first is about the whole message.
    fn add_status(&mut self, status: &str) {
        let groups = status.split("\n\n").map(Fields::read);
        let is_of_recipient = |fields: &Fields| {
            ["final-recipient", "original-recipient", "action", "status"]
                .iter()
                .any(|name| fields.get(name).is_some())
        };
        let room = limits::BOUNCED - self.recipients.len();
        self.recipients.extend(groups.filter(is_of_recipient).take(room));
    }

    /// Adds a text for people, up to the message that was returned.
    fn add_text(&mut self, text: &str) {
        let mut returned = text.lines();
        for line in returned.by_ref() {
            let line = line.trim();
            let lower = line.to_lowercase();
            if RETURNED.iter().any(|beginning| lower.starts_with(beginning)) {
                break;
            }
            self.text += line;
            self.text.push('\n');
        }
        let id = returned.find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.trim().eq_ignore_ascii_case("message-id").then(|| value.trim().to_owned())
        });
        self.found_id(id.as_deref());
    }

    fn found_id(&mut self, id: Option<&str>) {
        if self.message_id.is_none() {
            let id = id.map(|id| id.trim().trim_matches(['<', '>'])).filter(|id| !id.is_empty());
            self.message_id = id.map(|id| format!("<{}>", bounded(id, limits::MESSAGE_ID)));
        }
    }
}

/// Returns the beginning of a text, on one line and without control characters.
pub(super) fn bounded(text: &str, characters: usize) -> String {
    let words = text.split(|c: char| c.is_whitespace() || c.is_control());
    let line = words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
    line.chars().take(characters).collect()
}

/// Returns the content type of a part in lower case.
fn kind(part: &MessagePart<'_>) -> String {
    let kind = part.content_type();
    let kind = kind.map(|kind| format!("{}/{}", kind.ctype(), kind.subtype().unwrap_or_default()));
    kind.unwrap_or_else(|| "text/plain".to_owned()).to_ascii_lowercase()
}
