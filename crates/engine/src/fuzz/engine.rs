//! Checks a whole decision: a message to a list, to its owners or to its bounces, up to the copies that leave.

use crate::distribution::{self, Plan, for_owners, went_to_owners};
use crate::limits;
use crate::posting::{self, Answer, Decided, Facts, Outcome, Question, Reason, Standing};
use crate::splice::Splices;
use crate::token::{Check, Claim, Day, Key, KeyRing, Purpose, Subject};
use crate::view::View;
use crate::{automatic, bounce};
use listgate_lmtp::{Mailbox, ReversePath};
use std::collections::BTreeSet;

const LIST: &str = "mylist.example.com";
const OTHER: &str = "other.example.com";

/// Checks all that becomes of a message. The first octet of the input chooses the facts, the second is the length of the
/// detail, such as the token in `mylist-bounces+TOKEN`, which comes before the message.
pub fn engine(input: &[u8]) {
    let Some((&[choice, len], rest)) = input.split_first_chunk() else { return };
    let (detail, message) = rest.split_at(usize::from(len).min(rest.len()));
    check_tokens(detail, choice);
    let view = View::whole(message);
    let _ = bounce::classify(&view);
    check_owners(&view, message);
    check_post(&view, message, choice);
}

fn mailbox(text: &str) -> Mailbox {
    text.parse().expect("an address")
}

/// Checks that a detail is evidence only if it was signed for this list, and that a token for one purpose of one list is
/// worth nothing for another list, whatever its subject.
fn check_tokens(detail: &[u8], choice: u8) {
    let keys = KeyRing::new(3, Key::new([7; 32]), [None, None, None]);
    let today = Day::of_seconds(20_000 * 86_400);
    let checked = keys.check(LIST, detail, today);
    // Nobody knows the key, so only a fault makes the fuzzer's octets valid.
    assert!(!matches!(checked, Check::Valid { .. } | Check::Expired { .. }), "{checked:?}");
    let subject = detail.iter().take(5).fold(0, |id, &octet| id << 8 | u64::from(octet));
    let claim = Claim::new(
        Purpose::ALL[usize::from(choice) % Purpose::ALL.len()],
        Subject::new(subject).expect("40 bits"),
        today,
    );
    let text = keys.sign(LIST, claim).to_string();
    assert_eq!(keys.check(LIST, text.as_bytes(), today), Check::Valid { claim, key_age: 0 });
    assert_eq!(keys.check(OTHER, text.as_bytes(), today), Check::Forged);
    // A clock that was set back by years makes no valid token worthless.
    let past = Day::of_seconds(86_400);
    assert_eq!(keys.check(LIST, text.as_bytes(), past), Check::Valid { claim, key_age: 0 });
    let mut altered = text.into_bytes();
    let at = usize::from(choice) % altered.len();
    altered[at] = if altered[at] == b'a' { b'b' } else { b'a' };
    let checked = keys.check(LIST, &altered, today);
    assert!(!matches!(checked, Check::Valid { .. } | Check::Expired { .. }), "{checked:?}");
}

/// Checks that owners get a message once, and that what is added to it does not depend on it.
fn check_owners(view: &View<'_>, message: &[u8]) {
    let list = mailbox("mylist@example.com");
    let splices = for_owners(&list, view).expect("the header is small");
    check_added(&splices, &["X-Loop: mylist-owner@example.com\r\n".to_owned()]);
    let copy = splices.apply(message);
    assert!(went_to_owners(&list, &View::whole(&copy)));
    // A message that went to the owners of this list may still go to those of another.
    let other = mailbox("other@example.com");
    assert_eq!(went_to_owners(&other, &View::whole(&copy)), went_to_owners(&other, view));
}

/// Checks the decision about a post, and its copies if it is accepted.
fn check_post(view: &View<'_>, message: &[u8], choice: u8) {
    let settings = posting::Settings::new(LIST, mailbox("mylist@example.com"));
    let (decided, members) = decide(&settings, view, choice);
    let is_wrong = decided.outcome == Outcome::Accept
        && (members == 0 || view.first("X-BeenThere").is_some_and(|field| field.unfolded() == LIST));
    assert!(!is_wrong, "a post of a stranger, or of the list itself, was accepted: {decided:?}");
    assert!(decided.reasons.len() <= 5, "{decided:?}");
    if decided.outcome != Outcome::Accept {
        return;
    }
    assert_eq!(automatic::of_post(&sender(choice), view), None);
    let settings = distribution::Settings::new(LIST, mailbox("mylist@example.com"));
    let plan = Plan::new(&settings, view).expect("the header is small");
    let leave = mailbox("mylist-leave+TOKEN@example.com");
    for (leave, text) in [(None, "mylist-leave"), (Some(&leave), "mylist-leave+TOKEN")] {
        let splices = plan.copy(leave);
        check_added(&splices, &added(text));
        let copy = splices.apply(message);
        assert_eq!(View::whole(&copy).body_start(), view.body_start());
        check_no_loop(&copy, choice);
    }
}

/// Answers all questions, and returns the decision and the number of senders who are members. Only addresses of the message
/// and its envelope are asked about, and not too many.
fn decide(settings: &posting::Settings, view: &View<'_>, choice: u8) -> (Decided, usize) {
    let mut facts = Facts::new(sender(choice));
    let mut members = 0;
    let questions = match posting::decide(settings, &facts, view) {
        Answer::Decided(decided) => return (decided, members),
        Answer::Needs(questions) => questions,
    };
    let distinct: BTreeSet<_> = questions.iter().map(|question| format!("{question:?}")).collect();
    assert!(distinct.len() == questions.len() && questions.len() <= posting::SENDERS + 1);
    for (n, question) in questions.into_iter().enumerate() {
        match question {
            Question::Duplicate(_) => facts.is_duplicate = Some(choice & 1 == 1),
            Question::Standing(address) => {
                let is_member = choice >> 1 & 3 == 1 || usize::from(choice >> 1 & 3) == n;
                members += usize::from(is_member);
                let standing = if is_member { Standing::Member(None) } else { Standing::Unknown };
                facts.standings.insert(address, standing);
            }
        }
    }
    match posting::decide(settings, &facts, view) {
        Answer::Decided(decided) => (decided, members),
        Answer::Needs(questions) => panic!("asked again: {questions:?}"),
    }
}

fn sender(choice: u8) -> ReversePath {
    match choice >> 3 & 1 {
        0 => ReversePath::Null,
        _ => ReversePath::Mailbox(mailbox("ann@example.org")),
    }
}

/// Returns the texts that may be added to a post: the list's own, and nothing from the message.
fn added(leave: &str) -> Vec<String> {
    let own = "List-Id: <mylist.example.com>\r\n\
        List-Help: <mailto:mylist-request@example.com?subject=help>\r\n\
        List-Owner: <mailto:mylist-owner@example.com>\r\n\
        List-Post: <mailto:mylist@example.com>\r\n\
        List-Subscribe: <mailto:mylist-join@example.com>\r\n";
    let unsubscribe = format!("List-Unsubscribe: <mailto:{leave}@example.com>\r\n");
    let first = "X-BeenThere: mylist.example.com\r\n";
    vec![first.to_owned(), own.to_owned(), format!("Precedence: list\r\n{own}"), unsubscribe]
}

/// Checks that splices insert these texts, line ends, and no more than the limit.
fn check_added(splices: &Splices, allowed: &[String]) {
    let mut total = 0;
    for splice in splices.iter() {
        total += splice.insert.len();
        let text = String::from_utf8_lossy(&splice.insert);
        let mut rest = text.trim_start_matches("\r\n");
        while let Some(known) = allowed.iter().find(|known| rest.starts_with(known.as_str())) {
            rest = rest[known.len()..].trim_start_matches("\r\n");
        }
        assert!(rest.is_empty(), "{text:?} was added");
    }
    assert!(total <= limits::GENERATED, "{total} octets");
}

/// Checks that a copy that comes back is discarded by its list, and that another list decides as if it were any post.
fn check_no_loop(copy: &[u8], choice: u8) {
    let view = View::whole(copy);
    let settings = posting::Settings::new(LIST, mailbox("mylist@example.com"));
    assert_eq!(decide(&settings, &view, choice).0.reasons, [Reason::Loop]);
    let other = posting::Settings::new(OTHER, mailbox("other@example.com"));
    let is_looped = view.named("X-BeenThere").any(|field| field.unfolded().eq_ignore_ascii_case(OTHER));
    assert_eq!(decide(&other, &view, choice).0.reasons.contains(&Reason::Loop), is_looped);
}
