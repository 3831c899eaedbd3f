//! The one thread that writes: it takes what waits, writes it in one transaction, commits once and
//! wakes everybody. There is no timer: while one commit is synced, the next batch gathers.
//!
//! The order that the promise rests on, for each batch:
//!   1. spool files and their directory were synced before they got here;
//!   2. BEGIN IMMEDIATE, the rows, COMMIT: SQLite appends them to the write-ahead log and syncs it;
//!   3. only then is a `Queued` made.
//!
//! A failed write is undone and answered with 451, and the next batch tries anew. After a failed sync
//! nobody knows what the disk holds, and asking again may be answered with a lie (the kernel can mark
//! pages clean that were never written): no further statement is made, the connection is not even
//! closed, and the process ends. The next start writes everything anew.

use super::lists::milliseconds;
use super::{Condemned, Queued, is_sync_failure};
use crate::body::Body;
use crate::limits;
use crate::queue::{Addressed, Delivery, EntryId, Outcomes, Unavailable};
use listgate_lmtp::Refusal;
use rusqlite::{Connection, params};
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, mpsc};
use std::{fs, mem};
use tokio::sync::oneshot;

/// What the writer is asked to do.
pub(super) struct Put {
    pub(super) delivery: Delivery,
    pub(super) answer: oneshot::Sender<Result<Outcomes, Arc<Unavailable>>>,
}

pub(super) struct Writer {
    connection: Connection,
    spool: PathBuf,
    condemned: Condemned,
    /// Pages in the write-ahead log after the last commit, as SQLite tells its hook.
    wal_pages: Arc<AtomicU32>,
    puts: mpsc::Receiver<Put>,
    ids: Ids,
}

/// Delivery ids, taken in blocks.
#[derive(Clone, Copy)]
struct Ids {
    next: i64,
    /// The last one that the database knows to be taken.
    up_to: i64,
}

impl Ids {
    fn read(connection: &Connection) -> rusqlite::Result<Self> {
        let up_to = connection.query_row("SELECT up_to FROM minted", [], |row| row.get(0))?;
        Ok(Self { next: up_to + 1, up_to })
    }

    /// The next id; a new block is taken in the transaction that uses its first.
    fn mint(&mut self, connection: &Connection) -> rusqlite::Result<i64> {
        if self.next > self.up_to {
            self.up_to = self.next + limits::IDS_IN_A_BLOCK - 1;
            connection.prepare_cached("UPDATE minted SET up_to = ?1")?.execute([self.up_to])?;
        }
        self.next += 1;
        Ok(self.next - 1)
    }
}

impl Writer {
    pub(super) fn new(
        mut connection: Connection,
        spool: PathBuf,
        condemned: Condemned,
        puts: mpsc::Receiver<Put>,
    ) -> rusqlite::Result<Self> {
        let wal_pages = Arc::new(AtomicU32::new(0));
        let told = Arc::clone(&wal_pages);
        connection.wal_hook(Some(move |_: &mut rusqlite::hooks::Wal, pages: i32| {
            told.store(u32::try_from(pages).unwrap_or(0), Ordering::Relaxed);
            Ok(())
        }))?;
        let ids = Ids::read(&connection)?;
        Ok(Self { connection, spool, condemned, wal_pages, puts, ids })
    }

    /// Until the home is dropped or the disk has failed.
    pub(super) fn run(mut self) {
        loop {
            match self.puts.recv_timeout(limits::IDLE) {
                Ok(first) => {
                    let batch = self.gather(first);
                    self.write(batch);
                    if self.wal_pages.load(Ordering::Relaxed) >= limits::CHECKPOINT_PAGES {
                        self.checkpoint();
                    }
                }
                Err(mpsc::RecvTimeoutError::Timeout) => self.tidy(),
                Err(mpsc::RecvTimeoutError::Disconnected) => break,
            }
            if self.condemned.is_set() {
                // Closing would sync the log again, and be told that all is well.
                mem::forget(self.connection);
                return;
            }
        }
        self.checkpoint();
        if self.condemned.is_set() {
            mem::forget(self.connection);
        }
    }

    /// What waits, without whoever has gone.
    fn gather(&self, first: Put) -> Vec<Put> {
        let mut batch = Vec::new();
        let mut octets = 0;
        let mut next = Some(first);
        while let Some(put) = next {
            if !put.answer.is_closed() {
                octets += in_row(&put.delivery.message.body).map_or(0, <[u8]>::len);
                batch.push(put);
            }
            let full = octets >= limits::BATCH_BODIES || batch.len() >= limits::BATCH_DELIVERIES;
            next = if full { None } else { self.puts.try_recv().ok() };
        }
        batch
    }

    fn write(&mut self, mut batch: Vec<Put>) {
        if batch.is_empty() {
            return;
        }
        match self.commit(&mut batch) {
            Ok(ids) => {
                for (put, ids) in batch.into_iter().zip(ids) {
                    // Whoever has gone in the meantime has its mail queued all the same.
                    let _ = put.answer.send(Ok(outcomes(put.delivery, ids)));
                }
            }
            Err(source) => {
                let why = Arc::new(Unavailable::Database { operation: "store the mail", source });
                self.after_failure(&why);
                for put in batch {
                    let _ = put.answer.send(Err(Arc::clone(&why)));
                }
            }
        }
    }

    /// One transaction. Gives the ids of each delivery's entries.
    fn commit(&mut self, batch: &mut Vec<Put>) -> rusqlite::Result<Vec<Vec<EntryId>>> {
        self.connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        // The lock may have taken long, and who was told 451 in the meantime sends again.
        batch.retain(|put| !put.answer.is_closed());
        let mut minted = self.ids;
        let connection = &self.connection;
        let stored = batch.iter().map(|put| insert(connection, minted.mint(connection)?, &put.delivery));
        let ids = stored.collect::<Result<_, _>>()?;
        connection.prepare_cached("COMMIT")?.execute([])?;
        self.ids = minted;
        Ok(ids)
    }

    fn after_failure(&mut self, why: &Arc<Unavailable>) {
        if why.is_final() {
            self.condemned.set(why);
            return;
        }
        tracing::error!("{why}; the mail server will try again");
        // An error may or may not have ended the transaction already.
        if !self.connection.is_autocommit()
            && let Err(source) = self.connection.execute_batch("ROLLBACK")
            && is_sync_failure(&source)
        {
            self.condemned.set(&Arc::new(Unavailable::Database { operation: "undo a failed write", source }));
        }
    }

    /// Copies the log into the database, as far as readers allow.
    fn checkpoint(&mut self) {
        let result = self.connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| {
            Ok((row.get::<_, i64>(1)?, row.get::<_, i64>(2)?))
        });
        match result {
            Ok((log, copied)) if log == copied => self.wal_pages.store(0, Ordering::Relaxed),
            Ok((log, copied)) => tracing::debug!("a reader holds the log: {copied} of {log} pages copied"),
            Err(source) => {
                let why = Arc::new(Unavailable::Database { operation: "checkpoint", source });
                self.after_failure(&why);
            }
        }
    }

    /// What is done while no mail comes.
    fn tidy(&mut self) {
        if self.wal_pages.load(Ordering::Relaxed) > 0 {
            self.checkpoint();
        }
        if !self.condemned.is_set()
            && let Err(source) = self.unlink_discarded()
        {
            let why = Arc::new(Unavailable::Database { operation: "remove spool files", source });
            self.after_failure(&why);
        }
    }

    /// Unlinks the files whose rows are gone. Our commit is synced, and with it every commit before
    /// it, so no power loss can bring such a row back.
    fn unlink_discarded(&mut self) -> rusqlite::Result<()> {
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
            let path = self.spool.join(name);
            if let Err(why) = fs::remove_file(&path) {
                tracing::warn!("cannot remove {}: {why}; the next start will", path.display());
            }
        }
        Ok(())
    }
}

fn in_row(body: &Body) -> Option<&[u8]> {
    match body {
        Body::Memory(octets) => Some(octets),
        Body::Spooled(_) => None,
    }
}

/// Inserts a delivery and its entries. The same endpoint and detail twice is one entry.
fn insert(connection: &Connection, id: i64, delivery: &Delivery) -> rusqlite::Result<Vec<EntryId>> {
    let Delivery { envelope, message, to } = delivery;
    let received_at = milliseconds(envelope.received_at);
    let spool = match &message.body {
        Body::Memory(_) => None,
        Body::Spooled(spooled) => Some(spooled.name()),
    };
    connection
        .prepare_cached(
            "INSERT INTO delivery (id, received_at, mail_from, message_id, peer, lhlo, transport, original_size,
                                   size, spool, body)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
        )?
        .execute(params![
            id,
            received_at,
            envelope.mail_from.to_string(),
            message.message_id,
            envelope.peer,
            envelope.lhlo,
            envelope.transport,
            message.original_size,
            message.body.len(),
            spool,
            in_row(&message.body),
        ])?;
    let mut ids = Vec::new();
    let mut seen = HashMap::new();
    for addressed in to.iter().flatten() {
        let Addressed { recipient, endpoint, msgdata } = addressed;
        let next = i64::try_from(seen.len()).expect("recipients are bounded") + 1;
        let key = (&endpoint.list.list_id, endpoint.role, &endpoint.detail);
        let n = *seen.entry(key).or_insert(next);
        ids.push(EntryId { delivery: id, n });
        if n != next {
            continue;
        }
        connection
            .prepare_cached(
                "INSERT INTO entry (delivery, n, queue, available_at, received_at, list_id, recipient, detail, msgdata)
                 VALUES (?1, ?2, ?3, ?4, ?4, ?5, ?6, ?7, ?8)",
            )?
            .execute(params![
                id,
                n,
                endpoint.role.queue().as_str(),
                received_at,
                endpoint.list.list_id,
                recipient.to_string(),
                endpoint.detail,
                serde_json::to_string(msgdata).expect("msgdata is text, numbers and booleans"),
            ])?;
    }
    Ok(ids)
}

/// After the commit: the proof for each recipient, and the spool file belongs to its row.
fn outcomes(delivery: Delivery, ids: Vec<EntryId>) -> Outcomes {
    if let Body::Spooled(spooled) = delivery.message.body {
        spooled.keep();
    }
    let mut ids = ids.into_iter();
    delivery.to.map(|addressed: Result<Addressed, Refusal>| {
        addressed.map(|_| Queued::new(ids.next().expect("an id for each addressed recipient")))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::homes::sqlite::{DataDir, lists};
    use crate::queue::Message;
    use listgate_lmtp::{Event, ForwardPath, PerRecipient, Session, Settings};
    use std::time::{Instant, SystemTime};
    use tokio::sync::watch;

    /// Three recipients, as only a session can name them.
    fn recipients() -> PerRecipient<ForwardPath> {
        let settings = Settings {
            hostname: String::new(),
            software: String::new(),
            bare_newline: crate::BareNewline::Keep,
            limits: listgate_lmtp::Limits::default(),
        };
        let mut session: Session<ForwardPath, String> = Session::new(Arc::new(settings));
        let mut input =
            &b"LHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<a@b>\r\nRCPT TO:<a@b>\r\nRCPT TO:<a+c@b>\r\nDATA\r\n.\r\n"
                [..];
        loop {
            match session.next(Instant::now(), &mut input).unwrap() {
                Event::Mail(_) => session.accept_mail(),
                Event::Recipient(path) => session.accept(path),
                Event::Complete(to) => return to,
                _ => {}
            }
        }
    }

    fn put(size: usize) -> (Put, oneshot::Receiver<Result<Outcomes, Arc<Unavailable>>>) {
        let list = crate::lists::List {
            list_id: "a.b".to_owned(),
            address: "a@b".parse().unwrap(),
            state: crate::lists::ListState::Open,
            max_size: None,
        };
        let to = recipients().map(|recipient| {
            let role = crate::route::Role::Post;
            let detail = recipient.to_string().contains('+').then(|| "c".to_owned());
            let endpoint = crate::route::Endpoint { list: list.clone(), role, detail };
            Ok(Addressed { recipient, msgdata: endpoint.msgdata(0, ""), endpoint })
        });
        let envelope = crate::queue::Envelope {
            mail_from: listgate_lmtp::ReversePath::Null,
            peer: String::new(),
            lhlo: String::new(),
            transport: "LMTP",
            received_at: SystemTime::now(),
        };
        let message =
            Message { body: Body::Memory(vec![b'x'; size]), original_size: 0, message_id: String::new() };
        let (answer, answered) = oneshot::channel();
        (Put { delivery: Delivery { envelope, message, to }, answer }, answered)
    }

    fn ids(answered: oneshot::Receiver<Result<Outcomes, Arc<Unavailable>>>) -> Result<Vec<String>, Refusal> {
        let outcomes = answered.blocking_recv().unwrap().map_err(|why| why.refusal())?;
        Ok(outcomes.iter().map(|outcome| outcome.as_ref().unwrap().to_string()).collect())
    }

    #[test]
    fn a_full_database_is_a_451_and_is_recovered_from_and_no_id_is_given_twice() {
        let dir = tempfile::tempdir().unwrap();
        let data_dir = DataDir::new(dir.path());
        let mut connection = data_dir.open_or_create().unwrap();
        lists::create(&mut connection, &["a@b".parse().unwrap()]).unwrap();
        let pages: u32 = connection.pragma_query_value(None, "page_count", |row| row.get(0)).unwrap();
        connection.pragma_update(None, "max_page_count", pages + 8).unwrap();
        let condemned = Condemned(watch::Sender::new(false));
        let mut writer = Writer::new(connection, data_dir.spool(), condemned, mpsc::channel().1).unwrap();

        let (small, taken) = put(10);
        writer.write(vec![small]);
        assert_eq!(ids(taken), Ok(vec!["1-1".to_owned(), "1-1".to_owned(), "1-2".to_owned()]));
        let (large, put_off) = put(60_000);
        let (beside, put_off_too) = put(10);
        writer.write(vec![beside, large]);
        for refused in [put_off, put_off_too] {
            let refusal = ids(refused).unwrap_err();
            assert_eq!(refusal.to_string(), "451 4.3.1 Requested action aborted: no space, try again later");
        }
        assert!(!writer.condemned.is_set());
        writer.connection.pragma_update(None, "max_page_count", pages + 100).unwrap();
        let (again, taken) = put(60_000);
        let (gone, _) = put(10);
        writer.write(vec![gone, again]);
        assert_eq!(ids(taken).unwrap()[0], "2-1", "whoever has gone is not stored");

        drop(writer);
        let connection = data_dir.open().unwrap();
        let mut ids = Ids::read(&connection).unwrap();
        assert!(ids.mint(&connection).unwrap() > 2);
    }
}
