//! Errors in a configuration.

use super::target::TargetError;
use crate::file_error::FileError;
use crate::net::{AddressError, ListenAddress, NetworkError};
use std::path::PathBuf;

/// The reason why a configuration cannot be used.
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
        /// The parser's error, with the line.
        why: Box<toml::de::Error>,
        /// The text to write instead, on a line of its own, if that is known.
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
    /// The file has a table or a key that does not exist.
    #[error("{}, line {line}: unknown {name}{hint}", path.display())]
    Unknown {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// `table [name]` or `key table.name`.
        name: String,
        /// The most likely meaning, if that is known, as the rest of the sentence.
        hint: String,
    },
    /// A value is not allowed.
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
        /// The reason, and what to write instead.
        source: Box<ValueError>,
    },
    /// A value is not allowed in a configuration that was built in code.
    #[error("{key} = {value}")]
    Field {
        /// The key of the field.
        key: &'static str,
        /// The value as a file would write it.
        value: String,
        /// The reason, and what is allowed.
        source: Box<ValueError>,
    },
    /// Values in a file conflict.
    #[error("{}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Which values conflict, and why.
        #[source]
        conflict: Conflict,
    },
    /// Values conflict.
    #[error(transparent)]
    Conflict(#[from] Conflict),
    /// The certificate cannot be used.
    #[error("the files of [tls] cannot be used")]
    Tls(
        /// The file and the reason.
        #[source]
        Box<dyn std::error::Error + Send + Sync>,
    ),
    /// The authorities of the mail server cannot be used.
    #[error("outgoing.ca cannot be used")]
    OutgoingTls(
        /// The file and the reason.
        #[source]
        Box<dyn std::error::Error + Send + Sync>,
    ),
    /// A text of the site's own for generated mail cannot be used.
    #[error("engine.texts cannot be used")]
    Texts(
        /// The file and the reason.
        #[source]
        Box<dyn std::error::Error + Send + Sync>,
    ),
    /// The user or the password for the mail server cannot be used.
    #[error("outgoing.user and the password in {} cannot be used", path.display())]
    Credentials {
        /// The file of the password.
        path: PathBuf,
        /// The reason.
        source: listgate_lmtp::InvalidCredentials,
    },
    /// A Mailman site's configuration cannot be used.
    #[error("the Mailman site cannot be used")]
    Mailman(
        /// The file, the section, the key and the reason.
        #[source]
        Box<dyn std::error::Error + Send + Sync>,
    ),
}

impl ConfigError {
    /// Returns whether the error is in a Mailman site's own configuration.
    pub(crate) fn is_of_mailman(&self) -> bool {
        match self {
            Self::Mailman(_) => true,
            Self::Value { source, .. } => matches!(**source, ValueError::Mailman(_)),
            _ => false,
        }
    }
}

/// The reason why a value is not allowed, with what to write instead.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ValueError {
    /// It has the wrong type, or is not one of the possible values.
    #[error("write {expected}, such as {example}")]
    Expected {
        /// The values that are expected.
        expected: &'static str,
        /// A value that is allowed.
        example: String,
    },
    /// It is so small that no mail could be accepted.
    #[error("no mail could be taken: write at least {least}")]
    TooLittle {
        /// The smallest value that is allowed.
        least: &'static str,
    },
    /// It is so small that no mail could leave.
    #[error("no mail could leave: write at least {least}")]
    TooLittleLeaves {
        /// The smallest value that is allowed.
        least: &'static str,
    },
    /// It is so short that mail would be sent again while the mail server still stores it.
    #[error("members would get mail twice: write at least {least}")]
    SentTwice {
        /// The shortest time that is allowed.
        least: &'static str,
    },
    /// It is not a time.
    #[error("write a time such as {example}")]
    Time {
        /// A value that is allowed.
        example: String,
        /// The reason.
        source: humantime::DurationError,
    },
    /// It is not the address of a mailbox.
    #[error("write an address such as \"anne@example.com\"")]
    Mailbox(
        /// The reason.
        #[source]
        listgate_lmtp::InvalidAddress,
    ),
    /// It is not an address to listen on.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// It is not where mail could leave to.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// It is not a network.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// One of several values is wrong.
    #[error("{item}")]
    Item {
        /// The value.
        item: String,
        /// The reason.
        source: Box<ValueError>,
    },
    /// The Mailman site that it names cannot be used.
    #[error("the Mailman site cannot be used")]
    Mailman(
        /// The file, the section, the key and the reason.
        #[source]
        Box<dyn std::error::Error + Send + Sync>,
    ),
}

/// A conflict between values.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Conflict {
    /// A single message could be larger than all messages together may be.
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
    /// An address to listen on is configured twice.
    #[error("{address} is in {first} and again in {second}: write another, or remove it")]
    Address {
        /// The address.
        address: ListenAddress,
        /// The key that has it.
        first: &'static str,
        /// The key that has it too.
        second: &'static str,
    },
    /// A key is useless without another.
    #[error("{set} needs {missing}: set it too, or remove {set}")]
    Tls {
        /// The key that is set.
        set: &'static str,
        /// The key that is not.
        missing: &'static str,
    },
    /// The engine is to run on a Mailman site.
    #[error(
        "engine.enabled is true, but the runners of a Mailman site work its queues: remove it, or set it to false"
    )]
    Engine,
    /// SQLite is chosen, and a Mailman site is named.
    #[error(
        "storage.backend is \"sqlite\", and a Mailman site is named by mailman.config or --mailman: remove one of \
         the two"
    )]
    Backends,
}
