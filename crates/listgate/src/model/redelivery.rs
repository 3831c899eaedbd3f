//! How mail that comes again is known.

use super::endpoint::Endpoint;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::ops::RangeInclusive;

/// What to do with mail that came before: its last reply was lost, and it is sent again.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Redelivery {
    /// A message with a Received line is not queued twice; any other is marked.
    Suppress,
    /// It is queued again, and names the first entry.
    Mark,
    /// Nothing is remembered.
    Off,
}

/// A hash of a message's sender and of all octets received.
pub(crate) type Digest = [u8; 32];

/// What makes a delivery to one endpoint known again: some of a hash of the message and its sender, then
/// some of a hash of the endpoint, however it was addressed. In their order, those of a message lie beside
/// each other.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Fingerprint(pub(crate) [u8; Self::LEN]);

impl Fingerprint {
    pub(crate) const LEN: usize = Self::MESSAGE + 8;
    /// Octets of the message's part: to suppress another's mail, one would have to meet them.
    pub(crate) const MESSAGE: usize = 12;

    pub(crate) fn new(digest: &Digest, Endpoint { list, role, detail }: &Endpoint) -> Self {
        let mut endpoint =
            Sha256::new().chain_update(&list.list_id).chain_update([0]).chain_update(role.name());
        if let Some(detail) = detail {
            endpoint.update([0]);
            endpoint.update(detail);
        }
        let (message, endpoint) = (&digest[..Self::MESSAGE], endpoint.finalize());
        Self(std::array::from_fn(|at| {
            message.get(at).copied().unwrap_or_else(|| endpoint[at - message.len()])
        }))
    }

    /// Where the fingerprints of all deliveries of a message lie.
    pub(crate) fn all_of(digest: &Digest) -> RangeInclusive<Self> {
        let end = |fill| Self(std::array::from_fn(|at| if at < Self::MESSAGE { digest[at] } else { fill }));
        end(0)..=end(0xff)
    }
}

/// Whether the mail to one recipient came before, and what was done.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Again {
    /// Not as far as is known.
    No,
    /// It is queued, and names the entry that it was before.
    Marked,
    /// It is not queued twice: the entry that it was before is its answer.
    Suppressed,
}
