use super::*;
use crate::automatic;
use crate::limits;
use crate::posting::{self, Answer, Facts, Outcome, Rule};
use crate::token::Purpose;
use crate::view::View;
use listgate_lmtp::{Mailbox, ReversePath};
use mail_parser::MessageParser;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::path::Path;

fn mailbox(text: &str) -> Mailbox {
    text.parse().unwrap()
}

fn notice(template: Template, values: &[(&str, &str)]) -> Notice {
    let values = values.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Notice { template, values: values.collect(), in_reply_to: None }
}

/// What an [`Envelope`] borrows.
struct Sending {
    to: Mailbox,
    token: Option<Mailbox>,
    rulings: Option<[Mailbox; 2]>,
    id: String,
}

/// Composes a notice to Ann with the default text, or with this one.
fn composed(notice: &Notice, text: Option<&str>, change: impl Fn(&mut Sending)) -> String {
    let text = match text {
        Some(text) => Text::parse(notice.template, text).unwrap(),
        None => Text::default_of(notice.template),
    };
    let token = mailbox("mylist-confirm+ce4iyaaaaaaaatmlr2r4yp2hfe@example.com");
    let mut sending = Sending {
        to: mailbox("ann@example.org"),
        token: notice.template.purpose().map(|_| token),
        rulings: (notice.template == Template::OwnerHeld).then(rulings),
        id: "notice.7.17".to_owned(),
    };
    change(&mut sending);
    let envelope = Envelope {
        list: &mailbox("mylist@example.com"),
        list_id: "mylist.example.com",
        display_name: "My List",
        to: &sending.to,
        token_address: sending.token.as_ref(),
        rulings: sending.rulings.as_ref().map(|[accept, reject]| Rulings { accept, reject }),
        id: &sending.id,
        at: 1_790_000_000,
    };
    String::from_utf8(compose(notice, &text, &envelope)).unwrap()
}

/// Returns the addresses that accept and reject a held post.
fn rulings() -> [Mailbox; 2] {
    ["cu4iyaaaaaaaatmlr2r4yp2hfe", "dm4iyaaaaaaaatmlr2r4yp2hfe"]
        .map(|token| mailbox(&format!("mylist-confirm+{token}@example.com")))
}

fn body(message: &str) -> String {
    let parsed = MessageParser::default().parse(message.as_bytes()).unwrap();
    parsed.body_text(0).unwrap().replace("\r\n", "\n")
}

/// Returns a notice with all its values, as an answer if people ask for it by mail.
fn example(template: Template) -> Notice {
    let values: &[(&str, &str)] = match template {
        Template::Help => &[("problem", "subscribee\nThanks,")],
        Template::Roster => &[("members", "ann@example.org\nbob@example.org"), ("count", "2")],
        Template::OwnerJoined | Template::OwnerLeft => &[("person", "Bob <bob@example.org>")],
        Template::OwnerAsks => &[
            ("person", "Bob <bob@example.org>"),
            ("accept", "listgate request accept 17"),
            ("reject", "listgate request reject 17"),
        ],
        Template::OwnerHeld => &[
            ("held", "3"),
            ("author", "bob@example.org"),
            ("subject", "Hello"),
            ("size", "2048"),
            (
                "reasons",
                "bob@example.org is not a member, and its posts are held\nneither To nor Cc names the list",
            ),
            ("show", "listgate held show 3"),
            ("accept", "listgate held accept 3"),
            ("reject", "listgate held reject 3"),
            ("waiting", "12"),
            ("limit", "10"),
        ],
        Template::OwnerRuled => &[("held", "3"), ("ruling", "accepted")],
        Template::PostHeld | Template::PostRejected => {
            &[("subject", "Hello"), ("reasons", "neither To nor Cc names the list")]
        }
        _ => &[],
    };
    let is_answer = !template.is_for_owners() && template != Template::Invite;
    let in_reply_to = is_answer.then(|| "<1@example.org>".to_owned());
    Notice { in_reply_to, ..notice(template, values) }
}

/// The folder `golden` has each message, with LF for CR LF. With `LISTGATE_WRITE_GOLDEN` set, this test writes them.
#[test]
fn the_default_notices_are_as_they_were_reviewed() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/notice/golden");
    for template in Template::ALL {
        let message = composed(&example(template), None, |sending| {
            if template.is_for_owners() && !template.is_secret() {
                sending.to = mailbox("mylist-owner@example.com");
            }
        });
        assert_eq!(message.matches('\n').count(), message.matches("\r\n").count());
        assert_eq!(message.matches('\r').count(), message.matches("\r\n").count());
        let path = folder.join(template.as_str()).with_extension("eml");
        let message = message.replace("\r\n", "\n");
        if std::env::var_os("LISTGATE_WRITE_GOLDEN").is_some() {
            std::fs::write(&path, &message).unwrap();
        }
        assert_eq!(message, std::fs::read_to_string(&path).unwrap(), "{}", path.display());
    }
}

#[test]
fn default_texts_are_short_and_use_their_names() {
    for template in Template::ALL {
        let text = template.default_text();
        assert!(text.is_ascii() && text.ends_with('\n') && !text.contains('\r'));
        assert!(text.lines().all(|line| line.len() <= 72), "{text}");
        assert_eq!(Text::parse(template, text), Ok(Text::default_of(template)));
        let written = text.lines().skip(2).filter(|line| !line.is_empty()).count();
        let most = if template == Template::OwnerHeld { 19 } else { 14 };
        assert!(written <= most, "{} has {written} lines", template.as_str());
        // What to do, or that there is nothing to do, and for questions, until when.
        assert!(text.contains("do nothing") || text.contains("don't have to do anything"), "{text}");
        let asks = template.purpose().is_some_and(|purpose| purpose != Purpose::Leave);
        assert_eq!(text.contains("just reply to this mail"), asks, "{text}");
        assert_eq!(text.contains("$days"), asks, "{text}");
        let message = composed(&example(template), None, |_| {});
        assert!(!message.contains('$'), "{message}");
        assert!(body(&message).lines().all(|line| line.len() <= 72), "{message}");
    }
}

#[test]
fn help_speaks_of_a_problem_only_if_there_is_one() {
    for (values, speaks) in
        [(vec![("problem", "x")], true), (vec![("problem", " \n")], false), (vec![], false)]
    {
        let message = composed(&notice(Template::Help, &values), None, |_| {});
        assert_eq!(message.contains("didn't understand"), speaks, "{message}");
    }
}

#[test]
fn a_moderator_decides_by_a_link_if_there_is_one() {
    let message = composed(&example(Template::OwnerHeld), None, |_| {});
    let [accept, reject] = rulings();
    assert!(body(&message).contains(&format!("\n    mailto:{accept}\n    mailto:{reject}\n")), "{message}");
    let message = composed(&example(Template::OwnerHeld), None, |sending| sending.rulings = None);
    assert!(!message.contains("mailto:mylist-confirm") && !message.contains("first address"), "{message}");
}

#[test]
fn templates_have_names() {
    for template in Template::ALL {
        assert_eq!(Template::from_name(template.as_str()), Some(template));
        let file = format!("src/notice/texts/{}.txt", template.as_str());
        let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap();
        assert_eq!(template.default_text(), text);
    }
    assert_eq!(Template::from_name("Help"), None);
}

#[test]
fn notices_are_secret_unless_they_say_the_same_to_everyone() {
    let open: Vec<_> = Template::ALL.into_iter().filter(|template| !template.is_secret()).collect();
    assert_eq!(
        open,
        [Template::AskAgain, Template::Help, Template::OwnerJoined, Template::OwnerLeft, Template::OwnerAsks]
    );
    assert!(Template::ALL.into_iter().all(|template| template.is_secret() || template.purpose().is_none()));
}

#[test]
fn replies_go_to_the_token_or_to_the_owners() {
    const TOKEN: &str = "mylist-confirm+ce4iyaaaaaaaatmlr2r4yp2hfe@example.com";
    for template in Template::ALL {
        let expected = match template.purpose() {
            Some(Purpose::Confirm | Purpose::Rejoin) => Some(TOKEN),
            _ => template.is_for_owners().then_some("mylist-owner@example.com"),
        };
        let reply_to = |message: &str| {
            let addresses = View::whole(message.as_bytes()).addresses("Reply-To");
            assert!(addresses.len() <= 1);
            addresses.into_iter().next().map(|address| address.mailbox.unwrap().to_string())
        };
        let message = composed(&example(template), None, |_| {});
        assert_eq!(reply_to(&message).as_deref(), expected);
        let occurrences = message.matches(TOKEN).count();
        let expected = if template == Template::Welcome { 2 } else { expected.is_some().into() };
        assert!(template.is_for_owners() || occurrences == expected, "{message}");
        // Without a token, a list still says how to leave.
        let message = composed(&example(template), None, |sending| sending.token = None);
        assert_eq!(reply_to(&message).is_some(), template.is_for_owners());
        assert_eq!(View::whole(message.as_bytes()).first("List-Unsubscribe"), None);
        assert!(template != Template::Welcome || message.contains("\r\n    mylist-leave@example.com\r\n"));
    }
}

#[test]
fn an_answer_names_the_mail_that_it_answers() {
    let long = |len: usize| format!("<{}>", "x".repeat(len));
    for (id, written) in [
        ("<1@example.org>", true),
        (" <1@example.org>\r\n", true),
        ("<a b@example.org>", false),
        ("<1@example.org>\r\nBcc: x", false),
        ("<1@example.org\r\nBcc:x>", false),
        ("<1@example.org> <2@example.org>", false),
        ("<\u{fc}@example.org>", false),
        ("1@example.org", false),
        ("<>", false),
        ("", false),
        (&long(983), true),
        (&long(984), false),
    ] {
        let notice = Notice { in_reply_to: Some(id.to_owned()), ..notice(Template::Help, &[]) };
        let message = composed(&notice, None, |_| {});
        let view = View::whole(message.as_bytes());
        for name in ["In-Reply-To", "References"] {
            let value = view.first(name).map(|field| field.unfolded());
            assert_eq!(value, written.then(|| id.trim().to_owned()), "{id}");
        }
        assert_eq!(view.first("Auto-Submitted").unwrap().unfolded(), "auto-replied");
    }
    let message = composed(&notice(Template::Help, &[]), None, |_| {});
    assert!(message.contains("\r\nAuto-Submitted: auto-generated\r\n"), "{message}");
}

#[test]
fn a_message_id_has_what_it_may_have() {
    for (id, expected) in [
        ("notice.7.17", "<notice.7.17@example.com>"),
        ("a>\r\nBcc: b..c_-d.\u{fc}", "<aBccb.c_-d@example.com>"),
        ("", "<notice@example.com>"),
        ("..", "<notice@example.com>"),
    ] {
        let message = composed(&notice(Template::Help, &[]), None, |sending| sending.id = id.to_owned());
        assert_eq!(View::whole(message.as_bytes()).first("Message-ID").unwrap().unfolded(), expected);
    }
}

#[test]
fn a_site_can_have_its_own_texts() {
    let text = "Subject: Gr\u{fc}\u{df}e von $list_name\n\n\
        Hallo,\n\n    $problem, $list\n\nnur $$5: ${help} $leave\n\n\n-- \n$address\n";
    let message = composed(&notice(Template::Help, &[("problem", "a\nb")]), Some(text), |_| {});
    let subject = View::whole(message.as_bytes()).first("Subject").unwrap().decoded();
    assert_eq!(subject, "Gr\u{fc}\u{df}e von My List");
    assert_eq!(
        body(&message),
        "Hallo,\n\n    a\n    b, mylist@example.com\n\n\
        nur $5: mylist-request@example.com mylist-leave@example.com\n\n-- \nann@example.org\n"
    );
    // A paragraph with an empty value is left out.
    let message = composed(&notice(Template::Help, &[]), Some(text), |_| {});
    assert!(body(&message).starts_with("Hallo,\n\nnur $5: "), "{message}");
}

#[test]
fn the_subject_can_be_asked_for() {
    let (list, text) = (mailbox("mylist@example.com"), Text::default_of(Template::ConfirmJoin));
    for (display_name, shown) in [("", "mylist"), ("My  List", "My List"), ("L\u{fc}ster", "L\u{fc}ster")] {
        let envelope = Envelope {
            list: &list,
            list_id: "mylist.example.com",
            display_name,
            to: &list,
            token_address: None,
            rulings: None,
            id: "x",
            at: 0,
        };
        let notice = notice(Template::ConfirmJoin, &[]);
        let found = subject(&notice, &text, &envelope);
        assert_eq!(found, format!("Please confirm that you want to join {shown}"));
        let message = compose(&notice, &text, &envelope);
        assert_eq!(View::whole(&message).first("Subject").unwrap().decoded(), found);
    }
}

#[test]
fn a_body_is_encoded_only_if_it_must_be() {
    let text = |text: &str| format!("Subject: x\n\n{text}\n");
    let long = "x".repeat(999);
    for (text, charset, transfer) in [
        (text("Hello."), "us-ascii", "7bit"),
        (text(&long[1..]), "us-ascii", "7bit"),
        (text(&long), "us-ascii", "quoted-printable"),
        (text("Gr\u{fc}\u{df}e aus der Liste"), "utf-8", "quoted-printable"),
        (text(&"\u{3053}\u{3093}\u{306b}\u{3061}\u{306f}".repeat(30)), "utf-8", "base64"),
    ] {
        let message = composed(&notice(Template::Help, &[]), Some(&text), |_| {});
        let fields = format!(
            "\r\nContent-Type: text/plain; charset={charset}\r\nContent-Transfer-Encoding: {transfer}\r\n\r\n"
        );
        assert!(message.contains(&fields) && message.is_ascii(), "{message}");
        assert!(message.lines().all(|line| line.len() <= 998));
        assert_eq!(body(&message), text["Subject: x\n\n".len()..]);
    }
}

#[test]
fn words_of_others_are_not_passed_on_as_texts() {
    let problem = "subscribee me\nhttp://shop.example/buy?now\n  Gr\u{fc}\u{df}e,\r\n\n$list\n".to_owned()
        + &"x".repeat(100)
        + &"\nmore".repeat(100);
    let message = composed(&notice(Template::Help, &[("problem", &problem)]), None, |_| {});
    let body = body(&message);
    let expected = format!(
        "mail:\n    subscribee\n    httpshopexamplebuyno\n    Gr\u{fc}\u{df}e\n    list\n    {}\n{}\nThis is",
        "x".repeat(20),
        "    more\n".repeat(5)
    );
    assert!(body.contains(&expected), "{body}");
}

#[test]
fn a_large_roster_is_cut_at_a_line() {
    let large = |address: &str| {
        let members: String = (0..100_000).map(|n| format!("{n:06}{address}\n")).collect();
        let notice = notice(Template::Roster, &[("members", &members), ("count", "100000")]);
        composed(&notice, None, |_| {})
    };
    for (address, at_least) in [("@example.org", 1000), ("\u{fc}\u{1f600}\u{3053}@example.org", 500)] {
        let message = large(address);
        assert!(message.len() <= limits::GENERATED, "{}", message.len());
        let body = body(&message);
        let shown = body.lines().filter(|line| line.ends_with(address)).count();
        assert!(shown > at_least, "{shown}");
        let said =
            format!("    {:06}{address}\n    ({} more lines are left out, ", shown - 1, 100_000 - shown);
        assert!(body.contains(&said), "{body}");
        assert!(body.contains("Number of addresses: 100000\n"));
        assert!(body.contains("from strangers."), "what comes after the value is kept");
    }
}

#[test]
fn whatever_is_long_has_a_bound() {
    let value = "\u{1f600}".repeat(6_000);
    let lines = "\u{1f600}\u{fc}\n".repeat(6_000);
    for template in Template::ALL {
        let own = template.values().iter().map(|known| format!("\n\n  ${}", known.name)).collect::<String>();
        let all =
            format!("Subject: {} {value:.1000}{own}", own.replace('\n', " ")).replace("\n\n  ", "\n\n\n  ");
        let text = Text::parse(template, &format!("{}\n\n{}", all.lines().next().unwrap(), own.repeat(20)));
        let text = text.unwrap();
        let list = mailbox(&format!("{}@{}.example", "%".repeat(64), "\u{20ac}".repeat(80)));
        let to = mailbox(&format!("{}@example.org", "\u{20ac}".repeat(300)));
        for value in [&value, &lines] {
            let values = template.values().iter().map(|known| (known.name.to_owned(), value.clone()));
            let notice = Notice {
                template,
                values: values.collect::<BTreeMap<_, _>>(),
                in_reply_to: Some(format!("<{}>", "x".repeat(983))),
            };
            let envelope = Envelope {
                list: &list,
                list_id: &"l".repeat(255),
                display_name: value,
                to: &to,
                token_address: Some(&list),
                rulings: Some(Rulings { accept: &list, reject: &list }),
                id: value,
                at: u64::MAX,
            };
            let message = compose(&notice, &text, &envelope);
            assert!(message.len() <= limits::GENERATED, "{}", message.len());
            assert!(message.split(|&octet| octet == b'\n').all(|line| line.len() <= 998 + 1));
        }
    }
}

#[test]
fn an_address_without_end_is_left_out() {
    let message = composed(&notice(Template::Closed, &[]), None, |sending| {
        sending.to = mailbox(&format!("{}@example.org", "x".repeat(1000)));
    });
    assert!(message.contains("\r\nTo: undisclosed-recipients:;\r\n"), "{message}");
    assert!(message.lines().all(|line| line.len() <= 998));
}

#[test]
fn two_list_servers_do_not_talk_to_each_other() {
    let sender = ReversePath::Mailbox(mailbox("mylist-bounces+token@example.com"));
    for template in Template::ALL {
        let message = composed(&example(template), None, |_| {});
        assert!(automatic::of_command(&sender, &View::whole(message.as_bytes())).is_some());
        let settings = posting::Settings::new("mylist.example.com", mailbox("mylist@example.com"));
        let view = View::whole(message.as_bytes());
        let Answer::Decided(decided) = posting::decide(&settings, &Facts::new(sender.clone()), &view) else {
            panic!("a loop needs no questions");
        };
        assert_eq!((decided.outcome, decided.last), (Outcome::Discard, Rule::Loop));
    }
}

proptest! {
    #[test]
    fn nothing_can_be_smuggled_into_a_notice(
        template in 0..22_u8,
        choice: u8,
        values in "(\r\nBcc: x|\r\n\r\n|\n\\.\r\n|[\0\r\n\t]|=\\?utf-8\\?q\\?=0D=0A\\?=|\\$list|[ \"<>,\\\\a:.=-]|\u{fc}|\u{85}|\u{2028}|\u{1f600}|\\PC{40}|[a-z ]{200}){0,8}",
        name in "(\r\nBcc: x|[\0\r\n]|\"|\\\\|\u{fc}|\u{1f600}{30}|[a-z]{8} |[A-Za-z ]{90}|=\\?utf-8\\?q\\?){0,4}",
        to in "([a-z.]{1,40}|\"[ a\\\\\"<>,]{0,60}\"|\u{fc})@([a-z]{1,8}|\u{fc}\\.example)",
        text in "(\n\n|\n|\r\n|\\$[a-z]{4}|\\$list|\\$problem|\\$\\$|\u{fc}|[a-z ]{90}){0,8}",
    ) {
        let mut input = vec![template, choice];
        for part in [&values, &name, &to] {
            let len = part.char_indices().map(|(at, c)| at + c.len_utf8()).take_while(|len| *len < 256).last();
            let len = len.unwrap_or_default();
            input.push(u8::try_from(len).unwrap());
            input.extend_from_slice(&part.as_bytes()[..len]);
        }
        input.extend_from_slice(text.as_bytes());
        crate::fuzz::notice(&input);
    }
}
