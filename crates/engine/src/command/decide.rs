//! The decision about a mail to `-join`, `-leave`, `-confirm` or `-request`.

use super::decided::{About, Decided, Effect, Limit, Outcome, Reason, Sending, To};
use super::facts::{Answered, Facts, Member, Offer, Phase, Question, Request, RequestKind, Ruling};
use super::reply;
use super::settings::{RosterVisibility, Settings, SubscriptionPolicy};
use super::trust;
use super::words::{self, Word};
use crate::automatic;
use crate::comparable::{Comparable, ascii_domain};
use crate::limits;
use crate::notice::Template;
use crate::token::{Check, Claim, Day, Purpose};
use crate::view::View;
use listgate_lmtp::{Mailbox, ReversePath};
use std::collections::BTreeMap;
use std::fmt;

/// The sub-address of a list to which a command was sent.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Addressed {
    /// `mylist-join@`, `mylist-subscribe@`.
    Join,
    /// `mylist-leave@`, `mylist-unsubscribe@`.
    Leave,
    /// `mylist-confirm@`.
    Confirm,
    /// `mylist-request@`.
    Request,
}

/// A mail with a command.
#[derive(Clone, Copy, Debug)]
pub struct Mail<'m> {
    /// Where it was sent.
    pub addressed: Addressed,
    /// The text after the delimiter of the address, such as a token.
    pub detail: Option<&'m str>,
    /// The envelope sender.
    pub sender: &'m ReversePath,
    /// The message.
    pub view: &'m View<'m>,
}

/// The result of [`decide`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Answer {
    /// What the mail does.
    Decided(Decided),
    /// Answer this question, then call [`decide`] again. A mail has at most [`QUESTIONS`].
    Needs(Question),
}

/// The maximum number of questions about one mail.
pub const QUESTIONS: usize = 16;

/// Decides what a mail with a command does, or returns a question to answer first.
///
/// At most one request is handled for each mail, so it causes a few mails at most. No address is ever taken from its
/// text. What is secret, such as a token, goes only to the address it is about.
pub fn decide(settings: &Settings, facts: &Facts<'_>, mail: &Mail<'_>) -> Answer {
    let mut deciding = Deciding { settings, facts, mail, reasons: Vec::new(), effects: Vec::new() };
    match deciding.run() {
        Ok(()) => Answer::Decided(deciding.decided()),
        Err(question) => Answer::Needs(question),
    }
}

struct Deciding<'d> {
    settings: &'d Settings,
    facts: &'d Facts<'d>,
    mail: &'d Mail<'d>,
    reasons: Vec<Reason>,
    effects: Vec<Effect>,
}

/// Someone whom a command is about.
struct Person {
    mailbox: Mailbox,
    address: Comparable,
    /// Empty if it is not known.
    name: String,
}

impl Person {
    fn new(mailbox: &Mailbox, name: &str) -> Self {
        Self { mailbox: mailbox.clone(), address: Comparable::new(mailbox), name: name.to_owned() }
    }
}

impl fmt::Display for Person {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { mailbox, name, .. } = self;
        if name.is_empty() { write!(f, "{mailbox}") } else { write!(f, "{name} <{mailbox}>") }
    }
}

type Asks = Result<(), Question>;

impl<'d> Deciding<'d> {
    fn decided(self) -> Decided {
        let Self { reasons, effects, .. } = self;
        assert!(!reasons.is_empty(), "each decision has a reason");
        let outcome = effects.iter().map(outcome).max().unwrap_or(Outcome::Ignored);
        Decided { outcome, reasons, effects }
    }

    fn run(&mut self) -> Asks {
        let Mail { addressed, detail, sender, view } = *self.mail;
        if !view.has_whole_header() {
            return self.because(Reason::HeaderTooLarge);
        }
        if let Some(sign) = automatic::of_command(sender, view) {
            return self.because(Reason::Automatic(sign));
        }
        if self.is_from_list() {
            return self.because(Reason::Loop);
        }
        match (addressed, detail) {
            (Addressed::Confirm, Some(token)) => self.confirm(token),
            (Addressed::Leave, Some(token)) => self.leave_by_token(token),
            (Addressed::Join, _) => self.join(),
            (Addressed::Leave, None) => self.leave(),
            (Addressed::Confirm, None) | (Addressed::Request, _) => self.follow_words(),
        }
    }

    /// Does what the text of the mail asks for: help, the members, and the first of all other commands.
    fn follow_words(&mut self) -> Asks {
        let words = words::read(self.mail.view);
        let asks_for = |wanted: &Word| words.commands.contains(wanted);
        let request = words.commands.iter().find_map(|word| match word {
            Word::Help | Word::Who | Word::Stop => None,
            request => Some(request),
        });
        let has_command = request.is_some() || asks_for(&Word::Who);
        match request {
            Some(Word::Join) => self.join()?,
            Some(Word::Leave) => self.leave()?,
            Some(Word::Confirm(token)) => self.confirm(token)?,
            _ => {}
        }
        if asks_for(&Word::Who) {
            self.show_roster()?;
        }
        if asks_for(&Word::Help) {
            self.help(Reason::Help, "")
        } else if !has_command {
            let reason = if words.unknown.is_empty() { Reason::Help } else { Reason::NotUnderstood };
            self.help(reason, &words.unknown.join("\n"))
        } else {
            Ok(())
        }
    }

    fn join(&mut self) -> Asks {
        let Some(person) = self.sender()? else { return Ok(()) };
        let address = person.address.clone();
        if self.is_banned(&address) {
            return self.because(Reason::Banned(address));
        }
        if self.facts.standing(&address)?.member.is_some() {
            return self.answer(Reason::Member(address), Template::AlreadyMember, &person.mailbox);
        }
        let policy = self.settings.subscription_policy;
        if policy == SubscriptionPolicy::Closed {
            // It says that this is not a member, so it goes to no one else.
            return self.answer(Reason::Closed, Template::Closed, &person.mailbox);
        }
        let pending = self.facts.pending(&address, RequestKind::Join)?;
        if pending.is_some_and(|request| request.phase == Phase::Moderate) {
            return self.because(Reason::Waiting(address));
        }
        let is_sure = self.is_authenticated(&address);
        let is_new = pending.is_none() && !(is_sure && policy == SubscriptionPolicy::Open);
        // Anyone can ask for any address. Requests to leave are about members, so there are not too many.
        if is_new && !self.facts.has_room()? {
            return self.because(Reason::TooManyRequests);
        }
        match policy {
            SubscriptionPolicy::Open if is_sure => {
                self.effects.extend(pending.map(|request| Effect::End { request: request.id }));
                self.begin_membership(&person)
            }
            SubscriptionPolicy::Moderate if is_sure => {
                let about = match pending {
                    // A request that is made again waits for the same as before.
                    Some(request) => {
                        self.effects.push(Effect::AwaitModerator { request: request.id });
                        About::Request(request.id)
                    }
                    None => {
                        self.ask(RequestKind::Join, Phase::Moderate, &person);
                        About::Asked
                    }
                };
                self.ask_moderator(&person, about)
            }
            _ => {
                self.ask(RequestKind::Join, Phase::Confirm, &person);
                let reason = Reason::Asked(RequestKind::Join, address);
                self.send_confirmation(reason, Template::ConfirmJoin, &person.mailbox, pending)
            }
        }
    }

    /// Handles mail to `-leave` without a token, or with one that is not valid any more.
    fn leave(&mut self) -> Asks {
        let Some(Person { mailbox, address, .. }) = self.sender()? else { return Ok(()) };
        let Some(member) = &self.facts.standing(&address)?.member else {
            return self.answer(Reason::NotMember(address), Template::NotMember, &mailbox);
        };
        if self.is_authenticated(&address) {
            return self.end_membership(member);
        }
        let pending = self.facts.pending(&address, RequestKind::Leave)?;
        self.ask(RequestKind::Leave, Phase::Confirm, &Person::new(&member.address, ""));
        let reason = Reason::Asked(RequestKind::Leave, address);
        self.send_confirmation(reason, Template::ConfirmLeave, &member.address, pending)
    }

    fn leave_by_token(&mut self, token: &str) -> Asks {
        let Some(Claim { purpose: Purpose::Leave, subject, .. }) = self.claim(token) else {
            self.reasons.push(Reason::BadToken);
            return self.leave();
        };
        let Some(member) = self.facts.membership(subject.id())? else {
            self.reasons.push(Reason::UnknownSubject);
            return self.leave();
        };
        self.end_membership(member)
    }

    fn confirm(&mut self, token: &str) -> Asks {
        let Some(claim) = self.claim(token) else { return self.ask_again(Reason::BadToken) };
        let id = claim.subject.id();
        match claim.purpose {
            Purpose::Rejoin => self.rejoin(id),
            Purpose::Confirm => match self.facts.request(id)? {
                Some(request) => self.confirm_request(request),
                None => self.confirm_again(id),
            },
            Purpose::Accept => self.rule(id, Ruling::Accepted),
            Purpose::Reject => self.rule(id, Ruling::Rejected),
            _ => self.ask_again(Reason::BadToken),
        }
    }

    /// Decides about a held post as the token of a moderator says. A link in our mail opens a new mail, so it need not be a
    /// reply.
    fn rule(&mut self, id: u64, ruling: Ruling) -> Asks {
        let Some(offer) = self.facts.offer(id)? else { return self.ask_again(Reason::UnknownSubject) };
        let &Offer { id: offer, held, ref moderator, ruling: before } = offer;
        let Some(moderator) = moderator else { return self.because(Reason::NotModerator(held)) };
        if let Some(before) = before {
            let values = BTreeMap::from([("held", held.to_string()), ("ruling", before.as_str().to_owned())]);
            let answer = Sending { values, ..self.mail_to(Template::OwnerRuled, moderator) };
            return self.send_counted(Reason::Ruled(held, before), answer, None);
        }
        let by = Comparable::new(moderator);
        let (effect, reason) = match ruling {
            Ruling::Accepted => (Effect::Accept { offer }, Reason::Accepted(by, held)),
            Ruling::Rejected | Ruling::Discarded => (Effect::Reject { offer }, Reason::Rejected(by, held)),
        };
        self.effects.push(effect);
        self.because(reason)
    }

    fn confirm_request(&mut self, request: &'d Request) -> Asks {
        let address = Comparable::new(&request.address);
        if request.phase == Phase::Moderate {
            return self.because(Reason::Waiting(address));
        }
        if !self.is_reply_about(request.id) {
            return self.because(Reason::NotAReply);
        }
        if is_early(request, self.facts.now) {
            return self.early(request);
        }
        let is_banned = request.kind != RequestKind::Leave && self.is_banned(&address);
        let member = &self.facts.standing(&address)?.member;
        let person = Person::new(&request.address, &request.name);
        if request.kind == RequestKind::Join && member.is_none() && !is_banned && self.needs_moderator() {
            self.effects.push(Effect::AwaitModerator { request: request.id });
            return self.ask_moderator(&person, About::Request(request.id));
        }
        self.effects.push(Effect::End { request: request.id });
        let is_closed = self.settings.subscription_policy == SubscriptionPolicy::Closed;
        match (request.kind, member) {
            (RequestKind::Leave, Some(member)) => self.end_membership(member),
            (RequestKind::Leave, None) => self.because(Reason::NotMember(address)),
            _ if is_banned => self.because(Reason::Banned(address)),
            (_, Some(_)) => self.because(Reason::Member(address)),
            (RequestKind::Join, None) if is_closed => self.because(Reason::Closed),
            (RequestKind::Join | RequestKind::Invite, None) => self.begin_membership(&person),
        }
    }

    /// Handles a confirmation of a request that is over. If what the address was asked to confirm is already true, the reply
    /// came twice, and gets no answer. Silence shows whether the address is a member, so this holds only for mail whose
    /// envelope sender is that address.
    fn confirm_again(&mut self, id: u64) -> Asks {
        if let (ReversePath::Mailbox(sender), Some(asked)) = (self.mail.sender, self.facts.asked(id)?) {
            let address = Comparable::new(&asked.address);
            if Comparable::new(sender) == address {
                let is_member = self.facts.standing(&address)?.member.is_some();
                match (asked.kind, is_member) {
                    (RequestKind::Join | RequestKind::Invite, true) => {
                        return self.because(Reason::Member(address));
                    }
                    (RequestKind::Leave, false) => return self.because(Reason::NotMember(address)),
                    _ => {}
                }
            }
        }
        self.ask_again(Reason::UnknownSubject)
    }

    /// Answers a reply that came too soon for a person: the address is asked once more, and only once.
    fn early(&mut self, request: &Request) -> Asks {
        if request.was_early {
            return self.because(Reason::EarlyAgain);
        }
        self.effects.push(Effect::MarkEarly { request: request.id });
        self.send(Sending {
            about: About::Request(request.id),
            ..self.mail_to(Template::ConfirmAgain, &request.address)
        });
        self.because(Reason::Early)
    }

    fn rejoin(&mut self, id: u64) -> Asks {
        let Some(former) = self.facts.former(id)? else { return self.ask_again(Reason::UnknownSubject) };
        if !self.is_reply_about(0) {
            return self.because(Reason::NotAReply);
        }
        if is_sooner_than_a_person(former.left_at, self.facts.now) {
            return self.because(Reason::EarlyReturn);
        }
        let person = Person::new(&former.address, "");
        let address = person.address.clone();
        if self.is_banned(&address) {
            return self.because(Reason::Banned(address));
        }
        if self.facts.standing(&address)?.member.is_some() {
            return self.because(Reason::Member(address));
        }
        self.effects.push(Effect::Rejoin { former: id });
        self.welcome(&person);
        self.because(Reason::Rejoined(address))
    }

    fn show_roster(&mut self) -> Asks {
        let Some(Person { mailbox, address, .. }) = self.sender()? else { return Ok(()) };
        if self.is_banned(&address) {
            return self.because(Reason::Banned(address));
        }
        let standing = self.facts.standing(&address)?;
        let may_see = standing.is_official
            || match self.settings.member_roster_visibility {
                RosterVisibility::Public => true,
                RosterVisibility::Members => standing.member.is_some(),
                RosterVisibility::Moderators => false,
            };
        if !may_see {
            return self.answer(Reason::RosterHidden, Template::NoRoster, &mailbox);
        }
        let members = self.facts.roster(standing.is_official)?;
        let values =
            BTreeMap::from([("members", members.addresses.clone()), ("count", members.count.clone())]);
        let roster = Sending { values, ..self.mail_to(Template::Roster, &mailbox) };
        self.send_counted(Reason::Roster, roster, None)
    }

    fn help(&mut self, reason: Reason, problem: &str) -> Asks {
        let values = BTreeMap::from([("problem", problem.to_owned())]);
        self.answer_return_path(reason, Template::Help, values)
    }

    /// Answers a token that does nothing: the person may ask again.
    fn ask_again(&mut self, reason: Reason) -> Asks {
        self.answer_return_path(reason, Template::AskAgain, BTreeMap::new())
    }

    fn begin_membership(&mut self, person: &Person) -> Asks {
        let (address, name) = (person.mailbox.clone(), person.name.clone());
        self.effects.push(Effect::Join { address, name });
        self.welcome(person);
        self.because(Reason::Joined(person.address.clone()))
    }

    fn welcome(&mut self, person: &Person) {
        if self.settings.send_welcome_message {
            self.send(Sending { about: About::Joined, ..self.mail_to(Template::Welcome, &person.mailbox) });
        }
        if self.settings.admin_notify_mchanges {
            self.send_to_owners(Template::OwnerJoined, About::Nothing, person);
        }
    }

    fn end_membership(&mut self, member: &Member) -> Asks {
        let person = Person::new(&member.address, "");
        self.effects.push(Effect::Leave { member: member.id });
        if self.settings.send_goodbye_message {
            self.send(Sending {
                about: About::Former(member.id),
                ..self.mail_to(Template::Goodbye, &member.address)
            });
        }
        if self.settings.admin_notify_mchanges {
            self.send_to_owners(Template::OwnerLeft, About::Nothing, &person);
        }
        self.because(Reason::Left(person.address))
    }

    fn ask(&mut self, kind: RequestKind, phase: Phase, person: &Person) {
        let (address, name) = (person.mailbox.clone(), person.name.clone());
        self.effects.push(Effect::Ask { kind, phase, address, name });
    }

    fn ask_moderator(&mut self, person: &Person, about: About) -> Asks {
        if self.settings.admin_immed_notify {
            self.send_to_owners(Template::OwnerAsks, about, person);
        }
        self.send(self.mail_to(Template::Waiting, &person.mailbox));
        self.because(Reason::AskedModerator(person.address.clone()))
    }

    /// Sends a mail that asks for a confirmation, unless that is over a limit. The request is pending anyway.
    fn send_confirmation(
        &mut self,
        reason: Reason,
        template: Template,
        to: &Mailbox,
        pending: Option<&Request>,
    ) -> Asks {
        let mail = Sending { about: About::Asked, ..self.mail_to(template, to) };
        self.send_counted(reason, mail, pending)
    }

    /// Sends an answer to the address that it is about.
    fn answer(&mut self, reason: Reason, template: Template, to: &Mailbox) -> Asks {
        self.send_counted(reason, self.mail_to(template, to), None)
    }

    /// Sends an answer without any secret to the envelope sender.
    fn answer_return_path(
        &mut self,
        reason: Reason,
        template: Template,
        values: BTreeMap<&'static str, String>,
    ) -> Asks {
        let ReversePath::Mailbox(to) = self.mail.sender else {
            unreachable!("mail with the envelope sender <> is automatic");
        };
        if !is_reachable(to) {
            return self.because(Reason::NoSender);
        }
        if self.is_of_list(to) {
            return self.because(Reason::Loop);
        }
        if self.is_banned(&Comparable::new(to)) {
            return self.because(Reason::Banned(Comparable::new(to)));
        }
        let mail = Sending { values, ..self.mail_to(template, to) };
        self.send_counted(reason, mail, None)
    }

    /// Sends a mail for which no valid token asked, unless that is over a limit.
    fn send_counted(&mut self, reason: Reason, mail: Sending, about: Option<&Request>) -> Asks {
        let To::Address(to) = &mail.to else { unreachable!("mail to the owners has no limit") };
        let address = Comparable::new(to);
        let answered = self.with_planned(self.facts.answered(&address)?, &address);
        self.reasons.push(reason);
        match refusal(answered, about) {
            Some(Refused::Bounces) => self.because(Reason::Bounces(address)),
            Some(Refused::Limit(limit)) => self.because(Reason::OverLimit(limit, address)),
            None => {
                self.send(Sending { is_counted: true, ..mail });
                Ok(())
            }
        }
    }

    /// Returns what an address has got, with the mail that this decision sends already.
    fn with_planned(&self, answered: Answered, address: &Comparable) -> Answered {
        let mut all = answered;
        for to in self.effects.iter().filter_map(counted_to) {
            all.account_in_day =
                all.account_in_day.saturating_add((to.account() == address.account()).into());
            all.domain_in_hour = all.domain_in_hour.saturating_add((to.domain() == address.domain()).into());
        }
        all
    }

    /// Returns a mail to an address.
    fn mail_to(&self, template: Template, to: &Mailbox) -> Sending {
        Sending {
            to: To::Address(to.clone()),
            about: About::Nothing,
            template,
            values: BTreeMap::new(),
            in_reply_to: self.message_id(),
            is_counted: false,
        }
    }

    fn send_to_owners(&mut self, template: Template, about: About, person: &Person) {
        let values = BTreeMap::from([("person", person.to_string())]);
        let (to, in_reply_to, is_counted) = (To::Owners, None, false);
        self.send(Sending { to, about, template, values, in_reply_to, is_counted });
    }

    fn send(&mut self, mail: Sending) {
        self.effects.push(Effect::Send(Box::new(mail)));
    }

    fn because(&mut self, reason: Reason) -> Asks {
        self.reasons.push(reason);
        Ok(())
    }

    /// Returns the one address in From. If there is none, or several, the decision is made.
    fn sender(&mut self) -> Result<Option<Person>, Question> {
        let mut from = self.mail.view.addresses("From");
        let (Some(one), true) = (from.pop(), from.is_empty()) else {
            return self.help(Reason::NoSender, "").map(|()| None);
        };
        let Some(mailbox) = one.mailbox.filter(is_reachable) else {
            return self.help(Reason::NoSender, "").map(|()| None);
        };
        let name: String = one.name.chars().take(limits::NAME).collect();
        Ok(Some(Person::new(&mailbox, &name)))
    }

    fn is_reply_about(&self, request: u64) -> bool {
        reply::answers(self.facts, request, self.mail.view)
    }

    fn is_authenticated(&self, address: &Comparable) -> bool {
        let server = self.facts.authserv_id;
        server.is_some_and(|server| trust::is_authenticated(self.mail.view, server, address))
    }

    /// A ban keeps people from joining, and from asking. Anyone may leave.
    fn is_banned(&self, address: &Comparable) -> bool {
        self.settings.bans.covering(address).is_some()
    }

    fn needs_moderator(&self) -> bool {
        use SubscriptionPolicy::{ConfirmThenModerate, Moderate};
        matches!(self.settings.subscription_policy, Moderate | ConfirmThenModerate)
    }

    /// Returns what a valid token says.
    fn claim(&self, token: &str) -> Option<Claim> {
        let today = Day::of_seconds(self.facts.now);
        match self.facts.keys.check(&self.settings.list_id, token.as_bytes(), today) {
            Check::Valid { claim, .. } => Some(claim),
            _ => None,
        }
    }

    /// Returns whether the list itself sent the mail, or somebody pretends that it did.
    fn is_from_list(&self) -> bool {
        let is_own = |value: String| value.eq_ignore_ascii_case(&self.settings.list_id);
        let from = self.mail.view.addresses("From");
        self.mail.view.named("X-BeenThere").any(|field| is_own(field.unfolded()))
            || from.iter().filter_map(|from| from.mailbox.as_ref()).any(|from| self.is_of_list(from))
    }

    /// Returns whether an address is the list's, or one of its sub-addresses.
    fn is_of_list(&self, mailbox: &Mailbox) -> bool {
        let (list, address) = (Comparable::new(&self.settings.posting_address), Comparable::new(mailbox));
        let (list_local, local) = (local_part(&list), local_part(&address));
        list.domain() == address.domain()
            && local
                .strip_prefix(list_local)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(['-', '+']))
    }

    fn message_id(&self) -> Option<String> {
        let id = self.mail.view.first("Message-ID")?.unfolded();
        let is_plain = id.starts_with('<') && id.ends_with('>') && id.len() <= limits::MESSAGE_ID;
        (is_plain && id.bytes().all(|octet| octet.is_ascii_graphic())).then_some(id)
    }
}

/// Returns whether mail to an address could be delivered at all: its domain is valid in IDNA (RFC 5891).
pub(crate) fn is_reachable(mailbox: &Mailbox) -> bool {
    let domain = mailbox.domain();
    domain.is_literal() || ascii_domain(domain.as_str()).is_some()
}

fn local_part(address: &Comparable) -> &str {
    &address.as_str()[..address.as_str().len() - address.domain().len()]
}

/// What an effect makes of the mail that has it.
fn outcome(effect: &Effect) -> Outcome {
    match effect {
        Effect::Join { .. } | Effect::Leave { .. } | Effect::Rejoin { .. } => Outcome::Done,
        Effect::Accept { .. } | Effect::Reject { .. } => Outcome::Done,
        Effect::Ask { .. } | Effect::AwaitModerator { .. } | Effect::MarkEarly { .. } => Outcome::Asked,
        Effect::Send(_) => Outcome::Answered,
        Effect::End { .. } => Outcome::Ignored,
    }
}

/// Returns who gets a mail that counts, if that is the effect.
fn counted_to(effect: &Effect) -> Option<Comparable> {
    let Effect::Send(mail) = effect else { return None };
    match &mail.to {
        To::Address(to) if mail.is_counted => Some(Comparable::new(to)),
        _ => None,
    }
}

/// Returns whether a confirmation came so soon after its mail was handed over that a program must have sent it.
fn is_early(request: &Request, now: u64) -> bool {
    request.handed_over_at.is_none_or(|at| is_sooner_than_a_person(at, now))
}

/// Returns whether no person can have answered a mail of this time yet. A clock that was set back makes nobody wait.
fn is_sooner_than_a_person(at: u64, now: u64) -> bool {
    at <= now && now - at < limits::SOONEST_REPLY
}

/// Why no mail is sent to an address.
pub(crate) enum Refused {
    Bounces,
    Limit(Limit),
}

/// Returns why no mail is sent, if it is not. `about` is the request that it would be about.
pub(crate) fn refusal(answered: Answered, about: Option<&Request>) -> Option<Refused> {
    let is_over = |request: &Request| {
        request.mails_in_hour >= limits::MAILS_IN_HOUR || request.mails_in_day >= limits::MAILS_IN_DAY
    };
    if answered.has_bounced {
        Some(Refused::Bounces)
    } else if about.is_some_and(is_over) {
        Some(Refused::Limit(Limit::Request))
    } else if answered.account_in_day >= limits::ANSWERS_TO_ADDRESS {
        Some(Refused::Limit(Limit::Address))
    } else if answered.domain_in_hour >= limits::ANSWERS_TO_DOMAIN {
        Some(Refused::Limit(Limit::Domain))
    } else {
        None
    }
}
