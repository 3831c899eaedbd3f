//! Checks what becomes of a post, with any settings.

use crate::distribution::{
    Munge, NoFooter, Plan, ReplyGoesToList, Settings, for_owners, is_kept, is_private, went_to_owners,
};
use crate::posting::{self, Answer, Decided, Facts, Outcome, Reason, Rule};
use crate::splice::Splices;
use crate::text;
use crate::view::{Field, View};
use listgate_lmtp::{Mailbox, ReversePath};
use mail_parser::MessageParser;

/// The fields that the list writes. None can occur twice.
const ADDED: [&str; 6] =
    ["List-Id", "List-Help", "List-Owner", "List-Post", "List-Subscribe", "List-Unsubscribe"];

/// The fields that may change, or be added.
const CHANGED: [&str; 6] = ["Subject", "Reply-To", "From", "Cc", "Precedence", "X-BeenThere"];

/// Checks a copy of a post for members and one for owners. The first octet of the input chooses the settings, the second
/// is the length of the text that they contain, which comes before the post.
pub fn distribution(input: &[u8]) {
    let Some((&[choice, len], rest)) = input.split_first_chunk() else { return };
    let (text, message) = rest.split_at(usize::from(len).min(rest.len()));
    let settings = settings(choice, &String::from_utf8_lossy(text));
    let view = View::whole(message);
    let plan = Plan::new(&settings, &view).expect("the header is small");
    let leave = (choice & 64 != 0).then(|| mailbox("mylist-leave+TOKEN@example.com"));
    let splices = plan.copy(leave.as_ref());
    check_places(&view, &splices, plan.no_footer());
    let copy = splices.apply(message);
    assert_eq!(splices.size_after(view.size()), Some(copy.len() as u64));
    check_header(&settings, &view, &View::whole(&copy), plan.no_footer());
    check_body(&plan, message, &copy);
    check_again(&settings, &copy);
    check_owners(message, &settings.posting_address);
}

fn mailbox(text: &str) -> Mailbox {
    text.parse().expect("an address")
}

fn settings(choice: u8, text: &str) -> Settings {
    let when = |bit: u8| (choice & bit != 0).then(|| text.to_owned());
    let help = mailbox("help@example.com");
    Settings {
        display_name: when(8).unwrap_or_default(),
        reply_goes_to_list: match choice & 3 {
            0 => ReplyGoesToList::NoMunging,
            1 => ReplyGoesToList::PointToList,
            2 => ReplyGoesToList::ExplicitHeader(help),
            _ => ReplyGoesToList::ExplicitHeaderOnly(help),
        },
        subject_prefix: when(16),
        footer: when(32),
        munge: if choice & 4 == 0 { Munge::Never } else { Munge::Always },
        ..Settings::new("mylist.example.com", mailbox("mylist@example.com"))
    }
}

/// Checks that whole fields are removed, and in the body at most one group of base64; and that insertions come between
/// fields, into a Subject or Cc, at the beginning of a line of the body, at its end, or after base64.
fn check_places(view: &View<'_>, splices: &Splices, no_footer: Option<NoFooter>) {
    let fields: Vec<_> = view.fields().collect();
    let mut in_body = 0;
    for splice in splices.iter() {
        let end = splice.at + splice.remove;
        if splice.at >= view.body_at() && (splice.remove > 0 || splice.at > view.header_end()) {
            let octets = &view.body_start()[(splice.at - view.body_at()) as usize..];
            let group = &octets[..splice.remove as usize];
            assert!(group.is_empty() || group.ends_with(b"="));
            assert!(group.iter().filter(|octet| !octet.is_ascii_whitespace()).count() <= 4);
            in_body += 1;
        } else if splice.remove > 0 {
            assert!(fields.iter().any(|field| field.octets == (splice.at..end)));
        } else {
            let is_within =
                |field: &&Field<'_>| field.octets.start < splice.at && splice.at < field.octets.end;
            let field = fields.iter().find(is_within);
            assert!(field.is_none_or(|field| field.is("Subject") || field.is("Cc")));
        }
    }
    assert!(in_body == 0 || no_footer.is_none());
    assert!(in_body <= 2, "before and after the body");
}

/// Checks that no field was smuggled in, and that those of the author stay.
fn check_header(settings: &Settings, view: &View<'_>, copy: &View<'_>, no_footer: Option<NoFooter>) {
    for name in ADDED {
        assert_eq!(copy.named(name).count(), 1, "{name}");
    }
    for name in ["Bcc", "Approved", "X-MailFrom", "Return-Path", "List-Archive"] {
        assert_eq!(copy.named(name).count(), 0, "{name}");
    }
    let is_content = |field: &Field<'_>| {
        field.name.to_ascii_lowercase().starts_with(b"content-") || field.is("MIME-Version")
    };
    let stays = |field: &Field<'_>| {
        is_kept(field)
            && !CHANGED.iter().any(|name| field.is(name))
            && (no_footer.is_some() || !is_content(field))
    };
    let kept = |view: &View<'_>| -> Vec<(Vec<u8>, String)> {
        let fields = view.fields().filter(&stays);
        fields.map(|field| (field.name.to_vec(), field.unfolded())).collect()
    };
    assert_eq!(kept(copy), kept(view));
    for name in CHANGED {
        let count = |view: &View<'_>| view.named(name).count();
        assert!(count(copy) <= count(view) + 1, "{name}");
        if name != "Reply-To" && name != "From" {
            assert!(count(copy) >= count(view), "{name}");
        }
    }
    if let (Some(before), Some(after)) = (view.first("Subject"), copy.first("Subject")) {
        assert!(after.value.trim_ascii_end().ends_with(before.value.trim_ascii()));
    }
    assert_eq!(copy.first("X-BeenThere").map(|field| field.unfolded()), Some(settings.list_id.clone()));
}

/// Checks that the body stays without a footer; and that with one, programs find one part more than before, or a longer
/// text.
fn check_body(plan: &Plan, message: &[u8], copy: &[u8]) {
    let (before, after) = (View::whole(message), View::whole(copy));
    if plan.no_footer().is_some() {
        assert_eq!(after.body_start(), before.body_start());
    }
    // Programs differ in where other headers end.
    let is_usual = before.body_at() > before.header_end()
        && !message.windows(2).any(|two| two[0] == b'\r' && two[1] != b'\n');
    let Some(parsed) = MessageParser::default().parse(message).filter(|_| is_usual) else { return };
    let parts = parsed.parts.len();
    let parsed = MessageParser::default().parse(copy).expect("a copy is a message, too");
    let added = parsed.parts.len().checked_sub(parts);
    match plan.no_footer() {
        Some(_) => assert_eq!(added, Some(0)),
        None => assert!(matches!(added, Some(0..=2)), "{added:?}"),
    }
}

/// Checks that the list discards the post if it comes back; and that distributing it again would change only its mark
/// and add another footer.
fn check_again(settings: &Settings, copy: &[u8]) {
    let of_posts = posting::Settings::new(settings.list_id.clone(), settings.posting_address.clone());
    let decided = posting::decide(&of_posts, &Facts::new(ReversePath::Null), &View::whole(copy));
    let looped = Decided { outcome: Outcome::Discard, reasons: vec![Reason::Loop], last: Rule::Loop };
    assert_eq!(decided, Answer::Decided(looped));
    let leave = View::whole(copy).first("List-Unsubscribe").map(|field| field.unfolded());
    let leave = leave.filter(|leave| leave.contains('+')).map(|_| mailbox("mylist-leave+TOKEN@example.com"));
    let settings = Settings { footer: None, ..settings.clone() };
    let plan = Plan::new(&settings, &View::whole(copy)).expect("the header is small");
    let again = plan.copy(leave.as_ref()).apply(copy);
    let (again, copy) = (View::whole(&again), View::whole(copy));
    let shown = |view: &View<'_>, skipped: usize| -> Vec<String> {
        let fields = view.fields().skip(skipped);
        fields.map(|field| text::unfold(view.written(&field))).collect()
    };
    let mut expected = shown(&copy, 0);
    let mut found = shown(&again, 1);
    expected.sort();
    found.sort();
    assert_eq!(found, expected);
    assert_eq!(again.body_start(), copy.body_start());
}

/// Checks that owners get all but what is private, and that the mark is recognized.
fn check_owners(message: &[u8], list: &Mailbox) {
    let view = View::whole(message);
    let copy = for_owners(list, &view).expect("the header is small").apply(message);
    let copy = View::whole(&copy);
    assert!(went_to_owners(list, &copy));
    let shown = |view: &View<'_>| -> Vec<String> {
        let fields = view.fields().filter(|field| !is_private(field));
        fields.map(|field| text::unfold(view.written(&field))).collect()
    };
    let expected = [shown(&view), vec!["X-Loop: mylist-owner@example.com".to_owned()]].concat();
    assert_eq!(shown(&copy), expected);
    assert_eq!(copy.body_start(), view.body_start());
}
