//! What operators see of lists and domains, and why a change to them is refused.

use super::store_error::StoreError;
use std::time::SystemTime;

/// What an operator's change to lists or domains came to, when it was refused.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ChangeError {
    #[error("{0}")]
    Refused(String),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What is known of a list besides its settings.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ListFacts {
    pub(crate) created_at: SystemTime,
    /// Its entries in the queues.
    pub(crate) queued: u64,
}

/// A domain of ours.
#[derive(Debug, serde::Serialize)]
pub(crate) struct Domain {
    pub(crate) name: String,
    pub(crate) alias_of: Option<String>,
    pub(crate) lists: u64,
}
