//! An arriving message: in memory while it is small, otherwise in a spool file. Its octets pass through the
//! header edit and are written once.

use super::body::{Body, Message};
use super::edit::{Blanks, HeaderEdit, ID_DIGITS, MessageId, Style};
use super::spool::{Spool, SpoolFile};
use crate::limits;
use crate::model::{Digest, StoreError};
use blake3::Hasher;
use std::sync::Arc;

/// An arriving message. It is always in a box, because the hash takes up 2 KiB.
#[derive(Debug)]
pub(crate) struct Incoming {
    edit: HeaderEdit,
    spool: Spool,
    buffer: Vec<u8>,
    file: Option<SpoolFile>,
    /// The hash of all octets received, followed by the sender. The message comes first because BLAKE3 hashes in
    /// parallel only input that is aligned to its chunks.
    hash: Hasher,
    original_size: u64,
}

impl Incoming {
    /// Creates an empty message. `mail_from` is the value of X-MailFrom, `hostname` is the right-hand side of a
    /// Message-ID that we add, and `received` is a Received line to write before the first header line.
    pub(crate) fn new(
        style: Style,
        mail_from: String,
        hostname: &str,
        received: Option<String>,
        spool: Spool,
    ) -> Box<Self> {
        Box::new(Self {
            edit: HeaderEdit::new(style, mail_from, hostname.to_owned(), received),
            spool,
            buffer: Vec::new(),
            file: None,
            hash: Hasher::new(),
            original_size: 0,
        })
    }

    /// Takes the next octets. If the future is dropped, the write completes in the background and the file is
    /// removed.
    pub(crate) async fn push(&mut self, octets: &[u8]) -> Result<(), StoreError> {
        self.original_size += octets.len() as u64;
        self.hash.update(octets);
        // Most messages arrive in one piece, and the edit appends it in many.
        self.buffer.reserve(octets.len() + limits::ADDED_FIELDS);
        self.edit.push(octets, &mut self.buffer);
        if self.buffer.len() > limits::BODY_IN_MEMORY { self.flush().await } else { Ok(()) }
    }

    /// Ends the message: fills in a Message-ID that we added, and syncs the spool file if there is one.
    pub(crate) async fn finish(mut self: Box<Self>) -> Result<Message, StoreError> {
        let sender = self.edit.mail_from().as_bytes();
        // The length is included so that no other pair of message and sender results in the same octets.
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
                            // The edit adds each placeholder in one piece and the piece is flushed whole, so no
                            // text straddles the file and the buffer.
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

/// Returns the Message-ID, and the texts to write with their offsets. The id's digits are a hash of the message
/// and the sender, so a message that is sent again gets the same id.
fn fill_in_message_id(blanks: Blanks, digest: &Digest) -> (String, Vec<(u64, String)>) {
    blanks.fill(digest.iter().take(ID_DIGITS / 2).map(|octet| format!("{octet:02x}")).collect())
}

/// Overwrites `buffer` with `text`, from index `at`.
fn overwrite(buffer: &mut [u8], at: u64, text: &str) {
    let at = usize::try_from(at).expect("an index into the buffer");
    buffer[at..][..text.len()].copy_from_slice(text.as_bytes());
}

/// Runs file operations on a thread where they do not hold up other sessions.
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

    /// Stores a message without Message-ID whose header has `octets`, fed in pieces. Returns its Message-ID and
    /// its text.
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
    fn our_message_id_is_filled_in_at_any_position() {
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
