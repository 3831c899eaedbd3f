//! What a server's sessions have in common.

use crate::limits::Limits;

/// What a server is, the same for all its sessions. [`Settings::new`] has the defaults.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Settings {
    /// The name in the greeting and in the reply to LHLO (RFC 5321 section 4.2). In a reply whatever
    /// is not printable ASCII becomes `?`.
    pub hostname: String,
    /// What follows the name in the greeting; by default nothing.
    pub software: String,
    /// What to do with a message that has a bare CR or LF (RFC 5321 section 2.3.8); by default
    /// [`BareNewline::Keep`].
    pub bare_newline: BareNewline,
    /// The bounds an operator chooses.
    pub limits: Limits,
}

impl Settings {
    /// The defaults for a server with this name.
    pub fn new(hostname: impl Into<String>) -> Self {
        Self {
            hostname: hostname.into(),
            software: String::new(),
            bare_newline: BareNewline::Keep,
            limits: Limits::default(),
        }
    }
}

/// What to do with a CR or LF in message data that is not part of a CR LF. It never ends the data.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BareNewline {
    /// Take the message as it is.
    Keep,
    /// 554 5.6.0 for each recipient.
    Reject,
}
