//! Operations on posts and held posts.

use super::error::OperationError;
use super::open::{console, list_at};
use super::take::take_decided;
use crate::backends::{Console, PostAdmin};
use crate::config::Config;
use crate::engine;
use crate::limits;
use crate::model::{
    BatchId, BatchRecord, HeldId, HeldPost, ListAddress, PostId, PostRecord, RecipientRecord, Seq,
};

/// What becomes of a held post.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Moderation {
    /// It is sent to the members.
    Accept,
    /// It is removed. Its author gets a mail with these words, if the author may get one.
    Reject(Option<String>),
    /// It is removed.
    Discard,
}

/// The posts of one list, or of all.
pub(crate) struct Posts {
    console: Box<dyn Console>,
    /// The name under which the site's mail server writes Authentication-Results.
    authserv_id: Option<String>,
    /// `None`: of all lists.
    list_id: Option<String>,
}

/// Opens the posts and held posts of a list, or of all with `None`.
///
/// # Errors
/// The list does not exist, the backend is a Mailman site, or it cannot be opened.
pub(crate) async fn posts(config: &Config, list: Option<&ListAddress>) -> Result<Posts, OperationError> {
    let console = console(config)?;
    if console.posts().is_none() {
        return Err(OperationError::OfMailman { what: "the posts", instead: "use its web interface" });
    }
    let list_id = match list {
        Some(address) => Some(list_at(&*console, address).await?.list_id.clone()),
        None => None,
    };
    Ok(Posts { console, authserv_id: config.authserv_id.clone(), list_id })
}

impl Posts {
    fn store(&self) -> &dyn PostAdmin {
        self.console.posts().expect("it was checked when this was opened")
    }

    /// Returns the next posts in the order in which they were accepted; none at the end.
    ///
    /// # Errors
    /// The backend fails.
    pub(crate) async fn after(&self, after: PostId) -> Result<Vec<PostRecord>, OperationError> {
        Ok(self.store().posts_after(self.list_id.as_deref(), after, limits::RECORDS_READ).await?)
    }

    /// Returns a post, and about how many of its recipients have not been in any batch yet.
    ///
    /// # Errors
    /// It does not exist, or the backend fails.
    pub(crate) async fn post(&self, id: PostId) -> Result<(PostRecord, u64), OperationError> {
        let post = self.store().post(id).await?.ok_or(OperationError::NoPost(id))?;
        Ok((post, self.store().left_of(id).await?))
    }

    /// Returns the next batches of a post; none at the end.
    ///
    /// # Errors
    /// The backend fails.
    pub(crate) async fn batches(
        &self,
        post: PostId,
        after: BatchId,
    ) -> Result<Vec<BatchRecord>, OperationError> {
        Ok(self.store().batches_after(post, after, limits::RECORDS_READ).await?)
    }

    /// Returns the next recipients of a post who did not get it when it was offered; none at the end.
    ///
    /// # Errors
    /// The backend fails.
    pub(crate) async fn exceptions(
        &self,
        post: PostId,
        after: Option<Seq>,
    ) -> Result<Vec<RecipientRecord>, OperationError> {
        Ok(self.store().exceptions_after(post, after, limits::RECORDS_READ).await?)
    }

    /// Returns the next held posts in the order in which they came; none at the end.
    ///
    /// # Errors
    /// The backend fails.
    pub(crate) async fn held_after(&self, after: HeldId) -> Result<Vec<HeldPost>, OperationError> {
        Ok(self.store().held_after(self.list_id.as_deref(), after, limits::RECORDS_READ).await?)
    }

    /// Returns a held post.
    ///
    /// # Errors
    /// It does not exist, or the backend fails.
    pub(crate) async fn held(&self, id: HeldId) -> Result<HeldPost, OperationError> {
        self.store().held_post(id).await?.ok_or(OperationError::NotHeld(id))
    }

    /// Returns the next octets of a held post's message from `offset` on; none at the end.
    ///
    /// # Errors
    /// The post was decided meanwhile, or the backend fails.
    pub(crate) async fn message(&self, held: &HeldPost, offset: u64) -> Result<Vec<u8>, OperationError> {
        let some = self.store().read(held.message, offset, limits::READ_AT_ONCE).await?;
        some.ok_or(OperationError::NotHeld(held.id))
    }

    /// Accepts, rejects or discards a held post, and records that.
    ///
    /// # Errors
    /// It does not exist, lists change all the time, or the backend fails. It is held as before then.
    pub(crate) async fn decide(&self, id: HeldId, how: &Moderation) -> Result<(), OperationError> {
        let store = self.store();
        let decide = async || {
            let held = self.held(id).await?;
            let step = match how {
                Moderation::Accept => engine::accept(store, &held).await,
                Moderation::Reject(words) => {
                    engine::reject(store, &held, words.as_deref(), self.authserv_id.as_deref()).await
                }
                Moderation::Discard => engine::discard(store, &held).await,
            };
            let step = step.map_err(|source| OperationError::Undecided { id, source })?;
            step.ok_or(OperationError::NotHeld(id))
        };
        take_decided(store, decide, |source| OperationError::NotTaken { id, source }).await
    }
}
