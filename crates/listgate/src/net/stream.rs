//! A connection, by TCP, with or without TLS, or by a Unix socket: a caller's, or ours to a server.

use super::tls::{Tls, has_certificate};
use crate::limits;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::{TlsConnector, TlsStream};

/// A caller's connection, or one to a server.
pub(crate) enum Stream {
    Tcp(TcpStream),
    /// Boxed, because most connections have no TLS and its state is large.
    Tls(Box<TlsStream<TcpStream>>),
    Unix(UnixStream),
}

impl Stream {
    /// Returns the name of LMTP on this connection, for a message's envelope.
    pub(crate) fn transport(&self) -> &'static str {
        match self {
            Self::Tcp(_) => "LMTP/TCP",
            Self::Tls(_) => "LMTPS/TCP",
            Self::Unix(_) => "LMTP/Unix",
        }
    }

    /// Returns the word for LMTP on this connection in a Received line (RFC 3848; RFC 6531 section 4.3).
    pub(crate) fn protocol(&self, smtputf8: bool) -> &'static str {
        match (self, smtputf8) {
            (Self::Tls(_), true) => "UTF8LMTPS",
            (Self::Tls(_), false) => "LMTPS",
            (Self::Tcp(_) | Self::Unix(_), true) => "UTF8LMTP",
            (Self::Tcp(_) | Self::Unix(_), false) => "LMTP",
        }
    }

    /// Starts TLS. Returns the connection, and whether the peer has shown a certificate that our authorities signed.
    ///
    /// # Errors
    /// The handshake failed.
    ///
    /// # Panics
    /// If the connection is not by TCP, or has TLS already.
    pub(crate) async fn with_tls(self, tls: &Tls) -> io::Result<(Self, bool)> {
        let Self::Tcp(stream) = self else { panic!("TLS starts once, and by TCP") };
        let stream = tls.accept(stream).await?;
        let is_certified = has_certificate(&stream);
        Ok((Self::Tls(Box::new(stream.into())), is_certified))
    }

    /// Starts TLS as a client, with a server that shows a certificate for `name`, as far as `connector` verifies it.
    ///
    /// # Errors
    /// The handshake failed.
    ///
    /// # Panics
    /// If the connection is not by TCP, or has TLS already.
    pub(super) async fn with_client_tls(
        self,
        connector: &TlsConnector,
        name: ServerName<'static>,
    ) -> io::Result<Self> {
        let Self::Tcp(stream) = self else { panic!("TLS starts once, and by TCP") };
        let stream = connector.connect(name, stream).await?;
        Ok(Self::Tls(Box::new(stream.into())))
    }

    /// Writes all of `octets` to the socket.
    ///
    /// # Errors
    /// The connection is lost.
    pub(crate) async fn write_out(&mut self, octets: &[u8]) -> io::Result<()> {
        self.write_all(octets).await?;
        match self {
            // TLS may keep the end of it until it is flushed.
            Self::Tls(stream) => stream.flush().await,
            Self::Tcp(_) | Self::Unix(_) => Ok(()),
        }
    }

    /// Writes what the socket takes without waiting, and returns how many octets that was; with TLS, none.
    ///
    /// # Errors
    /// The connection is lost.
    pub(crate) fn write_at_once(&self, octets: &[u8]) -> io::Result<usize> {
        let written = match self {
            Self::Tcp(stream) => stream.try_write(octets),
            Self::Unix(stream) => stream.try_write(octets),
            Self::Tls(_) => Ok(0),
        };
        match written {
            Err(why) if why.kind() == io::ErrorKind::WouldBlock => Ok(0),
            written => written,
        }
    }

    /// Ends TLS in order, so that the peer knows that it has everything (RFC 8446 section 6.1).
    pub(crate) async fn close(&mut self) {
        if let Self::Tls(stream) = self {
            // A peer that does not read has nothing to gain from it.
            let _ = timeout(limits::TLS_CLOSE, stream.shutdown()).await;
        }
    }

    /// Writes as much of `line` as the socket takes at once.
    pub(crate) fn send_line(&self, line: &[u8]) {
        let _ = match self {
            Self::Tcp(stream) => stream.try_write(line),
            Self::Tls(stream) => stream.get_ref().0.try_write(line),
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
            Self::Tls(stream) => Pin::new(stream).poll_read(context, buffer),
            Self::Unix(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write(context, octets),
            Self::Tls(stream) => Pin::new(stream).poll_write(context, octets),
            Self::Unix(stream) => Pin::new(stream).poll_write(context, octets),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_flush(context),
            Self::Tls(stream) => Pin::new(stream).poll_flush(context),
            Self::Unix(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Unix(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}
