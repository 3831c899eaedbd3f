//! Why a configuration cannot be used.

use crate::file_error::FileError;
use crate::model::ListAddressError;
use crate::net::{AddressError, ListenAddress, PeersError};
use std::path::PathBuf;

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file cannot be read.
    #[error(transparent)]
    Read(#[from] FileError),
    /// The file is not TOML.
    #[error("{}: {}{}", path.display(), why.to_string().trim_end(), hint.as_deref().unwrap_or_default())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Where and why, with the line.
        why: Box<toml::de::Error>,
        /// What to write instead, on a line of its own, where that is known.
        hint: Option<String>,
    },
    /// A table is written as if it were a key.
    #[error("{}, line {line}: {name} is a table: write [{name}], and its keys below it", path.display())]
    NotATable {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The table.
        name: String,
    },
    /// The file has a table or a key that no configuration has.
    #[error("{}, line {line}: there is no {name}{hint}", path.display())]
    Unknown {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// `table [name]` or `key table.name`.
        name: String,
        /// What may be meant, where that is known, as the rest of the sentence.
        hint: String,
    },
    /// A value cannot be.
    #[error("{}, line {line}: {key} = {written}", path.display())]
    Value {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// `table.key`.
        key: &'static str,
        /// The value as it is written.
        written: String,
        /// Why not, and what to write instead.
        source: Box<ValueError>,
    },
    /// A value of a configuration that a program made cannot be.
    #[error("{key} = {value}")]
    Field {
        /// The key of the field.
        key: &'static str,
        /// The value as a file would say it.
        value: String,
        /// Why not, and what it may be.
        source: Box<ValueError>,
    },
    /// The values of a file do not fit together.
    #[error("{}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Which, and why.
        #[source]
        conflict: Conflict,
    },
    /// Values do not fit together.
    #[error(transparent)]
    Conflict(#[from] Conflict),
    /// A Mailman site's configuration cannot be used.
    #[error("the Mailman site cannot be used")]
    Mailman(
        /// File, section, key and why.
        #[source]
        Box<dyn std::error::Error + Send + Sync>,
    ),
}

impl ConfigError {
    /// Whether it is about a Mailman site's own configuration.
    pub(crate) fn is_of_mailman(&self) -> bool {
        match self {
            Self::Mailman(_) => true,
            Self::Value { source, .. } => matches!(**source, ValueError::Mailman(_)),
            _ => false,
        }
    }
}

/// Why a value cannot be, with what to write instead.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ValueError {
    /// It is of another type, or not one of those that there are.
    #[error("write {expected}, such as {example}")]
    Expected {
        /// What is expected.
        expected: &'static str,
        /// A value that may be.
        example: String,
    },
    /// With so little, no mail would be taken.
    #[error("no mail could be taken: write at least {least}")]
    TooLittle {
        /// The least that may be.
        least: &'static str,
    },
    /// It is not a time.
    #[error("write a time such as {example}")]
    Time {
        /// A value that may be.
        example: String,
        /// Why not.
        source: humantime::DurationError,
    },
    /// It is not an address of a person.
    #[error("write an address such as \"anne@example.com\"")]
    Mailbox(
        /// Why not.
        #[source]
        listgate_lmtp::InvalidAddress,
    ),
    /// It is not an address of a list.
    #[error(transparent)]
    List(#[from] ListAddressError),
    /// It is not an address to listen on.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// It is not a network.
    #[error(transparent)]
    Network(#[from] PeersError),
    /// One of several is wrong.
    #[error("{item}")]
    Item {
        /// Which.
        item: String,
        /// Why.
        source: Box<ValueError>,
    },
    /// The Mailman site that it names cannot be used.
    #[error("the Mailman site cannot be used")]
    Mailman(
        /// File, section, key and why.
        #[source]
        Box<dyn std::error::Error + Send + Sync>,
    ),
}

/// Values that do not fit together.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Conflict {
    /// A single message would be more than all may be.
    #[error(
        "lmtp.max_message_size = {message} is more than server.max_in_flight = {in_flight}, so no message of that \
         size could come in: set server.max_in_flight to {message} or more"
    )]
    MessageSize {
        /// `lmtp.max_message_size`
        message: String,
        /// `server.max_in_flight`
        in_flight: String,
    },
    /// An address is listened on twice.
    #[error("{address} is in {first} and again in {second}: write another, or remove it")]
    Address {
        /// The address.
        address: ListenAddress,
        /// The key that has it.
        first: &'static str,
        /// The key that has it too.
        second: &'static str,
    },
    /// SQLite is chosen, and a Mailman site is named.
    #[error(
        "storage.backend is \"sqlite\", and a Mailman site is named by mailman.config or --mailman: remove one of \
         the two"
    )]
    Backends,
}
