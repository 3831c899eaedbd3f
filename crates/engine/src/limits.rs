//! The fixed limits.

/// Octets of a header that a [`View`](crate::view::View) reads.
pub const HEADER: usize = 1024 * 1024;

/// Octets from the beginning of a body that a [`View`](crate::view::View) shows.
pub const BODY_START: usize = 256 * 1024;

/// Octets from the end of a body that a [`View`](crate::view::View) shows.
pub const BODY_END: usize = 64 * 1024;

/// Octets that the engine adds to a message, at most.
pub const GENERATED: usize = 64 * 1024;

/// Characters of a name that stand in a generated field. The others are left out.
pub const NAME: usize = 100;

/// Addresses in a generated field. The others are left out.
pub const ADDRESSES: usize = 20;

/// Authors of a post whose addresses move to another field. The others are left out.
pub const AUTHORS: usize = 10;
