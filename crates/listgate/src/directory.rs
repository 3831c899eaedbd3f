//! What an address is, and whether it takes mail now: the one answer of RCPT, socketmap and `listgate check`.

use crate::backends::Addresses;
use crate::capacity::Capacity;
use crate::config::{Config, RefuseAt};
use crate::limits;
use crate::model::{Changes, Endpoint, ListAddress, Name, Names, NotTaken, Role, StoreError};
use crate::route::{self, Rules};
use listgate_lmtp::ForwardPath;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The addresses of a site.
pub(crate) struct Directory {
    store: Arc<dyn Addresses>,
    pub(crate) rules: Rules,
    capacity: Arc<Capacity>,
    refuse_at: RefuseAt,
}

impl Directory {
    /// The addresses that `store` has, as the configuration reads them.
    pub(crate) fn new(config: &Config, store: Arc<dyn Addresses>, capacity: Arc<Capacity>) -> Self {
        let rules = Rules { verp_delimiter: config.verp_delimiter, postmaster: config.postmaster.clone() };
        Self { store, rules, capacity, refuse_at: config.refuse_at }
    }

    /// The endpoint that an address is, if it takes a message of `size` octets now, as far as that is known.
    ///
    /// # Errors
    /// Why it does not, whether or not RCPT says so.
    pub(crate) async fn takes(
        &self,
        path: &ForwardPath,
        size: Option<u64>,
        asked: Instant,
    ) -> Result<Endpoint, NotTaken> {
        let endpoint = self.accepts(path, size, asked).await?;
        self.has_room(endpoint.role.queue()).await.map(|()| endpoint)
    }

    /// The same, whether or not the queue has room.
    ///
    /// # Errors
    /// As for [`takes`](Self::takes).
    pub(crate) async fn accepts(
        &self,
        path: &ForwardPath,
        size: Option<u64>,
        asked: Instant,
    ) -> Result<Endpoint, NotTaken> {
        let endpoint = self.find(path, asked).await?;
        endpoint.takes(size).map(|()| endpoint)
    }

    /// The endpoint that an address is, whether or not its list takes mail now. No answer is older than `asked`.
    ///
    /// # Errors
    /// It is none, or the backend could not be asked.
    pub(crate) async fn find(&self, path: &ForwardPath, asked: Instant) -> Result<Endpoint, NotTaken> {
        match path {
            ForwardPath::Postmaster => self.postmaster(asked).await,
            ForwardPath::Mailbox(mailbox) => {
                let reading = route::read(mailbox, &self.rules);
                if let Some(list) = self.store.find(&reading.names, asked).await? {
                    let by_whole_name = list.address.local == reading.names.whole;
                    let role = if by_whole_name { Role::Post } else { reading.role };
                    return Ok(Endpoint { list, role, detail: reading.detail });
                }
                let Names { whole, domain, .. } = &reading.names;
                if whole != "postmaster" {
                    return Err(NotTaken::NoSuchList);
                }
                if self.rules.postmaster.is_some() && !self.store.serves(domain).await? {
                    return Err(NotTaken::NoSuchList);
                }
                self.postmaster(asked).await
            }
        }
    }

    /// The owners of the list that is named for the postmasters.
    async fn postmaster(&self, asked: Instant) -> Result<Endpoint, NotTaken> {
        let ListAddress { local, domain } = self.rules.postmaster.clone().ok_or(NotTaken::NoPostmaster)?;
        let names = Names { whole: local, base: None, domain };
        let list = self.store.find(&names, asked).await?.ok_or(NotTaken::NoPostmaster)?;
        Ok(Endpoint { list, role: Role::Owner, detail: None })
    }

    /// Whether mail to a domain is ours.
    ///
    /// # Errors
    /// The backend could not be asked.
    pub(crate) async fn serves(&self, domain: &str) -> Result<bool, NotTaken> {
        Ok(self.store.serves(domain).await?)
    }

    /// How often lists and domains had changed when the question came.
    ///
    /// # Errors
    /// The backend could not be asked.
    pub(crate) async fn changes(&self, asked: Instant) -> Result<Option<Changes>, StoreError> {
        self.store.changes(asked).await
    }

    /// Whether RCPT is answered with the refusal, and not the recipient after the data. A doubt of ours is said at
    /// once, whatever `refuse_at` says.
    pub(crate) fn is_refused_at_rcpt(&self, why: &NotTaken) -> bool {
        why.is_temporary() || self.refuse_at == RefuseAt::Rcpt
    }

    /// Whether a queue takes another entry. Others empty it, so one that looks full is looked at again.
    async fn has_room(&self, queue: Name) -> Result<(), NotTaken> {
        let space = self.store.space().await?;
        let mut depth = self.store.depth(queue, limits::DEPTH_AGE).await?;
        if self.capacity.is_full(depth, space) {
            depth = self.store.depth(queue, Duration::ZERO).await?;
        }
        self.capacity.admits(queue, depth, space)
    }
}
