//! The rows of a delivery: its message, its entries, and what is remembered of it.

use super::msgdata;
use super::redelivery_index::{self, FirstEntries, FirstEntry, RedeliveryIndex};
use crate::backends::delivery::Delivery;
use crate::backends::recent_puts::RecentPuts;
use crate::limits;
use crate::message::Body;
use crate::model::Clock;
use crate::model::Redelivery;
use crate::model::milliseconds;
use crate::model::{Addressed, Depth, Duplicate, EntryId, Fingerprint, Name};
use rusqlite::{CachedStatement, Connection, params};
use std::collections::HashMap;

/// The operator's choices about how mail is stored.
pub(crate) struct Choices {
    pub(crate) redelivery: Redelivery,
    /// The envelope sender of mail to a list's owners.
    pub(crate) owner: String,
    pub(crate) clock: Clock,
}

/// Delivery ids, taken in blocks.
#[derive(Clone, Copy)]
pub(super) struct Ids {
    pub(super) next: i64,
    /// The last id that the database records as taken.
    up_to: i64,
}

impl Ids {
    pub(super) fn read(connection: &Connection) -> rusqlite::Result<Self> {
        let up_to = connection.query_row("SELECT up_to FROM minted", [], |row| row.get(0))?;
        Ok(Self { next: up_to + 1, up_to })
    }

    /// Returns the next id. A new block is taken in the transaction that uses its first id.
    fn mint(&mut self, connection: &Connection) -> rusqlite::Result<i64> {
        if self.next > self.up_to {
            self.up_to = self.next + limits::IDS_IN_A_BLOCK - 1;
            connection.prepare_cached("UPDATE minted SET up_to = ?1")?.execute([self.up_to])?;
        }
        self.next += 1;
        Ok(self.next - 1)
    }
}

/// The entry stored for one recipient.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stored {
    pub(super) id: EntryId,
    pub(super) duplicate: Duplicate,
}

/// The outcome of a delivery.
pub(super) struct StoredDelivery {
    /// One for each recipient.
    pub(super) stored: Vec<Stored>,
    /// Whether the delivery was already stored, and only its answer was lost. These are then the entries stored at
    /// that time.
    pub(super) is_repeated: bool,
}

/// The statements that each message needs. They are prepared once for a commit, because even finding a prepared one
/// for each message costs a tenth of executing it.
pub(super) struct Statements<'c> {
    message: CachedStatement<'c>,
    entry: CachedStatement<'c>,
    lookup: CachedStatement<'c>,
}

impl<'c> Statements<'c> {
    pub(super) fn prepare(connection: &'c Connection) -> rusqlite::Result<Self> {
        Ok(Self {
            message: connection.prepare_cached(
                "INSERT INTO delivery (id, received_at, mail_from, message_id, peer, lhlo, transport, original_size,
                                       size, spool, body)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
            )?,
            entry: connection.prepare_cached(
                "INSERT INTO entry (delivery, n, queue, available_at, received_at, list_id, recipient, detail, msgdata,
                                    received_lines, from_list, auto_submitted, precedence, repeats)
                 VALUES (?1, ?2, ?3, ?4, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
            )?,
            lookup: redelivery_index::prepare_lookup(connection)?,
        })
    }
}

/// What one transaction writes. None of it is valid before the commit; the writer takes over the ids only then.
pub(super) struct Storing<'c> {
    pub(super) connection: &'c Connection,
    pub(super) statements: Statements<'c>,
    pub(super) choices: &'c Choices,
    /// The mail received before this transaction; `new` has the mail received in it.
    pub(super) redeliveries: &'c RedeliveryIndex,
    pub(super) new: FirstEntries,
    /// The puts before this transaction, by key; `put` has those in it.
    pub(super) recent: &'c RecentPuts<Stored>,
    pub(super) put: RecentPuts<Stored>,
    pub(super) ids: Ids,
    /// How much each queue grows, in the order of [`Name::ALL`].
    pub(super) growth: [Depth; Name::ALL.len()],
}

impl Storing<'_> {
    /// Inserts a delivery and its entries, unless a delivery with the same key was already put.
    pub(super) fn put(&mut self, delivery: &Delivery) -> rusqlite::Result<StoredDelivery> {
        let before = self.recent.get(delivery.key);
        if let Some(stored) = before.or_else(|| self.put.get(delivery.key)) {
            return Ok(StoredDelivery { stored, is_repeated: true });
        }
        let stored = self.insert(delivery)?;
        self.put.note(delivery.key, stored.iter().copied());
        Ok(StoredDelivery { stored, is_repeated: false })
    }

    /// Inserts a delivery's message and entries. Recipients with the same endpoint and detail share one entry.
    fn insert(&mut self, delivery: &Delivery) -> rusqlite::Result<Vec<Stored>> {
        // Most mail is new. One query finds that out for all recipients.
        let is_repeat = self.is_repeat(delivery)?;
        // The message is inserted with the first entry: a suppressed delivery has none.
        let mut delivery_id = None;
        let mut n = 0;
        let at = milliseconds(delivery.envelope.received_at);
        let mut stored_for = HashMap::new();
        let mut all = Vec::new();
        for addressed in &delivery.to {
            let endpoint = &addressed.endpoint;
            let key = (&endpoint.list.list_id, endpoint.role, &endpoint.detail);
            if let Some(stored) = stored_for.get(&key) {
                all.push(*stored);
                continue;
            }
            let fingerprint = Fingerprint::new(&delivery.message.digest, endpoint);
            let first =
                if is_repeat { self.find_earlier_copy(fingerprint, &endpoint.list.list_id)? } else { None };
            let stored = match first {
                Some((id, duplicate)) if self.suppresses(delivery) => Stored { id, duplicate },
                _ => {
                    let id = match delivery_id {
                        Some(id) => id,
                        None => self.insert_message(delivery)?,
                    };
                    delivery_id = Some(id);
                    n += 1;
                    let id = EntryId { delivery: id, n };
                    if first.is_none() && self.choices.redelivery != Redelivery::Off {
                        self.new.insert(fingerprint, FirstEntry { id, at });
                    }
                    self.insert_entry(id, delivery, addressed, first.map(|(first, _)| first))?;
                    Stored { id, duplicate: if first.is_some() { Duplicate::Marked } else { Duplicate::No } }
                }
            };
            if delivery.to.len() > 1 {
                stored_for.insert(key, stored);
            }
            all.push(stored);
        }
        Ok(all)
    }

    /// Writes the rows that a transaction has once: what is remembered, and how much the queues have grown.
    pub(super) fn finish(&self) -> rusqlite::Result<()> {
        redelivery_index::record(self.connection, &self.new)?;
        for (queue, growth) in
            Name::ALL.into_iter().zip(&self.growth).filter(|(_, growth)| growth.entries > 0)
        {
            // With RETURNING, SQLite would create a table in memory and a journal each time, 64 KiB or more.
            let sql = "UPDATE queue_size SET entries = entries + ?2, octets = octets + ?3 WHERE queue = ?1";
            let added = params![queue.as_str(), growth.entries, growth.octets];
            self.connection.prepare_cached(sql)?.execute(added)?;
        }
        Ok(())
    }

    /// Returns whether this delivery is suppressed if it was received before. A message without a Received line is not,
    /// because it may have been sent twice on purpose, for example by a script.
    fn suppresses(&self, delivery: &Delivery) -> bool {
        self.choices.redelivery == Redelivery::Suppress && delivery.message.facts.received_lines() > 0
    }

    /// Returns whether the message was received before, for any recipient.
    fn is_repeat(&mut self, delivery: &Delivery) -> rusqlite::Result<bool> {
        let digest = &delivery.message.digest;
        Ok(self.choices.redelivery != Redelivery::Off
            && (self.new.range(Fingerprint::all_of(digest)).next().is_some()
                || self.redeliveries.has(&mut self.statements.lookup, digest)?))
    }

    /// Returns the entry of an earlier copy of this mail, and whether it still waits or was handled. Returns `None`
    /// if there was no earlier copy, or if an operator removed its entry or its list.
    fn find_earlier_copy(
        &self,
        fingerprint: Fingerprint,
        list_id: &str,
    ) -> rusqlite::Result<Option<(EntryId, Duplicate)>> {
        if let Some(first) = self.new.get(&fingerprint) {
            return Ok(Some((first.id, Duplicate::Suppressed)));
        }
        let Some(FirstEntry { id, at }) = self.redeliveries.find(self.connection, fingerprint)? else {
            return Ok(None);
        };
        let in_queue = "SELECT 1 FROM entry WHERE delivery = ?1 AND n = ?2";
        if self.connection.prepare_cached(in_queue)?.exists([id.delivery, id.n])? {
            return Ok(Some((id, Duplicate::Suppressed)));
        }
        let removed = "SELECT 1 FROM removed WHERE delivery = ?1 AND n = ?2
                       UNION ALL SELECT 1 FROM list WHERE list_id = ?3 AND created_at > ?4";
        let removed =
            self.connection.prepare_cached(removed)?.exists(params![id.delivery, id.n, list_id, at])?;
        Ok(if removed { None } else { Some((id, Duplicate::Handled)) })
    }

    fn insert_message(&mut self, delivery: &Delivery) -> rusqlite::Result<i64> {
        let Delivery { envelope, message, .. } = delivery;
        let (spool, in_row) = match &message.body {
            Body::Memory(octets) => (None, Some(octets)),
            Body::Spooled(spooled) => (Some(spooled.name()), None),
        };
        let id = self.ids.mint(self.connection)?;
        self.statements.message.execute(params![
            id,
            milliseconds(envelope.received_at),
            envelope.mail_from.to_string(),
            message.message_id,
            envelope.peer,
            envelope.lhlo,
            envelope.transport,
            message.original_size,
            message.body.len(),
            spool,
            in_row,
        ])?;
        Ok(id)
    }

    fn insert_entry(
        &mut self,
        id: EntryId,
        Delivery { envelope, message, .. }: &Delivery,
        addressed: &Addressed,
        first: Option<EntryId>,
    ) -> rusqlite::Result<()> {
        let Addressed { recipient, endpoint } = addressed;
        let queue = endpoint.role.queue();
        let received_at = milliseconds(envelope.received_at);
        self.statements.entry.execute(params![
            id.delivery,
            id.n,
            queue.as_str(),
            received_at,
            endpoint.list.list_id,
            recipient,
            endpoint.detail,
            msgdata::json(endpoint, message.original_size, &self.choices.owner),
            message.facts.received_lines(),
            message.facts.is_from(&endpoint.list),
            message.facts.auto_submitted(),
            message.facts.precedence(),
            first.map(|first| first.to_string()),
        ])?;
        let growth = &mut self.growth[queue as usize];
        growth.entries += 1;
        growth.octets += message.body.len();
        Ok(())
    }
}
