//! What Mailman's own runners do with mail that Listgate took, up to the point where it leaves the site.

use crate::site::{Entry, Mailman};
use crate::support::Peer;
use std::collections::BTreeSet;

/// Makes Anne a member, and Bart a nonmember whose mail is accepted.
const PEOPLE: &str = r"
from mailman.interfaces.action import Action
from mailman.interfaces.listmanager import IListManager
from mailman.interfaces.member import MemberRole
from mailman.interfaces.usermanager import IUserManager
from zope.component import getUtility

test = getUtility(IListManager).get('test@example.com')
test.send_welcome_message = False
people = getUtility(IUserManager)
test.subscribe(*people.make_user('anne@example.org').addresses)
bart = test.subscribe(people.create_address('bart@example.org'), MemberRole.nonmember)
bart.moderation_action = Action.accept
";

const BOUNCES: &str = r"
from mailman.interfaces.bounce import IBounceProcessor
from zope.component import getUtility

for event in getUtility(IBounceProcessor).events:
    print(event.list_id, event.email, event.message_id, event.context.name)
";

/// The bounce of a message that did not reach Anne.
const DSN: &str = "From: MAILER-DAEMON@mx.example.org\r\nTo: test-bounces+anne=example.org@example.com\r\n\
    Subject: Undelivered Mail Returned to Sender\r\nMessage-ID: <bounce@example.org>\r\nMIME-Version: 1.0\r\n\
    Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n\
    --b\r\n\r\nIt did not arrive.\r\n--b\r\nContent-Type: message/delivery-status\r\n\r\n\
    Reporting-MTA: dns; mx.example.org\r\n\r\nFinal-Recipient: rfc822; anne@example.org\r\n\
    Action: failed\r\nStatus: 5.1.1\r\n\r\n--b\r\nContent-Type: message/rfc822\r\n\r\n\
    Subject: a post\r\n\r\nHello\r\n--b--\r\n";

fn site() -> Mailman {
    let mailman = Mailman::new();
    mailman.create(&["test@example.com"]);
    mailman.python(PEOPLE, &[]);
    mailman
}

/// Returns a message with this id, and with a From unless `from` is empty.
fn message(id: &str, from: &str, subject: &str, body: &str) -> String {
    let from = if from.is_empty() { String::new() } else { format!("From: {from}\r\n") };
    let to = "To: test@example.com\r\n";
    format!("{from}{to}Subject: {subject}\r\nMessage-ID: <{id}@example.org>\r\n\r\n{body}\r\n")
}

fn send(mailman: &Mailman, mail: &[(&str, &str, String)]) {
    let server = mailman.listgate();
    let mut peer = Peer::greeted(server.address);
    for (from, to, message) in mail {
        let replies = peer.deliver(from, &[to], message);
        assert_eq!(&replies[0][..3], "250", "{to}: {}", replies[0]);
    }
}

/// Returns the entry that this message became.
fn of<'a>(entries: &'a [Entry], id: &str) -> &'a Entry {
    let id = format!("<{id}@example.org>");
    let mut of = entries.iter().filter(|entry| entry.header("Message-ID") == Some(&id));
    let entry = of.next().unwrap_or_else(|| panic!("{id} is not among {entries:?}"));
    assert_eq!(of.next(), None, "{id} is there twice");
    entry
}

fn recipients(entry: &Entry) -> BTreeSet<&str> {
    let recipients = entry.msgdata["recipients"].as_array().unwrap();
    recipients.iter().map(|recipient| recipient.as_str().unwrap()).collect()
}

#[test]
#[ignore = "needs mailman"]
fn posts_are_accepted_and_reach_the_members() {
    let mailman = site();
    let post = |id, from| message(id, from, "a post", "Hello");
    send(
        &mailman,
        &[
            ("anne@example.org", "test@example.com", post("member", "Anne <anne@example.org>")),
            ("bart@example.org", "test@example.com", post("accepted", "bart@example.org")),
            // The sender is known from the envelope alone.
            ("anne@example.org", "test@example.com", post("envelope", "")),
            ("dirk@example.net", "test@example.com", post("stranger", "dirk@example.net")),
        ],
    );
    mailman.work("in");
    let accepted = mailman.entries("pipeline");
    assert_eq!(accepted.len(), 3, "a stranger's is held: {accepted:?}");
    for id in ["member", "accepted", "envelope"] {
        let msgdata = &of(&accepted, id).msgdata;
        assert_eq!((&msgdata["listid"], &msgdata["to_list"]), (&"test.example.com".into(), &true.into()));
    }
    mailman.work("pipeline");
    let out = mailman.entries("out");
    for id in ["member", "accepted", "envelope"] {
        assert!(recipients(of(&out, id)).is_subset(&BTreeSet::from(["anne@example.org"])), "{out:?}");
    }
}

/// Python parses such a Message-ID into an object, where the runners expect text.
#[test]
#[ignore = "needs mailman"]
fn an_eight_bit_message_id_stops_no_runner() {
    let mailman = site();
    let post = |from| message("\u{e4}", from, "a post", "Hello");
    send(
        &mailman,
        &[
            ("anne@example.org", "test@example.com", post("anne@example.org")),
            ("dirk@example.net", "test@example.com", post("dirk@example.net")),
            ("dirk@example.net", "test-owner@example.com", post("dirk@example.net")),
        ],
    );
    mailman.work("in");
    assert_eq!(mailman.entries("pipeline").len(), 2, "a stranger's post is held");
    assert_eq!(mailman.entries("shunt"), []);
}

#[test]
#[ignore = "needs mailman"]
fn commands_are_answered() {
    let mailman = site();
    send(
        &mailman,
        &[
            (
                "dirk@example.net",
                "test-join@example.com",
                message("join", "dirk@example.net", "please", "Let me in."),
            ),
            (
                "carla@example.net",
                "test-request@example.com",
                message("help", "carla@example.net", "", "help"),
            ),
        ],
    );
    mailman.work("command");
    let answers = mailman.entries("virgin");
    let to = |address: &str| {
        let mut to = answers.iter().filter(|answer| answer.header("To") == Some(address));
        let answer = to.next().unwrap_or_else(|| panic!("{address} has no answer: {answers:?}"));
        assert_eq!(to.next(), None);
        answer
    };
    let confirmation = to("dirk@example.net");
    let confirm = confirmation.header("From").unwrap();
    assert!(confirm.starts_with("test-confirm+") && confirm.ends_with("@example.com"), "{confirm}");
    assert_eq!(recipients(confirmation), BTreeSet::from(["dirk@example.net"]));
    let help = to("carla@example.net");
    let text = help.message["_payload"].as_str().unwrap();
    assert!(text.contains("Message-ID: <help@example.org>"), "{text}");
    for line in ["\n- Results:\n", "\nhelp        - ", "\njoin        - "] {
        assert!(text.contains(line), "{line}: {text}");
    }
    assert_eq!(answers.len(), 2, "{answers:?}");
}

#[test]
#[ignore = "needs mailman"]
fn a_confirmation_that_is_answered_makes_a_member() {
    let mailman = site();
    let join = message("join", "dirk@example.net", "please", "Let me in.");
    send(&mailman, &[("dirk@example.net", "test-join@example.com", join)]);
    mailman.once("command");
    let confirmation = &mailman.entries("virgin")[0];
    let confirm = confirmation.header("From").unwrap().to_owned();
    let answer =
        message("confirm", "dirk@example.net", "Re: confirm", "").replace("test@example.com", &confirm);
    send(&mailman, &[("dirk@example.net", &confirm, answer)]);
    mailman.work("command");
    let members = mailman.mailman(&["members", "test@example.com"]);
    assert_eq!(members.lines().collect::<BTreeSet<_>>(), ["anne@example.org", "dirk@example.net"].into());
}

#[test]
#[ignore = "needs mailman"]
fn a_bounce_becomes_a_bounce_event() {
    let mailman = site();
    send(&mailman, &[("", "test-bounces+anne=example.org@example.com", DSN.to_owned())]);
    mailman.work("bounces");
    let events = mailman.python(BOUNCES, &[]);
    assert_eq!(events, "test.example.com anne@example.org <bounce@example.org> normal\n");
}

#[test]
#[ignore = "needs mailman"]
fn mail_to_the_owners_reaches_them() {
    let mailman = site();
    let question = message("question", "dirk@example.net", "a question", "Who are you?");
    send(&mailman, &[("dirk@example.net", "test-owner@example.com", question)]);
    mailman.work("in");
    let accepted = mailman.entries("pipeline");
    assert_eq!(of(&accepted, "question").msgdata["to_owner"], true);
    mailman.work("pipeline");
    let out = mailman.entries("out");
    let question = of(&out, "question");
    assert_eq!(recipients(question), BTreeSet::from(["owner@example.org"]));
    assert_eq!(question.msgdata["envsender"], "site-owner@example.com");
    assert_eq!(question.message["_payload"], "Who are you?\r\n");
}
