//! The worker: leases entries, has them processed in parallel, extends their leases, and settles them.

use super::body::Body;
use super::error::WorkError;
use super::plan::{Plan, Stop};
use super::processor::{Outcome, Processor, Report};
use super::progress::Progress;
use crate::backends::{Answer, LeaseRequest, LeaseStore, Leased};
use crate::error_chain::Chain;
use crate::limits;
use crate::model::{Entry, Lease, LeaseId, NotStepped, Stale, Step, StoreError, Verdict};
use crate::queue::Error;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::sync::{oneshot, watch};
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, sleep_until};

/// A lease and when it ends. `until` is that time or slightly later.
struct Held {
    lease: Arc<Lease>,
    until: SystemTime,
}

impl Held {
    fn new(lease: Lease) -> Self {
        let until = lease.entry.state.until().expect("what was just leased is leased until some time");
        Self { lease: Arc::new(lease), until }
    }
}

/// An entry that is being processed.
struct Running {
    held: Held,
    started: Instant,
    stop: oneshot::Sender<()>,
    /// How many decisions about it were outdated.
    outdated: u32,
}

/// An entry with a decision that is not settled yet.
struct Ended {
    held: Held,
    step: Step,
    /// Reports the decision, in place of the worker's own line in the log.
    report: Option<Report>,
    /// How long the entry was processed.
    took: Duration,
    /// How many decisions about it were outdated before this one.
    outdated: u32,
}

pub(crate) struct Worker<P> {
    store: Arc<dyn LeaseStore>,
    processor: Arc<P>,
    plan: Plan,
    /// How soon the worker is asked to end.
    requested: watch::Receiver<Stop>,
    /// The value of `requested` that the worker last acted on.
    stop: Stop,
    /// The list whose turn was last.
    turn: String,
    tasks: JoinSet<Outcome>,
    running: HashMap<Id, Running>,
    ended: Vec<Ended>,
    /// The worker leases and settles nothing before this time, after the store could not be read or written.
    resume: Instant,
    /// When the store must stop waiting for other processes; `None`: no such time is set.
    patience: Option<Instant>,
    /// When the leases were last extended, by the wall clock, which also determines when they end.
    extended: SystemTime,
    progress: Progress,
    /// The reason why no entry can be processed, if that is so.
    broken: Option<WorkError>,
}

impl<P: Processor> Worker<P> {
    /// Creates a worker that ends when `requested` says so.
    pub(crate) fn new(
        store: Arc<dyn LeaseStore>,
        processor: P,
        plan: Plan,
        requested: watch::Receiver<Stop>,
    ) -> Self {
        Self {
            store,
            processor: Arc::new(processor),
            requested,
            stop: Stop::default(),
            turn: String::new(),
            tasks: JoinSet::new(),
            running: HashMap::new(),
            ended: Vec::new(),
            resume: Instant::now(),
            patience: None,
            extended: SystemTime::now(),
            progress: Progress::new(plan.progress.clone()),
            broken: None,
            plan,
        }
    }

    /// Works until it is asked to end or no entry can be processed, or, if the plan is to drain the queue, until
    /// no entry is left to lease.
    ///
    /// # Errors
    /// No entry can be processed, the store is closed, or the worker was asked to end at once.
    pub(crate) async fn run(mut self) -> Result<(), WorkError> {
        let mut extend = interval(self.plan.lease / 3);
        extend.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut arrivals = self.store.arrivals();
        while !(self.stop == Stop::AtOnce && self.running.is_empty()) {
            self.settle().await?;
            let through = !self.lease().await? && self.plan.drain || self.is_ending();
            if through && self.running.is_empty() && self.ended.is_empty() {
                break;
            }
            let pause = self.pause_before_a_look(arrivals.is_some());
            tokio::select! {
                Some(ended) = self.tasks.join_next_with_id() => self.ended(ended),
                () = sleep(pause) => {}
                () = arrived(&mut arrivals) => {}
                _ = extend.tick() => self.extend().await?,
                Ok(()) = self.requested.changed() => self.act_on_stop_request(),
            }
            // Several may have ended: settle them together.
            while let Some(ended) = self.tasks.try_join_next_with_id() {
                self.ended(ended);
            }
            self.progress.draw(self.running.len());
        }
        // A last attempt, even if the store was unavailable a moment ago.
        self.resume = Instant::now();
        self.settle().await?;
        self.progress.end();
        match (self.stop, self.broken) {
            (Stop::AtOnce, _) => Err(WorkError::Stopped { leased: still_leased(&self.ended) }),
            (_, Some(why)) => Err(why),
            (_, None) => Ok(()),
        }
    }

    /// Leases as many entries as there is room for. Returns whether there may be more to lease.
    async fn lease(&mut self) -> Result<bool, WorkError> {
        if self.is_ending() {
            return Ok(false);
        }
        // If the machine slept or its clock was set forward, the leases of entries that are being processed here
        // may have lapsed. Extend them first, so that those entries are not leased again.
        let since = SystemTime::now().duration_since(self.extended).unwrap_or_default();
        if since > self.plan.lease / 2 && !self.is_paused() {
            self.extend().await?;
        }
        let max = self.plan.jobs - self.running.len();
        if max == 0 || self.is_paused() {
            return Ok(true);
        }
        let Plan { queue, ordered, lease: hold, .. } = self.plan;
        let request = LeaseRequest { queue, ordered, max, hold, turn: self.turn.clone() };
        let store = Arc::clone(&self.store);
        let Leased { leases, turn } = match self.answer(store.lease(request)).await {
            Ok(leased) => leased,
            Err(_) if self.is_ending() => return Ok(false),
            Err(why) => {
                self.pause(why)?;
                return Ok(true);
            }
        };
        self.turn = turn;
        let some = !leases.is_empty();
        for held in leases.into_iter().map(Held::new) {
            match self.adopt(held) {
                None => {}
                // The lease arrived after the worker was asked to end.
                Some(held) if self.is_ending() => self.decided(held, Verdict::Release),
                Some(held) => self.start(held, 0),
            }
        }
        Ok(some)
    }

    /// Continues an entry that is already being processed here under a new lease: the old lease lapsed while this
    /// process was suspended. Returns the lease of any other entry.
    fn adopt(&mut self, held: Held) -> Option<Held> {
        let id = &held.lease.entry.id;
        if let Some(running) = self.running.values_mut().find(|running| running.held.lease.entry.id == *id) {
            running.held = held;
        } else if let Some(ended) = self.ended.iter_mut().find(|ended| ended.held.lease.entry.id == *id) {
            ended.step = ended.step.clone().under(held.lease.id());
            ended.held = held;
        } else {
            return Some(held);
        }
        None
    }

    fn start(&mut self, held: Held, outdated: u32) {
        let entry = &held.lease.entry;
        // Its consumers may all have been killed before they could settle it.
        if entry.attempts > self.plan.max_attempts {
            let last = entry.state.reason().unwrap_or("no reason is known");
            let why = format!("given up after {} attempts: {last}", self.plan.max_attempts);
            return self.decided(held, Verdict::Shunt { why });
        }
        let (stop, stopped) = oneshot::channel();
        let (processor, lease) = (Arc::clone(&self.processor), Arc::clone(&held.lease));
        let body = Body::new(Arc::clone(&self.store), &lease);
        let task = self.tasks.spawn(async move { processor.process(&lease, body, stopped).await });
        self.running.insert(task.id(), Running { held, started: Instant::now(), stop, outdated });
    }

    fn ended(&mut self, ended: Result<(Id, Outcome), JoinError>) {
        let (id, outcome) = match ended {
            Ok(ended) => ended,
            Err(why) => (why.id(), Outcome::Failed { why: format!("cannot run it: {why}") }),
        };
        let Running { held, started, outdated, .. } =
            self.running.remove(&id).expect("each task has its entry");
        let mut report = None;
        let step = match outcome {
            Outcome::Decided(step) => step.under(held.lease.id()),
            Outcome::Reported(step, decision) => {
                report = Some(decision);
                step.under(held.lease.id())
            }
            Outcome::Failed { why } => {
                Step::settling(held.lease.id(), failure(&held.lease, why, self.plan.max_attempts))
            }
            Outcome::Released => Step::settling(held.lease.id(), Verdict::Release),
            Outcome::Broken(why) => {
                self.broken.get_or_insert(WorkError::Processor(why));
                Step::settling(held.lease.id(), Verdict::Release)
            }
        };
        self.ended.push(Ended { held, step, report, took: started.elapsed(), outdated });
    }

    fn decided(&mut self, held: Held, verdict: Verdict) {
        let step = Step::settling(held.lease.id(), verdict);
        self.ended.push(Ended { held, step, report: None, took: Duration::ZERO, outdated: 0 });
    }

    /// Settles the entries whose processing has ended, one commit at a time. Retries those that cannot be settled
    /// now for as long as their leases last.
    async fn settle(&mut self) -> Result<(), WorkError> {
        while !self.ended.is_empty() && !self.is_paused() {
            let some = self.ended.len().min(limits::COMMIT_STEPS);
            let steps = self.ended[..some].iter().map(|ended| ended.step.clone()).collect();
            let store = Arc::clone(&self.store);
            let stepped = match self.answer(store.step(steps)).await {
                Ok(stepped) => stepped,
                Err(why) => return self.pause(why),
            };
            let settled: Vec<Ended> = self.ended.drain(..some).collect();
            for (ended, stepped) in settled.into_iter().zip(stepped) {
                self.settled(ended, stepped.map(drop))?;
            }
        }
        Ok(())
    }

    fn settled(&mut self, ended: Ended, settled: Result<(), NotStepped>) -> Result<(), WorkError> {
        if matches!(settled, Err(NotStepped::Outdated)) {
            self.processor.outdated(&ended.held.lease);
        }
        match settled {
            Ok(()) => {
                let verdict = verdict_on(&ended.held.lease, &ended.step);
                self.progress.count(verdict);
                match ended.report {
                    Some(Report(report)) => report(ended.took),
                    None => log(&ended.held.lease.entry, verdict, ended.took),
                }
            }
            Err(NotStepped::Stale) => tracing::warn!(
                id = %ended.held.lease.entry.id,
                "its lease had lapsed, or it was removed: the verdict does not count"
            ),
            // Something that the decision relied on has changed, so process the entry again if there is time.
            Err(NotStepped::Outdated) if self.stop == Stop::AtOnce => {
                self.decided(ended.held, Verdict::Release);
            }
            Err(NotStepped::Outdated) if ended.outdated < limits::DECIDED_AGAIN => {
                self.start(ended.held, ended.outdated + 1);
            }
            Err(NotStepped::Outdated) => {
                let why = "what its decision relied on kept changing".to_owned();
                let verdict = failure(&ended.held.lease, why, self.plan.max_attempts);
                self.decided(ended.held, verdict);
            }
            Err(NotStepped::Store(why)) => {
                self.ended.push(ended);
                self.pause(why)?;
            }
        }
        Ok(())
    }

    /// Extends all leases. Each call to the store is one commit, so that the ends recorded here agree with the
    /// store.
    async fn extend(&mut self) -> Result<(), WorkError> {
        let running: Vec<(Option<Id>, LeaseId)> =
            self.running.iter().map(|(id, running)| (Some(*id), running.held.lease.id())).collect();
        let ended = self.ended.iter().map(|ended| (None, ended.held.lease.id()));
        let all: Vec<(Option<Id>, LeaseId)> = running.into_iter().chain(ended).collect();
        let began = SystemTime::now();
        for some in all.chunks(limits::SETTLED_AT_ONCE) {
            let store = Arc::clone(&self.store);
            let leases = some.iter().map(|(_, lease)| *lease).collect();
            let extended = match self.answer(store.extend(leases, self.plan.lease)).await {
                Ok(extended) => extended,
                Err(why) => return self.pause(why),
            };
            let until = SystemTime::now() + self.plan.lease;
            for ((task, lease), extended) in some.iter().zip(extended) {
                self.extended_one(*task, *lease, extended.map(|()| until));
            }
        }
        self.extended = began;
        Ok(())
    }

    fn extended_one(&mut self, task: Option<Id>, lease: LeaseId, until: Result<SystemTime, Stale>) {
        let running = task.and_then(|task| self.running.get_mut(&task)).map(|running| &mut running.held);
        let ended = self.ended.iter_mut().map(|ended| &mut ended.held);
        let held = running.into_iter().chain(ended).find(|held| held.lease.id() == lease);
        match (until, held, task) {
            (Ok(until), Some(held), _) => held.until = until,
            // Another consumer has the entry or will lease it, or it was removed: stop processing it here.
            (Err(Stale), _, Some(task)) => self.stop_one(task),
            _ => {}
        }
    }

    fn stop_one(&mut self, id: Id) {
        if let Some(running) = self.running.get_mut(&id) {
            let (gone, _) = oneshot::channel();
            // The task may have ended by itself.
            let _ = std::mem::replace(&mut running.stop, gone).send(());
        }
    }

    /// Waits for the store's answer, and acts on requests to end while it waits. Once the time `patience` has
    /// come, the store stops waiting for processes that have it locked: the call then fails and has changed
    /// nothing.
    async fn answer<T>(&mut self, mut answer: Answer<'_, T>) -> Result<T, StoreError> {
        if self.stop == Stop::AtOnce && self.patience.is_some() {
            self.patience = Some(Instant::now() + limits::LAST_SETTLE);
        }
        loop {
            let patience = self.patience;
            tokio::select! {
                answer = &mut answer => return answer,
                Ok(()) = self.requested.changed() => self.act_on_stop_request(),
                () = sleep_until(patience.unwrap_or_else(Instant::now)), if patience.is_some() => {
                    self.patience = None;
                    self.store.stop_waiting_for_locks();
                }
            }
        }
    }

    /// Acts on the latest request to end.
    fn act_on_stop_request(&mut self) {
        self.stop = *self.requested.borrow_and_update();
        match self.stop {
            Stop::Never => {}
            Stop::Finish => {
                if self.running.is_empty() && self.ended.is_empty() {
                    self.patience = Some(Instant::now());
                }
            }
            Stop::AtOnce => {
                self.patience = Some(Instant::now() + limits::LAST_SETTLE);
                let ids: Vec<Id> = self.running.keys().copied().collect();
                ids.into_iter().for_each(|id| self.stop_one(id));
            }
        }
    }

    /// Returns when to look for entries again. `is_notified`: whether the store says when mail was stored.
    fn pause_before_a_look(&self, is_notified: bool) -> Duration {
        if is_notified && !self.is_paused() { limits::SLOW_POLL } else { limits::POLL }
    }

    /// Returns whether the worker leases no more entries.
    fn is_ending(&self) -> bool {
        self.stop > Stop::Never || self.broken.is_some()
    }

    fn is_paused(&self) -> bool {
        Instant::now() < self.resume
    }

    /// Pauses leasing and settling if the error may pass; returns any other error.
    fn pause(&mut self, why: StoreError) -> Result<(), WorkError> {
        let why = Error::unavailable(why);
        let Error::Unavailable(_) = why else { return Err(why.into()) };
        if self.stop == Stop::AtOnce {
            tracing::warn!("{}", Chain(&why));
        } else {
            tracing::warn!("{}; trying again", Chain(&why));
        }
        self.resume = Instant::now() + limits::STORE_PAUSE;
        Ok(())
    }
}

/// Waits until mail was stored; forever if the store does not say.
async fn arrived(arrivals: &mut Option<watch::Receiver<()>>) {
    if let Some(arrivals) = arrivals
        && arrivals.changed().await.is_ok()
    {
        return;
    }
    std::future::pending().await
}

/// Returns the verdict of the step that was decided for the entry of `lease`.
fn verdict_on<'s>(lease: &Lease, step: &'s Step) -> &'s Verdict {
    let (settled, verdict) = step.settle().expect("a decision about an entry settles it");
    assert_eq!(*settled, lease.id(), "a decision about an entry settles no other");
    verdict
}

/// Returns the verdict on a failed attempt: retry, or shunt after the last attempt.
fn failure(lease: &Lease, why: String, max_attempts: u32) -> Verdict {
    if lease.entry.attempts < max_attempts {
        Verdict::Retry { after: lease.back_off(), why }
    } else {
        Verdict::Shunt { why: format!("given up after {max_attempts} attempts: {why}") }
    }
}

/// Returns the entries that could not be settled and whose leases have not lapsed, with the end of each lease.
fn still_leased(ended: &[Ended]) -> Vec<(crate::model::Id, SystemTime)> {
    let now = SystemTime::now();
    let still = ended.iter().map(|ended| &ended.held).filter(|held| held.until > now);
    still.map(|held| (held.lease.entry.id.clone(), held.until)).collect()
}

/// Writes one log line for an entry that was settled.
fn log(entry: &Entry, verdict: &Verdict, took: Duration) {
    let (word, why) = match verdict {
        Verdict::Done => ("done", ""),
        Verdict::Retry { why, .. } => ("deferred", why.as_str()),
        Verdict::Shunt { why } => ("shunted", why.as_str()),
        Verdict::Release => ("released", ""),
    };
    let ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    let (id, list) = (&entry.id, &entry.list_id);
    if why.is_empty() {
        tracing::info!(%id, list, attempt = entry.attempts, ms, "{word}");
    } else {
        tracing::warn!(%id, list, attempt = entry.attempts, ms, why, "{word}");
    }
}
