//! One connection to the server under load.

use super::mail::{HEAD, Mail};
use crate::limits;
use crate::net::ListenAddress;
use listgate_lmtp::Client;
use rustix::event::epoll;
use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::net::TcpStream;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Stream {
    fn connect(server: &ListenAddress) -> io::Result<Self> {
        match server {
            ListenAddress::Tcp(address) => {
                let stream = TcpStream::connect_timeout(address, limits::BENCH_CONNECT)?;
                stream.set_nodelay(true)?;
                stream.set_nonblocking(true)?;
                Ok(Self::Tcp(stream))
            }
            ListenAddress::Unix(path) => {
                let stream = UnixStream::connect(path)?;
                stream.set_nonblocking(true)?;
                Ok(Self::Unix(stream))
            }
        }
    }

    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.read(buffer),
            Self::Unix(stream) => stream.read(buffer),
        }
    }

    fn write(&mut self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.write_vectored(parts),
            Self::Unix(stream) => stream.write_vectored(parts),
        }
    }
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp(stream) => stream.as_fd(),
            Self::Unix(stream) => stream.as_fd(),
        }
    }
}

/// A message on its way out: `done` octets of head and rest are written.
struct Body {
    head: [u8; HEAD],
    letter: usize,
    done: usize,
}

pub(super) struct Session {
    stream: Stream,
    pub(super) client: Client,
    body: Option<Body>,
    /// Messages that were answered in it.
    pub(super) messages: u64,
}

impl Session {
    /// Connects, and has `epoll` tell of it as `index` whenever there is more to read, or room to write
    /// after there was none.
    pub(super) fn open(
        server: &ListenAddress,
        pipelining: bool,
        epoll: &OwnedFd,
        index: usize,
    ) -> io::Result<Self> {
        let stream = Stream::connect(server)?;
        let flags = epoll::EventFlags::IN | epoll::EventFlags::OUT | epoll::EventFlags::ET;
        epoll::add(epoll, &stream, epoll::EventData::new_u64(index as u64), flags)?;
        let name = "bench.invalid";
        let client = if pipelining { Client::new(name) } else { Client::without_pipelining(name) };
        Ok(Self { stream, client, body: None, messages: 0 })
    }

    /// Octets that have come, 0 at the connection's end; `None` when there are none now.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        match self.stream.read(buffer) {
            Ok(len) => Ok(Some(len)),
            Err(why) if matches!(why.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => Ok(None),
            Err(why) => Err(why),
        }
    }

    /// Sends a message: the server waits for it.
    pub(super) fn send_body(&mut self, head: [u8; HEAD], letter: usize) {
        self.client.body_by_caller();
        self.body = Some(Body { head, letter, done: 0 });
    }

    /// Writes what there is to write, in one call where the peer takes it; the rest when there is room.
    pub(super) fn flush(&mut self, mail: &Mail) -> io::Result<()> {
        while !self.client.output().is_empty() || self.body.is_some() {
            let commands = self.client.output().len();
            let (head, rest): (&[u8], &[u8]) = match &self.body {
                Some(body) => {
                    let rest = &mail.letters[body.letter].rest;
                    (&body.head[body.done.min(HEAD)..], &rest[body.done.saturating_sub(HEAD)..])
                }
                None => (&[], &[]),
            };
            let total = commands + head.len() + rest.len();
            let parts = [IoSlice::new(self.client.output()), IoSlice::new(head), IoSlice::new(rest)];
            let written = match self.stream.write(&parts) {
                Ok(written) => written,
                Err(why) if why.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(why) if why.kind() == ErrorKind::Interrupted => continue,
                Err(why) => return Err(why),
            };
            self.client.output().drain(..written.min(commands));
            match &mut self.body {
                Some(body) if written < total => body.done += written.saturating_sub(commands),
                _ => self.body = None,
            }
        }
        Ok(())
    }
}
