//! The facts in a header that consumers of a queue need. They are collected while the header's lines pass by; no
//! field is parsed.

use crate::limits;
use crate::model::List;

/// A header field whose value is recorded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Field {
    MessageId,
    AutoSubmitted,
    Precedence,
    /// List-Id or List-Post.
    List,
}

/// The facts in one message's header, from the part that has passed so far.
#[derive(Debug, Default)]
pub(crate) struct Facts {
    /// The field of the current line, if its value is recorded.
    field: Option<Field>,
    received_lines: u32,
    message_id: Option<Vec<u8>>,
    auto_submitted: Option<Vec<u8>>,
    precedence: Option<Vec<u8>>,
    lists: Vec<u8>,
}

impl Facts {
    /// Begins a header line with this name. Only the first Message-ID, Auto-Submitted and Precedence count.
    pub(crate) fn begin(&mut self, name: &[u8]) {
        let is = |other: &str| name.eq_ignore_ascii_case(other.as_bytes());
        self.field = None;
        if is("Received") {
            self.received_lines = self.received_lines.saturating_add(1);
        } else if is("Message-ID") && self.message_id.is_none() {
            (self.field, self.message_id) = (Some(Field::MessageId), Some(Vec::new()));
        } else if is("Auto-Submitted") && self.auto_submitted.is_none() {
            (self.field, self.auto_submitted) = (Some(Field::AutoSubmitted), Some(Vec::new()));
        } else if is("Precedence") && self.precedence.is_none() {
            (self.field, self.precedence) = (Some(Field::Precedence), Some(Vec::new()));
        } else if is("List-Id") || is("List-Post") {
            self.field = Some(Field::List);
        }
    }

    /// Begins a line that is not a header field.
    pub(crate) fn begin_other(&mut self) {
        self.field = None;
    }

    /// Takes the next octets of the current line and its continuation lines, from the colon on.
    pub(crate) fn value(&mut self, octets: &[u8]) {
        let (value, most) = match self.field {
            None => return,
            Some(Field::MessageId) => (&mut self.message_id, limits::MESSAGE_ID),
            Some(Field::AutoSubmitted) => (&mut self.auto_submitted, limits::FACT),
            Some(Field::Precedence) => (&mut self.precedence, limits::FACT),
            Some(Field::List) => return append(&mut self.lists, octets, limits::LIST_FIELDS),
        };
        append(value.get_or_insert_default(), octets, most);
    }

    /// Returns the number of Received lines, which is the number of servers that the message has passed (RFC 5321
    /// section 6.3).
    pub(crate) fn received_lines(&self) -> u32 {
        self.received_lines
    }

    /// Returns whether there is a Message-ID; it may be empty.
    pub(crate) fn has_message_id(&self) -> bool {
        self.message_id.is_some()
    }

    /// Forgets the Message-ID, so that the next one counts.
    pub(crate) fn forget_message_id(&mut self) {
        self.message_id = None;
    }

    /// Returns the Message-ID, if there is one; it may be empty.
    pub(crate) fn message_id(&self) -> Option<String> {
        self.message_id.as_deref().map(unfold)
    }

    /// Returns the value of Auto-Submitted, which says whether a program sent the message (RFC 3834 section 5).
    pub(crate) fn auto_submitted(&self) -> Option<String> {
        self.auto_submitted.as_deref().map(unfold)
    }

    /// Returns the value of Precedence, such as `bulk`, `list` or `junk`. It is not standardized, but in common
    /// use.
    pub(crate) fn precedence(&self) -> Option<String> {
        self.precedence.as_deref().map(unfold)
    }

    /// Returns whether the message came from this list, which it did if it has the list's List-Id or List-Post
    /// (RFC 2919 section 3, RFC 2369 section 3.4).
    pub(crate) fn is_from(&self, list: &List) -> bool {
        if self.lists.is_empty() {
            return false;
        }
        let fields = String::from_utf8_lossy(&self.lists).to_ascii_lowercase();
        let mailto = format!("<mailto:{}", list.address);
        let posts_to = |after: &str| after.starts_with(['>', '?']);
        fields.contains(&format!("<{}>", list.list_id.to_ascii_lowercase()))
            || fields.match_indices(&mailto).any(|(at, _)| posts_to(&fields[at + mailto.len()..]))
    }
}

fn append(value: &mut Vec<u8>, octets: &[u8], most: usize) {
    let room = most.saturating_sub(value.len());
    value.extend_from_slice(&octets[..octets.len().min(room)]);
}

/// Returns the value of a header field without the colon, on one line, and without NULs, which an environment
/// variable cannot contain.
fn unfold(raw: &[u8]) -> String {
    let text = String::from_utf8_lossy(raw);
    let value = text.strip_prefix(':').unwrap_or(&text);
    value.split(['\r', '\n', '\0']).collect::<String>().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ListState;

    fn of(lines: &[(&str, &str)]) -> Facts {
        let mut facts = Facts::default();
        for (name, value) in lines {
            facts.begin(name.as_bytes());
            value.bytes().for_each(|octet| facts.value(&[octet]));
        }
        facts
    }

    #[test]
    fn a_value_is_one_line_without_nul() {
        assert_eq!(unfold(b": <a\0b@x>\r\n "), "<ab@x>");
    }

    #[test]
    fn a_list_knows_its_own_mail_by_list_id_and_list_post() {
        let list = List {
            list_id: "mylist.example.com".to_owned(),
            address: "mylist@example.com".parse().unwrap(),
            state: ListState::Open,
            max_size: None,
            alias: None,
        };
        for (line, from_list) in [
            (("List-Id", ": My list <mylist.example.com>\r\n"), true),
            (("list-ID", ": <MyList.Example.COM>\r\n"), true),
            (("List-Id", ": <notmylist.example.com>\r\n"), false),
            (("List-Id", ": mylist.example.com\r\n"), false),
            (("List-Post", ": <mailto:mylist@example.com>\r\n"), true),
            (("List-Post", ": <https://x>,\r\n <mailto:MyList@example.com?subject=x>\r\n"), true),
            (("List-Post", ": <mailto:mylist@example.com.evil.org>\r\n"), false),
            (("List-Help", ": <mailto:mylist@example.com>\r\n"), false),
        ] {
            assert_eq!(of(&[line]).is_from(&list), from_list, "{line:?}");
        }
    }

    #[test]
    fn the_first_of_several_fields_counts_unfolded_and_within_its_limit() {
        let facts = of(&[
            ("Received", ": from a\r\n"),
            ("auto-submitted", ": auto-\r\n replied "),
            ("Auto-Submitted", ": no"),
            ("RECEIVED", ": from b\r\n"),
            ("Precedence", &": bulk".repeat(1000)),
        ]);
        assert_eq!(facts.received_lines(), 2);
        assert_eq!(facts.auto_submitted().unwrap(), "auto- replied");
        assert!(facts.precedence().unwrap().len() < limits::FACT);
        assert_eq!(of(&[("Message-ID", ":"), ("Message-ID", ": <x>")]).message_id().unwrap(), "");
    }
}
