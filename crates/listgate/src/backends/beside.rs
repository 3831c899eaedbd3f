//! A home as the commands beside the gate see it: they look, and remove.

use super::mailman::{self, SiteError, beside::Look};
use super::sqlite::errors::failed;
use super::sqlite::{DataDir, HomeError, lists, msgdata, queues};
use crate::model::List;
use crate::model::Space;
use crate::model::{
    Arrival, Change, Depth, Entry, EntryError, EntryId, Id, Msgdata, Name, StoreError, Stored,
};
use crate::model::{Endpoint, Names};
use crate::route::Lookup;
use listgate_lmtp::Refusal;
use rusqlite::Connection;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;
use tokio::time::Instant;

/// A home that somebody else may be serving.
pub(crate) enum Beside {
    Sqlite { connection: Connection, data: DataDir },
    Mailman(Box<Look>),
}

impl Beside {
    pub(crate) fn sqlite(data: &DataDir) -> Result<Self, HomeError> {
        Ok(Self::Sqlite { connection: data.open()?, data: data.clone() })
    }

    pub(crate) fn mailman(cfg: Option<&Path>) -> Result<Self, SiteError> {
        Ok(Self::Mailman(Box::new(Look::open(cfg)?)))
    }

    /// The domains whose mail is ours, aliases too.
    pub(crate) async fn domains(&self) -> Result<Vec<String>, StoreError> {
        match self {
            Self::Sqlite { connection, .. } => {
                let domains = lists::domains(connection).map_err(failed("look up the domains"))?;
                Ok(domains.into_iter().map(|domain| domain.name).collect())
            }
            Self::Mailman(look) => look.lists.domains().await,
        }
    }

    /// The metadata of an entry, as far as it is known without a message. `owner` is the site's owner.
    pub(crate) fn msgdata(&self, endpoint: &Endpoint, owner: &str) -> Msgdata {
        match self {
            Self::Sqlite { .. } => {
                serde_json::from_str(&msgdata::json(endpoint, 0, owner)).expect("it is an object")
            }
            Self::Mailman(_) => mailman::msgdata(endpoint, 0, owner),
        }
    }

    /// How full a queue is, and what there is room for; `None` where no gate counts them.
    pub(crate) fn room(&self, queue: Name) -> Result<Option<(Depth, Space)>, StoreError> {
        let Self::Sqlite { connection, data } = self else { return Ok(None) };
        let depth = queues::depth(connection, queue).map_err(failed("look how full the queue is"))?;
        let unused = connection
            .pragma_query_value(None, "freelist_count", |row| row.get(0))
            .map_err(failed("count the free pages"))?;
        let space = data
            .space(unused)
            .map_err(|source| StoreError::file("ask for the free space of", data.path(), source))?;
        Ok(Some((depth, space)))
    }

    /// The entries of a queue, as far as they are counted.
    pub(crate) fn each_arrival(&self, queue: Name, each: impl FnMut(Arrival<'_>)) -> Result<(), StoreError> {
        match self {
            Self::Sqlite { connection, .. } => {
                queues::each_arrival(connection, queue, each).map_err(failed("read the queue"))
            }
            Self::Mailman(look) => look.each_arrival(queue, each),
        }
    }

    /// Hands every entry to `each`, oldest first, or only those of one queue or one Message-ID.
    pub(crate) fn each_entry<E: From<StoreError>>(
        &self,
        queue: Option<Name>,
        message_id: Option<&str>,
        each: impl FnMut(Entry) -> Result<(), E>,
    ) -> Result<(), E> {
        match self {
            Self::Sqlite { connection, .. } => queues::each_entry(connection, queue, message_id, each),
            Self::Mailman(look) => look.each_entry(queue, message_id, each),
        }
    }

    /// An entry, without its message.
    pub(crate) fn entry(&self, id: &Id) -> Result<Entry, EntryError> {
        let found = match (self, id) {
            (Self::Sqlite { connection, .. }, Id::Entry(id)) => {
                queues::entry(connection, *id).map_err(failed("read the entry"))?
            }
            (Self::Mailman(look), Id::File(name)) => Some(look.entry(name)?.0),
            (Self::Sqlite { .. }, Id::File(_)) | (Self::Mailman(_), Id::Entry(_)) => None,
        };
        found.ok_or_else(|| EntryError::Missing(id.clone()))
    }

    /// The message of an entry as stored.
    pub(crate) fn message(&self, id: &Id) -> Result<Vec<u8>, EntryError> {
        let found = match (self, id) {
            (Self::Sqlite { connection, data }, Id::Entry(id)) => {
                let spool = data.spool();
                queues::message(connection, &spool, *id)?.map(|message| whole(message, &spool)).transpose()?
            }
            (Self::Mailman(look), Id::File(name)) => Some(look.entry(name)?.1),
            (Self::Sqlite { .. }, Id::File(_)) | (Self::Mailman(_), Id::Entry(_)) => None,
        };
        found.ok_or_else(|| EntryError::Missing(id.clone()))
    }

    /// Removes entries, all or none.
    pub(crate) fn remove(&mut self, ids: &[Id]) -> Result<(), EntryError> {
        match self {
            Self::Sqlite { connection, .. } => queues::remove(connection, &of_ours(ids)?),
            Self::Mailman(look) => look.remove(ids),
        }
    }

    /// Holds, releases or retries entries, all or none.
    pub(crate) fn change(&mut self, ids: &[Id], change: Change) -> Result<(), EntryError> {
        match self {
            Self::Sqlite { connection, .. } => queues::change(connection, &of_ours(ids)?, change),
            Self::Mailman(_) => Err(EntryError::Mailmans),
        }
    }
}

fn of_ours(ids: &[Id]) -> Result<Vec<EntryId>, EntryError> {
    let each = ids.iter().map(|id| match id {
        Id::Entry(id) => Ok(*id),
        Id::File(_) => Err(EntryError::Missing(id.clone())),
    });
    each.collect()
}

fn whole(mut message: Stored, spool: &Path) -> Result<Vec<u8>, StoreError> {
    let mut octets = Vec::new();
    let read = message.read_to_end(&mut octets);
    read.map(|_| octets).map_err(|source| StoreError::file("read a message in", spool, source))
}

impl Lookup for Beside {
    async fn find(&self, names: &Names) -> Result<Option<Arc<List>>, Refusal> {
        let found = match self {
            Self::Sqlite { connection, .. } => {
                lists::find(connection, names).map_err(failed("look up the list"))
            }
            Self::Mailman(look) => look.lists.find(names, Instant::now()).await,
        };
        found.map(|list| list.map(Arc::new)).map_err(|why| why.refusal())
    }

    async fn serves(&self, domain: &str) -> Result<bool, Refusal> {
        let found = match self {
            Self::Sqlite { connection, .. } => {
                lists::serves(connection, domain).map_err(failed("look up the domain"))
            }
            Self::Mailman(look) => look.lists.serves(domain).await,
        };
        found.map_err(|why| why.refusal())
    }
}
