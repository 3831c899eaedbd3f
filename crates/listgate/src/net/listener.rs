//! Listeners: binding addresses and accepting connections.

use super::address::ListenAddress;
use super::admission::Caller;
use super::inherited::Inherited;
use super::socket_file::SocketFile;
use super::stream::Stream;
use crate::file_id::FileId;
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener as StdUnixListener;
use std::task::{Context, Poll};
use tokio::net::{TcpListener, UnixListener};

/// The reason why an address cannot be listened on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BindError {
    #[error("cannot listen on {address} ({})", fix(address, source, key))]
    Bind { address: ListenAddress, key: &'static str, source: io::Error },
    #[error("cannot listen on {address}: another process serves that socket: choose another {key}")]
    InUse { address: ListenAddress, key: &'static str },
    #[error("cannot listen on {address}: what is there is not a socket: remove it, or choose another {key}")]
    NoSocket { address: ListenAddress, key: &'static str },
    #[error(
        "cannot listen on {address}: remove the socket there if no process serves it, or choose another {key}; \
         it cannot be found out whether a process serves it"
    )]
    Unclear { address: ListenAddress, key: &'static str, source: io::Error },
}

fn fix(address: &ListenAddress, source: &io::Error, key: &str) -> String {
    match (source.kind(), address) {
        (io::ErrorKind::AddrInUse, _) => format!("another program has it: choose another {key}"),
        (io::ErrorKind::PermissionDenied, ListenAddress::Tcp(_)) => {
            "ports below 1024 belong to root: choose one above".to_owned()
        }
        _ => format!("see {key}"),
    }
}

/// A bound socket.
pub(crate) enum Listener {
    Tcp(TcpListener),
    /// A Unix socket, with its address and the socket file, if it created one.
    Unix(UnixListener, ListenAddress, Option<FileId>),
}

impl Listener {
    /// Binds an address; call it within a runtime. A Unix socket that a dead process left behind is replaced.
    /// `key` is the setting that chose the address.
    pub(crate) fn bind(
        address: &ListenAddress,
        key: &'static str,
        socket_mode: u32,
    ) -> Result<Self, BindError> {
        let failed = |source| BindError::Bind { address: address.clone(), key, source };
        match address {
            ListenAddress::Tcp(socket) => {
                let listener = std::net::TcpListener::bind(socket).map_err(failed)?;
                listener.set_nonblocking(true).map_err(failed)?;
                Ok(Self::Tcp(TcpListener::from_std(listener).map_err(failed)?))
            }
            ListenAddress::Unix(path) => {
                let address = address.clone();
                match SocketFile::at(path).map_err(failed)? {
                    SocketFile::Nothing => {}
                    SocketFile::LeftBehind => fs::remove_file(path).map_err(failed)?,
                    SocketFile::Served => return Err(BindError::InUse { address, key }),
                    SocketFile::NoSocket => return Err(BindError::NoSocket { address, key }),
                    SocketFile::Unclear(source) => return Err(BindError::Unclear { address, key, source }),
                }
                let listener = StdUnixListener::bind(path).map_err(failed)?;
                fs::set_permissions(path, Permissions::from_mode(socket_mode)).map_err(failed)?;
                listener.set_nonblocking(true).map_err(failed)?;
                let file = FileId::of(path).map_err(failed)?;
                Ok(Self::Unix(UnixListener::from_std(listener).map_err(failed)?, address, Some(file)))
            }
        }
    }

    /// Accepts connections on a socket that another program has opened; call it within a runtime. Its socket file stays
    /// when the listener is dropped.
    pub(crate) fn inherit(socket: Inherited) -> io::Result<Self> {
        match socket {
            Inherited::Tcp(listener, _) => {
                listener.set_nonblocking(true)?;
                Ok(Self::Tcp(TcpListener::from_std(listener)?))
            }
            Inherited::Unix(listener, address) => {
                listener.set_nonblocking(true)?;
                Ok(Self::Unix(UnixListener::from_std(listener)?, address, None))
            }
        }
    }

    /// Returns the address where it really listens, with the real port in place of 0.
    pub(crate) fn address(&self) -> io::Result<ListenAddress> {
        match self {
            Self::Tcp(listener) => listener.local_addr().map(ListenAddress::Tcp),
            Self::Unix(_, address, _) => Ok(address.clone()),
        }
    }

    /// Returns the next connection, its caller, and the caller's address as the log shows it.
    pub(super) fn poll_accept(
        &self,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<(Stream, Caller, String)>> {
        match self {
            Self::Tcp(listener) => listener.poll_accept(context).map(|accepted| {
                let (stream, peer) = accepted?;
                stream.set_nodelay(true)?;
                Ok((Stream::Tcp(stream), Caller::Address(peer.ip().to_canonical()), peer.to_string()))
            }),
            Self::Unix(listener, address, _) => listener.poll_accept(context).map(|accepted| {
                let (stream, _) = accepted?;
                let caller = Caller::User(stream.peer_cred().ok().map(|cred| cred.uid()));
                Ok((Stream::Unix(stream), caller, format!("{address} ({caller})")))
            }),
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        // Another gate may have created a socket file of its own there since.
        if let Self::Unix(_, ListenAddress::Unix(path), Some(made)) = self
            && FileId::of(path).is_ok_and(|file| file == *made)
        {
            // The next start replaces a leftover.
            let _ = fs::remove_file(path);
        }
    }
}
