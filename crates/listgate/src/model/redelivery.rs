//! How mail that comes again is known.

use super::endpoint::Endpoint;
use std::ops::RangeInclusive;

/// What to do with mail that came before: its last reply was lost, and it is sent again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Redelivery {
    /// A message with a Received line is not queued twice; any other is marked.
    Suppress,
    /// It is queued again, and names the first entry.
    Mark,
    /// Nothing is remembered.
    Off,
}

/// A hash of all octets received of a message, and of its sender (BLAKE3: fast on every processor, as it is in the way
/// of each message).
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
    /// It is not queued twice: the entry that it was before is still in its queue.
    Suppressed,
    /// It is not queued twice: the entry that it was before has been handled.
    Handled,
}

impl Again {
    /// Whether an entry was stored for it.
    pub(crate) fn is_stored(self) -> bool {
        match self {
            Self::No | Self::Marked => true,
            Self::Suppressed | Self::Handled => false,
        }
    }
}
