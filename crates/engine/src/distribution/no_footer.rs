//! Why a post gets no footer.

use std::fmt;

/// The reason why a post gets no footer.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum NoFooter {
    /// The list has none, or a blank one.
    NotSet,
    /// With its placeholders replaced, the footer has more than [`limits::FOOTER`](crate::limits::FOOTER) octets.
    TooLong,
    /// The post is signed or encrypted, by S/MIME or OpenPGP.
    SignedOrEncrypted,
    /// The part does not fit the view.
    NotSeen,
    /// The post's MIME structure is not valid, or could be read in two ways.
    Malformed,
    /// The post has a content type or transfer encoding to which nothing is added.
    Unsupported,
}

impl fmt::Display for NoFooter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotSet => "the list has no footer",
            Self::TooLong => "the footer is too long",
            Self::SignedOrEncrypted => "the post is signed or encrypted",
            Self::NotSeen => "the post is too large",
            Self::Malformed => "the post's MIME structure is not valid",
            Self::Unsupported => "nothing can be added to a post of this type",
        })
    }
}

impl std::error::Error for NoFooter {}
