//! Listening sockets that another program has opened.

use super::address::ListenAddress;
use rustix::net::sockopt::socket_acceptconn;
use std::io;
use std::net::TcpListener;
use std::os::fd::AsFd;
use std::os::unix::net::UnixListener;

/// A listening socket from another program, which also owns its socket file, if it has one.
#[derive(Debug)]
pub(crate) enum Inherited {
    Tcp(TcpListener, ListenAddress),
    Unix(UnixListener, ListenAddress),
}

/// The reason why a socket cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotInherited {
    #[error("it does not listen")]
    Silent,
    #[error("it is a Unix socket without a path, so no file mode protects it")]
    Abstract,
    #[error("its address cannot be looked up")]
    Address(#[from] io::Error),
}

impl Inherited {
    /// Takes a TCP socket.
    ///
    /// # Errors
    /// It does not listen, or has no address.
    pub(crate) fn tcp(socket: TcpListener) -> Result<Self, NotInherited> {
        listens(&socket)?;
        let address = ListenAddress::Tcp(socket.local_addr()?);
        Ok(Self::Tcp(socket, address))
    }

    /// Takes a Unix socket.
    ///
    /// # Errors
    /// It does not listen, or has no path.
    pub(crate) fn unix(socket: UnixListener) -> Result<Self, NotInherited> {
        listens(&socket)?;
        let address = socket.local_addr()?;
        let path = address.as_pathname().ok_or(NotInherited::Abstract)?.to_owned();
        Ok(Self::Unix(socket, ListenAddress::Unix(path)))
    }

    /// Returns the address where it listens.
    pub(crate) fn address(&self) -> &ListenAddress {
        match self {
            Self::Tcp(_, address) | Self::Unix(_, address) => address,
        }
    }
}

fn listens(socket: impl AsFd) -> Result<(), NotInherited> {
    match socket_acceptconn(socket).map_err(io::Error::from)? {
        true => Ok(()),
        false => Err(NotInherited::Silent),
    }
}
