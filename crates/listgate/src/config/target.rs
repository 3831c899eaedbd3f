//! Where mail leaves to.

use crate::net::{InvalidServerAddress, ServerAddress};
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

/// Where mail leaves to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Target {
    /// The site's mail server: `smtp:127.0.0.1:25`.
    Smtp(ServerAddress),
    /// A directory that gets a file for each transaction: `dir:./outbox`.
    Directory(PathBuf),
}

impl Default for Target {
    /// Returns the mail server of this machine.
    fn default() -> Self {
        Self::Smtp(ServerAddress::Tcp(SocketAddr::from(([127, 0, 0, 1], 25))))
    }
}

/// The error for a text that is not a target.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("write smtp:HOST:PORT, such as smtp:127.0.0.1:25, or dir:PATH")]
pub struct TargetError;

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Smtp(server) => write!(f, "smtp:{server}"),
            Self::Directory(path) => write!(f, "dir:{}", path.display()),
        }
    }
}

impl FromStr for Target {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, TargetError> {
        match text.split_once(':') {
            Some(("smtp", server)) => {
                server.parse().map(Self::Smtp).map_err(|InvalidServerAddress| TargetError)
            }
            Some(("dir", path)) if !path.is_empty() => Ok(Self::Directory(path.into())),
            _ => Err(TargetError),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_a_server_or_a_directory() {
        for text in ["smtp:127.0.0.1:25", "smtp:[::1]:25", "smtp:mail.example.com:587", "dir:./outbox"] {
            assert_eq!(text.parse::<Target>().unwrap().to_string(), text);
        }
        for text in ["", "smtp:", "smtp:localhost", "smtp::25", "smtp:a:0", "smtp:::1:25", "dir:", "outbox"] {
            assert_eq!(text.parse::<Target>(), Err(TargetError), "{text}");
        }
    }
}
