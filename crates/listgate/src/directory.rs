//! What an address is, and whether it takes mail now: the one answer of RCPT, socketmap and `listgate check`.

use crate::backends::Addresses;
use crate::capacity::Capacity;
use crate::config::RefuseAt;
use crate::limits;
use crate::model::{Changes, Endpoint, List, Name, Names, NotTaken, StoreError};
use crate::route::{self, Lookup, Rules};
use listgate_lmtp::ForwardPath;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The addresses of a site.
pub(crate) struct Directory {
    pub(crate) store: Arc<dyn Addresses>,
    pub(crate) rules: Rules,
    pub(crate) capacity: Arc<Capacity>,
    pub(crate) refuse_at: RefuseAt,
}

impl Directory {
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
        route::route(path, size, &self.rules, &self.asked(asked)).await
    }

    /// The endpoint that an address is, whether or not its list takes mail now.
    ///
    /// # Errors
    /// It is none, or the backend could not be asked.
    pub(crate) async fn belongs_to_a_list(&self, path: &ForwardPath) -> Result<Endpoint, NotTaken> {
        route::resolve(path, &self.rules, &self.asked(Instant::now())).await
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

    fn asked(&self, at: Instant) -> Asked<'_> {
        Asked { store: &*self.store, at }
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

/// Answers a question that was asked at a moment: no answer is older than that.
struct Asked<'d> {
    store: &'d dyn Addresses,
    at: Instant,
}

impl Lookup for Asked<'_> {
    async fn find(&self, names: &Names) -> Result<Option<Arc<List>>, StoreError> {
        self.store.find(names, self.at).await
    }

    async fn serves(&self, domain: &str) -> Result<bool, StoreError> {
        self.store.serves(domain).await
    }
}
