//! Blocking connections to a server, for commands, with a limit on each wait.

use super::address::ListenAddress;
use std::io::{self, IoSlice, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

/// A connection to a server.
pub(crate) enum Connection {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// Connects to the server at `address`. Connecting by TCP, and each read and write, may take at most `patience`.
///
/// # Errors
/// No server listens there, or it did not answer in time.
pub(crate) fn connect(address: &ListenAddress, patience: Duration) -> io::Result<Connection> {
    let connection = match address {
        ListenAddress::Tcp(address) => {
            let stream = TcpStream::connect_timeout(address, patience)?;
            stream.set_nodelay(true)?;
            Connection::Tcp(stream)
        }
        ListenAddress::Unix(path) => Connection::Unix(UnixStream::connect(path)?),
    };
    connection.set_patience(patience)?;
    Ok(connection)
}

impl Connection {
    /// Limits each read and write to `patience` from now on.
    pub(crate) fn set_patience(&self, patience: Duration) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => {
                stream.set_read_timeout(Some(patience))?;
                stream.set_write_timeout(Some(patience))
            }
            Self::Unix(stream) => {
                stream.set_read_timeout(Some(patience))?;
                stream.set_write_timeout(Some(patience))
            }
        }
    }

    /// Makes reads and writes return [`io::ErrorKind::WouldBlock`] where they would wait.
    pub(crate) fn set_nonblocking(&self) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.set_nonblocking(true),
            Self::Unix(stream) => stream.set_nonblocking(true),
        }
    }

    /// Tells the server that nothing more will be sent.
    pub(crate) fn end_of_requests(&self) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.shutdown(Shutdown::Write),
            Self::Unix(stream) => stream.shutdown(Shutdown::Write),
        }
    }
}

impl Read for Connection {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.read(buffer),
            Self::Unix(stream) => stream.read(buffer),
        }
    }
}

impl Write for Connection {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.write(octets),
            Self::Unix(stream) => stream.write(octets),
        }
    }

    fn write_vectored(&mut self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.write_vectored(parts),
            Self::Unix(stream) => stream.write_vectored(parts),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp(stream) => stream.as_fd(),
            Self::Unix(stream) => stream.as_fd(),
        }
    }
}
