//! Checks mail that a list sends by itself, with any values and texts.

use crate::automatic;
use crate::limits;
use crate::notice::{Envelope, Notice, Rulings, Template, Text, compose, subject};
use crate::text;
use crate::token::Purpose;
use crate::view::{Field, View};
use listgate_lmtp::{Mailbox, ReversePath};
use mail_parser::MessageParser;

/// The fields that each notice has, once, in their order.
const ALWAYS: [&str; 15] = [
    "X-BeenThere",
    "From",
    "To",
    "Subject",
    "Date",
    "Message-ID",
    "Auto-Submitted",
    "Precedence",
    "X-Auto-Response-Suppress",
    "List-Id",
    "List-Help",
    "List-Owner",
    "MIME-Version",
    "Content-Type",
    "Content-Transfer-Encoding",
];

/// Checks a notice. The first octet of the input chooses the template, the second says what else there is. Three texts
/// follow, each after an octet with its length: all values, the name of the list, and the recipient. The rest is the
/// text of the template; the default one is taken if it is not valid.
pub fn notice(input: &[u8]) {
    let Some((&[template, choice], rest)) = input.split_first_chunk() else { return };
    let template = Template::ALL[usize::from(template) % Template::ALL.len()];
    let (values, rest) = take(rest);
    let (display_name, rest) = take(rest);
    let (to, rest) = take(rest);
    let text = Text::parse(template, &format!("Subject: {}", String::from_utf8_lossy(rest)));
    let text = text.unwrap_or_else(|_| Text::default_of(template));
    let (list, token) = (mailbox("mylist@example.com"), mailbox("mylist-confirm+TOKEN@example.com"));
    let to = to.parse().unwrap_or_else(|_| mailbox("ann@example.org"));
    let given = template.values().iter().map(|value| (value.name.to_owned(), values.clone()));
    let notice = Notice {
        template,
        values: given.collect(),
        in_reply_to: match choice & 3 {
            0 => None,
            1 => Some(values.clone()),
            2 => Some(format!("<{values}>")),
            _ => Some("<1@example.org>".to_owned()),
        },
    };
    let envelope = Envelope {
        list: &list,
        list_id: "mylist.example.com",
        display_name: &display_name,
        to: &to,
        token_address: (choice & 4 != 0).then_some(&token),
        rulings: (choice & 16 != 0).then_some(Rulings { accept: &token, reject: &token }),
        id: if choice & 8 == 0 { "notice.1.2" } else { &values },
        at: u64::from(choice) << 26,
    };
    let message = compose(&notice, &text, &envelope);
    assert_eq!(message, compose(&notice, &text, &envelope), "a second try sends the same octets");
    check_octets(&message, &to);
    let view = View::whole(&message);
    check_fields(&notice, &envelope, &view);
    let shown = view.first("Subject").expect("a subject").decoded();
    assert_eq!(shown, subject(&notice, &text, &envelope).trim());
    let parsed = MessageParser::default().parse(&message).expect("a message");
    assert_eq!(parsed.parts.len(), 1);
    let body = parsed.body_text(0).expect("a text");
    assert!(body.len() <= limits::NOTICE + 2 && body.lines().all(|line| !line.contains(is_control)));
}

/// Returns the text after its length, and the rest.
fn take(input: &[u8]) -> (String, &[u8]) {
    let (len, rest) = input.split_first().unwrap_or((&0, &[]));
    let (text, rest) = rest.split_at(usize::from(*len).min(rest.len()));
    (String::from_utf8_lossy(text).into_owned(), rest)
}

fn mailbox(text: &str) -> Mailbox {
    text.parse().expect("an address")
}

fn is_control(c: char) -> bool {
    c.is_control() && c != '\t'
}

/// Checks the size, the lines, and where octets other than ASCII may be.
fn check_octets(message: &[u8], to: &Mailbox) {
    assert!(message.len() <= limits::GENERATED);
    assert!(message.ends_with(b"\r\n"));
    assert!(message.is_ascii() || !to.is_ascii());
    let view = View::whole(message);
    let (header, body) = message.split_at(view.header_end() as usize);
    assert!(body.is_ascii());
    for line in message.split(|&octet| octet == b'\n').filter(|line| !line.is_empty()) {
        let line = line.strip_suffix(b"\r").expect("lines end in CR LF");
        assert!(line.len() <= 998 && !line.iter().any(|octet| matches!(octet, 0 | b'\r')));
    }
    for line in String::from_utf8(header.to_vec()).expect("UTF-8").split("\r\n") {
        // A blank where the line could be folded comes after the name, between two other octets.
        let value = line.split_once(": ").map_or(line, |(_, value)| value).trim_start();
        let octets = value.as_bytes();
        let may_fold = octets
            .windows(3)
            .any(|three| three[1] == b' ' && three[2] != b' ' && !matches!(three[0], b' ' | b'\\'));
        assert!(line.len() <= 78 || !may_fold, "{line}");
    }
}

/// Checks that the header has the expected fields, and each of them once; and that they say what they should.
fn check_fields(notice: &Notice, envelope: &Envelope<'_>, view: &View<'_>) {
    let count = |name: &str| view.named(name).count();
    let token = envelope.token_address.and_then(|_| notice.template.purpose());
    let has_reply_to = matches!(token, Some(Purpose::Confirm | Purpose::Rejoin));
    assert_eq!(count("Reply-To"), usize::from(has_reply_to || notice.template.is_for_owners()));
    assert_eq!(count("List-Unsubscribe"), usize::from(token == Some(Purpose::Leave)));
    assert_eq!(count("In-Reply-To"), count("References"));
    assert!(count("In-Reply-To") <= usize::from(notice.in_reply_to.is_some()));
    let sometimes = ["Reply-To", "List-Unsubscribe", "In-Reply-To", "References"];
    let is_sometimes = |field: &Field<'_>| sometimes.iter().any(|name| field.is(name));
    let names: Vec<_> = view.fields().filter(|field| !is_sometimes(field)).collect();
    let names: Vec<_> = names.iter().map(|field| String::from_utf8_lossy(field.name)).collect();
    assert_eq!(names, ALWAYS);
    let only = |name: &str| {
        let addresses = view.addresses(name);
        assert!(addresses.len() <= 1, "{addresses:?}");
        addresses.into_iter().next().and_then(|address| address.mailbox)
    };
    assert_eq!(only("From"), Some(mailbox("mylist-request@example.com")));
    let is_short = envelope.to.as_str().len() <= limits::ADDRESS;
    assert_eq!(only("To"), is_short.then(|| envelope.to.clone()));
    let id = view.first("Message-ID").expect("it was counted").unfolded();
    assert!(id.starts_with('<') && id.ends_with("@example.com>") && text::unfold(id.as_bytes()) == id);
    let sender = ReversePath::Mailbox(mailbox("mylist-bounces+TOKEN@example.com"));
    assert!(automatic::of_command(&sender, view).is_some());
}
