//! Recognition of mail that is sent again.

use super::endpoint::Endpoint;
use std::ops::RangeInclusive;

/// The handling of mail that is sent again. A mail server does so when the last reply was lost.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Redelivery {
    /// A message with a Received line is not queued again; any other is marked.
    Suppress,
    /// It is queued again, and its entry names the first one.
    Mark,
    /// Nothing is remembered.
    Off,
}

/// A hash of a message's sender and of all its octets as received. It is BLAKE3, which is fast on every processor,
/// because every message waits for it.
pub(crate) type Digest = [u8; 32];

/// The key that identifies a delivery to one endpoint when it is sent again: part of a hash of the message and its
/// sender, then part of a hash of the endpoint, however it was addressed. When sorted, the fingerprints of one
/// message are adjacent.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct Fingerprint(pub(crate) [u8; Self::LEN]);

impl Fingerprint {
    pub(crate) const LEN: usize = Self::MESSAGE + 8;
    /// Octets from the hash of the message. To suppress other people's mail, an attacker would have to match them.
    pub(crate) const MESSAGE: usize = 12;

    pub(crate) fn new(digest: &Digest, Endpoint { list, role, detail }: &Endpoint) -> Self {
        let mut hash = blake3::Hasher::new();
        hash.update(list.list_id.as_bytes()).update(&[0]).update(role.name().as_bytes());
        if let Some(detail) = detail {
            hash.update(&[0]).update(detail.as_bytes());
        }
        let endpoint = hash.finalize();
        let (message, endpoint) = (&digest[..Self::MESSAGE], endpoint.as_bytes());
        Self(std::array::from_fn(|at| {
            message.get(at).copied().unwrap_or_else(|| endpoint[at - message.len()])
        }))
    }

    /// Returns the part from the hash of the message, which all fingerprints of a message have in common.
    pub(crate) fn message(&self) -> [u8; Self::MESSAGE] {
        *self.0.first_chunk().expect("a fingerprint is longer")
    }

    /// Returns the range of the fingerprints of all deliveries of a message.
    pub(crate) fn all_of(digest: &Digest) -> RangeInclusive<Self> {
        let end = |fill| Self(std::array::from_fn(|at| if at < Self::MESSAGE { digest[at] } else { fill }));
        end(0)..=end(0xff)
    }
}

/// Whether the mail to one recipient was received before, and what was done with it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Duplicate {
    /// It did not, as far as is known.
    No,
    /// It is queued, and its entry names the earlier one.
    Marked,
    /// It is not queued again: the earlier entry is still in its queue.
    Suppressed,
    /// It is not queued again: the earlier entry has been handled.
    Handled,
}

impl Duplicate {
    /// Returns whether an entry was stored for it.
    pub(crate) fn is_stored(self) -> bool {
        match self {
            Self::No | Self::Marked => true,
            Self::Suppressed | Self::Handled => false,
        }
    }
}
