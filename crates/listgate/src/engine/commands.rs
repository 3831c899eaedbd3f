//! Decides about commands: looks up what the rules ask for, and makes a step of what they decide.

use super::context::Context;
use super::decision::{Became, Decision, report};
use super::held::{Rejection, accepting, rejecting};
use super::lists::{Compiled, mailbox as mailbox_of_list};
use super::message::{self, Ends};
use super::not_decided::NotDecided;
use super::posts::{record, sender};
use super::why::Why;
use crate::backends::Posts;
use crate::limits;
use crate::model::{
    About, Answered, DecisionOutcome, DisplayName, Effect, Expect, Lease, ListNumber, Member, MemberAddress,
    MemberChange, MemberRole, NamedAddress, NewMember, NewNotice, NewRequest, NoticeContent, NoticeTo, Offer,
    OfferId, Request, RequestId, RequestKind, RequestPhase, Role, Seq, Step, StoreError, Verdict,
};
use crate::texts::Texts;
use listgate_engine::command::{self, Answer, Facts, Mail, Outcome, Question, Roster, Sending, Standing, To};
use listgate_engine::comparable::Comparable;
use listgate_engine::notice::{self, Envelope, Notice, Template};
use listgate_engine::token::Purpose;
use listgate_lmtp::Mailbox;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// Decides about mail to `-join`, `-leave`, `-confirm` or `-request`.
pub(super) async fn decide(
    context: &Arc<Context>,
    lease: &Lease,
    list: &Compiled,
    role: Role,
) -> Result<Decision, NotDecided> {
    let entry = &lease.entry;
    let ends = Ends::read(&*context.store, message::id(entry), entry.size).await?;
    let view = ends.view()?;
    let sender = sender(entry);
    let addressed = addressed(role).ok_or(NotDecided::Role)?;
    let mail = Mail { addressed, detail: entry.detail.as_deref(), sender: &sender, view: &view };
    let (decided, known) = find(context, list, &mail).await?;
    let outcome = became(decided.outcome);
    let why: Vec<Why> = decided.reasons.into_iter().map(Why::Command).collect();
    let mut step = Step::settling(lease.id(), Verdict::Done).expecting(Expect::Lists(list.changes))?;
    for effect in decided.effects {
        step = match effect {
            command::Effect::Accept { offer } | command::Effect::Reject { offer } => {
                let accepts = matches!(effect, command::Effect::Accept { .. });
                known.rule(context, list, (offer, accepts), step).await?
            }
            effect => known.add(step, list, context.settings().site_owner, effect)?,
        };
    }
    let step = step.with(record(list, entry, outcome, &why))?;
    Ok(Decision { step, report: report(context, entry, role, Became::Decided(outcome), &why) })
}

fn addressed(role: Role) -> Option<command::Addressed> {
    match role {
        Role::Join => Some(command::Addressed::Join),
        Role::Leave => Some(command::Addressed::Leave),
        Role::Confirm => Some(command::Addressed::Confirm),
        Role::Request => Some(command::Addressed::Request),
        _ => None,
    }
}

fn became(outcome: Outcome) -> DecisionOutcome {
    match outcome {
        Outcome::Ignored => DecisionOutcome::Ignored,
        Outcome::Answered => DecisionOutcome::Answered,
        Outcome::Asked => DecisionOutcome::Asked,
        Outcome::Done => DecisionOutcome::Done,
    }
}

/// What was looked up, as the step expects it to be still.
#[derive(Default)]
struct Known {
    requests: HashMap<u64, Request>,
    answered: HashMap<Comparable, Answered>,
    offers: HashMap<u64, Offer>,
}

/// Applies the rules, and looks up what they ask for.
async fn find(
    context: &Context,
    list: &Compiled,
    mail: &Mail<'_>,
) -> Result<(command::Decided, Known), NotDecided> {
    let keys = context.store.keys().await?;
    let settings = context.settings();
    let subjects = subjects(&context.texts, list);
    let mut facts = Facts {
        authserv_id: settings.authserv_id.as_deref(),
        subjects: &subjects,
        ..Facts::new(&keys, context.seconds())
    };
    let mut known = Known::default();
    for _ in 0..=command::QUESTIONS {
        match command::decide(&list.commands, &facts, mail) {
            Answer::Decided(decided) => return Ok((decided, known)),
            Answer::Needs(question) => {
                learn(&*context.store, list.number, question, &mut facts, &mut known).await?;
            }
        }
    }
    unreachable!("the rules ask no more questions than that")
}

/// Looks up the answer to a question.
async fn learn(
    store: &(impl Posts + ?Sized),
    list: ListNumber,
    question: Question,
    facts: &mut Facts<'_>,
    known: &mut Known,
) -> Result<(), StoreError> {
    match question {
        Question::Standing(address) => {
            let roles = store.standing(list, &stored(&address)).await?;
            let has = |wanted: MemberRole| roles.iter().find(|member| member.role == wanted);
            let is_official = has(MemberRole::Owner).or(has(MemberRole::Moderator)).is_some();
            let member = has(MemberRole::Member).map(|member| of_member(member.seq, &member.address));
            facts.standings.insert(address, Standing { member, is_official });
        }
        Question::Membership(id) => {
            let member = store.member_of_seq(list, seq(id)).await?;
            facts.memberships.insert(id, member.map(|member| of_member(member.seq, &member.address)));
        }
        Question::Former(id) => {
            let former = store.former(list, seq(id)).await?;
            let former = former.map(|former| {
                let (address, left_at) = (mailbox(&former.address), seconds(former.left_at));
                command::Former { id, address, left_at }
            });
            facts.formers.insert(id, former);
        }
        Question::Request(id) => {
            // A request of another list is not one: its token could not be valid here.
            let request = store.request(request_id(id)).await?.filter(|request| request.list == list);
            facts.requests.insert(id, request.as_ref().map(of_request));
            known.requests.extend(request.map(|request| (id, request)));
        }
        Question::Asked(id) => {
            let asked = store.asked(request_id(id)).await?;
            facts.asked.insert(id, asked.and_then(|(address, template)| asked_of(&address, &template)));
        }
        Question::Offer(id) => {
            let offer = store.offer(list, OfferId(i64::try_from(id).unwrap_or(i64::MAX))).await?;
            facts.offers.insert(id, offer.as_ref().map(of_offer));
            known.offers.extend(offer.map(|offer| (id, offer)));
        }
        Question::Pending(address, kind) => {
            let request = store.request_of(list, &stored(&address), stored_kind(kind)).await?;
            facts.pending.insert((address, kind), request.as_ref().map(of_request));
            known.requests.extend(request.map(|request| (number(request.id.0), request)));
        }
        Question::Room => {
            let waiting = store.requests_to_join(list, limits::REQUESTS).await?;
            facts.has_room = Some(waiting < limits::REQUESTS);
        }
        Question::Answered(address) => {
            let answered = store.answered(&stored(&address)).await?;
            let found = command::Answered {
                account_in_day: answered.account_day,
                domain_in_hour: answered.domain_hour,
                has_bounced: answered.bounced,
            };
            facts.answered.insert(address.clone(), found);
            known.answered.insert(address, answered);
        }
        Question::Roster { has_hidden } => {
            facts.roster = Some(roster(&store.roster(list, limits::ROSTER + 1).await?, has_hidden));
        }
    }
    Ok(())
}

impl Known {
    /// Adds to a step what an effect changes, and what it relies on.
    fn add(
        &self,
        step: Step,
        list: &Compiled,
        site_owner: Option<String>,
        effect: command::Effect,
    ) -> Result<Step, NotDecided> {
        Ok(match effect {
            command::Effect::Join { address, name } => {
                let named = NamedAddress { address: member_address(&address), name: display_name(&name) };
                let new = NewMember { named, changes: vec![MemberChange::Verified(true)] };
                step.with(Effect::Join(list.number, Box::new(new)))?
            }
            command::Effect::Leave { member } => step.with(Effect::Leave(list.number, seq(member)))?,
            command::Effect::Rejoin { former } => step.with(Effect::Rejoin(list.number, seq(former)))?,
            command::Effect::Ask { kind, phase, address, name } => {
                let (address, kind) = (member_address(&address), stored_kind(kind));
                let is_it =
                    |request: &&Request| request.kind == kind && request.address.key() == address.key();
                let step = match self.requests.values().find(is_it) {
                    Some(request) => step.expecting(Expect::Request(request.id, request.version))?,
                    None => step.expecting(Expect::NoRequest(list.number, address.clone(), kind))?,
                };
                let (phase, confirmed) = match phase {
                    command::Phase::Confirm => (RequestPhase::Confirm, false),
                    command::Phase::Moderate => (RequestPhase::Moderate, true),
                };
                let name = display_name(&name);
                step.with(Effect::Ask(Box::new(NewRequest {
                    list: list.number,
                    kind,
                    phase,
                    address,
                    name,
                    confirmed,
                })))?
            }
            command::Effect::MarkEarly { request } => {
                self.expect_request(step, request)?.with(Effect::MarkEarly(request_id(request)))?
            }
            command::Effect::AwaitModerator { request } => {
                self.expect_request(step, request)?.with(Effect::ToModerator(request_id(request)))?
            }
            command::Effect::End { request } => {
                self.expect_request(step, request)?.with(Effect::EndRequest(request_id(request)))?
            }
            command::Effect::Accept { .. } | command::Effect::Reject { .. } => {
                unreachable!("decisions about held posts need the store")
            }
            command::Effect::Send(mail) => self.send(step, list, site_owner, *mail)?,
        })
    }

    /// Adds to a step what a moderator has decided about a held post.
    async fn rule(
        &self,
        context: &Context,
        list: &Compiled,
        (offer, accepts): (u64, bool),
        step: Step,
    ) -> Result<Step, NotDecided> {
        let offer = self.offers.get(&offer).expect("an offer that is taken was looked up");
        let moderator = offer.moderator.as_ref().expect("only a moderator decides");
        let by = format!("the moderator {moderator}");
        let store = &*context.store;
        let step = step.expecting(Expect::Offered(list.number, offer.id))?;
        // If somebody else has decided meanwhile, the step is outdated, and the mail is decided again.
        let Some(held) = store.held_post(offer.held).await? else { return Ok(step) };
        if accepts {
            return accepting(store, list, &held, &by, step).await;
        }
        let settings = context.settings();
        let rejection = Rejection { by: &by, words: None, authserv_id: settings.authserv_id.as_deref() };
        rejecting(store, list, &held, rejection, step).await
    }

    fn expect_request(&self, step: Step, id: u64) -> Result<Step, NotDecided> {
        let request = self.requests.get(&id).expect("a request that changes was looked up");
        Ok(step.expecting(Expect::Request(request.id, request.version))?)
    }

    fn send(
        &self,
        step: Step,
        list: &Compiled,
        site_owner: Option<String>,
        mail: Sending,
    ) -> Result<Step, NotDecided> {
        let values = mail.values.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        let list_name = list.display_name.clone();
        let content = NoticeContent { values, list_name, in_reply_to: mail.in_reply_to }.to_json();
        let (to, step) = match mail.to {
            To::Owners => (NoticeTo::Owners { instead: site_owner }, step),
            To::Address(address) => {
                let to = member_address(&address);
                let answered = self.answered.get(&Comparable::new(&address)).filter(|_| mail.is_counted);
                let step = match answered {
                    Some(&Answered { account_day, domain_hour, .. }) => {
                        step.expecting(Expect::Answered { to: to.clone(), account_day, domain_hour })?
                    }
                    None => step,
                };
                (NoticeTo::Address(to), step)
            }
        };
        let about = match mail.about {
            command::About::Nothing => About::Nothing,
            command::About::Asked => About::Asked,
            command::About::Request(id) => About::Request(request_id(id)),
            command::About::Joined => About::Joined,
            command::About::Former(id) => About::Former(seq(id)),
        };
        let (counted, template) = (mail.is_counted, mail.template.as_str());
        let notice = NewNotice { list: list.number, to, about, counted, template, content };
        Ok(step.with(Effect::Notify(Box::new(notice)))?)
    }
}

/// Writes a list of members. The text of a notice is shorter than that of [`limits::ROSTER`] members.
fn roster(members: &[Member], has_hidden: bool) -> Roster {
    let shown = members.iter().filter(|member| has_hidden || !member.settings.hidden);
    let addresses: Vec<String> = shown.map(|member| member.address.to_string()).collect();
    let count = match members.len() {
        ..=limits::ROSTER => addresses.len().to_string(),
        // Not all were looked up.
        _ => format!("more than {}", addresses.len().saturating_sub(1)),
    };
    Roster { count, addresses: addresses.join("\n") }
}

/// Returns the subjects of mails of a list that ask for a confirmation.
fn subjects(texts: &Texts, list: &Compiled) -> Vec<String> {
    let address = mailbox_of_list(&list.address);
    let of = |template: Template| {
        let notice = Notice { template, values: BTreeMap::new(), in_reply_to: None };
        let envelope = Envelope {
            list: &address,
            list_id: &list.commands.list_id,
            display_name: &list.display_name,
            to: &address,
            token_address: None,
            rulings: None,
            id: "",
            at: 0,
        };
        notice::subject(&notice, texts.of(template), &envelope)
    };
    let asks = Template::ALL
        .into_iter()
        .filter(|template| matches!(template.purpose(), Some(Purpose::Confirm | Purpose::Rejoin)));
    asks.map(of).collect()
}

fn of_member(Seq(seq): Seq, address: &MemberAddress) -> command::Member {
    command::Member { id: number(seq), address: mailbox(address) }
}

fn of_offer(offer: &Offer) -> command::Offer {
    command::Offer {
        id: number(offer.id.0),
        held: number(offer.held.0),
        moderator: offer.moderator.as_ref().map(mailbox),
        ruling: offer.outcome.map(|outcome| match outcome {
            DecisionOutcome::Accepted => command::Ruling::Accepted,
            DecisionOutcome::Rejected => command::Ruling::Rejected,
            _ => command::Ruling::Discarded,
        }),
    }
}

fn of_request(request: &Request) -> command::Request {
    command::Request {
        id: number(request.id.0),
        kind: match request.kind {
            RequestKind::Join => command::RequestKind::Join,
            RequestKind::Leave => command::RequestKind::Leave,
            RequestKind::Invite => command::RequestKind::Invite,
        },
        phase: match request.phase {
            RequestPhase::Confirm => command::Phase::Confirm,
            RequestPhase::Moderate => command::Phase::Moderate,
        },
        address: mailbox(&request.address),
        name: request.name.as_ref().map_or_else(String::new, |name| name.as_str().to_owned()),
        was_early: request.early,
        mails_in_hour: request.mailed.hour,
        mails_in_day: request.mailed.day,
        handed_over_at: request.mailed.handed_over_at.map(seconds),
    }
}

/// Returns what a notice with this template asks an address.
fn asked_of(address: &MemberAddress, template: &str) -> Option<command::Asked> {
    let kind = match Template::from_name(template)? {
        Template::ConfirmJoin => command::RequestKind::Join,
        Template::ConfirmLeave => command::RequestKind::Leave,
        Template::Invite => command::RequestKind::Invite,
        _ => return None,
    };
    Some(command::Asked { kind, address: mailbox(address) })
}

fn stored_kind(kind: command::RequestKind) -> RequestKind {
    match kind {
        command::RequestKind::Join => RequestKind::Join,
        command::RequestKind::Leave => RequestKind::Leave,
        command::RequestKind::Invite => RequestKind::Invite,
    }
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

fn stored(address: &Comparable) -> MemberAddress {
    MemberAddress::stored(address.as_str().to_owned(), None)
}

fn mailbox(address: &MemberAddress) -> Mailbox {
    address.to_string().parse().expect("the address of a member is one of a mailbox")
}

fn member_address(mailbox: &Mailbox) -> MemberAddress {
    mailbox.as_str().parse().expect("the rules take only addresses that members can have")
}

/// Returns a name that fits what is stored of one, cut if it is too long.
fn display_name(name: &str) -> Option<DisplayName> {
    DisplayName::parse(name).ok().flatten()
}

/// Numbers in the store are positive.
fn number(id: i64) -> u64 {
    u64::try_from(id).unwrap_or(u64::MAX)
}

fn seq(id: u64) -> Seq {
    Seq(i64::try_from(id).unwrap_or(i64::MAX))
}

fn request_id(id: u64) -> RequestId {
    RequestId(i64::try_from(id).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{MemberDelivery, MemberSettings};

    #[test]
    fn a_roster_counts_those_whom_it_may_show_and_says_if_there_are_more() {
        let member = |at: usize| Member {
            seq: Seq(1),
            address: format!("m{at}@example.org").parse().unwrap(),
            role: MemberRole::Member,
            joined_at: UNIX_EPOCH,
            version: 1,
            settings: MemberSettings {
                name: None,
                verified_at: None,
                delivery: MemberDelivery::On,
                own_posts: true,
                hidden: at == 0,
            },
        };
        let members: Vec<Member> = (0..=limits::ROSTER).map(member).collect();
        let found = |most: usize, has_hidden| roster(&members[..most], has_hidden);
        assert_eq!(
            found(3, false),
            Roster { addresses: "m1@example.org\nm2@example.org".to_owned(), count: "2".to_owned() }
        );
        assert_eq!(found(3, true).count, "3");
        assert_eq!(found(limits::ROSTER, true).count, "3000");
        assert_eq!(found(limits::ROSTER + 1, true).count, "more than 3000");
        assert_eq!(found(limits::ROSTER + 1, false).count, "more than 2999");
    }
}
