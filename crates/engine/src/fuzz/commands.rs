//! Checks the whole decision about a mail with a command, whatever is in it and whatever is known.

use crate::automatic;
use crate::ban::Ban;
use crate::command::{
    About, Addressed, Answer, Answered, Asked, Decided, Effect, Facts, Former, Mail, Member, Offer, Outcome,
    Phase, QUESTIONS, Question, Reason, Request, RequestKind, Roster, RosterVisibility, Ruling, Sending,
    Settings, Standing, SubscriptionPolicy, To, decide,
};
use crate::comparable::Comparable;
use crate::limits;
use crate::notice::Template;
use crate::token::{Claim, Day, Key, KeyRing, Purpose, Subject};
use crate::view::View;
use listgate_lmtp::{Mailbox, ReversePath};
use std::collections::BTreeSet;

const LIST: &str = "mylist.example.com";
const NOW: u64 = 20_000 * 86_400 + 3_600;
/// The mails for one mail at most.
const MAILS: usize = 4;

/// What tokens are about: a request, a membership, and one that has ended.
const REQUEST: u64 = 17;
const MEMBER: u64 = 7;
const FORMER: u64 = 9;
/// The request that is pending for an address.
const PENDING: u64 = 23;
/// The offer of a held post to a moderator.
const OFFER: u64 = 31;

/// The octets that stand for tokens: the fuzzer cannot sign any. The first three and the last two are valid.
const TOKENS: [(u8, Purpose, u64, u64); 8] = [
    (1, Purpose::Confirm, REQUEST, NOW),
    (2, Purpose::Leave, MEMBER, NOW),
    (3, Purpose::Rejoin, FORMER, NOW),
    (4, Purpose::Confirm, REQUEST, NOW - 5 * 86_400),
    (5, Purpose::MemberBounce, MEMBER, NOW),
    (6, Purpose::Confirm, 99, NOW),
    (7, Purpose::Accept, OFFER, NOW),
    (8, Purpose::Reject, OFFER, NOW),
];

/// Checks the decision about a mail with a command. Five octets choose where it was sent and the policy, the settings, what
/// exists, what requests are like, and how much mail there was. Two are the lengths of the detail and of the envelope
/// sender, which come next. The rest is the message. Octets in [`TOKENS`] stand for tokens.
pub fn commands(input: &[u8]) {
    let Some((&[to, settings, state, request, answered, detail, sender], rest)) = input.split_first_chunk()
    else {
        return;
    };
    let (detail, rest) = rest.split_at(usize::from(detail).min(rest.len()));
    let (sender, message) = rest.split_at(usize::from(sender).min(rest.len()));
    let keys = KeyRing::new(0, Key::new([9; 32]), [None, None, None]);
    let world = World { state, request, answered, trusts: settings & 16 != 0, keys };
    let given: BTreeSet<u8> = detail.iter().chain(message).copied().filter(|octet| *octet < 9).collect();
    let detail = String::from_utf8_lossy(&world.with_tokens(detail)).into_owned();
    let message = world.with_tokens(message);
    let view = View::whole(&message);
    let sender = match sender {
        [] => ReversePath::Null,
        text => ReversePath::Mailbox(
            String::from_utf8_lossy(text).parse().unwrap_or_else(|_| mailbox("eve@example.net")),
        ),
    };
    let mail = Mail {
        addressed: [Addressed::Join, Addressed::Leave, Addressed::Confirm, Addressed::Request]
            [usize::from(to & 3)],
        detail: Some(detail.as_str()).filter(|detail| !detail.is_empty()),
        sender: &sender,
        view: &view,
    };
    let case = Case { settings: chosen(to, settings), world, mail, given };
    case.check();
    case.check_that_no_program_gets_an_answer(&message);
}

fn mailbox(text: &str) -> Mailbox {
    text.parse().expect("an address")
}

fn chosen(to: u8, settings: u8) -> Settings {
    let policies = [
        SubscriptionPolicy::Confirm,
        SubscriptionPolicy::Open,
        SubscriptionPolicy::Moderate,
        SubscriptionPolicy::ConfirmThenModerate,
        SubscriptionPolicy::Closed,
    ];
    let visibilities = [RosterVisibility::Public, RosterVisibility::Members, RosterVisibility::Moderators];
    let ban = |bit: u8, ban: Ban| Some(ban).filter(|_| settings & bit != 0);
    let bans = [
        ban(32, "@example.net".parse().expect("a ban")),
        ban(64, "anne@example.org".parse().expect("a ban")),
    ];
    Settings {
        bans: bans.into_iter().flatten().collect(),
        subscription_policy: policies[usize::from(to >> 2) % policies.len()],
        member_roster_visibility: visibilities[usize::from(to >> 5) % visibilities.len()],
        send_welcome_message: settings & 1 != 0,
        send_goodbye_message: settings & 2 != 0,
        admin_notify_mchanges: settings & 4 != 0,
        admin_immed_notify: settings & 8 != 0,
        ..Settings::new(LIST, mailbox("mylist@example.com"))
    }
}

/// What is known besides the mail.
struct World {
    state: u8,
    request: u8,
    answered: u8,
    trusts: bool,
    keys: KeyRing,
}

impl World {
    fn has(&self, bit: u8) -> bool {
        self.state & bit != 0
    }

    /// Returns octets with tokens in place of those that stand for them.
    fn with_tokens(&self, octets: &[u8]) -> Vec<u8> {
        let mut text = Vec::new();
        for octet in octets {
            match TOKENS.iter().find(|(of, ..)| of == octet) {
                Some(&(_, purpose, subject, signed)) => {
                    let subject = Subject::new(subject).expect("it is small");
                    let claim = Claim::new(purpose, subject, Day::of_seconds(signed));
                    text.extend(self.keys.sign(LIST, claim).to_string().into_bytes());
                }
                None => text.push(*octet),
            }
        }
        text
    }

    fn answered(&self) -> Answered {
        Answered {
            account_in_day: u32::from(self.answered & 15),
            domain_in_hour: 90 + u32::from(self.answered >> 4),
            has_bounced: self.has(128),
        }
    }

    fn member(&self) -> Option<Member> {
        self.has(32).then(|| Member { id: MEMBER, address: mailbox("mia@example.net") })
    }

    fn former(&self) -> Option<Former> {
        self.has(64).then(|| Former { id: FORMER, address: mailbox("Finn@example.info"), left_at: NOW - 60 })
    }

    /// Returns the request that a token is about.
    fn confirmable(&self) -> Option<Request> {
        let Asked { kind, address } = self.asked();
        self.has(16).then(|| self.request(REQUEST, kind, address))
    }

    /// Returns what the mail that has this token asks. The request may be over.
    fn asked(&self) -> Asked {
        let kinds = [RequestKind::Join, RequestKind::Leave, RequestKind::Invite];
        Asked { kind: kinds[usize::from(self.request & 3) % 3], address: mailbox("Rita@example.edu") }
    }

    /// Returns the held post that was offered to a moderator, who may not be one any more.
    fn offer(&self) -> Option<Offer> {
        let is_moderator = self.request & 3 != 2;
        (self.request & 3 != 3).then(|| Offer {
            id: OFFER,
            held: 3,
            moderator: is_moderator.then(|| mailbox("mod@example.biz")),
            ruling: (self.request & 3 == 1).then_some(Ruling::Accepted),
        })
    }

    fn request(&self, id: u64, kind: RequestKind, address: Mailbox) -> Request {
        let has = |bit: u8| self.request & bit != 0;
        Request {
            id,
            kind,
            phase: if has(4) { Phase::Moderate } else { Phase::Confirm },
            address,
            name: "Name".to_owned(),
            was_early: has(8),
            mails_in_hour: u32::from(has(64)),
            mails_in_day: if has(128) { limits::MAILS_IN_DAY } else { 1 },
            handed_over_at: [Some(NOW - 60), None, Some(NOW - 1), Some(NOW + 100)]
                [usize::from(self.request >> 4 & 3)],
        }
    }
}

/// A mail, and what is known and allowed when it comes.
struct Case<'c> {
    settings: Settings,
    world: World,
    mail: Mail<'c>,
    /// Which of [`TOKENS`] are in the mail.
    given: BTreeSet<u8>,
}

impl Case<'_> {
    fn check(&self) {
        let decided = self.decide(&self.mail, self.world.state);
        assert!(!decided.reasons.is_empty());
        let mails: Vec<&Sending> = mails(&decided).collect();
        assert!(mails.len() <= MAILS && decided.effects.len() <= MAILS + 3, "{decided:?}");
        if automatic::of_command(self.mail.sender, self.mail.view).is_some() {
            assert!(matches!(decided.reasons[..], [Reason::Automatic(_)]), "{decided:?}");
            assert_eq!((decided.outcome, &decided.effects[..]), (Outcome::Ignored, &[][..]));
        }
        for effect in &decided.effects {
            self.check_effect(effect, &decided);
        }
        for mail in &mails {
            self.check_mail(mail, &decided);
        }
        check_limits(&mails, self.world.answered());
        let is_asked = mails.iter().any(|mail| mail.is_counted && mail.about == About::Asked);
        let is_over = self.world.request & 0xc0 != 0 && self.world.has(4);
        assert!(!(is_asked && is_over), "it is asked too often: {decided:?}");
        self.check_that_nothing_leaks();
    }

    /// Decides about a mail. Each question is asked once, and only about addresses in From, the envelope or a token's facts.
    fn decide(&self, mail: &Mail<'_>, state: u8) -> Decided {
        let world = World { state, keys: self.world.keys.clone(), ..self.world };
        let subjects = ["Please confirm: join mylist@example.com".to_owned()];
        let mut facts = Facts { subjects: &subjects, ..Facts::new(&world.keys, NOW) };
        facts.authserv_id = world.trusts.then_some("mx.example.com");
        for _ in 0..=QUESTIONS {
            match decide(&self.settings, &facts, mail) {
                Answer::Decided(decided) => return decided,
                Answer::Needs(question) => self.answer(&world, &mut facts, question),
            }
        }
        panic!("too many questions");
    }

    fn answer(&self, world: &World, facts: &mut Facts<'_>, question: Question) {
        let is_new = match question {
            Question::Standing(address) => {
                let known = self.known(&address);
                let member = world.has(1).then_some(Member { id: MEMBER, address: known });
                facts.standings.insert(address, Standing { member, is_official: world.has(2) }).is_none()
            }
            Question::Membership(id) => {
                let member = world.member().filter(|member| member.id == id);
                facts.memberships.insert(id, member).is_none()
            }
            Question::Former(id) => {
                let former = world.former().filter(|former| former.id == id);
                facts.formers.insert(id, former).is_none()
            }
            Question::Request(id) => {
                let request = world.confirmable().filter(|request| request.id == id);
                facts.requests.insert(id, request).is_none()
            }
            Question::Asked(id) => {
                let asked = (id == REQUEST).then(|| world.asked());
                facts.asked.insert(id, asked).is_none()
            }
            Question::Offer(id) => {
                facts.offers.insert(id, world.offer().filter(|offer| offer.id == id)).is_none()
            }
            Question::Pending(address, kind) => {
                let known = self.known(&address);
                let request = world.has(4).then(|| world.request(PENDING, kind, known));
                let request = request.map(|request| Request {
                    phase: if world.has(8) { Phase::Moderate } else { Phase::Confirm },
                    ..request
                });
                facts.pending.insert((address, kind), request).is_none()
            }
            Question::Room => facts.has_room.replace(world.request & 3 != 3).is_none(),
            Question::Answered(address) => {
                self.known(&address);
                facts.answered.insert(address, world.answered()).is_none()
            }
            Question::Roster { has_hidden } => {
                assert!(!has_hidden || world.has(2), "only owners see all members");
                facts.roster.replace(Roster { addresses: "all".to_owned(), count: "1".to_owned() }).is_none()
            }
        };
        assert!(is_new, "a question is asked twice");
    }

    /// Returns the addresses that a decision may be about: in From, the envelope sender, and those that tokens name.
    fn allowed(&self) -> Vec<Mailbox> {
        let mut all: Vec<Mailbox> =
            self.mail.view.addresses("From").into_iter().filter_map(|from| from.mailbox).collect();
        if let ReversePath::Mailbox(sender) = self.mail.sender {
            all.push(sender.clone());
        }
        all.extend(self.named_by_tokens());
        all
    }

    /// Returns the addresses that the valid tokens in the mail are about.
    fn named_by_tokens(&self) -> Vec<Mailbox> {
        let mut all = Vec::new();
        let has = |token: u8| self.given.contains(&token);
        all.extend(self.world.confirmable().filter(|_| has(1)).map(|request| request.address));
        all.extend(self.world.member().filter(|_| has(2)).map(|member| member.address));
        all.extend(self.world.former().filter(|_| has(3)).map(|former| former.address));
        all.extend(self.world.offer().filter(|_| has(7) || has(8)).and_then(|offer| offer.moderator));
        all
    }

    /// Returns the address with this form, which must be allowed.
    fn known(&self, address: &Comparable) -> Mailbox {
        let all = self.allowed();
        let found = all.into_iter().find(|allowed| Comparable::new(allowed) == *address);
        found.unwrap_or_else(|| panic!("{address:?} comes from elsewhere"))
    }

    /// Returns the address in From, if it is the only one.
    fn from(&self) -> Option<Comparable> {
        let from = self.mail.view.addresses("From");
        let [one] = &from[..] else { return None };
        one.mailbox.as_ref().map(Comparable::new)
    }

    /// Returns whether the site's mail server may have said who sent the mail.
    fn may_be_authenticated(&self) -> bool {
        let mut results = self.mail.view.named("Authentication-Results");
        self.world.trusts && results.any(|field| field.unfolded().to_lowercase().contains("mx.example.com"))
    }

    /// Returns whether a valid token confirms the pending request, of one of these kinds.
    fn is_confirmed(&self, kinds: &[RequestKind]) -> bool {
        let request = self.world.confirmable();
        let is_it = |request: Request| request.phase == Phase::Confirm && kinds.contains(&request.kind);
        self.given.contains(&1) && request.is_some_and(is_it)
    }

    fn check_effect(&self, effect: &Effect, decided: &Decided) {
        let is_requested = |id: u64| id == REQUEST && self.given.contains(&1);
        match effect {
            Effect::Join { address, .. } => {
                let is_own = self.from() == Some(Comparable::new(address));
                let is_asked = self.world.confirmable().is_some_and(|request| request.address == *address);
                let joins = [RequestKind::Join, RequestKind::Invite];
                let is_open = self.settings.subscription_policy == SubscriptionPolicy::Open;
                let may_join =
                    is_asked && self.is_confirmed(&joins) || is_own && is_open && self.may_be_authenticated();
                assert!(may_join, "{decided:?}");
                assert!(self.settings.bans.covering(&Comparable::new(address)).is_none(), "{decided:?}");
            }
            Effect::Leave { member } => {
                assert_eq!(*member, MEMBER);
                let may_leave = self.given.contains(&2)
                    || self.is_confirmed(&[RequestKind::Leave])
                    || self.may_be_authenticated();
                assert!(may_leave, "{decided:?}");
            }
            Effect::Rejoin { former } => {
                assert!(*former == FORMER && self.world.has(64) && self.given.contains(&3), "{decided:?}");
            }
            Effect::Ask { address, phase, .. } => {
                assert_eq!(self.from(), Some(Comparable::new(address)), "{decided:?}");
                assert!(*phase == Phase::Confirm || self.may_be_authenticated(), "{decided:?}");
            }
            Effect::End { request } => assert!(
                is_requested(*request) || *request == PENDING && self.may_be_authenticated(),
                "{decided:?}"
            ),
            Effect::MarkEarly { request } => {
                assert!(
                    is_requested(*request)
                        && !self.world.request(0, RequestKind::Join, mailbox("a@b")).was_early
                );
            }
            Effect::AwaitModerator { request } => assert!(
                is_requested(*request) || *request == PENDING && self.may_be_authenticated(),
                "{decided:?}"
            ),
            Effect::Accept { offer } | Effect::Reject { offer } => {
                let token = if matches!(effect, Effect::Accept { .. }) { 7 } else { 8 };
                assert!(*offer == OFFER && self.given.contains(&token), "{decided:?}");
                let offered = self.world.offer().expect("it is offered");
                assert!(offered.moderator.is_some() && offered.ruling.is_none(), "{decided:?}");
            }
            Effect::Send(_) => {}
        }
    }

    fn check_mail(&self, mail: &Sending, decided: &Decided) {
        let To::Address(to) = &mail.to else {
            assert!(mail.template.is_for_owners() && !mail.is_counted, "{decided:?}");
            return;
        };
        let (to, tokens) = (Comparable::new(to), self.named_by_tokens());
        let is_named = tokens.iter().any(|address| Comparable::new(address) == to);
        let is_sender =
            matches!(self.mail.sender, ReversePath::Mailbox(sender) if Comparable::new(sender) == to);
        let is_from = self.from().as_ref() == Some(&to);
        let is_ruled = mail.template == Template::OwnerRuled && is_named && mail.is_counted;
        assert!(!mail.template.is_for_owners() || is_ruled, "{decided:?}");
        assert!(is_named || is_from || is_sender && !mail.template.is_secret(), "{decided:?}");
        assert!(mail.is_counted || is_named || is_from && self.may_be_authenticated(), "{decided:?}");
        assert_eq!(mail.about == About::Nothing, mail.template.purpose().is_none(), "{decided:?}");
        let may_see = self.world.has(2)
            || match self.settings.member_roster_visibility {
                RosterVisibility::Public => true,
                RosterVisibility::Members => self.world.has(1),
                RosterVisibility::Moderators => false,
            };
        assert!(may_see || mail.template != Template::Roster, "{decided:?}");
        // What a token is about, and who gets it, are the same address.
        let is_about = |address: &Mailbox| Comparable::new(address) == to;
        let changes = || decided.effects.iter();
        let is_right = match mail.about {
            About::Nothing => true,
            About::Asked => {
                changes().any(|effect| matches!(effect, Effect::Ask { address, .. } if is_about(address)))
            }
            About::Request(id) => {
                id == REQUEST && self.world.confirmable().is_some_and(|request| is_about(&request.address))
            }
            About::Joined => changes().any(|effect| match effect {
                Effect::Join { address, .. } => is_about(address),
                Effect::Rejoin { .. } => self.world.former().is_some_and(|former| is_about(&former.address)),
                _ => false,
            }),
            About::Former(id) => changes().any(|effect| *effect == Effect::Leave { member: id }),
        };
        assert!(is_right, "{decided:?}");
    }

    /// Checks that who is a member, or has asked to be, changes nothing for the envelope sender, if the mail has no token and
    /// claims to be from another domain. Limits are those of a domain.
    fn check_that_nothing_leaks(&self) {
        let ReversePath::Mailbox(sender) = self.mail.sender else { return };
        let sender = Comparable::new(sender);
        if !self.given.is_disjoint(&BTreeSet::from([1, 2, 3]))
            || self.from().is_none_or(|from| from.domain() == sender.domain())
        {
            return;
        }
        let seen = |state: u8| -> Vec<Sending> {
            let decided = self.decide(&self.mail, state);
            let to_sender =
                |mail: &&Sending| matches!(&mail.to, To::Address(to) if Comparable::new(to) == sender);
            mails(&decided).filter(to_sender).cloned().collect()
        };
        let expected = seen(self.world.state);
        for bit in [1, 2, 4, 8, 16] {
            assert_eq!(seen(self.world.state ^ bit), expected);
        }
    }

    /// Checks that the same mail has no effect if it comes from a program or from the list itself.
    fn check_that_no_program_gets_an_answer(&self, message: &[u8]) {
        let check = |mail: &Mail<'_>| {
            let Decided { outcome, effects, .. } = self.decide(mail, self.world.state);
            assert_eq!((outcome, &effects[..]), (Outcome::Ignored, &[][..]));
        };
        check(&Mail { sender: &ReversePath::Null, ..self.mail });
        for field in ["Auto-Submitted: auto-replied\r\n", "X-BeenThere: mylist.example.com\r\n"] {
            let message = super::with_first_field(message, field);
            check(&Mail { view: &View::whole(&message), ..self.mail });
        }
    }
}

fn mails(decided: &Decided) -> impl Iterator<Item = &Sending> {
    decided.effects.iter().filter_map(|effect| match effect {
        Effect::Send(mail) => Some(&**mail),
        _ => None,
    })
}

/// Checks that no address gets more counted mail than it may, nor its account, nor its domain.
fn check_limits(mails: &[&Sending], answered: Answered) {
    let counted = || {
        mails.iter().filter(|mail| mail.is_counted).filter_map(|mail| match &mail.to {
            To::Address(to) => Some(Comparable::new(to)),
            To::Owners => None,
        })
    };
    let count = |is_same: &dyn Fn(&Comparable) -> bool| {
        u32::try_from(counted().filter(is_same).count()).expect("there are a few mails")
    };
    for to in counted() {
        assert!(!answered.has_bounced);
        let account = answered.account_in_day + count(&|other| other.account() == to.account());
        assert!(account <= limits::ANSWERS_TO_ADDRESS, "{account} mails to {to:?}");
        let domain = answered.domain_in_hour + count(&|other| other.domain() == to.domain());
        assert!(domain <= limits::ANSWERS_TO_DOMAIN, "{domain} mails to the domain of {to:?}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use proptest::sample::{select, subsequence};

    /// Fields and lines that decide something, or look as if they did.
    const FROM: [&str; 8] = [
        "From: Anne <anne@example.org>\r\n",
        "From: anne+list@example.net\r\n",
        "From: eve@example.net\r\n",
        "From: Rita <rita@EXAMPLE.edu>\r\n",
        "From: anne@example.org, eve@example.net\r\n",
        "From: mylist-request@example.com\r\n",
        "From: x@-.example\r\n",
        "",
    ];
    const FIELDS: [&str; 12] = [
        "Message-ID: <1@example.org>\r\n",
        "Subject: join\r\n",
        "Subject: Re: Please confirm: join mylist@example.com\r\n",
        "Subject: confirm \x01\r\n",
        "Subject: who\r\n",
        "In-Reply-To: <notice.3.17@example.com>\r\n",
        "References: <a@b> <notice.3.0@example.com>\r\n",
        "Authentication-Results: mx.example.com; dkim=pass header.d=example.org\r\n",
        "Authentication-Results: mx.example.com; dmarc=pass header.from=example.net\r\n",
        "Authentication-Results: other.example; dkim=pass header.d=example.org\r\n",
        "Precedence: list\r\n",
        "Auto-Submitted: no\r\n",
    ];
    const LINES: [&str; 13] = [
        "join\r\n",
        "leave\r\n",
        "who\r\n",
        "help\r\n",
        "confirm \x01\r\n",
        "confirm \x03\r\n",
        "confirm \x04\r\n",
        "confirm \x05\r\n",
        "confirm \x06\r\n",
        "confirm \x07\r\n",
        "subscribe eve@example.net\r\n",
        "> join\r\n",
        "what is this\r\n",
    ];
    const SENDERS: [&str; 7] = [
        "anne@example.org",
        "Anne+x@example.org",
        "anne@example.net",
        "eve@example.net",
        "rita@example.edu",
        "mylist-bounces@example.com",
        "",
    ];
    const DETAILS: [&str; 10] = ["", "\x01", "\x02", "\x03", "\x04", "\x05", "\x06", "\x07", "\x08", "x"];

    fn inputs() -> impl Strategy<Value = Vec<u8>> {
        let fields = subsequence(&FIELDS[..], 0..=6).prop_shuffle();
        let lines = subsequence(&LINES[..], 0..=4).prop_shuffle();
        let texts = (select(&DETAILS[..]), select(&SENDERS[..]), select(&FROM[..]), fields, lines);
        (any::<[u8; 5]>(), texts).prop_map(|(choices, (detail, sender, from, fields, lines))| {
            let lengths = [detail.len(), sender.len()].map(|len| u8::try_from(len).expect("it is short"));
            let message = [from, &fields.concat(), "\r\n", &lines.concat()].concat();
            [&choices[..], &lengths, detail.as_bytes(), sender.as_bytes(), message.as_bytes()].concat()
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2 * ProptestConfig::default().cases, ..ProptestConfig::default() })]
        #[test]
        fn no_mail_does_more_than_it_may(input in inputs()) {
            commands(&input);
        }
    }
}
