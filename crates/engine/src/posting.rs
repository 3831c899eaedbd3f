//! Decides whether a post is accepted, held, rejected or discarded, by rules in one fixed order.

use crate::address::Address;
use crate::automatic::{self, Sign};
use crate::ban::Bans;
use crate::comparable::Comparable;
use crate::view::View;
use listgate_lmtp::{Mailbox, ReversePath};
use std::collections::BTreeMap;

/// How many senders of a post are looked up. Bans apply to the others too.
pub const SENDERS: usize = 20;

/// The fields, besides From, whose addresses count as senders, as in GNU Mailman.
const OTHER_SENDERS: &[&str] = &["Reply-To", "Sender"];

/// The fields whose addresses count as recipients.
const RECIPIENTS: &[&str] = &["To", "Cc"];

/// The fields, besides those, in which the list may be named (RFC 5322 section 3.6.6).
const RESENT: &[&str] = &["Resent-To", "Resent-Cc"];

/// What a list does with posts of a member or nonmember. The names are Mailman's.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Action {
    /// Accept the post; the remaining rules do not matter.
    Accept,
    /// Hold it for a moderator.
    Hold,
    /// Return it to its author, with a reason.
    Reject,
    /// Drop it, without a reply.
    Discard,
    /// Let the remaining rules decide.
    Defer,
}

/// The settings of a list that decide about posts. Names and defaults are those of GNU Mailman 3, except where the
/// field says otherwise.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The list_id, such as `mylist.example.com`.
    pub list_id: String,
    /// The address for posts, `mylist@example.com`.
    pub posting_address: Mailbox,
    /// Other addresses by which posts may be addressed to the list. None by default.
    pub acceptable_aliases: Vec<Mailbox>,
    /// Who is banned from the list or the site. Empty by default.
    pub bans: Bans,
    /// Whether all posts are held. Off by default.
    pub emergency: bool,
    /// What is done with a member's posts, unless the member has an action of their own. [`Action::Defer`] by default.
    pub default_member_action: Action,
    /// What is done with a nonmember's posts, unless the nonmember has an action of their own. [`Action::Hold`] by
    /// default.
    pub default_nonmember_action: Action,
    /// Whether To or Cc must name the list. On by default.
    pub require_explicit_destination: bool,
    /// The largest post, in octets, that is not held for its size; `None` if any size may pass. 1 MiB by default.
    /// Mailman's default is 40 KB, which most mail with a picture exceeds.
    pub max_message_size: Option<u64>,
    /// The number of addresses in To and Cc from which a post is held; `None` if any number may pass. 50 by default;
    /// Mailman's default is 10.
    pub max_num_recipients: Option<usize>,
}

impl Settings {
    /// Returns the default settings of a list.
    pub fn new(list_id: impl Into<String>, posting_address: Mailbox) -> Self {
        Self {
            list_id: list_id.into(),
            posting_address,
            acceptable_aliases: Vec::new(),
            bans: Bans::default(),
            emergency: false,
            default_member_action: Action::Defer,
            default_nonmember_action: Action::Hold,
            require_explicit_destination: true,
            max_message_size: Some(1024 * 1024),
            max_num_recipients: Some(50),
        }
    }
}

/// The standing of a sender with the list.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Standing {
    /// A member, with an action that replaces the list's default.
    Member(Option<Action>),
    /// A known nonmember, with an action that replaces the list's default.
    Nonmember(Option<Action>),
    /// The list does not know the address.
    Unknown,
}

/// The facts about a post that are not in the message itself.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Facts {
    /// The envelope sender.
    pub sender: ReversePath,
    /// The answer to [`Question::Duplicate`].
    pub is_duplicate: Option<bool>,
    /// The answers to [`Question::Standing`].
    pub standings: BTreeMap<Comparable, Standing>,
}

impl Facts {
    /// Returns the facts that are known before any question is answered.
    pub fn new(sender: ReversePath) -> Self {
        Self { sender, is_duplicate: None, standings: BTreeMap::new() }
    }
}

/// A question that a decision depends on. Its answer belongs in [`Facts`].
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Question {
    /// Whether the list has accepted or held another post with this Message-ID within seven days.
    Duplicate(String),
    /// The standing of this address with the list.
    Standing(Comparable),
}

/// The result of [`decide`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Answer {
    /// What to do with the post.
    Decided(Decided),
    /// Answer these questions, then call [`decide`] again, which asks no more. There is at most one question more than
    /// [`SENDERS`].
    Needs(Vec<Question>),
}

/// What to do with a post, and why.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Decided {
    /// What to do.
    pub outcome: Outcome,
    /// What the rules found, in their order. A rule that is missing found nothing, or came after the decision.
    pub reasons: Vec<Reason>,
    /// The last rule that was applied.
    pub last: Rule,
}

/// What to do with a post.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Outcome {
    /// Distribute it.
    Accept,
    /// Keep it for a moderator.
    Hold,
    /// Return it to its author.
    Reject,
    /// Drop it.
    Discard,
}

/// The rules, in the order in which they are applied.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Rule {
    /// The header is too large to be read whole, so the other rules could miss something.
    Header,
    /// The post came from this list.
    Loop,
    /// The list has received the same post before.
    Duplicate,
    /// A sender is banned.
    Banned,
    /// The list holds all posts.
    Emergency,
    /// The action for posts of this sender.
    Moderation,
    /// The post is a reply by a program.
    Automatic,
    /// The post does not name the list.
    Destination,
    /// The post is too large.
    Size,
    /// The post has too many recipients.
    Recipients,
}

/// The reason for an outcome. A held post can have several.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Reason {
    /// [`Rule::Header`]: it has more than [`limits::HEADER`](crate::limits::HEADER) octets. The post is rejected.
    HeaderTooLarge,
    /// [`Rule::Loop`]: X-BeenThere has the list_id. The post is discarded.
    Loop,
    /// [`Rule::Duplicate`]: its Message-ID is known. The post is discarded.
    Duplicate,
    /// [`Rule::Banned`]: this address is banned. The post is discarded.
    Banned(Comparable),
    /// [`Rule::Emergency`]: the post is held.
    Emergency,
    /// [`Rule::Moderation`]: the action for this member is not [`Action::Defer`].
    Member(Comparable, Action),
    /// [`Rule::Moderation`]: no sender is a member, and the action for the first known one, or for nonmembers, is not
    /// [`Action::Defer`]. Without an address, the post has no sender.
    Nonmember(Option<Comparable>, Action),
    /// [`Rule::Automatic`]: the post is held.
    Automatic(Sign),
    /// [`Rule::Destination`]: neither To nor Cc, nor their Resent- forms, name the list. The post is held.
    ImplicitDestination,
    /// [`Rule::Size`]: the post has this many octets. It is held.
    TooLarge(u64),
    /// [`Rule::Recipients`]: To and Cc have this many addresses. The post is held.
    TooManyRecipients(usize),
}

/// Decides what to do with a post, or returns the questions to answer first.
///
/// Of the rules before [`Rule::Automatic`], the first that applies decides, and the later ones are not applied. The
/// exception is a hold by moderation: later rules could only hold the post too, and moderators should see all reasons. No
/// rule depends on the time.
///
/// ```
/// use listgate_engine::comparable::Comparable;
/// use listgate_engine::posting::{Answer, Facts, Outcome, Question, Settings, Standing, decide};
/// use listgate_engine::view::View;
/// use listgate_lmtp::{Mailbox, ReversePath};
///
/// let settings = Settings::new("mylist.example.com", "mylist@example.com".parse().unwrap());
/// let message = b"From: ann@example.org\r\nTo: mylist@example.com\r\nMessage-ID: <1@example.org>\r\n\r\n";
/// let view = View::whole(message);
/// let ann: Mailbox = "ann@example.org".parse().unwrap();
/// let mut facts = Facts::new(ReversePath::Mailbox(ann.clone()));
///
/// let Answer::Needs(questions) = decide(&settings, &facts, &view) else { panic!("nothing is known") };
/// assert_eq!(questions[0], Question::Duplicate("<1@example.org>".to_owned()));
/// assert_eq!(questions[1], Question::Standing(Comparable::new(&ann)));
///
/// facts.is_duplicate = Some(false);
/// facts.standings.insert(Comparable::new(&ann), Standing::Member(None));
/// let Answer::Decided(decided) = decide(&settings, &facts, &view) else { panic!("all is known") };
/// assert_eq!(decided.outcome, Outcome::Accept);
/// ```
pub fn decide(settings: &Settings, facts: &Facts, view: &View<'_>) -> Answer {
    let early = [(Rule::Header, of_header(view)), (Rule::Loop, of_loop(settings, view))];
    for (rule, found) in early {
        if let Some((outcome, reason)) = found {
            return Answer::Decided(Decided { outcome, reasons: vec![reason], last: rule });
        }
    }
    let senders = senders(&facts.sender, view);
    let questions = questions(facts, view, &senders);
    if !questions.is_empty() {
        return Answer::Needs(questions);
    }
    let decisive = [
        (
            Rule::Duplicate,
            (facts.is_duplicate == Some(true)).then_some((Outcome::Discard, Reason::Duplicate)),
        ),
        (Rule::Banned, of_bans(settings, &senders)),
        (Rule::Emergency, settings.emergency.then_some((Outcome::Hold, Reason::Emergency))),
    ];
    for (rule, found) in decisive {
        if let Some((outcome, reason)) = found {
            return Answer::Decided(Decided { outcome, reasons: vec![reason], last: rule });
        }
    }
    let (action, reason) = of_moderation(settings, facts, &senders);
    let outcome = match action {
        Action::Accept => Some(Outcome::Accept),
        Action::Reject => Some(Outcome::Reject),
        Action::Discard => Some(Outcome::Discard),
        Action::Hold | Action::Defer => None,
    };
    let mut reasons: Vec<_> = (action != Action::Defer).then_some(reason).into_iter().collect();
    if let Some(outcome) = outcome {
        return Answer::Decided(Decided { outcome, reasons, last: Rule::Moderation });
    }
    reasons.extend(reasons_to_hold(settings, facts, view));
    let outcome = if reasons.is_empty() { Outcome::Accept } else { Outcome::Hold };
    Answer::Decided(Decided { outcome, reasons, last: Rule::Recipients })
}

/// Returns the senders of a post, without repetitions: the addresses of From, the envelope sender, then those of
/// Reply-To and Sender.
fn senders(sender: &ReversePath, view: &View<'_>) -> Vec<Comparable> {
    let of = |name: &str| view.addresses(name).into_iter().filter_map(|address| address.mailbox);
    let envelope = match sender {
        ReversePath::Null => None,
        ReversePath::Mailbox(mailbox) => Some(mailbox.clone()),
    };
    let all = of("From").chain(envelope).chain(OTHER_SENDERS.iter().flat_map(|name| of(name)));
    let mut seen = std::collections::HashSet::new();
    all.map(|mailbox| Comparable::new(&mailbox)).filter(|sender| seen.insert(sender.clone())).collect()
}

fn questions(facts: &Facts, view: &View<'_>, senders: &[Comparable]) -> Vec<Question> {
    let id = view.first("Message-ID").map(|field| field.unfolded()).filter(|id| !id.is_empty());
    let duplicate = id.filter(|_| facts.is_duplicate.is_none()).map(Question::Duplicate);
    let unknown = senders.iter().take(SENDERS).filter(|sender| !facts.standings.contains_key(sender));
    duplicate.into_iter().chain(unknown.cloned().map(Question::Standing)).collect()
}

type Found = Option<(Outcome, Reason)>;

fn of_header(view: &View<'_>) -> Found {
    (!view.has_whole_header()).then_some((Outcome::Reject, Reason::HeaderTooLarge))
}

fn of_loop(settings: &Settings, view: &View<'_>) -> Found {
    let is_own = |value: String| value.eq_ignore_ascii_case(&settings.list_id);
    let mut marks = view.named("X-BeenThere").map(|field| field.unfolded());
    marks.any(is_own).then_some((Outcome::Discard, Reason::Loop))
}

fn of_bans(settings: &Settings, senders: &[Comparable]) -> Found {
    let banned = senders.iter().find(|sender| settings.bans.covering(sender).is_some())?;
    Some((Outcome::Discard, Reason::Banned(banned.clone())))
}

/// Returns the action for the first sender who is a member; if there is none, for the first known nonmember; if there
/// is none of these either, for nonmembers.
fn of_moderation(settings: &Settings, facts: &Facts, senders: &[Comparable]) -> (Action, Reason) {
    let standing = |sender| facts.standings.get(sender).copied().unwrap_or(Standing::Unknown);
    let known = || senders.iter().take(SENDERS).map(|sender| (sender, standing(sender)));
    let member = known().find_map(|(sender, standing)| match standing {
        Standing::Member(action) => Some((sender, action)),
        Standing::Nonmember(_) | Standing::Unknown => None,
    });
    if let Some((member, action)) = member {
        let action = action.unwrap_or(settings.default_member_action);
        return (action, Reason::Member(member.clone(), action));
    }
    let nonmember = known().find_map(|(sender, standing)| match standing {
        Standing::Nonmember(Some(action)) => Some((sender, action)),
        Standing::Nonmember(None) | Standing::Member(_) | Standing::Unknown => None,
    });
    let (sender, action) = match nonmember {
        Some((sender, action)) => (Some(sender), action),
        None => (senders.first(), settings.default_nonmember_action),
    };
    (action, Reason::Nonmember(sender.cloned(), action))
}

/// Returns all reasons for which a post is held, from any sender.
fn reasons_to_hold(settings: &Settings, facts: &Facts, view: &View<'_>) -> impl Iterator<Item = Reason> {
    let automatic = automatic::of_post(&facts.sender, view).map(Reason::Automatic);
    let of =
        |names: &[&str]| -> Vec<Address> { names.iter().flat_map(|name| view.addresses(name)).collect() };
    let (recipients, resent) = (of(RECIPIENTS), of(RESENT));
    let own: Vec<Comparable> = std::iter::once(&settings.posting_address)
        .chain(&settings.acceptable_aliases)
        .map(Comparable::new)
        .collect();
    let named = recipients.iter().chain(&resent).filter_map(|address| address.mailbox.as_ref());
    let is_named = named.map(Comparable::new).any(|address| own.contains(&address));
    let implicit = settings.require_explicit_destination && !is_named;
    let too_large = settings.max_message_size.is_some_and(|most| view.size() > most);
    let too_many = settings.max_num_recipients.is_some_and(|most| recipients.len() >= most);
    [
        automatic,
        implicit.then_some(Reason::ImplicitDestination),
        too_large.then_some(Reason::TooLarge(view.size())),
        too_many.then_some(Reason::TooManyRecipients(recipients.len())),
    ]
    .into_iter()
    .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ban::Ban;
    use crate::limits;

    fn settings() -> Settings {
        Settings::new("mylist.example.com", "mylist@example.com".parse().unwrap())
    }

    fn bans(ban: &str) -> Bans {
        Bans::from_iter([ban.parse::<Ban>().unwrap()])
    }

    fn comparable(address: &str) -> Comparable {
        Comparable::new(&address.parse().unwrap())
    }

    /// Returns the facts about a post from Ann that is not a duplicate.
    fn facts(standings: &[(&str, Standing)]) -> Facts {
        let sender = ReversePath::Mailbox("ann@example.org".parse().unwrap());
        let standings = standings.iter().map(|(address, standing)| (comparable(address), *standing));
        Facts { is_duplicate: Some(false), standings: standings.collect(), ..Facts::new(sender) }
    }

    fn ann(action: Option<Action>) -> Facts {
        facts(&[("ann@example.org", Standing::Member(action))])
    }

    const POST: &str =
        "From: Ann <ann@example.org>\r\nTo: mylist@example.com\r\nMessage-ID: <1@x>\r\n\r\nHello.\r\n";

    fn decided(settings: &Settings, facts: &Facts, message: &str) -> Decided {
        match decide(settings, facts, &View::whole(message.as_bytes())) {
            Answer::Decided(decided) => decided,
            Answer::Needs(questions) => panic!("{questions:?}"),
        }
    }

    fn needs(facts: &Facts, message: &str) -> Vec<Question> {
        match decide(&settings(), facts, &View::whole(message.as_bytes())) {
            Answer::Decided(decided) => panic!("{decided:?}"),
            Answer::Needs(questions) => questions,
        }
    }

    #[test]
    fn defaults_are_as_documented() {
        let settings = settings();
        assert_eq!(
            (settings.default_member_action, settings.default_nonmember_action),
            (Action::Defer, Action::Hold)
        );
        assert_eq!((settings.max_message_size, settings.max_num_recipients), (Some(1_048_576), Some(50)));
        assert!(
            settings.require_explicit_destination
                && !settings.emergency
                && settings.bans.covering(&comparable("ann@example.org")).is_none()
        );
    }

    #[test]
    fn a_members_post_is_accepted() {
        let expected = Decided { outcome: Outcome::Accept, reasons: vec![], last: Rule::Recipients };
        assert_eq!(decided(&settings(), &ann(None), POST), expected);
    }

    #[test]
    fn all_questions_are_asked_at_once() {
        let post = "From: Ann@example.org, bob@example.org\r\nReply-To: ann@example.org, c@example.org\r\n\
            Sender: d@example.org\r\nMessage-ID: <1@x>\r\n\r\n";
        let facts = Facts::new(ReversePath::Mailbox("e@example.org".parse().unwrap()));
        let standing = |address| Question::Standing(comparable(address));
        let questions = vec![
            Question::Duplicate("<1@x>".to_owned()),
            standing("ann@example.org"),
            standing("bob@example.org"),
            standing("e@example.org"),
            standing("c@example.org"),
            standing("d@example.org"),
        ];
        assert_eq!(needs(&facts, post), questions);
        assert_eq!(needs(&Facts { is_duplicate: Some(false), ..facts }, post), questions[1..]);
        // Without a Message-ID there is nothing to ask.
        assert_eq!(
            needs(&Facts::new(ReversePath::Null), "From: x@y\r\nMessage-ID:\r\n\r\n"),
            [standing("x@y")]
        );
    }

    #[test]
    fn there_is_an_end_of_questions() {
        let from: Vec<_> = (0..100).map(|n| format!("u{n}@example.org")).collect();
        let post = format!("From: {}\r\n\r\n", from.join(", "));
        let mut facts = Facts::new(ReversePath::Null);
        let questions = needs(&facts, &post);
        assert_eq!(questions.len(), SENDERS);
        for question in questions {
            let Question::Standing(address) = question else { panic!("there is no Message-ID") };
            facts.standings.insert(address, Standing::Unknown);
        }
        assert_eq!(decided(&settings(), &facts, &post).outcome, Outcome::Hold);
        let banned = Settings { bans: bans("u99@example.org"), ..settings() };
        assert_eq!(decided(&banned, &facts, &post).outcome, Outcome::Discard, "more senders may be banned");
    }

    #[test]
    fn rules_that_decide_alone_end_the_search() {
        let emergency = Settings { emergency: true, ..settings() };
        let banned = Settings { bans: bans("@example.org"), ..emergency.clone() };
        let ban = Reason::Banned(comparable("ann@example.org"));
        let duplicate = Facts { is_duplicate: Some(true), ..ann(None) };
        let own = format!("X-BeenThere: MyList.example.com\r\n{POST}");
        let other = format!("X-BeenThere: other.example.com\r\n{POST}");
        let nothing = Facts::new(ReversePath::Null);
        let large = format!("X: {}\r\n{own}", "x".repeat(limits::HEADER));
        for (settings, facts, post, outcome, reason, last) in [
            (&banned, &nothing, large.as_str(), Outcome::Reject, Reason::HeaderTooLarge, Rule::Header),
            (&banned, &nothing, own.as_str(), Outcome::Discard, Reason::Loop, Rule::Loop),
            (&banned, &duplicate, other.as_str(), Outcome::Discard, Reason::Duplicate, Rule::Duplicate),
            (&banned, &ann(Some(Action::Accept)), POST, Outcome::Discard, ban, Rule::Banned),
            (&emergency, &ann(Some(Action::Accept)), POST, Outcome::Hold, Reason::Emergency, Rule::Emergency),
        ] {
            assert_eq!(decided(settings, facts, post), Decided { outcome, reasons: vec![reason], last });
        }
        assert_eq!(decided(&settings(), &ann(None), &other).outcome, Outcome::Accept);
    }

    #[test]
    fn any_sender_may_be_banned() {
        for field in ["Reply-To", "Sender", "From"] {
            let post = format!("{field}: Bob <bob@example.org>\r\n{POST}");
            let facts =
                facts(&[("ann@example.org", Standing::Member(None)), ("bob@example.org", Standing::Unknown)]);
            let banned = Settings { bans: bans("^bob@"), ..settings() };
            let reason = Reason::Banned(comparable("bob@example.org"));
            assert_eq!(decided(&banned, &facts, &post).reasons, [reason], "{field}");
        }
    }

    #[test]
    fn moderation_follows_the_sender_then_the_list() {
        let with = |member, nonmember| Settings {
            default_member_action: member,
            default_nonmember_action: nonmember,
            ..settings()
        };
        let unknown = facts(&[("ann@example.org", Standing::Unknown)]);
        let known = |action| facts(&[("ann@example.org", Standing::Nonmember(action))]);
        for (settings, facts, outcome) in [
            (with(Action::Defer, Action::Discard), ann(None), Outcome::Accept),
            (with(Action::Hold, Action::Discard), ann(None), Outcome::Hold),
            (with(Action::Reject, Action::Discard), ann(None), Outcome::Reject),
            (with(Action::Discard, Action::Accept), ann(None), Outcome::Discard),
            (with(Action::Discard, Action::Accept), ann(Some(Action::Defer)), Outcome::Accept),
            (with(Action::Accept, Action::Accept), ann(Some(Action::Hold)), Outcome::Hold),
            (settings(), unknown.clone(), Outcome::Hold),
            (with(Action::Accept, Action::Defer), unknown.clone(), Outcome::Accept),
            (with(Action::Accept, Action::Reject), unknown.clone(), Outcome::Reject),
            (with(Action::Accept, Action::Discard), known(None), Outcome::Discard),
            (with(Action::Discard, Action::Discard), known(Some(Action::Accept)), Outcome::Accept),
        ] {
            assert_eq!(decided(&settings, &facts, POST).outcome, outcome, "{settings:?} {facts:?}");
        }
    }

    #[test]
    fn the_first_member_among_the_senders_counts() {
        let post = "From: x@example.org\r\nSender: ann@example.org\r\nTo: mylist@example.com\r\n\r\n";
        let standings = [
            ("x@example.org", Standing::Nonmember(Some(Action::Discard))),
            ("ann@example.org", Standing::Member(Some(Action::Reject))),
        ];
        let reason = Reason::Member(comparable("ann@example.org"), Action::Reject);
        assert_eq!(decided(&settings(), &facts(&standings), post).reasons, [reason]);
        let nobody = Facts::new(ReversePath::Null);
        let reasons = decided(&settings(), &nobody, "To: mylist@example.com\r\n\r\n").reasons;
        assert_eq!(reasons, [Reason::Nonmember(None, Action::Hold), Reason::Automatic(Sign::NullSender)]);
    }

    #[test]
    fn an_accepting_action_skips_the_remaining_rules() {
        let post = "From: ann@example.org\r\nAuto-Submitted: auto-replied\r\n\r\n";
        let reasons = vec![Reason::Member(comparable("ann@example.org"), Action::Accept)];
        let expected = Decided { outcome: Outcome::Accept, reasons, last: Rule::Moderation };
        assert_eq!(decided(&settings(), &ann(Some(Action::Accept)), post), expected);
    }

    #[test]
    fn each_reason_to_hold_is_found() {
        let to = |addresses: &str| format!("From: ann@example.org\r\nTo: {addresses}\r\n\r\n");
        let many = |count: usize| {
            to(&vec!["x@y"; count - 1].join(",")).replace("\r\n\r\n", "\r\nCc: mylist@example.com\r\n\r\n")
        };
        let list = to("mylist@example.com");
        let size = |size: usize| list.clone() + &"x".repeat(size - list.len());
        let alias = Settings { acceptable_aliases: vec!["alias@example.com".parse().unwrap()], ..settings() };
        let without = Settings {
            require_explicit_destination: false,
            max_message_size: None,
            max_num_recipients: None,
            ..settings()
        };
        for (settings, post, reasons) in [
            (settings(), to("x@y"), vec![Reason::ImplicitDestination]),
            (settings(), to("MyList@Example.com"), vec![]),
            (settings(), to("alias@example.com"), vec![Reason::ImplicitDestination]),
            (alias, to("Alias@example.com"), vec![]),
            (settings(), format!("Resent-Cc: mylist@example.com\r\n{}", to("x@y")), vec![]),
            (settings(), size(1_048_576), vec![]),
            (settings(), size(1_048_577), vec![Reason::TooLarge(1_048_577)]),
            (settings(), many(49), vec![]),
            (settings(), many(50), vec![Reason::TooManyRecipients(50)]),
            (without.clone(), to(&["x@y"; 99].join(",")), vec![]),
            (without, size(2_000_000), vec![]),
            (
                settings(),
                list.replace("To:", "Auto-Submitted: auto-replied\r\nTo:"),
                vec![Reason::Automatic(Sign::AutoReplied)],
            ),
            (settings(), list.replace("To:", "Precedence: bulk\r\nList-Id: <x>\r\nTo:"), vec![]),
        ] {
            let outcome = if reasons.is_empty() { Outcome::Accept } else { Outcome::Hold };
            let expected = Decided { outcome, reasons, last: Rule::Recipients };
            assert_eq!(decided(&settings, &ann(None), &post), expected);
        }
    }

    #[test]
    fn all_reasons_to_hold_are_given_in_the_order_of_the_rules() {
        let post = format!(
            "From: bob@example.org\r\nTo: {}\r\nAuto-Submitted: auto-replied\r\n\r\n{}",
            ["x@y"; 60].join(","),
            "x".repeat(1_048_576)
        );
        let facts = facts(&[("ann@example.org", Standing::Unknown), ("bob@example.org", Standing::Unknown)]);
        let decided = decided(&settings(), &facts, &post);
        assert_eq!(
            decided.reasons,
            [
                Reason::Nonmember(Some(comparable("bob@example.org")), Action::Hold),
                Reason::Automatic(Sign::AutoReplied),
                Reason::ImplicitDestination,
                Reason::TooLarge(post.len() as u64),
                Reason::TooManyRecipients(60),
            ]
        );
    }
}
