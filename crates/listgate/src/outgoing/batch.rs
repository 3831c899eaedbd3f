//! The work on one batch: which recipients are offered next, in which transactions.

use super::copies::{Copy, Prepared};
use super::refusals::Refusals;
use super::signer::Signer;
use super::tally::{Ended, Tally, Then};
use crate::model::{BatchResult, Claimed, Refusal};
use listgate_lmtp::{Mailbox, Phase, Reply, TransactionId};
use std::collections::VecDeque;
use std::rc::Rc;

/// The work on one batch. Recipients are known by their places in it.
pub(super) struct Work {
    tally: Tally,
    pub(super) prepared: Rc<Prepared>,
    signer: Signer,
    addresses: Vec<Option<Mailbox>>,
    /// Recipients that are still to be offered, in order.
    todo: VecDeque<usize>,
    in_flight: Vec<InFlight>,
    /// Whether no more recipients are offered, not even those who are left over from a transaction.
    is_ended: bool,
    /// Whether the mark that it is being sent is durable, so that a final dot may follow.
    pub(super) is_marked: bool,
}

/// A transaction whose outcomes are not complete.
struct InFlight {
    id: TransactionId,
    places: Vec<usize>,
    /// How many outcomes there were.
    answered: usize,
    /// How many recipients were refused at RCPT.
    refused: usize,
    /// The place in `places` after the last one that was refused at RCPT.
    next: usize,
}

impl Work {
    pub(super) fn new(batch: Claimed, prepared: Rc<Prepared>, signer: Signer) -> Self {
        let addresses: Vec<_> =
            batch.recipients.iter().map(|recipient| recipient.address.parse().ok()).collect();
        let mut tally = Tally::new(batch);
        let mut todo = VecDeque::new();
        for (place, address) in addresses.iter().enumerate() {
            match address {
                Some(_) => todo.push_back(place),
                None => tally.invalid(place),
            }
        }
        Self {
            tally,
            prepared,
            signer,
            addresses,
            todo,
            in_flight: Vec::new(),
            is_ended: false,
            is_marked: false,
        }
    }

    pub(super) fn batch(&self) -> &Claimed {
        self.tally.batch()
    }

    /// Returns whether recipients are left to offer.
    pub(super) fn has_more(&self) -> bool {
        !self.todo.is_empty()
    }

    /// Returns whether a final dot may be due before the mark that it is being sent is durable.
    pub(super) fn needs_mark(&self) -> bool {
        !self.is_marked && self.is_in_flight()
    }

    /// Returns whether nothing is left to offer, and no reply is missing.
    pub(super) fn is_over(&self) -> bool {
        self.todo.is_empty() && self.in_flight.is_empty()
    }

    /// Returns whether an outcome is missing.
    pub(super) fn is_in_flight(&self) -> bool {
        !self.in_flight.is_empty()
    }

    /// Takes the recipients of the next transaction, at most `most`, and returns their copy and places.
    pub(super) fn next_copy(&mut self, most: usize) -> Option<(Copy, Vec<usize>)> {
        let most = if self.batch().personal { 1 } else { most.max(1) };
        let some = self.todo.len().min(most);
        let places: Vec<usize> = self.todo.drain(..some).collect();
        let to: Vec<_> = places
            .iter()
            .map(|place| {
                let address = self.addresses[*place].clone().expect("only valid addresses are to be offered");
                (self.batch().recipients[*place].seq, address)
            })
            .collect();
        (!to.is_empty()).then(|| (self.prepared.copy(self.batch(), to, &self.signer), places))
    }

    /// Notes that a transaction has started.
    pub(super) fn started(&mut self, id: TransactionId, places: Vec<usize>) {
        self.in_flight.push(InFlight { id, places, answered: 0, refused: 0, next: 0 });
    }

    pub(super) fn has(&self, id: TransactionId) -> bool {
        self.in_flight.iter().any(|flying| flying.id == id)
    }

    /// Notes that the server waits for the message of a transaction.
    pub(super) fn waits_for_message(&self, id: TransactionId, refusals: &mut Refusals) {
        let flying = self.in_flight.iter().find(|flying| flying.id == id);
        if flying.is_some_and(|flying| flying.next < flying.places.len()) {
            refusals.accepted();
        }
    }

    /// Notes the outcome of one recipient of a transaction, and returns what to do.
    pub(super) fn outcome(&mut self, outcome: &Outcome<'_>, refusals: &mut Refusals) -> Then {
        let Outcome { id, recipient, phase, reply } = *outcome;
        let at = self.in_flight.iter().position(|flying| flying.id == id);
        let at = at.expect("a transaction has outcomes while it is in flight");
        let flying = &mut self.in_flight[at];
        let place = flying.places[recipient];
        let has_accepted = recipient > flying.refused;
        if phase == Phase::Rcpt {
            // Replies come in order, so those in between were accepted.
            if recipient > flying.next {
                refusals.accepted();
            }
            flying.next = recipient + 1;
            flying.refused += 1;
        }
        flying.answered += 1;
        if flying.answered == flying.places.len() {
            self.in_flight.remove(at);
        }
        if reply.is_positive() {
            self.tally.sent(place, reply, refusals);
            return Then::Continue;
        }
        let then = self.tally.refused(place, (phase, has_accepted), reply, refusals);
        match then {
            // Without an outcome, it is tried again later.
            Then::OfferAgain if self.is_ended => {}
            Then::OfferAgain => {
                let next = self.todo.partition_point(|other| *other < place);
                self.todo.insert(next, place);
            }
            Then::EndBatch | Then::StopAll => self.stop(),
            Then::Continue => {}
        }
        then
    }

    /// Notes that a copy was written for these recipients.
    pub(super) fn written(&mut self, places: &[usize], reply: &Reply, refusals: &mut Refusals) {
        places.iter().for_each(|place| self.tally.sent(*place, reply, refusals));
    }

    /// Takes the refusals that are certain by now, and were not taken before.
    pub(super) fn take_refused(&mut self, refusals: &Refusals) -> Vec<Refusal> {
        self.tally.take_refused(refusals)
    }

    /// Offers no more recipients.
    pub(super) fn stop(&mut self) {
        self.is_ended = true;
        self.todo.clear();
    }

    /// Returns what became of the batch after all replies have come. `why` is the reason to end it before all recipients
    /// were offered, if it was.
    pub(super) fn result(self, why: &str, refusals: &Refusals) -> BatchResult {
        self.tally.result(Ended::Early { why: why.to_owned() }, refusals)
    }

    /// Returns what became of the batch when the connection was lost. The message of the transaction `in_doubt` may have
    /// been taken. `is_ours` says whether the cause is in Listgate.
    pub(super) fn lost(
        self,
        (why, is_ours): (String, bool),
        in_doubt: Option<TransactionId>,
        refusals: &Refusals,
    ) -> BatchResult {
        let doubtful = self.in_flight.into_iter().find(|flying| Some(flying.id) == in_doubt);
        let in_doubt = doubtful.map(|flying| flying.places).unwrap_or_default();
        self.tally.result(Ended::Lost { why, in_doubt, is_ours }, refusals)
    }
}

/// The outcome of one recipient of a transaction, as the client reports it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Outcome<'r> {
    pub(super) id: TransactionId,
    /// The place of the recipient in the transaction.
    pub(super) recipient: usize,
    pub(super) phase: Phase,
    pub(super) reply: &'r Reply,
}
