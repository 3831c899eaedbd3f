//! Sends batches over a connection: transactions in, outcomes out.
//!
//! Each batch has one commit, which runs while its recipients are offered and its message is written. It stores what
//! became of the batch before, the mark that this one is being sent, and the claim of the next. The final dot waits for
//! it. So after a crash at most one batch of each connection is in doubt. Where the server pipelines, the next
//! transaction follows the final dot at once; its own dot can only follow the reply to that one.
//!
//! Refusals of recipients do not wait for the result of their batch: they go into the next commit, and one starts for them
//! if none is running. So after a crash, these recipients are not offered again. No dot waits for that.

use super::batch::{Outcome, Work};
use super::copies::NotPrepared;
use super::directory::{Directory, NotWritten};
use super::hub::Hub;
use super::tally::{Then, back_off};
use crate::error_chain::Chain;
use crate::limits;
use crate::model::{
    Advance, BatchEnd, BatchResult, Claimed, Exception, Pause, Recipient, Refusal, StoreError,
};
use crate::net::{MailClient, MailClientError};
use listgate_engine::splice::Splices;
use listgate_lmtp::{ClientEvent, Closed, Reply, Transaction, TransactionId};
use std::collections::VecDeque;
use std::mem;
use std::rc::Rc;
use std::time::Instant;
use tokio::sync::watch;
use tokio::task::{JoinError, JoinHandle, spawn_local};

/// The work of one connection after another: batches, and what became of them.
pub(super) struct Sender {
    hub: Rc<Hub>,
    /// The batch that is being sent, and the next one.
    works: VecDeque<Work>,
    /// Refusals in these batches that are not stored yet, because that has failed.
    refused: Vec<Refusal>,
    /// Results that are not stored yet.
    results: Vec<BatchResult>,
    advance: Option<Advancing>,
    /// The transaction whose message is next: the server has not asked for it, or it is being written.
    open: Option<(TransactionId, Splices)>,
    /// The transaction whose message is written but for the final dot, which waits for the mark.
    written: Option<TransactionId>,
    /// The number of recipients that the server takes in a transaction, as far as this connection knows.
    most_recipients: usize,
    /// Until when the next transaction waits, so that no more than the maximum rate leaves.
    paced_until: Option<Instant>,
    /// Transactions on this connection.
    transactions: u32,
    /// Whether a message was taken on this connection, or a recipient was refused.
    has_settled: bool,
    is_stopping: bool,
}

/// A commit in progress.
struct Advancing {
    task: JoinHandle<Result<Vec<Claimed>, StoreError>>,
    /// What it stores, to repeat it if it fails.
    advance: Advance,
}

/// Why recipients of a batch were not offered, if nothing else says why: the way out stopped.
const NOT_OFFERED: &str = "not offered yet";

/// Why the work on a connection ended.
#[derive(Debug)]
pub(super) enum Finished {
    /// Nothing is left to send.
    Idle,
    /// The server takes no more messages on this connection.
    Full,
}

/// The reason why a connection cannot be used any more.
#[derive(Debug, thiserror::Error)]
pub(super) enum Lost {
    #[error(transparent)]
    Connection(#[from] MailClientError),
    #[error("{0}")]
    Closed(Closed),
    /// The message could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the message is gone")]
    NoMessage,
    /// The code has an error.
    #[error("an internal error")]
    Panicked,
    #[error("Listgate is stopping, and the mail server does not answer in time")]
    Stopped,
    /// The server refuses all mail.
    #[error("the server refuses all mail")]
    Refuses,
}

impl Lost {
    /// Returns whether the cause is in Listgate, and not in the mail server.
    pub(super) fn is_ours(&self) -> bool {
        matches!(self, Self::Store(_) | Self::NoMessage | Self::Panicked)
    }
}

impl Sender {
    pub(super) fn new(hub: Rc<Hub>) -> Self {
        Self {
            hub,
            works: VecDeque::new(),
            refused: Vec::new(),
            results: Vec::new(),
            advance: None,
            open: None,
            written: None,
            most_recipients: 0,
            paced_until: None,
            transactions: 0,
            has_settled: false,
            is_stopping: false,
        }
    }

    pub(super) fn has_batches(&self) -> bool {
        !self.works.is_empty()
    }

    /// Returns whether no batches and no results are left.
    pub(super) fn is_idle(&self) -> bool {
        self.works.is_empty() && self.results.is_empty() && self.advance.is_none()
    }

    /// Returns whether the last connection got anything done.
    pub(super) fn has_settled(&self) -> bool {
        self.has_settled
    }

    /// Sends the batches that it has, and claims others, until nothing is left. When `stop` changes, it ends the
    /// transactions in flight, and starts no others.
    pub(super) async fn run(
        &mut self,
        mail: &mut MailClient,
        stop: &mut watch::Receiver<bool>,
    ) -> Result<Finished, Lost> {
        (self.transactions, self.has_settled, self.open, self.written) = (0, false, None, None);
        let announced = mail.client().server().max_recipients.and_then(|most| usize::try_from(most).ok());
        self.most_recipients = self.hub.max_recipients.min(announced.unwrap_or(usize::MAX));
        loop {
            self.settle_finished();
            self.send_next(mail).await?;
            self.start_advance();
            self.end_message(mail).await?;
            // The server may answer to a transaction whose recipients all have their outcomes.
            let in_flight = !mail.client().is_idle() || self.works.iter().any(Work::is_in_flight);
            if !in_flight && self.advance.is_none() {
                if self.is_idle() {
                    return Ok(Finished::Idle);
                }
                if self.is_full(mail) {
                    return Ok(Finished::Full);
                }
            }
            tokio::select! {
                // While there are replies that were read, nothing else is looked at: a batch has hundreds of them.
                biased;
                event = mail.event(), if in_flight => self.happened(event?, mail).await?,
                advanced = finished(&mut self.advance), if self.advance.is_some() => {
                    self.advanced(advanced).await?;
                }
                () = sleep_until(self.paced_until), if self.paced_until.is_some() => {}
                _ = stop.wait_for(|stop| *stop), if !self.is_stopping => self.stop(),
            }
        }
    }

    /// Takes on batches that were claimed.
    pub(super) async fn take_on(&mut self, claimed: Vec<Claimed>) {
        for batch in claimed {
            match self.hub.equip(&batch).await {
                Ok((prepared, signer)) => self.works.push_back(Work::new(batch, prepared, signer)),
                Err(why) => self.results.push(not_prepared(&batch, &why)),
            }
        }
        if self.is_stopping {
            self.works.iter_mut().for_each(Work::stop);
        }
    }

    /// Stores what is left to store, after the last connection. Repeats it until that succeeds, or the store has failed
    /// for good.
    pub(super) async fn record(&mut self) -> Result<(), StoreError> {
        loop {
            if let Some(Advancing { task, advance }) = self.advance.take() {
                match joined(task.await) {
                    Ok(claimed) => self.take_on(claimed).await,
                    Err(why) if why.is_final() || why.is_closed() => return Err(why),
                    Err(why) => {
                        tracing::warn!("{}; trying again", Chain(&why));
                        tokio::time::sleep(limits::STORE_PAUSE).await;
                        self.commit(Advance { claim: None, ..advance });
                    }
                }
            } else if self.results.is_empty() {
                return Ok(());
            } else {
                let results = mem::take(&mut self.results);
                self.commit(Advance { results, way_out: self.hub.take_way_out(), ..Advance::default() });
            }
        }
    }

    /// Writes all copies of its batches into a directory, in place of a mail server.
    pub(super) async fn write_into(&mut self, directory: &Directory) {
        for mut work in mem::take(&mut self.works) {
            let written = self.write_batch(&mut work, directory).await;
            let result = match written {
                Ok(()) => {
                    self.hub.works();
                    work.result("", &self.hub.refusals.borrow())
                }
                Err(why) => {
                    tracing::error!("{}", Chain(&why));
                    self.hub.failed();
                    work.lost((Chain(&why).to_string(), false), None, &self.hub.refusals.borrow())
                }
            };
            self.finish(result);
        }
    }

    async fn write_batch(&self, work: &mut Work, directory: &Directory) -> Result<(), NotWritten> {
        let reply = Reply { code: 250, lines: vec!["written".to_owned()] };
        while let Some((copy, places)) = work.next_copy(usize::MAX) {
            directory.write(&*self.hub.store, &work.prepared, work.batch(), &copy, places[0]).await?;
            work.written(&places, &reply, &mut self.hub.refusals.borrow_mut());
        }
        Ok(())
    }

    /// Gives up the batches of a connection that was lost.
    pub(super) fn lose(&mut self, why: &Lost, in_doubt: Option<TransactionId>) {
        (self.open, self.written) = (None, None);
        // The results have them.
        self.refused.clear();
        for work in mem::take(&mut self.works) {
            if why.is_ours() {
                self.hub.forget(work.batch().post);
            }
            let why = (Chain(why).to_string(), why.is_ours());
            let result = work.lost(why, in_doubt, &self.hub.refusals.borrow());
            self.finish(result);
        }
    }

    /// Gives back the batches that were not started, for this reason.
    pub(super) fn give_back(&mut self, why: &str) {
        for work in mem::take(&mut self.works) {
            let result = work.result(why, &self.hub.refusals.borrow());
            self.finish(result);
        }
    }

    fn stop(&mut self) {
        self.is_stopping = true;
        self.works.iter_mut().for_each(Work::stop);
    }

    /// Makes results of the batches that are over, in order.
    fn settle_finished(&mut self) {
        while self.works.front().is_some_and(Work::is_over) {
            let work = self.works.pop_front().expect("it is there");
            let result = work.result(NOT_OFFERED, &self.hub.refusals.borrow());
            self.finish(result);
        }
    }

    fn finish(&mut self, result: BatchResult) {
        self.hub.finished(&result);
        self.results.push(result);
    }

    /// Starts a commit if there is something to store: refusals and results so far, and the mark of the first batch.
    fn start_advance(&mut self) {
        if self.advance.is_some() {
            return;
        }
        for work in &mut self.works {
            self.refused.extend(work.take_refused(&self.hub.refusals.borrow()));
        }
        let sending = self.works.front().filter(|work| work.needs_mark()).map(|work| work.batch().batch);
        let has_moved_on = sending.is_some() || !self.results.is_empty();
        if !has_moved_on && self.refused.is_empty() {
            return;
        }
        let has_room = self.works.len() < 2 && !self.is_stopping && !self.hub.is_stopped();
        let may_claim = has_moved_on && has_room;
        let advance = Advance {
            refused: mem::take(&mut self.refused),
            results: mem::take(&mut self.results),
            sending: sending.into_iter().collect(),
            claim: may_claim.then(|| self.hub.claim()),
            way_out: self.hub.take_way_out(),
        };
        self.commit(advance);
    }

    /// Starts a commit. It goes on while this waits for the server.
    fn commit(&mut self, advance: Advance) {
        let (hub, of_task) = (Rc::clone(&self.hub), advance.clone());
        let task = spawn_local(async move { hub.store.advance(of_task).await });
        self.advance = Some(Advancing { task, advance });
    }

    /// Takes the answer to a commit.
    ///
    /// # Errors
    /// The store has failed for good.
    async fn advanced(
        &mut self,
        (advanced, advance): (Result<Vec<Claimed>, StoreError>, Advance),
    ) -> Result<(), StoreError> {
        match advanced {
            Ok(claimed) => {
                for work in &mut self.works {
                    work.is_marked |= advance.sending.contains(&work.batch().batch);
                }
                self.take_on(claimed).await;
            }
            // No dot may follow, so the connection is of no use.
            Err(why) if why.is_final() || why.is_closed() => {
                self.results.splice(0..0, advance.results);
                return Err(why);
            }
            // The dot waits, and the server with it, until it succeeds or the store has failed for good.
            Err(why) => {
                tracing::warn!("{}; trying again", Chain(&why));
                self.refused.splice(0..0, advance.refused);
                self.results.splice(0..0, advance.results);
                self.hub.put_back(advance.way_out);
                tokio::time::sleep(limits::STORE_PAUSE).await;
            }
        }
        Ok(())
    }

    /// Starts the next transaction, if the server may be sent one now.
    async fn send_next(&mut self, mail: &mut MailClient) -> Result<(), Lost> {
        self.paced_until = None;
        if self.is_full(mail) || !mail.client().may_send() || !self.works.iter().any(Work::has_more) {
            return Ok(());
        }
        self.paced_until = self.hub.pace.borrow().waits_until(Instant::now());
        if self.paced_until.is_some() {
            return Ok(());
        }
        let Some(work) = self.works.iter_mut().find(|work| work.has_more()) else { return Ok(()) };
        let Some((copy, places)) = work.next_copy(self.most_recipients) else { return Ok(()) };
        let transaction =
            Transaction { dsn: Some(&copy.dsn), ..Transaction::new(&copy.from, &copy.to, copy.declared) };
        self.hub.pace.borrow_mut().started(places.len(), Instant::now());
        let id = mail.client().send(&transaction);
        work.started(id, places);
        self.open = Some((id, copy.splices));
        self.transactions += 1;
        Ok(mail.flush().await?)
    }

    /// Returns whether the server takes no further message on this connection.
    fn is_full(&self, mail: &mut MailClient) -> bool {
        // From the eleventh message of a connection, Exim only queues (smtp_accept_queue_per_connection).
        let of_exim = mail.greeting().contains("Exim").then_some(limits::MESSAGES_TO_EXIM);
        let most = [mail.client().server().max_transactions, of_exim].into_iter().flatten().min();
        most.is_some_and(|most| self.transactions >= most)
    }

    async fn happened(&mut self, event: ClientEvent, mail: &mut MailClient) -> Result<(), Lost> {
        match event {
            ClientEvent::Ready => Ok(()),
            ClientEvent::SendBody { transaction } => self.write_message(transaction, mail).await,
            ClientEvent::Outcome { transaction, recipient, phase, reply } => {
                self.outcome(&Outcome { id: transaction, recipient, phase, reply: &reply })
            }
            ClientEvent::Closed { why, .. } => Err(Lost::Closed(why)),
            ClientEvent::StartTls | ClientEvent::Refused { .. } => {
                unreachable!("TLS and AUTH are done before the first transaction")
            }
        }
    }

    fn outcome(&mut self, outcome: &Outcome<'_>) -> Result<(), Lost> {
        let work = self.works.iter_mut().find(|work| work.has(outcome.id));
        let work = work.expect("a transaction belongs to a batch");
        let then = work.outcome(outcome, &mut self.hub.refusals.borrow_mut());
        if outcome.reply.is_positive() {
            self.hub.works();
        }
        match then {
            Then::Continue => {
                self.has_settled = true;
                Ok(())
            }
            Then::EndBatch => Ok(()),
            Then::OfferAgain => {
                self.most_recipients = self.most_recipients.min(outcome.recipient);
                Ok(())
            }
            Then::StopAll => {
                self.hub.stop(&outcome.reply.to_string());
                Err(Lost::Refuses)
            }
        }
    }

    /// Writes the message of a transaction, without the final dot. Its end goes out with the dot, or while that waits.
    async fn write_message(&mut self, id: TransactionId, mail: &mut MailClient) -> Result<(), Lost> {
        let (open, splices) = self.open.take().expect("a message is asked for once");
        assert_eq!(open, id, "the server asks for the message of the last transaction");
        let work = self.works.iter().find(|work| work.has(id)).expect("a transaction belongs to a batch");
        work.waits_for_message(id, &mut self.hub.refusals.borrow_mut());
        let mut offset = 0;
        loop {
            let chunk = work.prepared.chunk(&*self.hub.store, offset).await?.ok_or(Lost::NoMessage)?;
            for piece in splices.pieces(offset, &chunk.octets, chunk.is_last) {
                mail.body(piece).await?;
            }
            offset += chunk.octets.len() as u64;
            if chunk.is_last {
                self.written = Some(id);
                return Ok(());
            }
        }
    }

    /// Ends the message that is written, if the mark of its batch is durable.
    async fn end_message(&mut self, mail: &mut MailClient) -> Result<(), Lost> {
        let Some(id) = self.written else { return Ok(()) };
        let is_marked = self.works.iter().any(|work| work.has(id) && work.is_marked);
        if !is_marked {
            return Ok(());
        }
        self.written = None;
        mail.client().end_of_body();
        // The next transaction goes out with the dot.
        self.send_next(mail).await?;
        Ok(mail.flush().await?)
    }
}

/// Waits until a time; forever if there is none.
async fn sleep_until(time: Option<Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time.into()).await,
        None => std::future::pending().await,
    }
}

/// Waits for a commit in progress, and takes it.
async fn finished(advance: &mut Option<Advancing>) -> (Result<Vec<Claimed>, StoreError>, Advance) {
    let task = &mut advance.as_mut().expect("it was asked for while there is one").task;
    let joined = joined(task.await);
    let Advancing { advance, .. } = advance.take().expect("it is there");
    (joined, advance)
}

fn joined(task: Result<Result<Vec<Claimed>, StoreError>, JoinError>) -> Result<Vec<Claimed>, StoreError> {
    task.unwrap_or_else(|_| Err(StoreError::panicked("outgoing")))
}

/// Returns the result of a batch whose post cannot be prepared: it is tried again if the store cannot be read now, or if
/// another version can send it; otherwise it never can.
fn not_prepared(batch: &Claimed, why: &NotPrepared) -> BatchResult {
    let reply = format!("not sent: {why}");
    let (exceptions, end) = match why {
        NotPrepared::Store(_) | NotPrepared::Panicked | NotPrepared::Notice(_) => {
            let pause = Pause::Free(back_off(batch.attempts + 1));
            (Vec::new(), BatchEnd::Again { settled: None, sent: 0, pause, why: reply, doubted: 0 })
        }
        NotPrepared::NoMessage | NotPrepared::Header(_) | NotPrepared::Settings(_) => {
            let rejected =
                |recipient: &Recipient| (recipient.clone(), Exception::Rejected { reply: reply.clone() });
            (batch.recipients.iter().map(rejected).collect(), BatchEnd::Done { sent: 0, reply })
        }
    };
    BatchResult { batch: batch.batch, exceptions, end }
}
