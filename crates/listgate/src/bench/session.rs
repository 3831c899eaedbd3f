//! One connection to the server under load.

use super::mail::{HEAD, Mail};
use crate::limits;
use crate::net::{Connection, ListenAddress, connect};
use listgate_lmtp::{Client, Protocol};
use rustix::event::epoll;
use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::os::fd::OwnedFd;

/// A message that is being sent: `done` octets of its head and rest are written.
struct Body {
    head: [u8; HEAD],
    letter: usize,
    done: usize,
}

pub(super) struct Session {
    stream: Connection,
    pub(super) client: Client,
    body: Option<Body>,
    /// The number of messages answered in this session.
    pub(super) messages: u64,
}

impl Session {
    /// Connects, and registers the connection with `epoll` as `index`. An event occurs when more can be read, or
    /// when writing is possible again.
    pub(super) fn open(
        server: &ListenAddress,
        pipelining: bool,
        epoll: &OwnedFd,
        index: usize,
    ) -> io::Result<Self> {
        let stream = connect(server, limits::BENCH_CONNECT)?;
        stream.set_nonblocking()?;
        let flags = epoll::EventFlags::IN | epoll::EventFlags::OUT | epoll::EventFlags::ET;
        epoll::add(epoll, &stream, epoll::EventData::new_u64(index as u64), flags)?;
        let name = "bench.invalid";
        let lmtp = Protocol::Lmtp;
        let client =
            if pipelining { Client::new(lmtp, name) } else { Client::without_pipelining(lmtp, name) };
        Ok(Self { stream, client, body: None, messages: 0 })
    }

    /// Reads the octets that have arrived. Returns their number, 0 at the end of the connection, or `None` if none
    /// are available now.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        match self.stream.read(buffer) {
            Ok(len) => Ok(Some(len)),
            Err(why) if matches!(why.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => Ok(None),
            Err(why) => Err(why),
        }
    }

    /// Starts sending a message that the server waits for.
    pub(super) fn send_body(&mut self, head: [u8; HEAD], letter: usize) {
        self.client.body_by_caller();
        self.body = Some(Body { head, letter, done: 0 });
    }

    /// Writes the pending output, in one call if the peer accepts it all, and otherwise the rest when there is
    /// room.
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
            let written = match self.stream.write_vectored(&parts) {
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
