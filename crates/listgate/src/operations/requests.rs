//! Operations on requests to join or leave a list that wait for an answer.

use super::error::OperationError;
use super::open::{console, engine_runs, list_at};
use super::take::take_decided;
use crate::backends::{Console, PostAdmin};
use crate::config::Config;
use crate::engine;
use crate::limits;
use crate::model::{ListAddress, NamedAddress, Request, RequestId, RequestPhase};

/// What an operator does with a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum OnRequest {
    /// Its address becomes a member, and gets a welcome.
    Accept,
    /// Its address gets a mail about that.
    Reject,
    /// Nobody gets mail about it.
    Remove,
}

/// The requests of one list, or of all.
pub(crate) struct Requests {
    console: Box<dyn Console>,
    /// Gets mail to the owners of a list that has none.
    site_owner: Option<String>,
    /// Whether what is sent would leave.
    engine_runs: bool,
    /// `None`: of all lists.
    list_id: Option<String>,
}

/// Opens the requests of a list, or of all with `None`.
///
/// # Errors
/// The list does not exist, the backend is a Mailman site, or it cannot be opened.
pub(crate) async fn requests(
    config: &Config,
    list: Option<&ListAddress>,
) -> Result<Requests, OperationError> {
    let console = console(config)?;
    if console.posts().is_none() {
        return Err(OperationError::OfMailman { what: "the requests", instead: "use its web interface" });
    }
    let list_id = match list {
        Some(address) => Some(list_at(&*console, address).await?.list_id.clone()),
        None => None,
    };
    let site_owner = config.site_owner().map(ToOwned::to_owned);
    let engine_runs = engine_runs(config);
    Ok(Requests { console, site_owner, engine_runs, list_id })
}

impl Requests {
    fn store(&self) -> &dyn PostAdmin {
        self.console.posts().expect("it was checked when this was opened")
    }

    /// Returns the next requests in the order in which they were made first; none at the end.
    ///
    /// # Errors
    /// The backend fails.
    pub(crate) async fn after(&self, after: RequestId) -> Result<Vec<Request>, OperationError> {
        Ok(self.store().requests_after(self.list_id.as_deref(), after, limits::RECORDS_READ).await?)
    }

    /// Returns a request.
    ///
    /// # Errors
    /// It does not wait any more, or the backend fails.
    pub(crate) async fn request(&self, id: RequestId) -> Result<Request, OperationError> {
        self.store().request(id).await?.ok_or(OperationError::NoRequest(id))
    }

    /// Accepts, rejects or removes a request. Its tokens do nothing then.
    ///
    /// # Errors
    /// It does not wait any more, or not for a moderator; it changes all the time; or the backend fails. It waits as before
    /// then.
    pub(crate) async fn decide(&self, id: RequestId, how: OnRequest) -> Result<(), OperationError> {
        let store = self.store();
        let decide = async || {
            let request = self.request(id).await?;
            if how != OnRequest::Remove && request.phase != RequestPhase::Moderate {
                return Err(OperationError::NotForModerators { id, address: request.address });
            }
            let step = match how {
                OnRequest::Accept => engine::accept_request(store, &request, self.site_owner.clone()).await,
                OnRequest::Reject => engine::reject_request(store, &request).await,
                OnRequest::Remove => Ok(Some(engine::remove_request(&request))),
            };
            let step = step.map_err(|source| OperationError::RequestUndecided { id, source })?;
            step.ok_or(OperationError::NoRequest(id))
        };
        take_decided(store, decide, |source| OperationError::RequestStays { id, source }).await
    }

    /// Invites an address to the list that this was opened for: it gets a mail, and joins when it confirms.
    ///
    /// # Errors
    /// It is a member already, the engine does not run, the list changes all the time, or the backend fails.
    pub(crate) async fn invite(&self, named: &NamedAddress) -> Result<(), OperationError> {
        if !self.engine_runs {
            return Err(OperationError::NoEngine { address: named.address.clone() });
        }
        let store = self.store();
        let list_id = self.list_id.as_deref().expect("it was opened for one list");
        let address = || named.address.clone();
        let decide = async || {
            let step = engine::invite(store, list_id, named.clone()).await;
            let step = step.map_err(|source| OperationError::Invitation { address: address(), source })?;
            step.ok_or_else(|| OperationError::IsMember(address()))
        };
        take_decided(store, decide, |source| OperationError::NotInvited { address: address(), source }).await
    }
}
