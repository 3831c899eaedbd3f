//! What the connections to the mail server share.

use super::copies::{NotPrepared, Prepared};
use super::pace::Pace;
use super::refusals::Refusals;
use super::settings::{OutgoingSettings, Reloadable};
use super::signer::Signer;
use super::tally::back_off;
use crate::backends::EngineStore;
use crate::guard::{Panicked, guarded};
use crate::limits;
use crate::metrics::Metrics;
use crate::model::{
    BatchEnd, BatchResult, ClaimRequest, Claimed, Clock, Contents, Exception, PostId, StoreError, WayOut,
};
use crate::services::Named;
use crate::texts::Texts;
use listgate_engine::token::Day;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::watch;
use tokio::time::interval_at;

/// What the connections to the mail server share. They run on one thread.
pub(super) struct Hub {
    pub(super) store: Arc<dyn EngineStore>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) refusals: RefCell<Refusals>,
    pub(super) pace: RefCell<Pace>,
    /// The maximum number of recipients of a batch that share a copy, and of a transaction.
    pub(super) max_recipients: usize,
    reloadable: watch::Receiver<Reloadable>,
    clock: Clock,
    delimiter: char,
    texts: Texts,
    /// Whether mail that Listgate writes has the envelope sender `<>`.
    null_sender: bool,
    /// The last posts that were prepared.
    prepared: RefCell<VecDeque<(PostId, Rc<Prepared>)>>,
    /// How often in a row the server could not be used, and until when it is left alone.
    failures: Cell<u32>,
    resume: Cell<Instant>,
    /// Why the server refuses all mail, if it does.
    stopped: RefCell<Option<String>>,
    /// Whether the server has taken a message since the start.
    has_worked: Cell<bool>,
    /// Recipients who were sent a post since the last line about the progress.
    sent: Cell<u64>,
    /// A change of that which is not stored yet.
    way_out: RefCell<Option<WayOut>>,
}

impl Hub {
    pub(super) fn new(
        store: Arc<dyn EngineStore>,
        metrics: Arc<Metrics>,
        clock: Clock,
        (settings, reloadable): (&OutgoingSettings, watch::Receiver<Reloadable>),
    ) -> Self {
        let OutgoingSettings { max_recipients, max_rate, delimiter, .. } = *settings;
        let pace = Pace::new(max_rate);
        Self {
            store,
            metrics,
            refusals: RefCell::default(),
            max_recipients: max_recipients.min(pace.most_at_once()),
            pace: RefCell::new(pace),
            reloadable,
            clock,
            delimiter,
            texts: settings.texts.clone(),
            null_sender: settings.null_sender,
            prepared: RefCell::default(),
            failures: Cell::new(0),
            resume: Cell::new(Instant::now()),
            stopped: RefCell::default(),
            has_worked: Cell::new(false),
            sent: Cell::new(0),
            // An alarm of an earlier run is over until the server refuses again.
            way_out: RefCell::new(Some(WayOut::Untried)),
        }
    }

    /// Returns what a batch is sent with: its post, prepared, and what signs its addresses.
    ///
    /// # Errors
    /// The post cannot be prepared, or the keys cannot be read.
    pub(super) async fn equip(&self, batch: &Claimed) -> Result<(Rc<Prepared>, Signer), NotPrepared> {
        let signer = self.signer().await?;
        Ok((self.prepare(batch, &signer).await?, signer))
    }

    /// Returns the post of a batch, prepared.
    ///
    /// # Errors
    /// It cannot be prepared.
    async fn prepare(&self, batch: &Claimed, signer: &Signer) -> Result<Rc<Prepared>, NotPrepared> {
        let found = self.prepared.borrow().iter().find(|(post, _)| *post == batch.post).cloned();
        if let Some((_, prepared)) = found {
            return Ok(prepared);
        }
        // A message may meet an error in the code. The others go on.
        let prepared =
            guarded(pin!(Prepared::new(&*self.store, batch, (&self.texts, self.null_sender), signer))).await;
        let prepared = Rc::new(prepared.map_err(|Panicked| NotPrepared::Panicked)??);
        if matches!(batch.contents, Contents::Notice(_)) {
            // It has one copy, or a few, so the others stay ready.
            return Ok(prepared);
        }
        let mut all = self.prepared.borrow_mut();
        all.push_front((batch.post, Rc::clone(&prepared)));
        all.truncate(limits::PREPARED_POSTS);
        Ok(prepared)
    }

    /// Forgets a post that was prepared, so that its message is read again.
    pub(super) fn forget(&self, post: PostId) {
        self.prepared.borrow_mut().retain(|(other, _)| *other != post);
    }

    /// Returns what signs addresses now.
    async fn signer(&self) -> Result<Signer, StoreError> {
        let seconds = u64::try_from(self.clock.milliseconds() / 1000).unwrap_or(0);
        let keys = self.store.keys().await?;
        Ok(Signer { keys, today: Day::of_seconds(seconds), delimiter: self.delimiter })
    }

    /// Returns when the server may be used again; a time in the past if it may be used now.
    pub(super) fn resume(&self) -> Instant {
        self.resume.get()
    }

    /// Notes that the server could not be used: it is left alone for a time. Several connections that fail at the same time
    /// are one failure.
    pub(super) fn failed(&self) {
        if self.resume.get() > Instant::now() {
            return;
        }
        self.failures.set(self.failures.get().saturating_add(1));
        let pause = (back_off(self.failures.get()) / 10).min(limits::ABSENT_PAUSE);
        self.resume.set(Instant::now() + pause);
    }

    /// Notes that the server refuses all mail.
    pub(super) fn stop(&self, why: &str) {
        self.failed();
        let mut stopped = self.stopped.borrow_mut();
        if stopped.is_none() {
            tracing::error!("the mail server refuses all mail, so it waits here: {why}");
            *self.way_out.borrow_mut() = Some(WayOut::Stopped(why.to_owned()));
        }
        *stopped = Some(why.to_owned());
    }

    /// Notes that the server has taken a message.
    pub(super) fn works(&self) {
        self.failures.set(0);
        let was_stopped = self.stopped.borrow_mut().take().is_some();
        if was_stopped {
            tracing::info!("the mail server takes mail again");
        }
        // It may have refused all mail in an earlier run.
        if was_stopped || !self.has_worked.replace(true) {
            *self.way_out.borrow_mut() = Some(WayOut::Open);
        }
    }

    /// Returns whether the server refuses all mail. One connection tries it then.
    pub(super) fn is_stopped(&self) -> bool {
        self.stopped.borrow().is_some()
    }

    /// Takes the change of the way out that is to be stored.
    pub(super) fn take_way_out(&self) -> Option<WayOut> {
        self.way_out.borrow_mut().take()
    }

    /// Puts back a change that could not be stored, unless there is a later one.
    pub(super) fn put_back(&self, way_out: Option<WayOut>) {
        let mut latest = self.way_out.borrow_mut();
        *latest = latest.take().or(way_out);
    }

    /// Returns what a connection claims at a time.
    pub(super) fn claim(&self) -> ClaimRequest {
        ClaimRequest { batches: 1, bulk: self.max_recipients, personal: limits::PERSONAL_BATCH }
    }

    /// Logs now and then how far large posts have come, forever. A post that is sent within one interval gets no line.
    pub(super) async fn report_progress(&self) {
        let every = limits::OUTGOING_PROGRESS;
        let mut ticks = interval_at(tokio::time::Instant::now() + every, every);
        loop {
            ticks.tick().await;
            let sent = self.sent.take();
            if sent > 0
                && let Ok(left @ 1..) = self.store.left().await
            {
                let per_second = sent / every.as_secs();
                tracing::info!(sent, per_second, left, "posts are being sent");
            }
        }
    }

    /// Counts and logs what became of a batch.
    pub(super) fn finished(&self, result: &BatchResult) {
        let mut refused = 0_u64;
        let mut deferred = 0_u64;
        let mut rejected = 0_u64;
        for (recipient, exception) in &result.exceptions {
            match exception {
                Exception::Refused { reply } => {
                    refused += 1;
                    let recipient = Named::new(&recipient.address, self.reloadable.borrow().mask_addresses);
                    tracing::warn!(batch = result.batch.0, %recipient, reply, "refused");
                }
                Exception::Deferred { .. } => deferred += 1,
                Exception::Rejected { .. } => rejected += 1,
            }
        }
        let (sent, doubted, reply) = match &result.end {
            BatchEnd::Done { sent, reply } => (*sent, 0, reply),
            BatchEnd::Again { sent, doubted, why, .. } => (*sent, *doubted, why),
        };
        self.sent.set(self.sent.get() + sent);
        self.metrics.left([
            ("sent", sent),
            ("refused", refused),
            ("deferred", deferred),
            ("rejected", rejected),
            ("doubted", doubted),
        ]);
        let batch = result.batch.0;
        if doubted > 0 {
            tracing::warn!(batch, doubted, reply, "the reply is missing: these recipients may get it twice");
        }
        match &result.end {
            BatchEnd::Done { .. } if rejected == 0 => {
                tracing::info!(batch, sent, refused, deferred, reply, "sent");
            }
            BatchEnd::Done { .. } => tracing::warn!(batch, sent, rejected, reply, "rejected"),
            BatchEnd::Again { sent: 0, .. } => tracing::info!(batch, refused, deferred, reply, "not sent"),
            BatchEnd::Again { .. } => tracing::info!(batch, sent, refused, deferred, reply, "sent in part"),
        }
    }
}
