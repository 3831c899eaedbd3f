//! Errors that keep a gate from starting, or end it.

use crate::config::ConfigError;
use crate::net::ListenAddress;
use crate::outgoing::OutgoingError;
use std::error::Error;
use std::io;

/// The reason why a gate could not start, or had to end. Its text and its sources name the problem and the fix.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GateError {
    /// The configuration cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The data directory, or the Mailman site, cannot be used; another gate may hold it.
    #[error(transparent)]
    Backend(Box<dyn Error + Send + Sync>),
    /// An address cannot be listened on.
    #[error(transparent)]
    Listen(Box<dyn Error + Send + Sync>),
    /// Posts cannot leave.
    #[error(transparent)]
    Outgoing(Box<dyn Error + Send + Sync>),
    /// The system refused something else.
    #[error("cannot {operation}")]
    System {
        /// The operation that failed.
        operation: &'static str,
        /// The system's error.
        source: io::Error,
    },
    /// The disk failed a sync, or the store panicked; the log has the details.
    #[error("the store has failed; see the log")]
    Failed,
}

impl From<OutgoingError> for GateError {
    fn from(why: OutgoingError) -> Self {
        Self::Outgoing(why.into())
    }
}

/// The error about an address that Mailman's own LMTP runner has.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address} (Mailman's own LMTP runner has it: {fix})")]
pub(super) struct MailmanListens {
    pub(super) address: ListenAddress,
    pub(super) fix: String,
    pub(super) source: io::Error,
}
