//! The settings that all sessions of a server share.

use crate::limits::Limits;

/// The settings of a server, the same for all its sessions. [`Settings::new`] has the defaults.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Settings {
    /// The name in the greeting and in the reply to LHLO (RFC 5321 section 4.2). Characters that are not
    /// printable ASCII become `?` in a reply.
    pub hostname: String,
    /// What follows the name in the greeting; empty by default.
    pub software: String,
    /// What to do with a message that has a bare CR or LF (RFC 5321 section 2.3.8); [`BareNewline::Keep`] by default.
    pub bare_newline: BareNewline,
    /// The limits that an operator chooses.
    pub limits: Limits,
}

impl Settings {
    /// Returns the defaults for a server with this name.
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
    /// Accept the message as it is.
    Keep,
    /// Refuse the message with 554 5.6.0 for each recipient.
    Reject,
}
