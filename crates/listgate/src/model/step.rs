//! Steps: one decision and all its effects, in one commit.
#![cfg_attr(not(test), expect(dead_code, reason = "will be used to handle posts, held posts and notices"))]

use super::bounce::{Evidence, NewBounce};
use super::held_post::{DecisionOutcome, HeldId, NewDecision, NewHeldPost, OfferId};
use super::lease::{LeaseId, Verdict};
use super::list::Changes;
use super::member::{NewMember, Seq};
use super::member_address::MemberAddress;
use super::notice::{NewNotice, NoticeTo};
use super::post::{ListNumber, MessageId, MessageIdHash, NewPost};
use super::request::{NewRequest, RequestId, RequestKind};
use super::store_error::StoreError;
use crate::limits;

/// A reference that keeps a message beyond its entries. Its number is never used again.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct KeptId(pub(crate) i64);

/// A condition that a step was decided on. It is checked in the step's transaction.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Expect {
    /// Lists, their settings and bans, and domains have changed this many times.
    Lists(Changes),
    /// This reference still keeps a message.
    Kept(KeptId),
    /// The list has not accepted or held a post with this Message-ID in recent days.
    NotPosted(ListNumber, MessageIdHash),
    /// This post still waits for a moderator.
    Held(HeldId),
    /// This post still waits, and the person to whom it was offered is still a moderator or owner.
    Offered(ListNumber, OfferId),
    /// The moderators of a list were recently notified of at most this many held posts.
    Announced(ListNumber, usize),
    /// This address is not a member of the list; it may have other roles.
    NotMember(ListNumber, MemberAddress),
    /// This membership of the list has not ended.
    Member(ListNumber, Seq),
    /// This membership of the list has ended a short time ago, and can be taken up again.
    Former(ListNumber, Seq),
    /// This request waits for an answer, and has this version.
    Request(RequestId, i64),
    /// No request of this kind waits for an answer.
    NoRequest(ListNumber, MemberAddress, RequestKind),
    /// No more counted notices than these have been sent to the account and to the domain of an address.
    Answered { to: MemberAddress, account_day: u32, domain_hour: u32 },
}

/// A change that a step makes besides settling an entry.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Effect {
    /// Keeps a message beyond its entries; [`Stepped`] has the reference.
    Keep(MessageId),
    /// Ends a reference. The message is removed with the last entry or reference to it.
    LetGo(KeptId),
    /// Remembers the Message-ID of a post, to recognize it when it comes again.
    Remember(ListNumber, MessageIdHash),
    /// Sends a message to the members of a list, or to its owners.
    Distribute(Box<NewPost>),
    /// Holds a post for a moderator.
    Hold(Box<NewHeldPost>),
    /// Ends the wait for a moderator, with what became of the post. The message is removed unless something else refers to
    /// it.
    Unhold(HeldId, DecisionOutcome),
    /// Records what became of a message.
    RecordDecision(Box<NewDecision>),
    /// Records a bounce. If a notice has bounced for good, its address gets no more for a time.
    RecordBounce(Box<NewBounce>),
    /// Makes an address a member. The step is outdated if it is one.
    Join(ListNumber, Box<NewMember>),
    /// Ends a membership. It can be taken up again for a time. The step is outdated if it has ended already.
    Leave(ListNumber, Seq),
    /// Makes a former member a member again, with the same settings, under a new number. The step is outdated if that is
    /// no longer possible, or if the address is a member.
    Rejoin(ListNumber, Seq),
    /// Stores a request that waits for an answer. If it waits already, it is counted again, and waits for longer.
    Ask(Box<NewRequest>),
    /// Notes that a reply to a request came so early that it was asked for again.
    MarkEarly(RequestId),
    /// Notes that a request was confirmed and waits for a moderator now.
    ToModerator(RequestId),
    /// Ends a request.
    EndRequest(RequestId),
    /// Sends a notice.
    Notify(Box<NewNotice>),
}

impl Effect {
    /// Returns the list that it stores something for.
    pub(crate) fn list(&self) -> Option<ListNumber> {
        match self {
            Self::Keep(_)
            | Self::LetGo(_)
            | Self::Unhold(..)
            | Self::MarkEarly(_)
            | Self::ToModerator(_)
            | Self::EndRequest(_) => None,
            Self::Remember(list, _) | Self::Join(list, _) | Self::Leave(list, _) | Self::Rejoin(list, _) => {
                Some(*list)
            }
            Self::Distribute(post) => Some(post.list),
            Self::Hold(held) => Some(held.list),
            Self::RecordDecision(decision) => Some(decision.list),
            Self::RecordBounce(bounce) => Some(bounce.list),
            Self::Ask(request) => Some(request.list),
            Self::Notify(notice) => Some(notice.list),
        }
    }

    /// Returns when it is made: what a notice may be about comes before it, and references end last, so that a message
    /// that the step keeps always has one.
    pub(crate) fn turn(&self) -> u8 {
        match self {
            Self::Notify(_) => 1,
            Self::LetGo(_) | Self::Unhold(..) => 2,
            _ => 0,
        }
    }

    /// Returns about how many octets it writes, beyond those of a row.
    fn octets(&self) -> usize {
        let all = |texts: &[String]| texts.iter().map(String::len).sum::<usize>();
        match self {
            Self::Keep(_)
            | Self::LetGo(_)
            | Self::Remember(..)
            | Self::Unhold(..)
            | Self::MarkEarly(_)
            | Self::ToModerator(_)
            | Self::EndRequest(_) => 0,
            Self::Join(_, new) => new.named.octets(),
            Self::Leave(..) | Self::Rejoin(..) => 2 * limits::STEP_ROW,
            Self::Ask(request) => {
                2 * request.address.key().len() + request.name.as_ref().map_or(0, |name| name.as_str().len())
            }
            Self::Notify(notice) => {
                let to = match &notice.to {
                    NoticeTo::Address(address) => 4 * address.key().len(),
                    NoticeTo::Owners { instead } => instead.as_ref().map_or(0, String::len),
                };
                notice.content.len() + notice.template.len() + to + 2 * limits::STEP_ROW
            }
            Self::Distribute(post) => post.settings.len() + post.message_id.len() + 2 * limits::STEP_ROW,
            Self::Hold(held) => {
                let texts = all(&held.reasons) + all(&held.notified);
                held.message_id.len() + held.subject.len() + held.author.len() + texts
            }
            Self::RecordDecision(decision) => decision.message_id.len() + all(&decision.reasons),
            Self::RecordBounce(bounce) => {
                let header = match &bounce.evidence {
                    Evidence::Signed { .. } => 0,
                    Evidence::Unsigned { header } | Evidence::Test { message: header, .. } => header.len(),
                };
                header + bounce.diagnostic.as_ref().map_or(0, String::len)
            }
        }
    }
}

/// One decision as plain data, applied as a whole or not at all.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    settle: Option<(LeaseId, Verdict)>,
    expects: Vec<Expect>,
    effects: Vec<Effect>,
}

/// The error for a step that would change more than [`limits::STEP_ROWS`] rows, or write more than
/// [`limits::COMMIT_STEP_OCTETS`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "a step changes at most {} rows, of {} octets: divide it",
    limits::STEP_ROWS,
    limits::COMMIT_STEP_OCTETS
)]
pub(crate) struct TooManyRows;

impl Step {
    /// Makes a step that settles the entry of a lease.
    pub(crate) fn settling(lease: LeaseId, verdict: Verdict) -> Self {
        Self { settle: Some((lease, verdict)), expects: Vec::new(), effects: Vec::new() }
    }

    /// Makes a step that settles nothing, to which effects can be added.
    pub(crate) fn settling_nothing() -> Self {
        Self { settle: None, expects: Vec::new(), effects: Vec::new() }
    }

    /// Adds a condition. If it does not hold, nothing of the step is applied.
    pub(crate) fn expecting(mut self, expect: Expect) -> Result<Self, TooManyRows> {
        self.expects.push(expect);
        self.bounded()
    }

    pub(crate) fn with(mut self, effect: Effect) -> Result<Self, TooManyRows> {
        self.effects.push(effect);
        self.bounded()
    }

    /// Settles the entry under a later lease of it instead.
    pub(crate) fn under(mut self, lease: LeaseId) -> Self {
        if let Some((settled, _)) = &mut self.settle {
            *settled = lease;
        }
        self
    }

    fn bounded(self) -> Result<Self, TooManyRows> {
        let fits = self.expects.len() + self.effects.len() < limits::STEP_ROWS
            && self.octets() <= limits::COMMIT_STEP_OCTETS;
        if fits { Ok(self) } else { Err(TooManyRows) }
    }

    pub(crate) fn settle(&self) -> Option<&(LeaseId, Verdict)> {
        self.settle.as_ref()
    }

    pub(crate) fn expects(&self) -> &[Expect] {
        &self.expects
    }

    pub(crate) fn effects(&self) -> &[Effect] {
        &self.effects
    }

    /// Returns about how many octets it writes.
    pub(crate) fn octets(&self) -> usize {
        let why = match &self.settle {
            Some((_, Verdict::Retry { why, .. } | Verdict::Shunt { why })) => why.len().min(limits::REASON),
            _ => 0,
        };
        let effects: usize = self.effects.iter().map(Effect::octets).sum();
        why + effects + limits::STEP_ROW * (1 + self.expects.len() + self.effects.len())
    }
}

/// The result of a step that was applied.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(crate) struct Stepped {
    /// One reference for each [`Effect::Keep`], in order.
    pub(crate) kept: Vec<KeptId>,
    /// The request of the last [`Effect::Ask`].
    pub(crate) asked: Option<RequestId>,
    /// The membership of the last [`Effect::Join`] or [`Effect::Rejoin`].
    pub(crate) joined: Option<Seq>,
    /// The post of the last [`Effect::Hold`].
    pub(crate) held: Option<HeldId>,
}

/// The reason why nothing of a step was applied.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum NotStepped {
    /// The lease has lapsed and another consumer has the entry, or the entry was removed.
    #[error("the lease has lapsed, or its entry was removed")]
    Stale,
    /// A condition no longer holds: look up the current state, and decide again.
    #[error("what was expected has changed")]
    Outdated,
    #[error(transparent)]
    Store(#[from] StoreError),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::About;

    #[test]
    fn the_size_of_a_step_is_bounded() {
        let mut step = Step::settling_nothing();
        for _ in 1..limits::STEP_ROWS {
            step = step.with(Effect::Keep(MessageId(1))).unwrap();
        }
        assert!(step.octets() <= limits::COMMIT_STEP_OCTETS, "any step fits a commit");
        assert_eq!(step.clone().with(Effect::Keep(MessageId(1))).unwrap_err(), TooManyRows);
        assert_eq!(step.expecting(Expect::Kept(KeptId(1))).unwrap_err(), TooManyRows);
        let notice = |octets| {
            let notice = NewNotice {
                list: ListNumber(1),
                to: NoticeTo::Owners { instead: None },
                about: About::Nothing,
                counted: false,
                template: "roster",
                content: "x".repeat(octets),
            };
            Effect::Notify(Box::new(notice))
        };
        let step = Step::settling_nothing().with(notice(limits::COMMIT_STEP_OCTETS / 2)).unwrap();
        assert_eq!(step.with(notice(limits::COMMIT_STEP_OCTETS / 2)).unwrap_err(), TooManyRows);
    }
}
