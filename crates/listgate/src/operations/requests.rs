//! Operations on requests to join or leave a list that wait for an answer.

use super::error::OperationError;
use super::open::{console, list_at};
use crate::backends::{Console, PostAdmin};
use crate::config::Config;
use crate::limits;
use crate::model::{Effect, Expect, ListAddress, NotStepped, Request, RequestId, Step};

/// The requests of one list, or of all.
pub(crate) struct Requests {
    console: Box<dyn Console>,
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
    Ok(Requests { console, list_id })
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

    /// Removes a request. Its tokens are of no use then.
    ///
    /// # Errors
    /// It does not wait any more, it changes all the time, or the backend fails. It waits as before then.
    pub(crate) async fn remove(&self, id: RequestId) -> Result<(), OperationError> {
        let not_taken = |source| OperationError::RequestStays { id, source };
        let mut attempt = 0;
        loop {
            let request = self.request(id).await?;
            let step = Step::settling_nothing()
                .expecting(Expect::Request(id, request.version))
                .and_then(|step| step.with(Effect::EndRequest(id)))
                .expect("a step has room for this");
            match self.store().take(&step).await {
                Ok(_) => return Ok(()),
                Err(NotStepped::Outdated) if attempt < limits::DECIDED_AGAIN => attempt += 1,
                Err(source) => return Err(not_taken(source)),
            }
        }
    }
}
