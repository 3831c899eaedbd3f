//! Where a gate listens.

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
    /// The TCP address, if it is one.
    pub(crate) fn tcp(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(address) => Some(*address),
            Self::Unix(_) => None,
        }
    }

    /// Whether each start takes another port.
    pub(crate) fn is_any_port(&self) -> bool {
        matches!(self, Self::Tcp(socket) if socket.port() == 0)
    }
}

impl FromStr for ListenAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(path) = text.strip_prefix("unix:") {
            return match path.chars().next() {
                None => Err("unix: wants a path behind it".to_owned()),
                // Other programs take it for an abstract socket, which has no file mode to protect it.
                Some('@') => Err(format!(
                    "unix:{path} would be an abstract socket, which is not supported: write unix:/path, or unix:./{path}"
                )),
                Some(_) => Ok(Self::Unix(path.into())),
            };
        }
        let address: SocketAddr = text
            .parse()
            .map_err(|_| format!("{text:?} is no address: write 127.0.0.1:8024, [::1]:8024 or unix:/path"))?;
        if address.port() == 25 {
            return Err("LMTP must not be served on port 25 (RFC 2033 section 5): take 24 or 8024".to_owned());
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
