//! The backend of this gate.

use super::delivery::{Delivery, NotStored, Outcomes};
use super::{mailman, sqlite};
use crate::message::{Spool, Style};
use crate::model::{Changes, Depth, List, Name, Names, QueueNow, Space, StoreError};
use listgate_lmtp::ReversePath;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::watch;

/// Where this gate's lists and queues live.
pub(crate) enum Home {
    Sqlite(Box<sqlite::Home>),
    Mailman(Box<mailman::Home>),
}

/// What a Mailman site does is in boxes: asking PostgreSQL has room for a whole handshake, and every
/// transaction of every home would carry that about.
impl Home {
    /// How often lists and domains had changed when that was asked, or since; `None` where nobody counts.
    pub(crate) fn changes(&self, asked: Instant) -> Result<Option<Changes>, StoreError> {
        match self {
            Self::Sqlite(home) => home.changes(asked).map(Some),
            Self::Mailman(_) => Ok(None),
        }
    }

    /// The list that answers for `names`. A no is never older than the question.
    pub(crate) async fn find(&self, names: &Names, asked: Instant) -> Result<Option<Arc<List>>, StoreError> {
        match self {
            Self::Sqlite(home) => home.find(names, asked),
            Self::Mailman(home) => Ok(Box::pin(home.find(names, asked)).await?.map(Arc::new)),
        }
    }

    /// Whether mail to `domain` is ours.
    pub(crate) async fn serves(&self, domain: &str) -> Result<bool, StoreError> {
        match self {
            Self::Sqlite(home) => home.serves(domain),
            Self::Mailman(home) => Box::pin(home.serves(domain)).await,
        }
    }

    /// How many lists there are.
    pub(crate) async fn count_lists(&self) -> Result<u64, StoreError> {
        match self {
            Self::Sqlite(home) => home.count_lists(),
            Self::Mailman(home) => Box::pin(home.count_lists()).await,
        }
    }

    /// What the file systems of the queues and the spool have for mail; it may be [`limits::SPACE_AGE`] old.
    pub(crate) fn space(&self) -> Result<Space, StoreError> {
        match self {
            Self::Sqlite(home) => home.space(),
            Self::Mailman(home) => home.space(),
        }
    }

    /// How full a queue is, as far as was last seen.
    pub(crate) fn depth(&self, queue: Name) -> Depth {
        match self {
            Self::Sqlite(home) => home.depth(queue),
            // Its runners are always there, and their files are not counted at each RCPT.
            Self::Mailman(_) => Depth::default(),
        }
    }

    /// How full a queue is now.
    pub(crate) fn depth_now(&self, queue: Name) -> Result<Depth, StoreError> {
        match self {
            Self::Sqlite(home) => home.depth_now(queue),
            Self::Mailman(_) => Ok(Depth::default()),
        }
    }

    /// The queues as they are now.
    pub(crate) async fn queues_now(&self) -> Result<Vec<QueueNow>, StoreError> {
        match self {
            Self::Sqlite(home) => home.queues_now(),
            Self::Mailman(home) => home.queues_now().await,
        }
    }

    /// The envelope sender as the message and whoever reads it have it.
    pub(crate) fn mail_from(&self, sender: &ReversePath) -> String {
        match self {
            Self::Sqlite(_) => sender.to_string(),
            Self::Mailman(_) => mailman::mail_from(sender),
        }
    }

    /// How a message's header is edited.
    pub(crate) fn style(&self) -> Style {
        match self {
            Self::Sqlite(_) => Style::Plain,
            Self::Mailman(_) => Style::Mailman,
        }
    }

    /// Where large bodies go while they arrive.
    pub(crate) fn spool(&self) -> Spool {
        match self {
            Self::Sqlite(home) => home.spool(),
            Self::Mailman(home) => home.spool(),
        }
    }

    /// Stores a delivery: all or nothing, and one proof for each endpoint. Dropped at its await, either
    /// all of it is stored or nothing.
    pub(crate) async fn put(&self, delivery: Delivery) -> Result<Outcomes, NotStored> {
        match self {
            Self::Sqlite(home) => home.put(delivery).await,
            Self::Mailman(home) => Ok(Box::pin(home.put(delivery)).await?),
        }
    }

    /// Ends the taking of mail for good, after a failed sync.
    pub(crate) fn condemn(&self, why: &StoreError) {
        match self {
            Self::Sqlite(home) => home.condemn(why),
            Self::Mailman(home) => home.condemn(why),
        }
    }

    /// Becomes true when a sync has failed.
    pub(crate) fn condemned(&self) -> watch::Receiver<bool> {
        match self {
            Self::Sqlite(home) => home.condemned(),
            Self::Mailman(home) => home.condemned(),
        }
    }
}
