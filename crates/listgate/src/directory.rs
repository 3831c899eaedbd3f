//! Resolves an address and decides whether it takes mail now. RCPT, socketmap and `listgate check` all get their
//! answers here.

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
    /// Creates a directory of the addresses in `store`, read by the rules of the configuration.
    pub(crate) fn new(config: &Config, store: Arc<dyn Addresses>, capacity: Arc<Capacity>) -> Self {
        let rules = Rules { verp_delimiter: config.verp_delimiter, postmaster: config.postmaster.clone() };
        Self { store, rules, capacity, refuse_at: config.refuse_at }
    }

    /// Returns the endpoint of an address if it takes a message of `size` octets now, as far as that is known.
    ///
    /// # Errors
    /// The reason it does not, whether or not RCPT reports it.
    pub(crate) async fn takes(
        &self,
        path: &ForwardPath,
        size: Option<u64>,
        asked_at: Instant,
    ) -> Result<Endpoint, NotTaken> {
        let endpoint = self.accepts(path, size, asked_at).await?;
        self.has_room(endpoint.role.queue()).await.map(|()| endpoint)
    }

    /// Returns the endpoint like [`takes`](Self::takes), but whether or not the queue has room.
    ///
    /// # Errors
    /// As for [`takes`](Self::takes).
    pub(crate) async fn accepts(
        &self,
        path: &ForwardPath,
        size: Option<u64>,
        asked_at: Instant,
    ) -> Result<Endpoint, NotTaken> {
        let endpoint = self.find(path, asked_at).await?;
        endpoint.takes(size).map(|()| endpoint)
    }

    /// Returns the endpoint of an address, whether or not its list takes mail now. A negative answer is never older
    /// than `asked_at`.
    ///
    /// # Errors
    /// The address has no endpoint, or the backend could not be queried.
    pub(crate) async fn find(&self, path: &ForwardPath, asked_at: Instant) -> Result<Endpoint, NotTaken> {
        match path {
            ForwardPath::Postmaster => self.postmaster(asked_at).await,
            ForwardPath::Mailbox(mailbox) => {
                let reading = route::read(mailbox, &self.rules);
                if let Some(list) = self.store.find(&reading.names, asked_at).await? {
                    let by_whole_name = list.is_named(&reading.names.whole);
                    let role = if by_whole_name { Role::Post } else { reading.role };
                    return Ok(Endpoint { list, role, detail: reading.detail });
                }
                let Names { whole, domain, .. } = &reading.names;
                if whole != "postmaster" && whole != "abuse" {
                    return Err(NotTaken::NoSuchList);
                }
                if self.rules.postmaster.is_some() && !self.store.serves(domain).await? {
                    return Err(NotTaken::NoSuchList);
                }
                self.postmaster(asked_at).await
            }
        }
    }

    /// Returns the owners of the list that is configured for the postmasters.
    async fn postmaster(&self, asked_at: Instant) -> Result<Endpoint, NotTaken> {
        let ListAddress { local, domain } = self.rules.postmaster.clone().ok_or(NotTaken::NoPostmaster)?;
        let names = Names { whole: local, base: None, domain };
        let list = self.store.find(&names, asked_at).await?.ok_or(NotTaken::NoPostmaster)?;
        Ok(Endpoint { list, role: Role::Owner, detail: None })
    }

    /// Returns whether mail to a domain belongs to this site.
    ///
    /// # Errors
    /// The backend could not be queried.
    pub(crate) async fn serves(&self, domain: &str) -> Result<bool, NotTaken> {
        Ok(self.store.serves(domain).await?)
    }

    /// Returns how often lists and domains had changed at a moment not before `asked_at`; `None` if changes are not
    /// counted.
    ///
    /// # Errors
    /// The backend could not be queried.
    pub(crate) async fn changes(&self, asked_at: Instant) -> Result<Option<Changes>, StoreError> {
        self.store.changes(asked_at).await
    }

    /// Returns whether the refusal is the reply to RCPT, rather than the recipient's reply after the data. A
    /// temporary refusal is reported at once, whatever `refuse_at` is.
    pub(crate) fn is_refused_at_rcpt(&self, why: &NotTaken) -> bool {
        why.is_temporary() || self.refuse_at == RefuseAt::Rcpt
    }

    /// Checks that a queue takes another entry. Other processes empty it, so one that looks full is checked again.
    async fn has_room(&self, queue: Name) -> Result<(), NotTaken> {
        let space = self.store.space().await?;
        let mut depth = self.store.depth(queue, limits::DEPTH_AGE).await?;
        if self.capacity.is_full(depth, space) {
            depth = self.store.depth(queue, Duration::ZERO).await?;
        }
        self.capacity.admits(queue, depth, space)
    }
}
