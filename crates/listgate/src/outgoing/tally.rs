//! Collects what becomes of the recipients of a batch, and makes its result.

use super::meaning::{Meaning, of_refusal};
use super::refusals::{Refusals, Row};
use crate::limits;
use crate::model::{BatchEnd, BatchResult, Claimed, Exception, Pause, Recipient, Refusal};
use listgate_lmtp::{Phase, Reply};
use std::fmt::Write;
use std::time::Duration;

/// What has become of the recipients of a batch so far. Recipients are known by their places in it.
pub(super) struct Tally {
    batch: Claimed,
    outcomes: Vec<Option<Outcome>>,
    /// The places of those who were refused, as long as that is not certain, or was not taken.
    refused: Vec<usize>,
    /// The last reply to a message, or the last refusal.
    reply: String,
    /// Why the recipients without an outcome are deferred together, if they are, and whether the server refuses all mail.
    deferred: Option<(String, bool)>,
}

/// What has become of one recipient.
#[derive(Clone, Debug)]
enum Outcome {
    /// The server took the message.
    Sent,
    /// It refused the message itself.
    Rejected(String),
    Refused(String),
    /// It refused the recipient for a reason that may concern all mail.
    Doubtful(String, Row),
    Later(String),
}

impl Outcome {
    /// Returns the reply, if it is a refusal of the recipient's own whatever becomes of others.
    fn own_refusal(&self, refusals: &Refusals) -> Option<&str> {
        match self {
            Self::Refused(reply) => Some(reply),
            // Once another recipient is accepted, the refusal does not concern all mail.
            Self::Doubtful(reply, row) if refusals.has_ended(*row) => Some(reply),
            _ => None,
        }
    }
}

/// What to do after a refusal, besides what the tally notes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Then {
    Continue,
    /// Offer this recipient again in another transaction: the server takes no more in this one.
    OfferAgain,
    /// Send no more of this batch: the server cannot take it now.
    EndBatch,
    /// Send nothing: the server refuses all mail.
    StopAll,
}

/// How the work on a batch ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Ended {
    /// The connection was lost or ended by the server, or given up. `in_doubt` are the places of the recipients whose
    /// message may have been taken. `is_ours` says whether the cause is in Listgate, where trying again at once does not
    /// help.
    Lost { why: String, in_doubt: Vec<usize>, is_ours: bool },
    /// No reply is missing. Recipients without an outcome were not offered, or deferred together. `why` is the reason if
    /// no reply is.
    Early { why: String },
}

impl Tally {
    pub(super) fn new(batch: Claimed) -> Self {
        let outcomes = vec![None; batch.recipients.len()];
        Self { batch, outcomes, refused: Vec::new(), reply: String::new(), deferred: None }
    }

    pub(super) fn batch(&self) -> &Claimed {
        &self.batch
    }

    /// Returns whether each recipient has an outcome.
    pub(super) fn is_complete(&self) -> bool {
        self.outcomes.iter().all(Option::is_some)
    }

    /// Notes that the server took the message for a recipient.
    pub(super) fn sent(&mut self, place: usize, reply: &Reply, refusals: &mut Refusals) {
        refusals.accepted();
        self.reply.clear();
        write!(self.reply, "{reply}").expect("writing to a String does not fail");
        self.outcomes[place] = Some(Outcome::Sent);
    }

    /// Notes that an address is not valid, so it cannot be offered.
    pub(super) fn invalid(&mut self, place: usize) {
        self.outcomes[place] = Some(Outcome::Refused("not sent: the address is not valid".to_owned()));
        self.refused.push(place);
    }

    /// Notes a refusal that a recipient got, or shares with others. `has_accepted` says whether a recipient before it in
    /// the transaction was accepted.
    pub(super) fn refused(
        &mut self,
        place: usize,
        (phase, has_accepted): (Phase, bool),
        reply: &Reply,
        refusals: &mut Refusals,
    ) -> Then {
        let text = reply.to_string();
        self.reply.clone_from(&text);
        let outcome = match of_refusal(phase, reply) {
            Meaning::Broken => {
                self.deferred = Some((text, true));
                return Then::StopAll;
            }
            // A copy of one's own is deferred alone, unless the server takes no message at all.
            Meaning::Later if !self.batch.personal || phase == Phase::Mail => {
                self.deferred = Some((text, false));
                return Then::EndBatch;
            }
            Meaning::TooMany if has_accepted => return Then::OfferAgain,
            Meaning::Later | Meaning::RecipientLater | Meaning::TooMany => Outcome::Later(text),
            Meaning::Message => Outcome::Rejected(text),
            Meaning::Recipient => Outcome::Refused(text),
            Meaning::Doubtful => Outcome::Doubtful(text, refusals.refused()),
        };
        if matches!(outcome, Outcome::Refused(_) | Outcome::Doubtful(..)) {
            self.refused.push(place);
        }
        self.outcomes[place] = Some(outcome);
        if refusals.is_stopped() { Then::StopAll } else { Then::Continue }
    }

    /// Takes the refusals that are certain by now, and were not taken before. The result has them, too.
    pub(super) fn take_refused(&mut self, refusals: &Refusals) -> Vec<Refusal> {
        let (batch, outcomes) = (&self.batch, &self.outcomes);
        let certain = |place: usize| {
            let reply = outcomes[place].as_ref()?.own_refusal(refusals)?.to_owned();
            Some(Refusal { batch: batch.batch, recipient: batch.recipients[place].clone(), reply })
        };
        let mut taken = Vec::new();
        self.refused.retain(|place| certain(*place).map(|refusal| taken.push(refusal)).is_none());
        taken
    }

    /// Returns what became of the batch.
    pub(super) fn result(self, ended: Ended, refusals: &Refusals) -> BatchResult {
        let sent = self.count(|outcome| matches!(outcome, Outcome::Sent));
        let batch = self.batch.batch;
        if self.is_complete() {
            let exceptions = self.exceptions(0, refusals);
            return BatchResult { batch, exceptions, end: BatchEnd::Done { sent, reply: self.reply } };
        }
        // Those up to the last one who was sent a copy are settled, or deferred alone. Other refusals are exceptions.
        let is_settled =
            |outcome: &Option<Outcome>| matches!(outcome, Some(Outcome::Sent | Outcome::Rejected(_)));
        let last = self.outcomes.iter().rposition(is_settled);
        let settled = last.map(|place| self.batch.recipients[place].seq);
        let exceptions = self.exceptions(last.map_or(0, |place| place + 1), refusals);
        let (pause, why, doubted) = match ended {
            Ended::Lost { why, in_doubt, is_ours } => {
                let doubted = in_doubt.iter().filter(|place| self.outcomes[**place].is_none()).count() as u64;
                let doubts = self.batch.doubts;
                let pause = match doubted {
                    _ if is_ours => Pause::Free(back_off(doubts.max(1))),
                    // The hub leaves a server alone that keeps failing.
                    0 => Pause::AtOnce,
                    _ if doubts == 0 => Pause::AtOnce,
                    _ => Pause::Free(back_off(doubts)),
                };
                (pause, why, doubted)
            }
            Ended::Early { why: otherwise } => match self.deferred {
                Some((why, true)) => (Pause::AtOnce, why, 0),
                Some((why, false)) => (Pause::Deferred(back_off(self.batch.attempts + 1)), why, 0),
                None if self.reply.is_empty() => (Pause::AtOnce, otherwise, 0),
                None => (Pause::AtOnce, self.reply, 0),
            },
        };
        BatchResult { batch, exceptions, end: BatchEnd::Again { settled, sent, pause, why, doubted } }
    }

    fn count(&self, is_it: impl Fn(&Outcome) -> bool) -> u64 {
        self.outcomes.iter().flatten().filter(|outcome| is_it(outcome)).count() as u64
    }

    /// Returns the exceptions among the recipients. Those before `settled` without an outcome are tried again at once.
    fn exceptions(&self, settled: usize, refusals: &Refusals) -> Vec<(Recipient, Exception)> {
        let all = self.batch.recipients.iter().zip(&self.outcomes).enumerate();
        let except = |(place, (recipient, outcome)): (usize, (&Recipient, &Option<Outcome>))| {
            let exception = match outcome {
                Some(outcome) => self.exception(outcome, refusals)?,
                None if place < settled => {
                    Exception::Deferred { reply: "not offered yet".to_owned(), pause: Pause::AtOnce }
                }
                None => return None,
            };
            Some((recipient.clone(), exception))
        };
        all.filter_map(except).collect()
    }

    fn exception(&self, outcome: &Outcome, refusals: &Refusals) -> Option<Exception> {
        Some(match outcome {
            Outcome::Sent => return None,
            Outcome::Rejected(reply) => Exception::Rejected { reply: reply.clone() },
            Outcome::Refused(reply) => Exception::Refused { reply: reply.clone() },
            Outcome::Later(reply) => {
                let pause = Pause::Deferred(back_off(self.batch.attempts + 1));
                Exception::Deferred { reply: reply.clone(), pause }
            }
            // Once another recipient is accepted, or when it is refused a second time, the refusal is its own.
            Outcome::Doubtful(reply, row)
                if refusals.has_ended(*row) || self.batch.is_retry && !refusals.is_stopped() =>
            {
                Exception::Refused { reply: reply.clone() }
            }
            Outcome::Doubtful(reply, _) => {
                Exception::Deferred { reply: reply.clone(), pause: Pause::Free(limits::DOUBTFUL_PAUSE) }
            }
        })
    }
}

/// Returns how long to wait after so many failures: each time twice as long.
pub(super) fn back_off(failures: u32) -> Duration {
    let (first, most) = limits::BACK_OFF;
    (first * (1 << failures.saturating_sub(1).min(16))).min(most)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{BatchId, Contents, MessageId, PostId, PostKind, Seq};

    fn batch(recipients: i64, personal: bool) -> Tally {
        Tally::new(Claimed {
            batch: BatchId(7),
            post: PostId(1),
            contents: Contents::Message {
                kind: PostKind::Post,
                message: MessageId(1),
                size: 100,
                settings: "{}".to_owned(),
            },
            list_id: "a.example.com".to_owned(),
            list: "a@example.com".parse().unwrap(),
            alias: None,
            personal,
            is_retry: false,
            recipients: (1..=recipients)
                .map(|n| Recipient { seq: Seq(n), address: format!("m{n}@example.org") })
                .collect(),
            attempts: 0,
            doubts: 0,
        })
    }

    fn reply(text: &str) -> Reply {
        let (code, text) = text.split_once(' ').unwrap();
        Reply { code: code.parse().unwrap(), lines: vec![text.to_owned()] }
    }

    fn early() -> Ended {
        Ended::Early { why: "not offered".to_owned() }
    }

    /// Makes a result of `S` for sent, `-` for nothing, and other letters for refusals, one for each recipient.
    fn result(outcomes: &str, personal: bool, ended: Ended) -> (Vec<(i64, &'static str)>, BatchEnd, Then) {
        let mut tally = batch(i64::try_from(outcomes.len()).unwrap(), personal);
        let mut refusals = Refusals::default();
        let mut then = Then::Continue;
        for (place, outcome) in outcomes.chars().enumerate() {
            let (phase, text) = match outcome {
                'S' => {
                    tally.sent(place, &reply("250 2.0.0 queued"), &mut refusals);
                    continue;
                }
                'R' => (Phase::Rcpt, "550 5.1.1 unknown"),
                'P' => (Phase::Rcpt, "554 5.7.1 denied"),
                'L' => (Phase::Rcpt, "450 4.2.1 later"),
                'M' => (Phase::Message, "554 5.7.1 spam"),
                'D' => (Phase::Message, "451 4.3.0 later"),
                _ => continue,
            };
            then = tally.refused(place, (phase, place > 0), &reply(text), &mut refusals);
        }
        let BatchResult { exceptions, end, .. } = tally.result(ended, &refusals);
        let name = |exception: &Exception| match exception {
            Exception::Refused { .. } => "refused",
            Exception::Rejected { .. } => "rejected",
            Exception::Deferred { pause: Pause::AtOnce, .. } => "at once",
            Exception::Deferred { pause: Pause::Free(_), .. } => "free",
            Exception::Deferred { pause: Pause::Deferred(_), .. } => "deferred",
        };
        (exceptions.iter().map(|(to, exception)| (to.seq.0, name(exception))).collect(), end, then)
    }

    #[test]
    fn each_recipient_has_its_own_outcome() {
        for (outcomes, exceptions, sent) in [
            ("SSS", vec![], 3),
            ("SRS", vec![(2, "refused")], 2),
            ("RLS", vec![(1, "refused"), (2, "deferred")], 1),
            ("MMM", vec![(1, "rejected"), (2, "rejected"), (3, "rejected")], 0),
            // Someone was accepted afterwards, so the refusal is the recipient's own.
            ("PS", vec![(1, "refused")], 1),
            ("SP", vec![(2, "free")], 1),
        ] {
            let (found, end, _) = result(outcomes, false, early());
            assert_eq!(found, exceptions, "{outcomes}");
            assert!(matches!(end, BatchEnd::Done { sent: of, .. } if of == sent), "{outcomes}: {end:?}");
        }
    }

    #[test]
    fn ten_doubtful_refusals_in_a_row_decide_nothing() {
        let (exceptions, _, then) = result("PPPPPPPPPP", false, early());
        assert!(exceptions.iter().all(|(_, exception)| *exception == "free"));
        assert_eq!((exceptions.len(), then), (10, Then::StopAll));
        let (exceptions, _, then) = result("PPPPPPPPPSP", false, early());
        assert_eq!(exceptions[8..], [(9, "refused"), (11, "free")]);
        assert_eq!(then, Then::Continue);
    }

    #[test]
    fn a_refusal_is_taken_once_when_it_is_certain() {
        let (mut tally, mut refusals) = (batch(5, false), Refusals::default());
        let taken = |tally: &mut Tally, refusals: &Refusals| {
            let taken = tally.take_refused(refusals);
            assert!(taken.iter().all(|refusal| refusal.batch == BatchId(7)));
            taken.into_iter().map(|refusal| (refusal.recipient.seq.0, refusal.reply)).collect::<Vec<_>>()
        };
        tally.refused(0, (Phase::Rcpt, false), &reply("554 5.7.1 denied"), &mut refusals);
        tally.refused(1, (Phase::Rcpt, false), &reply("450 4.2.1 later"), &mut refusals);
        tally.refused(2, (Phase::Rcpt, false), &reply("550 5.1.1 unknown"), &mut refusals);
        assert_eq!(taken(&mut tally, &refusals), [(3, "550 5.1.1 unknown".to_owned())]);
        assert_eq!(taken(&mut tally, &refusals), []);
        // Another recipient is accepted.
        refusals.accepted();
        tally.refused(4, (Phase::Rcpt, true), &reply("554 5.7.1 denied"), &mut refusals);
        assert_eq!(taken(&mut tally, &refusals), [(1, "554 5.7.1 denied".to_owned())]);
        assert_eq!(taken(&mut tally, &refusals), []);
        let BatchResult { exceptions, .. } = tally.result(early(), &refusals);
        let refused = exceptions.iter().filter(|(_, what)| matches!(what, Exception::Refused { .. }));
        assert_eq!(refused.map(|(to, _)| to.seq.0).collect::<Vec<_>>(), [1, 3]);
    }

    #[test]
    fn those_without_an_outcome_are_tried_again() {
        let lost = |in_doubt: &[usize]| Ended::Lost {
            why: "lost".to_owned(),
            in_doubt: in_doubt.to_vec(),
            is_ours: false,
        };
        for (outcomes, ended, exceptions, settled, sent, doubted, pause) in [
            // The connection was lost before anything was answered.
            ("---", lost(&[]), vec![], None, 0, 0, Pause::AtOnce),
            ("R--", lost(&[]), vec![(1, "refused")], None, 0, 0, Pause::AtOnce),
            ("R--", lost(&[1, 2]), vec![(1, "refused")], None, 0, 2, Pause::AtOnce),
            ("SS-", lost(&[2]), vec![], Some(2), 2, 1, Pause::AtOnce),
            ("S-S-", lost(&[]), vec![(2, "at once")], Some(3), 2, 0, Pause::AtOnce),
            ("---", early(), vec![], None, 0, 0, Pause::AtOnce),
            ("S--", early(), vec![], Some(1), 1, 0, Pause::AtOnce),
            ("DD", early(), vec![], None, 0, 0, Pause::Deferred(back_off(1))),
        ] {
            let (found, end, _) = result(outcomes, false, ended);
            assert_eq!(found, exceptions, "{outcomes}");
            let BatchEnd::Again { settled: at, sent: of, pause: after, doubted: some, .. } = end else {
                panic!("{outcomes}: {end:?}")
            };
            assert_eq!(
                (at.map(|Seq(seq)| seq), of, after, some),
                (settled, sent, pause, doubted),
                "{outcomes}"
            );
        }
    }

    #[test]
    fn a_deferred_message_defers_a_batch_or_one_copy() {
        let (exceptions, _, then) = result("D-", false, early());
        assert_eq!((exceptions, then), (vec![], Then::EndBatch));
        let (exceptions, end, then) = result("DS", true, early());
        assert_eq!((exceptions, then), (vec![(1, "deferred")], Then::Continue));
        assert!(matches!(end, BatchEnd::Done { sent: 1, .. }));
    }
}
