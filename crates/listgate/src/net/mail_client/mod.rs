//! A connection to a server of LMTP or SMTP: carries octets between a stream and a [`Client`].

mod error;
#[cfg(test)]
mod tests;

pub(crate) use error::{MailClientError, Operation};

use super::client_tls::ClientTls;
use super::server_address::ServerAddress;
use super::stream::Stream;
use crate::limits;
use listgate_lmtp::{Client, ClientEvent, Credentials, Phase, Protocol, Reply};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::ops::Range;
use std::pin::Pin;
use std::task::{Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::time::timeout;
use tokio_rustls::rustls::pki_types::ServerName;

/// How a client talks to a server.
#[derive(Clone)]
pub(crate) struct MailClientSettings {
    pub(crate) protocol: Protocol,
    /// The host name that the client calls itself.
    pub(crate) name: String,
    pub(crate) tls: ClientTls,
    /// The login, for servers that need one. A password is not sent without TLS, unless TLS is off.
    pub(crate) credentials: Option<Credentials>,
    pub(crate) patience: Patience,
}

/// How long a client waits at a time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Patience {
    /// For a connection, and for the handshake of TLS.
    pub(crate) connect: Duration,
    /// For a reply, and for the server to take what is written.
    pub(crate) reply: Duration,
    /// For the reply after the final dot: ten minutes or more (RFC 5321 section 4.5.3.2.6).
    pub(crate) outcome: Duration,
}

/// What must be done before the session is ready.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stage {
    Tls,
    Login,
    Ready,
}

/// A connection to a server, with TLS and a login where the settings ask for them.
///
/// A message is written with [`body`](Self::body), piece by piece. Its final dot is apart from it:
/// [`Client::end_of_body`], which the caller may delay until it has made a note of what is then in doubt.
pub(crate) struct MailClient {
    client: Client,
    /// `None` during the handshake of TLS, and after one that failed.
    stream: Option<Stream>,
    certificate_name: Option<ServerName<'static>>,
    tls: ClientTls,
    credentials: Option<Credentials>,
    patience: Patience,
    stage: Stage,
    input: Box<[u8]>,
    /// The part of `input` that the client has not read.
    unread: Range<usize>,
    /// Events that occurred while something was written.
    events: VecDeque<ClientEvent>,
    greeting: String,
    /// Why nothing can be written any more.
    broken: Option<MailClientError>,
}

impl MailClient {
    /// Connects to a server. Its first event follows: [`ClientEvent::Ready`] once TLS is started and the login done.
    ///
    /// # Errors
    /// [`MailClientError::Network`]: no server listens there, or it did not answer in time.
    pub(crate) async fn connect(
        address: &ServerAddress,
        settings: MailClientSettings,
    ) -> Result<Self, MailClientError> {
        let MailClientSettings { protocol, name, tls, credentials, patience } = settings;
        let failed = network(Operation::Connect);
        let certificate_name = address.certificate_name().map_err(failed)?;
        let stream = within(patience.connect, Operation::Connect, address.connect()).await?;
        Ok(Self {
            client: Client::new(protocol, &name),
            stream: Some(stream),
            certificate_name,
            tls,
            credentials,
            patience,
            stage: Stage::Tls,
            input: vec![0; limits::CLIENT_INPUT].into(),
            unread: 0..0,
            events: VecDeque::new(),
            greeting: String::new(),
            broken: None,
        })
    }

    /// Returns the session: it starts transactions, ends messages, and knows what the server announced and what is in
    /// doubt. What it writes is sent by [`event`](Self::event), [`body`](Self::body) or [`flush`](Self::flush).
    /// [`Client::next`] is not to be called.
    pub(crate) fn client(&mut self) -> &mut Client {
        &mut self.client
    }

    /// Returns the text of the greeting, which came without TLS: anyone may have written it.
    pub(crate) fn greeting(&self) -> &str {
        &self.greeting
    }

    /// Returns the next event, after it has written the output. [`ClientEvent::StartTls`] and
    /// [`ClientEvent::Refused`] are handled here and not returned. If the future is dropped, nothing is lost, except
    /// in a handshake, after which the connection is of no use.
    ///
    /// # Errors
    /// The session could not begin, or has ended. [`Client::in_doubt`] still says what is in doubt.
    pub(crate) async fn event(&mut self) -> Result<ClientEvent, MailClientError> {
        loop {
            let event = self.events.pop_front().or_else(|| self.next());
            match event {
                Some(event) => {
                    if let Some(event) = self.handled(event).await? {
                        return Ok(event);
                    }
                }
                None => self.exchange().await?,
            }
        }
    }

    /// Returns the next event from what has been read.
    fn next(&mut self) -> Option<ClientEvent> {
        let mut rest = &self.input[self.unread.clone()];
        let event = self.client.next(&mut rest);
        self.unread.start = self.unread.end - rest.len();
        event
    }

    /// Writes the output, and waits for input.
    async fn exchange(&mut self) -> Result<(), MailClientError> {
        let Err(why) = self.flush().await else {
            let patience = match self.client.in_doubt() {
                Some(_) => self.patience.outcome,
                None => self.patience.reply,
            };
            return self.read(patience).await;
        };
        // A server that closes the connection may have written why.
        self.read(limits::LAST_REPLY).await.map_err(|_| why)
    }

    /// Does what an event asks for before the session is ready. Returns it if it is for the caller.
    async fn handled(&mut self, event: ClientEvent) -> Result<Option<ClientEvent>, MailClientError> {
        match event {
            ClientEvent::Ready => self.prepared(),
            ClientEvent::StartTls => {
                self.flush().await?;
                Box::pin(self.handshake()).await?;
                self.client.tls_started();
                Ok(None)
            }
            ClientEvent::Refused { phase, reply } => self.refused(phase, reply),
            ClientEvent::Closed { .. } => {
                // It is kept until the connection is closed, in case this future is dropped.
                self.events.push_front(event);
                if let Some(mut stream) = self.stream.take() {
                    stream.close().await;
                }
                Ok(self.events.pop_front())
            }
            event => Ok(Some(event)),
        }
    }

    /// Starts what must be done before the session is ready. Returns the event if it is.
    fn prepared(&mut self) -> Result<Option<ClientEvent>, MailClientError> {
        if self.stage == Stage::Tls {
            self.stage = Stage::Login;
            self.greeting.clone_from(&self.client.server().greeting);
            let offered = self.client.server().starttls && matches!(self.stream, Some(Stream::Tcp(_)));
            match &self.tls {
                ClientTls::Off => {}
                ClientTls::Required(_) if !offered => return Err(MailClientError::NoTls),
                ClientTls::Opportunistic(_) if !offered => {}
                ClientTls::Opportunistic(_) | ClientTls::Required(_) => {
                    self.client.start_tls();
                    return Ok(None);
                }
            }
        }
        if self.stage == Stage::Login {
            self.stage = Stage::Ready;
            if let Some(credentials) = self.credentials.take() {
                let is_safe =
                    matches!(self.tls, ClientTls::Off) || matches!(self.stream, Some(Stream::Tls(_)));
                if !is_safe {
                    return Err(MailClientError::NoTlsForPassword);
                }
                self.client.authenticate(&credentials)?;
                return Ok(None);
            }
        }
        Ok(Some(ClientEvent::Ready))
    }

    fn refused(&mut self, phase: Phase, reply: Reply) -> Result<Option<ClientEvent>, MailClientError> {
        match (phase, &self.tls) {
            (Phase::StartTls, ClientTls::Required(_)) => Err(MailClientError::TlsRefused(reply)),
            (Phase::StartTls, _) => self.prepared(),
            _ => Err(MailClientError::LoginRefused(reply)),
        }
    }

    async fn handshake(&mut self) -> Result<(), MailClientError> {
        let (ClientTls::Opportunistic(connector) | ClientTls::Required(connector)) = &self.tls else {
            unreachable!("TLS starts only where it is wanted");
        };
        let name = self.certificate_name.clone().expect("TLS starts only by TCP");
        let stream = self.stream.take().ok_or(MailClientError::Gone)?;
        let done =
            within(self.patience.connect, Operation::Handshake, stream.with_client_tls(connector, name));
        self.stream = Some(done.await?);
        Ok(())
    }

    /// Writes a part of the message, cut anywhere, with dots stuffed. It keeps up to 64 KiB of the message until more
    /// is written, [`flush`](Self::flush) is called, or an event is awaited.
    ///
    /// # Errors
    /// The connection is lost. [`event`](Self::event) returns what the server has written before, and then the error.
    ///
    /// # Panics
    /// If the server does not wait for the message ([`ClientEvent::SendBody`]).
    pub(crate) async fn body(&mut self, piece: &[u8]) -> Result<(), MailClientError> {
        for part in piece.chunks(limits::CLIENT_OUTPUT) {
            self.client.body(part);
            if self.client.output().len() >= limits::CLIENT_OUTPUT {
                self.flush().await?;
            }
        }
        Ok(())
    }

    /// Writes the output. Replies that arrive meanwhile are kept (RFC 2920 section 3.1): a server that waits for us to
    /// read them would not read on.
    ///
    /// # Errors
    /// The connection is lost. [`event`](Self::event) returns what the server has written before, and then the error.
    pub(crate) async fn flush(&mut self) -> Result<(), MailClientError> {
        if let Some(why) = &self.broken {
            return Err(why.again());
        }
        let written = self.write().await;
        self.broken = written.as_ref().err().map(MailClientError::again);
        written
    }

    async fn write(&mut self) -> Result<(), MailClientError> {
        while !self.client.output().is_empty() {
            if self.unread.len() == self.input.len() {
                while let Some(event) = self.next() {
                    self.events.push_back(event);
                }
            }
            self.make_room();
            let Self { stream, client, input, unread, .. } = self;
            let stream = stream.as_mut().ok_or(MailClientError::Gone)?;
            let written = poll_fn(|context| {
                let mut stream = Pin::new(&mut *stream);
                if let Poll::Ready(written) = stream.as_mut().poll_write(context, client.output()) {
                    return Poll::Ready(written);
                }
                let mut room = ReadBuf::new(&mut input[unread.end..]);
                let read = ready!(stream.poll_read(context, &mut room)).map(|()| room.filled().len());
                Poll::Ready(match read {
                    Ok(0) => Err(io::ErrorKind::BrokenPipe.into()),
                    Ok(read) => {
                        unread.end += read;
                        Ok(0)
                    }
                    Err(why) => Err(why),
                })
            });
            let written = within(self.patience.reply, Operation::Write, written).await?;
            self.client.output().drain(..written);
        }
        // TLS may keep the end of it until it is flushed.
        let stream = self.stream.as_mut().ok_or(MailClientError::Gone)?;
        within(self.patience.reply, Operation::Write, stream.flush()).await
    }

    async fn read(&mut self, patience: Duration) -> Result<(), MailClientError> {
        self.make_room();
        let stream = self.stream.as_mut().ok_or(MailClientError::Gone)?;
        let read = stream.read(&mut self.input[self.unread.end..]);
        match within(patience, Operation::Read, read).await? {
            0 => Err(MailClientError::Gone),
            read => {
                self.unread.end += read;
                Ok(())
            }
        }
    }

    /// Moves what is unread to the beginning of the buffer.
    fn make_room(&mut self) {
        self.input.copy_within(self.unread.clone(), 0);
        self.unread = 0..self.unread.len();
    }
}

fn network(operation: Operation) -> impl Fn(io::Error) -> MailClientError {
    move |source| MailClientError::Network { operation, source }
}

/// Waits for an operation, at most as long as `patience`.
async fn within<T>(
    patience: Duration,
    operation: Operation,
    done: impl Future<Output = io::Result<T>>,
) -> Result<T, MailClientError> {
    let late = |_| {
        let why = format!("nothing happened for {} seconds", patience.as_secs());
        io::Error::new(io::ErrorKind::TimedOut, why)
    };
    timeout(patience, done).await.map_err(late).flatten().map_err(network(operation))
}
