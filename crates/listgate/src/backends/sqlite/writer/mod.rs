//! The only thread that writes. It takes the waiting work, writes it in one transaction, commits once and answers
//! every caller. Mail that arrives while rows are written joins their commit, and the work that arrives while a commit
//! is synced is the next batch. If several sessions have begun a message, a commit waits for them for a moment
//! ([`limits::WAIT_FOR_MAIL`]).
//!
//! Leases and steps of this process share the commits of arriving mail. Each step has a savepoint, so that a failed
//! step affects nothing else in the commit. If the disk has no room for the steps, the mail is stored without them.
//!
//! The promise to the mail server depends on this order, for each batch:
//!   1. spool files and their directory were synced before they got here;
//!   2. BEGIN IMMEDIATE, the rows, COMMIT: SQLite appends them to the write-ahead log and syncs it;
//!   3. the files that were written are checked to be still those at their paths;
//!   4. only then is a `Queued` created.
//!
//! A failed write is undone and answered with 451, and the next batch is written as usual. Some failures come after
//! the sync, for example when the log's index cannot grow. Until another commit overwrites such a batch in the log,
//! the next start would find mail that was answered with 451, so its spool files are kept until then.
//!
//! After a failed sync, what the disk holds is unknown, and a second sync may falsely report success (the kernel can
//! mark pages as clean that were never written). So no further statement is executed, the connection is not even
//! closed, and the process ends. The next start writes the whole log again.

#[cfg(test)]
mod tests;

use crate::backends::delivery::{Delivery, NotStored};
use crate::backends::fail_stop::FailStop;
use crate::backends::held::HeldFiles;
use crate::backends::queued::Queued;
use crate::backends::recent_puts::RecentPuts;
use crate::backends::sqlite::connection::{PAGE_SIZE, empty_log};
use crate::backends::sqlite::data_dir::DataDir;
use crate::backends::sqlite::errors::{failed, is_sync_failure};
use crate::backends::sqlite::lists;
use crate::backends::sqlite::log_room::{LogRoom, Pages, log_room};
use crate::backends::sqlite::queues::Depths;
use crate::backends::sqlite::redelivery_index::{FirstEntries, RedeliveryIndex};
use crate::backends::sqlite::store::Choices;
use crate::backends::sqlite::store::{Ids, Statements, Stored, StoredDelivery, Storing};
use crate::backends::sqlite::sweep::sweep;
use crate::backends::sqlite::work::{Batch, PendingDelivery, Promised, Reply, Waiting};
use crate::error_chain::Chain;
use crate::file_error::During;
use crate::limits;
use crate::message::{Body, Spooled};
use crate::metrics::Metrics;
use crate::model::Changes;
use crate::model::{Depth, Id, Name, StoreError, StoreErrorKind, log_wanted};
use rusqlite::{Connection, ErrorCode, ffi};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Instant;
use std::{fs, mem};
use tokio::sync::watch;

/// The operation that errors name when the free space cannot be read.
const ASK_SPACE: &str = "ask for the free space of";

/// What the writer shares with the rest of the gate.
pub(super) struct Watched {
    pub(super) held: Arc<HeldFiles>,
    pub(super) fail_stop: FailStop,
    pub(super) depths: Arc<Depths>,
    pub(super) metrics: Arc<Metrics>,
    /// Changes when mail was stored.
    pub(super) arrived: watch::Sender<()>,
    /// Changes when a post was stored.
    pub(super) posted: watch::Sender<()>,
}

pub(super) struct Writer {
    connection: Connection,
    data: DataDir,
    held: Arc<HeldFiles>,
    fail_stop: FailStop,
    /// Pages in the write-ahead log after the last commit, as SQLite reports them to its hook.
    wal_pages: Arc<AtomicU32>,
    ids: Ids,
    choices: Choices,
    redeliveries: RedeliveryIndex,
    recent: RecentPuts<Stored>,
    uncertain: UncertainFiles,
    /// Whether there was less than ample space at the last commit.
    is_scarce: bool,
    /// When the spool files of finished mail were last removed.
    removed: Instant,
    /// When rows that are no longer needed were last removed.
    swept: Instant,
    depths: Arc<Depths>,
    metrics: Arc<Metrics>,
    arrived: watch::Sender<()>,
    posted: watch::Sender<()>,
}

impl Writer {
    pub(super) fn new(
        mut connection: Connection,
        data: DataDir,
        choices: Choices,
        Watched { held, fail_stop, depths, metrics, arrived, posted }: Watched,
    ) -> rusqlite::Result<Self> {
        let wal_pages = Arc::new(AtomicU32::new(0));
        let shared = Arc::clone(&wal_pages);
        connection.wal_hook(Some(move |_: &mut rusqlite::hooks::Wal, pages: i32| {
            shared.store(u32::try_from(pages).unwrap_or(0), Ordering::Relaxed);
            Ok(())
        }))?;
        let ids = Ids::read(&connection)?;
        let redeliveries = RedeliveryIndex::read(&connection)?;
        let (uncertain, removed) = (UncertainFiles::default(), Instant::now());
        Ok(Self {
            connection,
            data,
            held,
            fail_stop,
            wal_pages,
            ids,
            choices,
            redeliveries,
            recent: RecentPuts::default(),
            uncertain,
            is_scarce: false,
            removed,
            swept: removed,
            depths,
            metrics,
            arrived,
            posted,
        })
    }

    /// Returns the number of pages in the write-ahead log, which is updated after each commit.
    pub(super) fn wal_pages(&self) -> Arc<AtomicU32> {
        Arc::clone(&self.wal_pages)
    }

    /// Runs until the backend is dropped or has failed.
    pub(super) fn run(mut self, mut waiting: Waiting) {
        loop {
            match waiting.next(limits::IDLE) {
                Ok(batch) => {
                    self.write(batch, &mut waiting);
                    if self.wal_pages.load(Ordering::Relaxed) >= limits::CHECKPOINT_PAGES || self.is_short() {
                        // If mail never pauses, this is the only opportunity.
                        self.checkpoint();
                        if self.redeliveries.is_full() {
                            self.move_fingerprints();
                        }
                    }
                    if self.removed.elapsed() >= limits::IDLE {
                        self.remove_discarded();
                    }
                    if self.swept.elapsed() >= limits::SWEPT_WHEN_BUSY {
                        self.sweep();
                    }
                }
                Err(mpsc::RecvTimeoutError::Timeout) => self.tidy(),
                Err(mpsc::RecvTimeoutError::Disconnected) => break,
            }
            if self.fail_stop.is_set() {
                // Closing would sync the log again, and that sync would report success.
                mem::forget(self.connection);
                return;
            }
        }
        self.move_all_fingerprints();
        if !self.fail_stop.is_set() {
            self.checkpoint();
        }
        if self.fail_stop.is_set() {
            mem::forget(self.connection);
        }
    }

    /// Writes a batch in one transaction, with the mail that comes while its rows are written, and answers all of it.
    fn write(&mut self, mut batch: Batch, waiting: &mut Waiting) {
        if batch.is_empty() {
            return;
        }
        if let Err(why) = self.make_room(&batch.deliveries) {
            self.after_failure(&why, "the mail server will try again");
            for pending in mem::take(&mut batch.deliveries) {
                let _ = pending.answer.send(Err(why.clone().into()));
            }
            if batch.is_empty() {
                return;
            }
        }
        let since = Instant::now();
        match self.commit(&mut batch, waiting) {
            Ok(_) if !self.files_are_ours() => abandon(batch),
            Ok((stored, replies)) => {
                if !batch.deliveries.is_empty() {
                    self.metrics.committed(batch.deliveries.len(), since);
                }
                let has_written = stored.iter().any(has_a_row);
                for (pending, stored) in batch.deliveries.into_iter().zip(stored) {
                    // The mail stays queued even if the session no longer waits for the answer.
                    let _ = pending.answer.send(Ok(promise(pending.delivery, stored)));
                }
                let has_posts = batch.requests.iter().any(|pending| pending.request.distributes());
                for (pending, reply) in batch.requests.into_iter().zip(replies) {
                    // If the consumer has gone, its leases lapse.
                    let _ = pending.answer.send(Ok(reply));
                }
                if has_posts {
                    self.posted.send_replace(());
                }
                if has_written {
                    self.arrived.send_replace(());
                    self.uncertain.remove();
                }
            }
            Err(why) => self.not_written(batch, why),
        }
    }

    /// Makes sure that the log has room for this mail, and for the steps of consumers beside and after it. If there
    /// is too little room, the log is first copied into the database.
    ///
    /// # Errors
    /// There is no room for this mail.
    fn make_room(&mut self, deliveries: &[PendingDelivery]) -> Result<(), StoreError> {
        self.is_scarce = self.room()?.is_some();
        if !self.is_scarce || self.has_room(deliveries)? {
            return Ok(());
        }
        self.checkpoint();
        if deliveries.is_empty() || self.has_room(deliveries)? {
            return Ok(());
        }
        let why = "the disk is full but for what consumers need to finish";
        Err(StoreError::database(StoreErrorKind::Full, "store the mail", why))
    }

    /// Returns how far the log may grow, or `None` if there is ample space.
    fn room(&self) -> Result<Option<LogRoom>, StoreError> {
        let in_log = self.wal_pages.load(Ordering::Relaxed).into();
        let free = self.data.space(0).during(ASK_SPACE, self.data.path())?.free;
        if free > limits::AMPLE_SPACE + in_log * PAGE_SIZE {
            return Ok(None);
        }
        let pages = Pages { all: self.count("page_count")?, in_log };
        Ok(Some(log_room(&self.data, pages, free).during(ASK_SPACE, self.data.path())?))
    }

    fn has_room(&self, deliveries: &[PendingDelivery]) -> Result<bool, StoreError> {
        let Some(LogRoom { octets: room, .. }) = self.room()? else { return Ok(true) };
        if deliveries.is_empty() {
            return Ok(room >= limits::SETTLING_RESERVE);
        }
        let of_one = |Delivery { message, to, .. }: &Delivery| {
            message.body.in_row() + limits::RECIPIENT_ROWS * to.len() as u64
        };
        let rows: u64 =
            deliveries.iter().map(|pending| limits::MESSAGE_PAGES + of_one(&pending.delivery)).sum();
        let unused = self.count("freelist_count")? * PAGE_SIZE;
        Ok(room >= log_wanted(rows, unused))
    }

    /// Returns whether the log must be copied at once because the database file has to grow for it. Otherwise
    /// consumers could fill the disk with the log first, and it could no longer be copied.
    fn is_short(&self) -> bool {
        self.is_scarce && matches!(self.room(), Ok(Some(room)) if room.uncopied > 0)
    }

    fn count(&self, pragma: &str) -> Result<u64, StoreError> {
        let count = self.connection.pragma_query_value(None, pragma, |row| row.get(0));
        count.map_err(failed("count the pages"))
    }

    fn not_written(&mut self, batch: Batch, source: rusqlite::Error) {
        let is_undone = is_undone(&source);
        let is_full = source.sqlite_error_code() == Some(ErrorCode::DiskFull);
        let (deliveries, requests) = (batch.deliveries, batch.requests);
        let why = failed(if deliveries.is_empty() { "take steps" } else { "store the mail" })(source);
        let is_mixed = !deliveries.is_empty() && !requests.is_empty();
        for pending in requests {
            let _ = pending.answer.send(Err(why.clone()));
        }
        if is_full && is_mixed {
            self.after_failure(&why, "the mail is stored without the steps beside it");
            // Steps that came meanwhile could fill the disk again, so nothing may join.
            return self.write(Batch::of(deliveries), &mut Waiting::nothing());
        }
        self.after_failure(&why, "the mail server will try again");
        for pending in deliveries {
            let _ = pending.answer.send(Err(why.clone().into()));
            if !is_undone {
                self.uncertain.add(pending.delivery.message.body);
            }
        }
    }

    /// Returns whether the files just synced are still those at their paths.
    fn files_are_ours(&mut self) -> bool {
        let checked = self.held.check();
        if let Err(why) = checked {
            self.after_failure(&why, "the mail server will try again");
            return false;
        }
        true
    }

    /// Writes a batch in one transaction, and adds what joins it. Returns the outcome of each delivery and the reply to
    /// each request.
    fn commit(
        &mut self,
        batch: &mut Batch,
        waiting: &mut Waiting,
    ) -> rusqlite::Result<(Vec<StoredDelivery>, Vec<Reply>)> {
        self.connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        // Waiting for the lock may have taken long. A mail server that was answered with 451 meanwhile sends its
        // mail again.
        batch.deliveries.retain(|pending| !pending.is_cancelled());
        let added = if batch.deliveries.is_empty() { None } else { Some(self.add(batch, waiting)?) };
        let now = self.choices.clock.milliseconds();
        let replies = batch
            .requests
            .iter()
            .map(|pending| pending.run(&self.connection, now))
            .collect::<Result<_, _>>()?;
        self.connection.prepare_cached("COMMIT")?.execute([])?;
        let Some(Added { stored, new, ids, growth }) = added else { return Ok((Vec::new(), replies)) };
        self.ids = ids;
        self.redeliveries.extend(new);
        for (pending, StoredDelivery { stored, .. }) in batch.deliveries.iter().zip(&stored) {
            self.recent.note(pending.delivery.key, stored.iter().copied());
        }
        self.depths.add(&growth);
        Ok((stored, replies))
    }

    /// Writes the rows of these deliveries, and of mail that comes meanwhile, within a transaction.
    fn add(&self, batch: &mut Batch, waiting: &mut Waiting) -> rusqlite::Result<Added> {
        let until = Instant::now() + limits::WAIT_FOR_MAIL;
        let changes = lists::changes(&self.connection)?;
        let mut storing = Storing {
            connection: &self.connection,
            statements: Statements::prepare(&self.connection)?,
            choices: &self.choices,
            redeliveries: &self.redeliveries,
            new: FirstEntries::new(),
            recent: &self.recent,
            put: RecentPuts::default(),
            ids: self.ids,
            growth: Default::default(),
        };
        let mut stored = Vec::with_capacity(batch.deliveries.len());
        return_outdated(&mut batch.deliveries, 0, changes);
        while stored.len() < batch.deliveries.len() {
            for pending in &batch.deliveries[stored.len()..] {
                stored.push(storing.put(&pending.delivery)?);
            }
            // Mail that came meanwhile, or comes in a moment, need not wait for another sync. If space is scarce, it has
            // to wait until it is checked that there is room for it.
            if !self.is_scarce {
                waiting.join_or_wait(batch, until);
                return_outdated(&mut batch.deliveries, stored.len(), changes);
            }
        }
        storing.finish()?;
        let Storing { new, ids, growth, .. } = storing;
        Ok(Added { stored, new, ids, growth })
    }

    fn after_failure(&mut self, why: &StoreError, what_next: &str) {
        self.metrics.failed(why);
        if why.is_final() {
            self.fail_stop.set(why);
            return;
        }
        tracing::error!("{}; {what_next}", Chain(why));
        // SQLite may already have ended the transaction because of the error.
        if !self.connection.is_autocommit()
            && let Err(source) = self.connection.execute_batch("ROLLBACK")
            && is_sync_failure(&source)
        {
            self.fail_stop.set(&failed("undo a failed write")(source));
        }
    }

    /// Copies the log into the database, as far as readers allow.
    fn checkpoint(&mut self) {
        let since = Instant::now();
        let is_ours = self.wal_pages.load(Ordering::Relaxed) > 0;
        let result = self.connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| {
            Ok((row.get(0)?, row.get::<_, i64>(1)?, row.get::<_, i64>(2)?))
        });
        // A checkpoint of what consumers wrote while no mail came is not recorded, because it delays no mail.
        if is_ours {
            self.metrics.checkpointed(since);
        }
        match result {
            Ok((false, log, copied)) if log == copied => {
                self.wal_pages.store(0, Ordering::Relaxed);
                self.unless_stopped("cut the log", Self::cut_log);
            }
            Ok((_, log, copied)) => tracing::debug!("the log is held: {copied} of {log} pages copied"),
            Err(source) => {
                let why = failed("checkpoint")(source);
                self.after_failure(&why, "it is tried again later");
            }
        }
    }

    /// Truncates the log file if it is large. A reader may have made the log grow. All of it is copied and will be
    /// overwritten, but its file would keep its size. If a process is reading it now, a later checkpoint truncates
    /// it.
    fn cut_log(&mut self) -> rusqlite::Result<()> {
        let octets = fs::metadata(self.data.log()).map_or(0, |log| log.len());
        if octets > limits::LARGE_LOG {
            empty_log(&mut self.connection)?;
        }
        Ok(())
    }

    /// Does the work that is left to times when no mail comes.
    fn tidy(&mut self) {
        if !self.files_are_ours() {
            return;
        }
        // Other processes may have committed.
        self.checkpoint();
        self.remove_discarded();
        self.unless_stopped("look how full the queues are", |writer| writer.depths.read(&writer.connection));
        self.move_fingerprints();
        self.sweep();
    }

    /// Removes some rows that are no longer needed.
    fn sweep(&mut self) {
        self.swept = Instant::now();
        let now = self.choices.clock.milliseconds();
        self.unless_stopped("remove old records", |writer| sweep(&writer.connection, now));
    }

    fn remove_discarded(&mut self) {
        self.removed = Instant::now();
        self.unless_stopped("remove spool files", |writer| writer.unlink_discarded());
    }

    /// Moves all recent fingerprints to the ordered table, so that the next start has nothing to read. This stops at
    /// the first failure, because another attempt would fail too, and could take long.
    fn move_all_fingerprints(&mut self) {
        while self.redeliveries.has_recent() && self.move_fingerprints() {}
    }

    /// Moves some recent fingerprints, and returns whether that succeeded.
    fn move_fingerprints(&mut self) -> bool {
        let now = self.choices.clock.milliseconds();
        self.unless_stopped("sort the records of recent mail", |writer| {
            writer.redeliveries.move_run(&writer.connection, now)
        })
    }

    /// Runs `work` unless the backend has failed, and returns whether it succeeded.
    fn unless_stopped(
        &mut self,
        operation: &'static str,
        work: impl FnOnce(&mut Self) -> rusqlite::Result<()>,
    ) -> bool {
        if self.fail_stop.is_set() {
            return false;
        }
        let done = work(self);
        if let Err(source) = done {
            let why = failed(operation)(source);
            self.after_failure(&why, "it is tried again later");
            return false;
        }
        true
    }

    /// Unlinks the files whose rows are gone. Our commit is synced, and with it every earlier one, so no power loss
    /// can bring such a row back.
    fn unlink_discarded(&self) -> rusqlite::Result<()> {
        let none = !self.connection.prepare_cached("SELECT 1 FROM discarded")?.exists([])?;
        if none {
            return Ok(());
        }
        self.connection.execute_batch("BEGIN IMMEDIATE")?;
        let names: Vec<String> = self
            .connection
            .prepare_cached("DELETE FROM discarded RETURNING spool")?
            .query_map([], |row| row.get(0))?
            .collect::<Result<_, _>>()?;
        self.connection.execute_batch("COMMIT")?;
        for name in names {
            let path = self.data.spool().join(name);
            if let Err(why) = fs::remove_file(&path).during("remove", &path) {
                tracing::warn!("{}; the next start will", Chain(&why));
            }
        }
        Ok(())
    }
}

/// What the deliveries of a transaction add. None of it is valid before the commit.
struct Added {
    stored: Vec<StoredDelivery>,
    new: FirstEntries,
    ids: Ids,
    growth: [Depth; Name::ALL.len()],
}

/// Answers a committed batch with errors, so that nothing is promised. Its spool files are kept, because its rows
/// name them.
fn abandon(batch: Batch) {
    let why = StoreError::closed();
    for pending in batch.deliveries {
        let PendingDelivery { mut delivery, answer } = pending;
        if let Body::Spooled(spooled) = &mut delivery.message.body {
            spooled.keep();
        }
        let _ = answer.send(Err(why.clone().into()));
    }
    for pending in batch.requests {
        let _ = pending.answer.send(Err(why.clone()));
    }
}

/// Removes from the batch, from the index `from` on, the deliveries whose endpoints were looked up before lists or
/// domains changed, and returns them to their callers. No process can change lists while the write lock is held, so the
/// endpoints of the remaining deliveries are current when they are stored.
fn return_outdated(batch: &mut Vec<PendingDelivery>, from: usize, now: Changes) {
    let is_outdated =
        |pending: &mut PendingDelivery| pending.delivery.as_of.is_some_and(|as_of| as_of != now);
    for pending in batch.extract_if(from.., is_outdated) {
        // If the receiver was dropped, the mail is dropped with it.
        let _ = pending.answer.send(Err(NotStored::Changed(pending.delivery)));
    }
}

/// The spool files of mail that was deferred although its commit may be on the disk. If they are still here when
/// this is dropped, they are left to the next start, which keeps those that a row names.
#[derive(Default)]
struct UncertainFiles(Vec<Spooled>);

impl UncertainFiles {
    fn add(&mut self, body: Body) {
        if let Body::Spooled(spooled) = body {
            self.0.push(spooled);
        }
    }

    /// Removes the files, after another commit has overwritten theirs in the log and was synced.
    fn remove(&mut self) {
        self.0.clear();
    }
}

impl Drop for UncertainFiles {
    fn drop(&mut self) {
        self.0.iter_mut().for_each(Spooled::keep);
    }
}

/// Returns whether a failed transaction cannot be on the disk: its last page, without which it is not valid, was not
/// written.
fn is_undone(error: &rusqlite::Error) -> bool {
    let code = error.sqlite_error().map(|error| error.extended_code);
    let is_early = matches!(error.sqlite_error_code(), Some(ErrorCode::DiskFull | ErrorCode::DatabaseBusy));
    is_early || code == Some(ffi::SQLITE_IOERR_WRITE)
}

/// Returns whether any row was written for a delivery.
fn has_a_row(put: &StoredDelivery) -> bool {
    !put.is_repeated && put.stored.iter().any(|stored| stored.duplicate.is_stored())
}

/// Creates the proofs for the recipients after the commit, and leaves the spool file to its row.
fn promise(mut delivery: Box<Delivery>, put: StoredDelivery) -> Promised {
    if has_a_row(&put)
        && let Body::Spooled(spooled) = &mut delivery.message.body
    {
        spooled.keep();
    }
    let queued = |Stored { id, duplicate }| Queued::new(Id::Entry(id), duplicate);
    Promised { queued: put.stored.into_iter().map(queued).collect(), _delivery: delivery }
}
