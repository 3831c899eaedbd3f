//! Writes what would be sent into a directory, for a first try and for tests.

use super::copies::{Copy, Prepared};
use crate::backends::EngineStore;
use crate::file_error::{During, FileError};
use crate::model::{Claimed, StoreError};
use listgate_lmtp::ForwardPath;
use serde_json::json;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

/// A directory that takes the place of a mail server.
pub(super) struct Directory {
    path: PathBuf,
}

/// The reason why a transaction could not be written.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotWritten {
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the message is gone")]
    NoMessage,
}

impl Directory {
    /// Creates the directory if it does not exist.
    ///
    /// # Errors
    /// It cannot be created.
    pub(super) fn create(path: &Path) -> Result<Self, FileError> {
        fs::create_dir_all(path).during("create", path)?;
        Ok(Self { path: path.to_owned() })
    }

    /// Writes a transaction: the message as it would be sent, without stuffed dots, and then a file about it. Each file
    /// appears whole, because it gets its name when it is complete.
    ///
    /// # Errors
    /// A file cannot be written, or the message cannot be read.
    pub(super) async fn write(
        &self,
        store: &dyn EngineStore,
        prepared: &Prepared,
        batch: &Claimed,
        copy: &Copy,
        place: usize,
    ) -> Result<(), NotWritten> {
        let name = format!("{:06}-{:06}-{place:03}", batch.post.0, batch.batch.0);
        let (message, about) =
            (self.path.join(format!("{name}.eml")), self.path.join(format!("{name}.json")));
        let unfinished = self.path.join(format!(".{name}.tmp"));
        write_message(store, prepared, copy, &unfinished).await?;
        fs::rename(&unfinished, &message).during("rename", &unfinished)?;
        let recipients: Vec<String> = copy
            .to
            .iter()
            .map(|to| match &to.path {
                ForwardPath::Mailbox(address) => address.to_string(),
                ForwardPath::Postmaster => "postmaster".to_owned(),
            })
            .collect();
        let mail_from = copy.from.to_string();
        let mail_from = mail_from.trim_start_matches('<').trim_end_matches('>');
        let kind = batch.contents.kind();
        let text = json!({
            "mail_from": mail_from, "recipients": recipients, "list_id": batch.list_id, "kind": kind,
        });
        fs::write(&unfinished, format!("{text}\n")).during("write", &unfinished)?;
        fs::rename(&unfinished, &about).during("rename", &unfinished)?;
        Ok(())
    }
}

async fn write_message(
    store: &dyn EngineStore,
    prepared: &Prepared,
    copy: &Copy,
    path: &Path,
) -> Result<(), NotWritten> {
    let mut file = BufWriter::new(File::create(path).during("create", path)?);
    let mut offset = 0;
    while let Some(chunk) = prepared.chunk(store, offset).await? {
        for piece in copy.splices.pieces(offset, &chunk.octets, chunk.is_last) {
            file.write_all(piece).during("write", path)?;
        }
        offset += chunk.octets.len() as u64;
        if chunk.is_last {
            file.flush().during("write", path)?;
            return Ok(());
        }
    }
    Err(NotWritten::NoMessage)
}
