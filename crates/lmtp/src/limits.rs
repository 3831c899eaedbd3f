//! Every bound of this crate. What an operator may choose is in [`Limits`]; what nobody needs to
//! choose is a constant, with its reason.

use std::time::Duration;

/// Octets of one command line without its CR LF. RFC 5321 section 4.5.3.1.4 asks for 512 and room
/// for parameters; a VERP bounce address alone may take more than that.
pub const COMMAND_LINE: usize = 4096;

/// Octets of a local part. RFC 5321 section 4.5.3.1.1 says 64, but `mylist-confirm+TOKEN` and
/// `mylist-bounces+user=example.org` are longer in daily use.
pub const LOCAL_PART: usize = 1024;

/// Octets of a domain (RFC 5321 section 4.5.3.1.2).
pub const DOMAIN: usize = 255;

/// Octets of one label of a domain (RFC 1035 section 2.3.4).
pub const LABEL: usize = 63;

/// Octets of a reply's text, so that code, enhanced code and text fit the 512 of RFC 5321 section
/// 4.5.3.1.5.
pub const REPLY_TEXT: usize = 480;

/// Octets of one reply line a client takes, without its CR LF. Twice what the standard allows:
/// peers are not always polite.
pub const REPLY_LINE: usize = 1024;

/// Lines of one reply that a client keeps; the rest is read and forgotten.
pub const REPLY_LINES: usize = 100;

const _: () = {
    let address = LOCAL_PART + "@".len() + DOMAIN;
    let around = "MAIL FROM:<> SIZE=18446744073709551615 BODY=8BITMIME".len();
    assert!(address + around <= COMMAND_LINE, "a MAIL with the longest address fits its line");
    assert!(LABEL <= DOMAIN);
    let reply = "550 5.999.999 ".len() + REPLY_TEXT;
    assert!(reply + "\r\n".len() <= 512, "RFC 5321 section 4.5.3.1.5");
    assert!(reply <= REPLY_LINE, "a client takes what a server writes");
};

/// The bounds of a session that its operator chooses. [`Limits::default`] has a value for each.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Limits {
    /// Octets of a message, dots unstuffed; announced by SIZE (RFC 1870).
    pub message_size: u64,
    /// Accepted recipients of one transaction; the next gets 452 (RFC 5321 section 4.5.3.1.10).
    pub recipients: usize,
    /// Replies of 500, 501, 503 and 555 before the session is ended with 421.
    pub errors: u32,
    /// Commands in a row that are about no mail (NOOP, HELP, VRFY, LHLO) before the session is ended with
    /// 421. Each is answered by itself, so they cost more than they say.
    pub idle_commands: u32,
    /// Commands without a whole message before the session is ended with 421: more than any sender
    /// needs for its recipients, or for the addresses it verifies.
    pub commands: u32,
    /// The longest wait for a whole command line.
    pub command_timeout: Duration,
    /// The longest silence within a message's data.
    pub data_timeout: Duration,
    /// The longest time from MAIL to the final dot.
    pub transaction_timeout: Duration,
}

const DEFAULT: Limits = Limits {
    message_size: 50 << 20,
    recipients: 1000,
    errors: 100,
    idle_commands: 100,
    commands: 10_000,
    command_timeout: Duration::from_secs(5 * 60),
    data_timeout: Duration::from_secs(10 * 60),
    transaction_timeout: Duration::from_secs(60 * 60),
};

const _: () = {
    assert!(DEFAULT.recipients < DEFAULT.commands as usize, "each recipient is named by a command");
    assert!(DEFAULT.idle_commands < DEFAULT.commands, "commands about no mail are counted among all");
    let transaction = DEFAULT.transaction_timeout.as_secs();
    assert!(DEFAULT.command_timeout.as_secs() < transaction, "one wait is shorter than all of them");
    assert!(DEFAULT.data_timeout.as_secs() < transaction);
};

impl Default for Limits {
    fn default() -> Self {
        DEFAULT
    }
}
