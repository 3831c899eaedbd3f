//! A message on its way in: in memory while it is small, in a spool file when it is not. Its octets
//! pass through the header's edit and are written once.

use super::body::{Body, Message};
use super::edit::{Blanks, HeaderEdit, ID_DIGITS, MessageId, Style};
use super::spool::{Spool, SpoolFile};
use crate::limits;
use crate::model::{Digest, StoreError};
use blake3::Hasher;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

/// A message while it arrives.
#[derive(Debug)]
pub(crate) struct Incoming {
    edit: HeaderEdit,
    spool: Spool,
    buffer: Vec<u8>,
    file: Option<SpoolFile>,
    /// Of all octets received; the sender follows at the end. What comes first is hashed in parallel only from
    /// the beginning of a chunk on, and the message is what is long.
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

    /// Takes the next octets. Dropped at its await, the write goes on and the file goes with it.
    pub(crate) async fn push(&mut self, octets: &[u8]) -> Result<(), StoreError> {
        self.original_size += octets.len() as u64;
        self.hash.update(octets);
        self.edit.push(octets, &mut self.buffer);
        if self.buffer.len() > limits::BODY_IN_MEMORY { self.flush().await } else { Ok(()) }
    }

    /// Ends the message: a Message-ID of ours is filled in, and a file is synced.
    pub(crate) async fn finish(mut self) -> Result<Message, StoreError> {
        let sender = self.edit.mail_from().as_bytes();
        // With its length, so that no other sender and message run into the same octets.
        self.hash.update(sender).update(&(sender.len() as u64).to_le_bytes());
        let digest: Digest = self.hash.finalize().into();
        let found = self.edit.finish(&mut self.buffer);
        let message_id = match found {
            MessageId::Given(id) => id,
            MessageId::Missing(blanks) => self.fill_in_message_id(blanks, &digest)?,
        };
        let body = match self.file {
            None => Body::Memory(self.buffer),
            Some(mut file) => {
                let dir = Arc::clone(&self.spool.dir);
                Body::Spooled(
                    off_the_runtime(move || {
                        file.append(&self.buffer)?;
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

    /// The digits are a hash of sender and message: a message that is sent again gets the same id.
    fn fill_in_message_id(&mut self, blanks: Blanks, digest: &Digest) -> Result<String, StoreError> {
        let digits = digest.iter().take(ID_DIGITS / 2).map(|octet| format!("{octet:02x}")).collect();
        let (id, patches) = blanks.fill(digits);
        patches.into_iter().try_for_each(|(at, text)| self.overwrite(at, text.as_bytes()))?;
        Ok(id)
    }

    /// Writes over what was pushed: in the file, in the buffer, or across. Each octet goes where it
    /// belongs.
    fn overwrite(&mut self, at: u64, octets: &[u8]) -> Result<(), StoreError> {
        let flushed = self.file.as_ref().map_or(0, |file| file.len);
        for (place, octet) in (at..).zip(octets) {
            match (&self.file, place.checked_sub(flushed)) {
                (_, Some(in_buffer)) => {
                    let index = usize::try_from(in_buffer).expect("an index into the buffer");
                    self.buffer[index] = *octet;
                }
                (Some(file), None) => {
                    let written = file.file.write_all_at(&[*octet], place);
                    written.map_err(|source| StoreError::file("write", file.path(), source))?;
                }
                (None, None) => unreachable!("without a file nothing was flushed"),
            }
        }
        Ok(())
    }
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
