//! A message on its way in: in memory while it is small, in a spool file when it is not. Its octets
//! pass through the header's edit and are written once.

use super::body::{Body, Message};
use super::edit::{Blanks, HeaderEdit, ID_DIGITS, MessageId, Style};
use super::spool::{Spool, SpoolFile};
use crate::limits;
use crate::model::{Digest, StoreError};
use blake3::Hasher;
use std::sync::Arc;

/// A message while it arrives.
#[derive(Debug)]
pub(crate) struct Incoming {
    edit: HeaderEdit,
    spool: Spool,
    buffer: Vec<u8>,
    file: Option<SpoolFile>,
    /// Hash of all octets received, then of the sender. The message comes first because BLAKE3 hashes in parallel
    /// only what is aligned to its chunks.
    hash: Hasher,
    original_size: u64,
}

impl Incoming {
    /// `mail_from` as X-MailFrom says it; `hostname` is the right-hand side of a Message-ID of ours.
    /// `received` is a Received line to go before the first header line.
    pub(crate) fn new(
        style: Style,
        mail_from: String,
        hostname: &str,
        received: Option<String>,
        spool: Spool,
    ) -> Self {
        Self {
            edit: HeaderEdit::new(style, mail_from, hostname.to_owned(), received),
            spool,
            buffer: Vec::new(),
            file: None,
            hash: Hasher::new(),
            original_size: 0,
        }
    }

    /// Takes the next octets. If it is dropped at its await, the write completes in the background and the file
    /// is removed.
    pub(crate) async fn push(&mut self, octets: &[u8]) -> Result<(), StoreError> {
        self.original_size += octets.len() as u64;
        self.hash.update(octets);
        self.edit.push(octets, &mut self.buffer);
        if self.buffer.len() > limits::BODY_IN_MEMORY { self.flush().await } else { Ok(()) }
    }

    /// Ends the message: a Message-ID of ours is filled in, and a file is synced.
    pub(crate) async fn finish(mut self) -> Result<Message, StoreError> {
        let sender = self.edit.mail_from().as_bytes();
        // With its length, so that no other pair of message and sender gives the same octets.
        self.hash.update(sender).update(&(sender.len() as u64).to_le_bytes());
        let digest: Digest = self.hash.finalize().into();
        let (message_id, patches) = match self.edit.finish(&mut self.buffer) {
            MessageId::Given(id) => (id, Vec::new()),
            MessageId::Missing(blanks) => fill_in_message_id(blanks, &digest),
        };
        let mut buffer = self.buffer;
        let body = match self.file {
            None => {
                patches.iter().for_each(|(at, text)| overwrite(&mut buffer, *at, text));
                Body::Memory(buffer)
            }
            Some(mut file) => {
                let dir = Arc::clone(&self.spool.dir);
                Body::Spooled(
                    off_the_runtime(move || {
                        for (at, text) in &patches {
                            // What the edit adds in one piece is also flushed in one piece.
                            match at.checked_sub(file.len) {
                                Some(at) => overwrite(&mut buffer, at, text),
                                None => file.overwrite(*at, text.as_bytes())?,
                            }
                        }
                        file.append(&buffer)?;
                        file.sync(&dir)
                    })
                    .await?,
                )
            }
        };
        let facts = self.edit.into_facts();
        Ok(Message { body, original_size: self.original_size, message_id, facts, digest })
    }

    async fn flush(&mut self) -> Result<(), StoreError> {
        let file = self.file.take();
        let buffer = std::mem::take(&mut self.buffer);
        let spool = self.spool.clone();
        let (file, buffer) = off_the_runtime(move || {
            let mut file = file.map_or_else(|| spool.create(), Ok)?;
            file.append(&buffer)?;
            Ok((file, buffer))
        })
        .await?;
        self.file = Some(file);
        self.buffer = buffer;
        self.buffer.clear();
        Ok(())
    }
}

/// The Message-ID, and what is to be written where. Its digits are a hash of message and sender: a message that
/// is sent again gets the same id.
fn fill_in_message_id(blanks: Blanks, digest: &Digest) -> (String, Vec<(u64, String)>) {
    blanks.fill(digest.iter().take(ID_DIGITS / 2).map(|octet| format!("{octet:02x}")).collect())
}

/// Writes `text` at an index of `buffer`.
fn overwrite(buffer: &mut [u8], at: u64, text: &str) {
    let at = usize::try_from(at).expect("an index into the buffer");
    buffer[at..][..text.len()].copy_from_slice(text.as_bytes());
}

/// Runs file operations where they do not hold up other sessions.
pub(crate) async fn off_the_runtime<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(panic) if panic.is_panic() => std::panic::resume_unwind(panic.into_panic()),
        Err(_) => Err(StoreError::closed()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A message without Message-ID whose header has `octets`, in pieces.
    fn stored(style: Style, octets: usize, piece: usize) -> (String, String) {
        let dir = tempfile::tempdir().unwrap();
        let spool = Spool::new(dir.path());
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let message = runtime.block_on(async {
            let mut incoming = Incoming::new(style, "<>".to_owned(), "host", None, spool);
            let message = format!("A: {}\r\n\r\nbody\r\n", "x".repeat(octets));
            for piece in message.as_bytes().chunks(piece) {
                incoming.push(piece).await.unwrap();
            }
            incoming.finish().await.unwrap()
        });
        let octets = match &message.body {
            Body::Memory(octets) => octets.clone(),
            Body::Spooled(spooled) => std::fs::read(spooled.path()).unwrap(),
        };
        (message.message_id, String::from_utf8(octets).unwrap())
    }

    #[test]
    fn a_message_id_of_ours_is_filled_in_wherever_it_stands() {
        let memory = limits::BODY_IN_MEMORY;
        for style in [Style::Plain, Style::Mailman] {
            for octets in [10, memory - 200, memory - 80, memory - 40, memory, 3 * memory] {
                let ids = [100, 4096, memory, 10 * memory].map(|piece| {
                    let (id, stored) = stored(style, octets, piece);
                    assert_eq!(stored.matches(&format!("\r\nMessage-ID: {id}\r\n")).count(), 1);
                    let hash = super::super::mailman_id::hash(id.as_bytes());
                    let hashes = if style == Style::Mailman { 2 } else { 0 };
                    assert_eq!(stored.matches(&format!("Message-ID-Hash: {hash}\r\n")).count(), hashes);
                    id
                });
                assert!(ids.iter().all(|id| *id == ids[0]), "however it arrives");
            }
        }
    }
}
