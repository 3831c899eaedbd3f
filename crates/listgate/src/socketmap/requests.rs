//! The requests of a socketmap connection, one after the other.

use super::netstring;
use crate::limits;
use std::io;
use tokio::io::{AsyncRead, AsyncReadExt};

/// A stream and its read buffer, which holds at most one request of the largest size and one read.
pub(crate) struct Requests<S> {
    stream: S,
    buffer: Vec<u8>,
}

impl<S: AsyncRead + Unpin> Requests<S> {
    pub(crate) fn new(stream: S) -> Self {
        Self { stream, buffer: Vec::with_capacity(limits::SOCKETMAP_BUFFER) }
    }

    /// Returns the stream, to write answers to.
    pub(super) fn stream(&mut self) -> &mut S {
        &mut self.stream
    }

    /// Returns the next request without its frame; `None` once the peer has closed the connection.
    ///
    /// # Errors
    /// The connection is lost, or the input is not a request.
    pub(crate) async fn next(&mut self) -> io::Result<Option<Vec<u8>>> {
        loop {
            let read = netstring::read(&self.buffer, limits::SOCKETMAP_REQUEST);
            if let Some((request, rest)) = read.map_err(io::Error::other)? {
                let (request, taken) = (request.to_vec(), self.buffer.len() - rest.len());
                self.buffer.drain(..taken);
                return Ok(Some(request));
            }
            let most = netstring::room(limits::SOCKETMAP_REQUEST);
            assert!(self.buffer.len() < most, "a full buffer has a whole request");
            // Reads are small because taking a request moves the rest of the buffer.
            let mut some = (&mut self.stream).take(limits::SOCKETMAP_BUFFER as u64);
            if some.read_buf(&mut self.buffer).await? == 0 {
                return Ok(None);
            }
        }
    }
}
