//! A caller's connection, by TCP or by a Unix socket.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

/// A caller's connection.
pub(crate) enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Stream {
    /// Returns the name of LMTP on this connection, for a message's envelope.
    pub(crate) fn transport(&self) -> &'static str {
        match self {
            Self::Tcp(_) => "LMTP/TCP",
            Self::Unix(_) => "LMTP/Unix",
        }
    }

    /// Returns the word for LMTP on this connection in a Received line (RFC 3848; RFC 6531 section 4.3).
    pub(crate) fn protocol(&self, smtputf8: bool) -> &'static str {
        if smtputf8 { "UTF8LMTP" } else { "LMTP" }
    }

    /// Writes as much of `line` as the socket takes at once.
    pub(crate) fn say(&self, line: &[u8]) {
        let _ = match self {
            Self::Tcp(stream) => stream.try_write(line),
            Self::Unix(stream) => stream.try_write(line),
        };
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_read(context, buffer),
            Self::Unix(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write(context, octets),
            Self::Unix(stream) => Pin::new(stream).poll_write(context, octets),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_flush(context),
            Self::Unix(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Unix(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}
