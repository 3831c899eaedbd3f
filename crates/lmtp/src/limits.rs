//! All limits of this crate. The ones an operator may choose are in [`Limits`]; the others are constants,
//! each with its reason.

use std::time::Duration;

/// The maximum length of a command line in octets, without its CR LF. RFC 5321 section 4.5.3.1.4 asks for 512
/// and room for parameters; a VERP bounce address alone may take more than that.
pub const COMMAND_LINE: usize = 4096;

/// The longest silence after a line that ends in a bare LF, which is not a line end, before it is answered with an
/// error. A program that ends its lines so waits for a reply. More input may follow the LF in another packet.
pub const UNENDED_LINE: Duration = Duration::from_secs(2);

/// The maximum length of a local part in octets. RFC 5321 section 4.5.3.1.1 says 64, but
/// `mylist-confirm+TOKEN` and `mylist-bounces+user=example.org` are often longer in practice.
pub const LOCAL_PART: usize = 1024;

/// The maximum length of a domain in octets, as it is written: in UTF-8 if it has U-labels (RFC 5321
/// section 4.5.3.1.2).
pub const DOMAIN: usize = 255;

/// The maximum length of one ASCII label of a domain in octets (RFC 1035 section 2.3.4). A U-label of more octets
/// of UTF-8 may be a valid A-label, so it is bounded by [`DOMAIN`] alone.
pub const LABEL: usize = 63;

/// The maximum length of a reply's text in octets, so that code, enhanced code and text fit the 512 octets of
/// RFC 5321 section 4.5.3.1.5.
pub const REPLY_TEXT: usize = 480;

/// The maximum length of a reply line that a client accepts, in octets without its CR LF. This is twice what
/// the standard allows, because not every server keeps to it.
pub const REPLY_LINE: usize = 1024;

/// The maximum number of lines of a reply that a client keeps; it reads and discards the rest.
pub const REPLY_LINES: usize = 100;

/// The maximum length of an ORCPT parameter's value in octets that a client sends (RFC 3461 section 4): servers need not
/// accept longer lines.
pub const ORIGINAL_RECIPIENT: usize = 500;

/// The maximum length of an ENVID parameter's value in octets (RFC 3461 section 4).
pub const ENVELOPE_ID: usize = 100;

const _: () = {
    let address = LOCAL_PART + "@".len() + DOMAIN;
    let around = "MAIL FROM:<> SIZE=18446744073709551615 BODY=8BITMIME SMTPUTF8".len();
    assert!(address + around <= COMMAND_LINE, "a MAIL with the longest address fits its line");
    assert!(LABEL <= DOMAIN);
    let reply = "550 5.999.999 ".len() + REPLY_TEXT;
    assert!(reply + "\r\n".len() <= 512, "RFC 5321 section 4.5.3.1.5");
    assert!(reply <= REPLY_LINE, "a client takes what a server writes");
};

/// The limits of a session that its operator chooses. [`Limits::default`] has a value for each.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Limits {
    /// The maximum size of a message in octets, after dots are unstuffed; announced by SIZE (RFC 1870).
    pub message_size: u64,
    /// The maximum number of accepted recipients in a transaction; the next one gets 452 (RFC 5321
    /// section 4.5.3.1.10).
    pub recipients: usize,
    /// The number of replies of 500, 501, 503 and 555 to the peer's own mistakes that ends the session with 421.
    pub errors: u32,
    /// The maximum number of consecutive commands that are not about mail (NOOP, HELP, VRFY, LHLO); the next
    /// command ends the session with 421. Each of them is answered with a write of its own, so they cost more
    /// than their size suggests.
    pub idle_commands: u32,
    /// The maximum number of commands without a whole message; the next one ends the session with 421. This
    /// is more than any sender needs for its recipients, or for the addresses it verifies.
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
    assert!(UNENDED_LINE.as_secs() < DEFAULT.command_timeout.as_secs());
    assert!(DEFAULT.command_timeout.as_secs() < transaction, "one wait is shorter than all of them");
    assert!(DEFAULT.data_timeout.as_secs() < transaction);
};

impl Default for Limits {
    fn default() -> Self {
        DEFAULT
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 5321 sections 4.5.3.1.7, 4.5.3.1.8, 4.5.3.2.5 and 4.5.3.2.7.
    #[test]
    fn the_defaults_allow_what_the_standard_asks_for() {
        let Limits { message_size, recipients, command_timeout, data_timeout, .. } = Limits::default();
        assert!(message_size >= 64 * 1024);
        assert!(recipients >= 100);
        assert!(command_timeout >= Duration::from_secs(300));
        assert!(data_timeout >= Duration::from_secs(180));
    }
}
