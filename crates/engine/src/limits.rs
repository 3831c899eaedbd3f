//! The fixed limits.

/// Octets of a header that a [`View`](crate::view::View) reads.
pub const HEADER: usize = 1024 * 1024;

/// Octets from the beginning of a body that a [`View`](crate::view::View) shows.
pub const BODY_START: usize = 256 * 1024;

/// Octets from the end of a body that a [`View`](crate::view::View) shows.
pub const BODY_END: usize = 64 * 1024;
