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
    /// Returns the size in octets.
    pub(crate) fn len(&self) -> u64 {
        match self {
            Self::Memory(octets) => octets.len() as u64,
            Self::Spooled(spooled) => spooled.len,
        }
    }

    /// Returns how many octets are in a database row: all, or none if they are in a spool file.
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
    /// The size in octets as received, with dots unstuffed, before anything was added or removed.
    pub(crate) original_size: u64,
    pub(crate) message_id: String,
    pub(crate) facts: Facts,
    pub(crate) digest: Digest,
}
