//! The addresses of servers to connect to.

use super::address::ListenAddress;
use super::stream::Stream;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use tokio::net::{TcpStream, UnixStream, lookup_host};
use tokio_rustls::rustls::pki_types::ServerName;

/// A server to connect to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ServerAddress {
    /// `127.0.0.1:25`, `[::1]:25`
    Tcp(SocketAddr),
    /// `mail.example.com:25`
    Host {
        /// The name.
        name: String,
        /// The port, from 1.
        port: u16,
    },
    /// `unix:/path`
    Unix(PathBuf),
}

impl ServerAddress {
    /// Connects by TCP to the first of the server's addresses that answers, or by a Unix socket. Takes as long as the
    /// system allows.
    ///
    /// # Errors
    /// The name has no address, or no server listens there. The error is that of the last address.
    pub(super) async fn connect(&self) -> io::Result<Stream> {
        let stream = match self {
            Self::Unix(path) => return Ok(Stream::Unix(UnixStream::connect(path).await?)),
            Self::Tcp(address) => TcpStream::connect(address).await?,
            Self::Host { name, port } => {
                let addresses: Vec<_> = lookup_host((name.as_str(), *port)).await?.collect();
                TcpStream::connect(addresses.as_slice()).await?
            }
        };
        stream.set_nodelay(true)?;
        Ok(Stream::Tcp(stream))
    }

    /// Returns the name that the server's certificate must have, or `None` for a Unix socket.
    ///
    /// # Errors
    /// The name is not a host name.
    pub(super) fn certificate_name(&self) -> io::Result<Option<ServerName<'static>>> {
        match self {
            Self::Unix(_) => Ok(None),
            Self::Tcp(address) => Ok(Some(ServerName::IpAddress(address.ip().into()))),
            Self::Host { name, .. } => {
                let invalid = |why| io::Error::new(io::ErrorKind::InvalidInput, why);
                ServerName::try_from(name.clone()).map(Some).map_err(invalid)
            }
        }
    }
}

impl From<ListenAddress> for ServerAddress {
    fn from(address: ListenAddress) -> Self {
        match address {
            ListenAddress::Tcp(address) => Self::Tcp(address),
            ListenAddress::Unix(path) => Self::Unix(path),
        }
    }
}

/// The error for a text that is not the address of a server.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("write mail.example.com:25, 127.0.0.1:25, [::1]:25 or unix:/path")]
pub struct InvalidServerAddress;

impl FromStr for ServerAddress {
    type Err = InvalidServerAddress;

    fn from_str(text: &str) -> Result<Self, InvalidServerAddress> {
        if let Some(path) = text.strip_prefix("unix:") {
            return if path.is_empty() { Err(InvalidServerAddress) } else { Ok(Self::Unix(path.into())) };
        }
        if let Ok(address) = text.parse::<SocketAddr>() {
            return if address.port() == 0 { Err(InvalidServerAddress) } else { Ok(Self::Tcp(address)) };
        }
        let (name, port) = text.rsplit_once(':').ok_or(InvalidServerAddress)?;
        let port = port.parse().ok().filter(|port| *port > 0).ok_or(InvalidServerAddress)?;
        // A name of digits alone would be read as an IPv4 address.
        let is_name =
            listgate_lmtp::is_domain_name(name) && ServerName::try_from(name).is_ok_and(is_dns_name);
        if is_name { Ok(Self::Host { name: name.to_owned(), port }) } else { Err(InvalidServerAddress) }
    }
}

fn is_dns_name(name: ServerName<'_>) -> bool {
    matches!(name, ServerName::DnsName(_))
}

impl fmt::Display for ServerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Host { name, port } => write!(f, "{name}:{port}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_reads_back_as_it_was_written() {
        for text in ["127.0.0.1:25", "[::1]:25", "unix:/run/x", "mail.example.com:25", "localhost:2525"] {
            let address: ServerAddress = text.parse().unwrap();
            assert_eq!(address.to_string(), text);
            let is_host = matches!(address, ServerAddress::Host { .. });
            assert_eq!(is_host, text.contains("mail") || text.contains("localhost"));
        }
        for text in [
            "",
            "25",
            "127.0.0.1",
            "127.0.0.1:0",
            "host:0",
            "host",
            ":25",
            "ho st:25",
            "unix:",
            "::1:25",
            "1.2.3:25",
        ] {
            assert_eq!(text.parse::<ServerAddress>(), Err(InvalidServerAddress), "{text}");
        }
    }
}
