//! The work that waits for the writer: deliveries to store, and requests for leases and steps. All of it is plain
//! data.

use super::leasing::{self, Round};
use super::outbox::{self, Claims};
use super::steps;
use crate::backends::begun::BegunMail;
use crate::backends::delivery::{Delivery, NotStored};
use crate::backends::queued::Queued;
use crate::limits;
use crate::message::Body;
use crate::model::{Advance, Effect, Lease, LeaseId, Name, NotStepped, Stale, Step, Stepped, StoreError};
use rusqlite::Connection;
use std::sync::mpsc;
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// One piece of work.
pub(super) enum Work {
    Delivery(PendingDelivery),
    Request(PendingRequest),
    /// Asks whether the writer still takes up work. It is answered when the writer takes it up.
    Question(oneshot::Sender<()>),
}

/// A delivery, and the channel for its outcome.
pub(super) struct PendingDelivery {
    pub(super) delivery: Box<Delivery>,
    pub(super) answer: oneshot::Sender<Result<Promised, NotStored>>,
}

/// The proofs for the recipients of a delivery that was stored.
pub(super) struct Promised {
    pub(super) queued: Vec<Queued>,
    /// The delivery returns to the thread that allocated it. If the writer freed its memory, both threads would often
    /// wait for a lock of the allocator.
    pub(super) _delivery: Box<Delivery>,
}

/// A consumer's request, and the channel for the reply.
pub(super) struct PendingRequest {
    pub(super) request: Request,
    pub(super) answer: oneshot::Sender<Result<Reply, StoreError>>,
}

pub(super) enum Request {
    /// Leases up to `max` entries from the next lists of the round.
    Lease {
        round: Round,
        max: usize,
        hold: Duration,
    },
    Extend {
        leases: Vec<LeaseId>,
        hold: Duration,
    },
    Step(Vec<Step>),
    Advance(Box<Advance>),
    /// Frees what is leased of these queues.
    Free(&'static [Name]),
}

impl Request {
    /// Returns whether it stores a post or a notice.
    pub(super) fn distributes(&self) -> bool {
        let is_sent = |effect: &Effect| matches!(effect, Effect::Distribute(_) | Effect::Notify(_));
        let posts = |step: &Step| step.effects().iter().any(is_sent);
        matches!(self, Self::Step(steps) if steps.iter().any(posts))
    }
}

pub(super) enum Reply {
    Leased { leases: Vec<Lease>, round: Round },
    Extended(Vec<Result<(), Stale>>),
    Stepped(Vec<Result<Stepped, NotStepped>>),
    Advanced(Result<Claims, StoreError>),
    Freed,
}

impl PendingDelivery {
    /// Returns whether the receiver of the answer was dropped.
    pub(super) fn is_cancelled(&self) -> bool {
        self.answer.is_closed()
    }

    /// Returns how many octets of the body are in memory.
    fn in_memory(&self) -> usize {
        match &self.delivery.message.body {
            Body::Memory(octets) => octets.len(),
            Body::Spooled(_) => 0,
        }
    }
}

impl PendingRequest {
    /// Carries out the request, within a transaction.
    ///
    /// # Errors
    /// The transaction itself has failed.
    pub(super) fn run(&self, connection: &Connection, now: i64) -> rusqlite::Result<Reply> {
        match &self.request {
            Request::Lease { round, max, hold } => {
                let mut round = round.clone();
                let leases = leasing::lease(connection, &mut round, *max, *hold, now)?;
                Ok(Reply::Leased { leases, round })
            }
            Request::Extend { leases, hold } => {
                leasing::extend(connection, leases, *hold, now).map(Reply::Extended)
            }
            Request::Step(steps) => {
                let taken = steps.iter().map(|step| steps::take(connection, step, now));
                taken.collect::<rusqlite::Result<_>>().map(Reply::Stepped)
            }
            Request::Advance(advance) => outbox::advance(connection, advance, now).map(Reply::Advanced),
            Request::Free(queues) => {
                queues.iter().try_for_each(|queue| leasing::free(connection, *queue))?;
                Ok(Reply::Freed)
            }
        }
    }

    /// Returns how many steps of a commit the request counts as, and their octets.
    fn share(&self) -> (usize, usize) {
        match &self.request {
            Request::Lease { max, .. } => (*max, max * limits::STEP_ROW),
            Request::Extend { leases, .. } => (leases.len(), leases.len() * limits::STEP_ROW),
            Request::Step(steps) => (steps.len(), steps.iter().map(Step::octets).sum()),
            // It happens once, at the start.
            Request::Free(_) => (limits::COMMIT_STEPS, 0),
            // A claim looks at a bounded number of rows, and changes at most as many as a batch has recipients.
            Request::Advance(advance) => {
                let exceptions: usize = advance.results.iter().map(|result| result.exceptions.len()).sum();
                let batches = advance.claim.map_or(0, |claim| claim.batches) + advance.results.len();
                let rows = 4 + 2 * exceptions + 4 * batches + 3 * advance.refused.len();
                ((1 + batches).min(limits::COMMIT_STEPS), rows * limits::STEP_ROW)
            }
        }
    }
}

/// The work of one commit.
#[derive(Default)]
pub(super) struct Batch {
    pub(super) deliveries: Vec<PendingDelivery>,
    pub(super) requests: Vec<PendingRequest>,
    /// Octets of bodies in memory.
    octets: usize,
    steps: usize,
    step_octets: usize,
}

impl Batch {
    /// Creates a batch of deliveries alone.
    pub(super) fn of(deliveries: Vec<PendingDelivery>) -> Self {
        let octets = deliveries.iter().map(PendingDelivery::in_memory).sum();
        Self { deliveries, octets, ..Self::default() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.deliveries.is_empty() && self.requests.is_empty()
    }

    fn is_full(&self) -> bool {
        self.octets >= limits::BATCH_BODIES || self.deliveries.len() >= limits::BATCH_DELIVERIES
    }

    /// Adds a piece of work. A delivery whose receiver was dropped is left out. A request that does not fit is
    /// returned.
    fn add(&mut self, work: Work) -> Result<(), PendingRequest> {
        match work {
            Work::Delivery(pending) if pending.is_cancelled() => {}
            Work::Question(answer) => {
                let _ = answer.send(());
            }
            Work::Delivery(mut pending) => {
                pending.delivery.begun = None;
                self.octets += pending.in_memory();
                self.deliveries.push(pending);
            }
            Work::Request(pending) => {
                let (steps, octets) = pending.share();
                let (steps, octets) = (self.steps + steps, self.step_octets + octets);
                let fits = steps <= limits::COMMIT_STEPS && octets <= limits::COMMIT_STEP_OCTETS;
                if !fits && !self.requests.is_empty() {
                    return Err(pending);
                }
                (self.steps, self.step_octets) = (steps, octets);
                self.requests.push(pending);
            }
        }
        Ok(())
    }
}

/// The work that waits for the writer, in order of arrival.
pub(super) struct Waiting {
    work: mpsc::Receiver<Work>,
    /// A request that did not fit in the last commit. It is the first of the next.
    held_over: Option<PendingRequest>,
    /// The mail that is about to come.
    begun: BegunMail,
}

impl Waiting {
    pub(super) fn new(work: mpsc::Receiver<Work>, begun: BegunMail) -> Self {
        Self { work, held_over: None, begun }
    }

    /// Creates one in which nothing waits, and to which nothing comes.
    pub(super) fn nothing() -> Self {
        Self::new(mpsc::channel().1, BegunMail::default())
    }

    /// Waits up to `patience` for work, and returns what one commit can take of it.
    ///
    /// # Errors
    /// Nothing came, or nothing will come again.
    pub(super) fn next(&mut self, patience: Duration) -> Result<Batch, mpsc::RecvTimeoutError> {
        let first = match self.held_over.take() {
            Some(pending) => Work::Request(pending),
            None => self.work.recv_timeout(patience)?,
        };
        let mut batch = Batch::default();
        self.add_to(&mut batch, first);
        self.join(&mut batch);
        Ok(batch)
    }

    /// Adds the work that has come meanwhile to a batch, as far as one commit can take it.
    pub(super) fn join(&mut self, batch: &mut Batch) {
        while self.held_over.is_none()
            && !batch.is_full()
            && let Ok(work) = self.work.try_recv()
        {
            self.add_to(batch, work);
        }
    }

    /// Adds the work that has come meanwhile, as [`join`](Self::join) does. If none of it is mail, it may wait until
    /// `until` for messages that have begun. If nothing comes, no later call waits for them.
    pub(super) fn join_or_wait(&mut self, batch: &mut Batch, until: Instant) {
        let before = batch.deliveries.len();
        self.join(batch);
        if batch.deliveries.len() > before || self.held_over.is_some() || !self.is_worth_a_wait(before) {
            return;
        }
        match self.work.recv_timeout(until.saturating_duration_since(Instant::now())) {
            Ok(work) => {
                self.add_to(batch, work);
                self.join(batch);
            }
            Err(_) => self.begun.forget(),
        }
    }

    /// Returns whether a commit of this many messages waits for those that have begun.
    fn is_worth_a_wait(&self, messages: usize) -> bool {
        let begun = self.begun.count();
        begun > 0 && messages < limits::ENOUGH_MAIL && messages + begun >= limits::MAIL_WORTH_A_WAIT
    }

    fn add_to(&mut self, batch: &mut Batch, work: Work) {
        self.held_over = batch.add(work).err();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{EntryId, Verdict};

    fn request(steps: usize) -> Work {
        let lease = LeaseId { entry: EntryId { delivery: 1, n: 1 }, fence: 1 };
        let step = Step::settling(lease, Verdict::Done);
        Work::Request(PendingRequest {
            request: Request::Step(vec![step; steps]),
            answer: oneshot::channel().0,
        })
    }

    #[test]
    fn the_number_of_steps_in_a_commit_is_bounded() {
        let (sender, work) = mpsc::channel();
        for steps in [30, 30, 10, 64] {
            sender.send(request(steps)).unwrap();
        }
        drop(sender);
        let mut waiting = Waiting::new(work, BegunMail::default());
        let mut sizes = Vec::new();
        while let Ok(mut batch) = waiting.next(Duration::MAX) {
            waiting.join(&mut batch);
            sizes.push(batch.requests.iter().map(|pending| pending.share().0).sum::<usize>());
        }
        assert_eq!(sizes, [60, 10, 64]);
    }
}
