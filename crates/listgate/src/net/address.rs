//! The addresses where a gate listens.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

/// A TCP address or a Unix socket.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ListenAddress {
    /// `127.0.0.1:8024`, `[::1]:8024`; port 0 takes a free one.
    Tcp(SocketAddr),
    /// `unix:/path`
    Unix(PathBuf),
}

impl ListenAddress {
    /// Returns the TCP address, if it is one.
    pub(crate) fn tcp(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(address) => Some(*address),
            Self::Unix(_) => None,
        }
    }

    /// Returns whether each start uses a different port.
    pub(crate) fn is_any_port(&self) -> bool {
        matches!(self, Self::Tcp(socket) if socket.port() == 0)
    }
}

/// The reason why a text is not an address to listen on.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AddressError {
    /// It is neither a TCP address nor a path.
    #[error("write 127.0.0.1:8024, [::1]:8024 or unix:/path")]
    NotAnAddress,
    /// No path follows `unix:`.
    #[error("write a path behind unix:, such as unix:/run/listgate/lmtp")]
    NoPath,
    /// Other programs read `unix:@name` as an abstract socket, which has no file mode to protect it.
    #[error("an abstract socket is not supported: write unix:/path, or unix:./{0}")]
    Abstract(
        /// The path.
        String,
    ),
    /// Port 25 belongs to SMTP.
    #[error("LMTP must not be served on port 25 (RFC 2033 section 5): use 24 or 8024")]
    Port25,
}

impl FromStr for ListenAddress {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        if let Some(path) = text.strip_prefix("unix:") {
            return match path.chars().next() {
                None => Err(AddressError::NoPath),
                Some('@') => Err(AddressError::Abstract(path.to_owned())),
                Some(_) => Ok(Self::Unix(path.into())),
            };
        }
        let address: SocketAddr = text.parse().map_err(|_| AddressError::NotAnAddress)?;
        if address.port() == 25 {
            return Err(AddressError::Port25);
        }
        Ok(Self::Tcp(address))
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}
