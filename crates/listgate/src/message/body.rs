//! The octets of a whole message.

use super::facts::Facts;
use super::spool::Spooled;
use crate::model::Digest;

/// The octets of a whole message.
#[derive(Debug)]
pub(crate) enum Body {
    Memory(Vec<u8>),
    Spooled(Spooled),
}

impl Body {
    /// In octets.
    pub(crate) fn len(&self) -> u64 {
        match self {
            Self::Memory(octets) => octets.len() as u64,
            Self::Spooled(spooled) => spooled.len,
        }
    }

    /// Octets that stand in a row of a database: all, or none where a file has them.
    pub(crate) fn in_row(&self) -> u64 {
        match self {
            Self::Memory(octets) => octets.len() as u64,
            Self::Spooled(_) => 0,
        }
    }
}

/// A whole message, ready to be stored.
#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) body: Body,
    /// Octets as received, dots unstuffed, before anything was added or removed.
    pub(crate) original_size: u64,
    pub(crate) message_id: String,
    pub(crate) facts: Facts,
    pub(crate) digest: Digest,
}
