//! A table of mails, each with what is known and what is decided.

use super::*;
use crate::comparable::Comparable;
use crate::limits;
use crate::token::{Claim, Day, Key, KeyRing, Purpose, Subject};
use crate::view::View;
use listgate_lmtp::{Mailbox, ReversePath};

mod automatic;
mod programs;
mod table;

const NOW: u64 = 20_000 * 86_400 + 3_600;

fn keys() -> KeyRing {
    KeyRing::new(0, Key::new([1; 32]), [None, None, None])
}

fn mailbox(text: &str) -> Mailbox {
    text.parse().unwrap()
}

fn comparable(text: &str) -> Comparable {
    Comparable::new(&mailbox(text))
}

/// What a list and its site know. It answers questions as a store does.
struct World {
    settings: Settings,
    trusts: bool,
    is_full: bool,
    members: Vec<(u64, &'static str)>,
    officials: Vec<&'static str>,
    /// With the times when they left.
    formers: Vec<(u64, &'static str, u64)>,
    requests: Vec<Request>,
    /// The requests that are over.
    over: Vec<Request>,
    offers: Vec<Offer>,
    answered: Vec<(&'static str, Answered)>,
}

impl World {
    /// Reads a state: items with `; ` between them.
    fn new(state: &'static str) -> Self {
        let settings = Settings::new("mylist.example.com", mailbox("mylist@example.com"));
        let (members, officials, formers) = (Vec::new(), Vec::new(), Vec::new());
        let mut world = Self {
            settings,
            trusts: false,
            is_full: false,
            members,
            officials,
            formers,
            requests: Vec::new(),
            over: Vec::new(),
            offers: Vec::new(),
            answered: Vec::new(),
        };
        for item in state.split("; ").filter(|item| !item.is_empty()) {
            world.learn(item);
        }
        world
    }

    fn learn(&mut self, item: &'static str) {
        let words: Vec<&'static str> = item.split(' ').collect();
        match *words {
            ["open"] => self.settings.subscription_policy = SubscriptionPolicy::Open,
            ["moderate"] => self.settings.subscription_policy = SubscriptionPolicy::Moderate,
            ["both"] => self.settings.subscription_policy = SubscriptionPolicy::ConfirmThenModerate,
            ["closed"] => self.settings.subscription_policy = SubscriptionPolicy::Closed,
            ["public"] => self.settings.member_roster_visibility = RosterVisibility::Public,
            ["members"] => self.settings.member_roster_visibility = RosterVisibility::Members,
            ["silent"] => {
                self.settings.send_welcome_message = false;
                self.settings.send_goodbye_message = false;
                self.settings.admin_immed_notify = false;
            }
            ["changes"] => self.settings.admin_notify_mchanges = true,
            ["full"] => self.is_full = true,
            ["trust"] => self.trusts = true,
            ["ban", pattern] => self.settings.bans = [pattern.parse().unwrap()].into_iter().collect(),
            ["member", id, address] => self.members.push((id.parse().unwrap(), address)),
            ["owner", address] => self.officials.push(address),
            ["former", id, address] => self.formers.push((id.parse().unwrap(), address, NOW - 60)),
            ["former", id, address, "just"] => self.formers.push((id.parse().unwrap(), address, NOW - 4)),
            ["former", id, address, "future"] => self.formers.push((id.parse().unwrap(), address, NOW + 100)),
            ["got", address, account, domain] => {
                let (account_in_day, domain_in_hour) = (account.parse().unwrap(), domain.parse().unwrap());
                self.answered
                    .push((address, Answered { account_in_day, domain_in_hour, has_bounced: false }));
            }
            ["bounced", address] => {
                self.answered.push((address, Answered { has_bounced: true, ..Answered::default() }));
            }
            ["over", kind, id, address] => self.over.push(request(kind, id, address, &[])),
            ["offer", id, held, moderator, ref ruling @ ..] => self.offers.push(Offer {
                id: id.parse().unwrap(),
                held: held.parse().unwrap(),
                moderator: (moderator != "nobody").then(|| mailbox(moderator)),
                ruling: ruling.first().map(|ruling| match *ruling {
                    "accepted" => Ruling::Accepted,
                    "rejected" => Ruling::Rejected,
                    "discarded" => Ruling::Discarded,
                    _ => panic!("{ruling} is not a ruling"),
                }),
            }),
            [kind @ ("join" | "leave" | "invite"), id, address, ref more @ ..] => {
                self.requests.push(request(kind, id, address, more));
            }
            _ => panic!("{item} is not a state"),
        }
    }

    fn decide(&self, mail: &Mail<'_>) -> Decided {
        let keys = keys();
        let subjects = ["Please confirm: join mylist@example.com".to_owned()];
        let mut facts = Facts { subjects: &subjects, ..Facts::new(&keys, NOW) };
        facts.authserv_id = self.trusts.then_some("mx.example.com");
        for _ in 0..=QUESTIONS {
            match decide(&self.settings, &facts, mail) {
                Answer::Decided(decided) => return decided,
                Answer::Needs(question) => self.answer(&mut facts, question),
            }
        }
        panic!("too many questions");
    }

    fn answer(&self, facts: &mut Facts<'_>, question: Question) {
        let is_new = match question {
            Question::Standing(address) => {
                let found = self.members.iter().find(|(_, member)| comparable(member) == address);
                let member = found.map(|&(id, address)| Member { id, address: mailbox(address) });
                let is_official = self.officials.iter().any(|official| comparable(official) == address);
                facts.standings.insert(address, Standing { member, is_official }).is_none()
            }
            Question::Membership(id) => {
                let found = self.members.iter().find(|(member, _)| *member == id);
                let member = found.map(|&(id, address)| Member { id, address: mailbox(address) });
                facts.memberships.insert(id, member).is_none()
            }
            Question::Former(id) => {
                let found = self.formers.iter().find(|(former, ..)| *former == id);
                let former = found.map(|&(id, address, left_at)| {
                    let address = mailbox(address);
                    Former { id, address, left_at }
                });
                facts.formers.insert(id, former).is_none()
            }
            Question::Request(id) => {
                let request = self.requests.iter().find(|request| request.id == id);
                facts.requests.insert(id, request.cloned()).is_none()
            }
            Question::Asked(id) => {
                let found = self.requests.iter().chain(&self.over).find(|request| request.id == id);
                let asked = found.map(|one| Asked { kind: one.kind, address: one.address.clone() });
                facts.asked.insert(id, asked).is_none()
            }
            Question::Offer(id) => {
                let offer = self.offers.iter().find(|offer| offer.id == id);
                facts.offers.insert(id, offer.cloned()).is_none()
            }
            Question::Pending(address, kind) => {
                let is_it = |request: &&Request| {
                    comparable(request.address.as_str()) == address && request.kind == kind
                };
                let request = self.requests.iter().find(is_it).cloned();
                facts.pending.insert((address, kind), request).is_none()
            }
            Question::Room => facts.has_room.replace(!self.is_full).is_none(),
            Question::Answered(address) => {
                let found = self.answered.iter().find(|(of, _)| comparable(of) == address);
                let answered = found.map_or_else(Answered::default, |(_, answered)| *answered);
                facts.answered.insert(address, answered).is_none()
            }
            Question::Roster { has_hidden } => {
                let roster = if has_hidden { "all" } else { "those who are shown" };
                facts.roster.replace(Roster { addresses: roster.to_owned(), count: "1".to_owned() }).is_none()
            }
        };
        assert!(is_new, "a question is asked twice");
    }
}

/// Reads a pending request. Its mail was handed over a minute ago, unless `more` says otherwise.
fn request(kind: &str, id: &str, address: &str, more: &[&str]) -> Request {
    let mut request = Request {
        id: id.parse().unwrap(),
        kind: match kind {
            "join" => RequestKind::Join,
            "leave" => RequestKind::Leave,
            _ => RequestKind::Invite,
        },
        phase: Phase::Confirm,
        address: mailbox(address),
        name: "Name".to_owned(),
        was_early: false,
        mails_in_hour: 0,
        mails_in_day: 1,
        handed_over_at: Some(NOW - 60),
    };
    for word in more {
        match *word {
            "moderator" => request.phase = Phase::Moderate,
            "early" => request.was_early = true,
            "just" => request.handed_over_at = Some(NOW - 4),
            "5s" => request.handed_over_at = Some(NOW - 5),
            "future" => request.handed_over_at = Some(NOW + 100),
            "unsent" => request.handed_over_at = None,
            "hour" => request.mails_in_hour = 1,
            "day" => request.mails_in_day = 3,
            _ => panic!("{word} is not said of a request"),
        }
    }
    request
}

/// Replaces `{PURPOSE:ID}` by a token.
fn with_tokens(text: &str) -> String {
    let mut result = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        let (inside, after) = after.split_once('}').unwrap();
        let (purpose, id) = inside.split_once(':').unwrap();
        let (purpose, day) = match purpose {
            "confirm" => (Purpose::Confirm, NOW),
            "old" => (Purpose::Confirm, NOW - 4 * 86_400),
            "leave" => (Purpose::Leave, NOW),
            "rejoin" => (Purpose::Rejoin, NOW),
            "accept" => (Purpose::Accept, NOW - 400 * 86_400),
            "reject" => (Purpose::Reject, NOW - 400 * 86_400),
            "bounce" => (Purpose::MemberBounce, NOW),
            _ => panic!("{purpose} is not a purpose"),
        };
        let claim = Claim::new(purpose, Subject::new(id.parse().unwrap()).unwrap(), Day::of_seconds(day));
        result += before;
        result += &keys().sign("mylist.example.com", claim).to_string();
        rest = after;
    }
    result + rest
}

/// Decides about a mail: the sub-address, fields with ` | ` between them, and after ` || ` the body. `<ADDRESS>` is the
/// envelope sender, which is otherwise that in From; From is otherwise `anne@example.org`.
fn decided(state: &'static str, mail: &str) -> String {
    let mail = with_tokens(mail);
    let (header, body) = mail.split_once(" || ").unwrap_or((&mail, ""));
    let mut parts = header.split(" | ");
    let to = parts.next().unwrap();
    let (name, detail) = to.split_once('+').map_or((to, None), |(name, detail)| (name, Some(detail)));
    let addressed = match name {
        "join" => Addressed::Join,
        "leave" => Addressed::Leave,
        "confirm" => Addressed::Confirm,
        "request" => Addressed::Request,
        _ => panic!("{name} is not a sub-address"),
    };
    let (mut message, mut envelope) = (String::new(), None);
    for field in parts {
        match field.strip_prefix('<') {
            Some(sender) => envelope = Some(sender.trim_end_matches('>')),
            None => message += &format!("{field}\r\n"),
        }
    }
    if !message.contains("From: ") {
        message += "From: Anne <anne@example.org>\r\n";
    }
    message += &format!("Message-ID: <1@example.org>\r\n\r\n{body}");
    let from = View::whole(message.as_bytes()).addresses("From");
    let from =
        from.first().and_then(|from| from.mailbox.clone()).unwrap_or_else(|| mailbox("env@example.org"));
    let sender = match envelope {
        Some("") => ReversePath::Null,
        Some(sender) => ReversePath::Mailbox(mailbox(sender)),
        None => ReversePath::Mailbox(from),
    };
    decided_whole(state, (addressed, detail), &sender, message.as_bytes())
}

/// Decides about a message.
fn decided_whole(
    state: &'static str,
    (addressed, detail): (Addressed, Option<&str>),
    sender: &ReversePath,
    message: &[u8],
) -> String {
    let view = View::whole(message);
    shown(&World::new(state).decide(&Mail { addressed, detail, sender, view: &view }))
}

/// Writes a decision: the outcome, its reasons, and its effects.
fn shown(decided: &Decided) -> String {
    let Decided { outcome, reasons, effects } = decided;
    let reasons: Vec<String> = reasons.iter().map(reason).collect();
    let effects: Vec<String> = effects.iter().map(effect).collect();
    let arrow = if effects.is_empty() { "" } else { " > " };
    format!("{outcome:?}: {}{arrow}{}", reasons.join(", "), effects.join(", "))
}

fn reason(reason: &Reason) -> String {
    match reason {
        Reason::Joined(address)
        | Reason::Left(address)
        | Reason::Rejoined(address)
        | Reason::Asked(_, address)
        | Reason::AskedModerator(address)
        | Reason::Banned(address)
        | Reason::Member(address)
        | Reason::NotMember(address)
        | Reason::Waiting(address)
        | Reason::Bounces(address)
        | Reason::OverLimit(_, address) => {
            let name = match reason {
                Reason::OverLimit(limit, _) => format!("OverLimit({limit:?})"),
                Reason::Asked(kind, _) => format!("Asked({kind:?})"),
                other => format!("{other:?}").split('(').next().unwrap().to_owned(),
            };
            format!("{name} {}", address.as_str())
        }
        Reason::Accepted(by, held) => format!("Accepted {held} by {}", by.as_str()),
        Reason::Rejected(by, held) => format!("Rejected {held} by {}", by.as_str()),
        Reason::Ruled(held, ruling) => format!("Ruled {held} {}", ruling.as_str()),
        Reason::Automatic(sign) => format!("Automatic({sign:?})"),
        other => format!("{other:?}"),
    }
}

/// Writes an effect. A mail is shown by its template: `!` means that it is not counted, parentheses have what it is about,
/// and brackets have the values of its placeholders.
fn effect(effect: &Effect) -> String {
    match effect {
        Effect::Join { address, .. } => format!("join {address}"),
        Effect::Leave { member } => format!("leave {member}"),
        Effect::Rejoin { former } => format!("rejoin {former}"),
        Effect::Ask { kind, phase, address, .. } => format!("ask {kind:?} {phase:?} {address}"),
        Effect::MarkEarly { request } => format!("early {request}"),
        Effect::AwaitModerator { request } => format!("moderator {request}"),
        Effect::End { request } => format!("end {request}"),
        Effect::Accept { offer } => format!("accept {offer}"),
        Effect::Reject { offer } => format!("reject {offer}"),
        Effect::Send(mail) => {
            let to = match &mail.to {
                To::Address(address) => address.to_string(),
                To::Owners => "owners".to_owned(),
            };
            let about =
                if mail.about == About::Nothing { String::new() } else { format!(" ({:?})", mail.about) };
            let free = if mail.is_counted || mail.to == To::Owners { "" } else { "!" };
            let values: Vec<&str> =
                mail.values.values().map(String::as_str).filter(|value| !value.is_empty()).collect();
            let values = if values.is_empty() { String::new() } else { format!(" [{}]", values.join(", ")) };
            format!("{:?}{free}{about}{values} to {to}", mail.template)
        }
    }
}

#[test]
fn an_answer_refers_to_the_mail_by_a_plain_message_id() {
    let longest = format!("<{}>", "x".repeat(limits::MESSAGE_ID - 2));
    for (id, is_named) in [
        ("<1@example.org>", true),
        (&longest, true),
        (&format!("<x{}", &longest[1..]), false),
        ("1@example.org", false),
        ("<1@example.org", false),
        ("1@example.org>", false),
        ("<1 2@example.org>", false),
        ("<\u{fc}@example.org>", false),
    ] {
        let message = format!("From: anne@example.org\r\nSubject: help\r\nMessage-ID: {id}\r\n\r\n");
        let (sender, view) =
            (ReversePath::Mailbox(mailbox("anne@example.org")), View::whole(message.as_bytes()));
        let mail = Mail { addressed: Addressed::Request, detail: None, sender: &sender, view: &view };
        let decided = World::new("").decide(&mail);
        let [Effect::Send(answer)] = decided.effects.as_slice() else { panic!("{decided:?}") };
        assert_eq!(answer.in_reply_to.as_deref(), is_named.then_some(id));
    }
}

/// What is secret is sent only to the address in From, or to the one that a token names; a stranger who forges From sees
/// the same, whether the address is a member or not.
#[test]
fn the_return_path_gets_nothing_that_depends_on_the_address_in_from() {
    for settings in ["", "closed; ", "public; ", "members; ", "moderate; "] {
        for mail in ["join", "leave", "leave+{leave:99}", "confirm+x", "request | Subject: who", "request"] {
            let mail = format!("{mail} | <eve@example.net>");
            let seen =
                ["", "member 7 anne@example.org", "owner anne@example.org", "join 17 anne@example.org"].map(
                    |state| {
                        let state: &'static str = format!("{settings}{state}").leak();
                        let found = decided(state, &mail);
                        found.split(", ").filter(|part| part.ends_with("eve@example.net")).count()
                    },
                );
            assert!(seen.iter().all(|count| *count == seen[0]), "{settings}{mail}: {seen:?}");
        }
    }
}
