//! Errors of a session with a server.

use listgate_lmtp::{NoMechanism, Reply};
use std::fmt;
use std::io;

/// The reason why a session could not begin, or has ended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MailClientError {
    /// The network failed, or took longer than the patience allows ([`io::ErrorKind::TimedOut`]).
    #[error("cannot {operation}")]
    Network { operation: Operation, source: io::Error },
    #[error("the server closed the connection")]
    Gone,
    #[error("TLS is required, and the server does not offer it")]
    NoTls,
    #[error("TLS is required, and the server refused it: {0}")]
    TlsRefused(Reply),
    /// TLS is wanted and not in use, so that anyone could have removed it.
    #[error("the password is not sent, because the server does not offer TLS")]
    NoTlsForPassword,
    #[error("cannot log in")]
    NoMechanism(#[from] NoMechanism),
    #[error("the server refused the login: {0}")]
    LoginRefused(Reply),
}

/// What was done when the network failed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Operation {
    Connect,
    Handshake,
    Read,
    Write,
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connect => "connect",
            Self::Handshake => "start TLS",
            Self::Read => "read a reply",
            Self::Write => "write to the server",
        })
    }
}

impl MailClientError {
    /// Returns the same error once more, if the network is the reason.
    pub(super) fn again(&self) -> Self {
        let Self::Network { operation, source } = self else { return Self::Gone };
        let text = || io::Error::new(source.kind(), source.to_string());
        let source = source.raw_os_error().map_or_else(text, io::Error::from_raw_os_error);
        Self::Network { operation: *operation, source }
    }

    /// Returns the system's error alone, or this one as an [`io::Error`].
    pub(crate) fn into_io(self) -> io::Error {
        match self {
            Self::Network { source, .. } => source,
            other => io::Error::other(other),
        }
    }
}
