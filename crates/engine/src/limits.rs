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

/// Octets of an address in a generated field (RFC 5321 section 4.5.3.1: 64 for the local part, 255 for the domain). Longer
/// ones are left out.
pub const ADDRESS: usize = 64 + 1 + 255;

/// Addresses in a generated field. The others are left out.
pub const ADDRESSES: usize = 16;

/// Authors of a post whose addresses move to another field. The others are left out.
pub const AUTHORS: usize = 8;

/// Octets of a footer, with its placeholders replaced.
pub const FOOTER: usize = 4 * 1024;

/// Octets of the fields that move from a header to the header of a part, when a footer needs a part of its own.
pub const MOVED: usize = 4 * 1024;

/// Recipients that are taken from a bounce. The others are left out.
pub const BOUNCED: usize = 100;

/// Characters of the text that says why mail was returned. The others are left out.
pub const DIAGNOSTIC: usize = 500;

/// Characters of the Message-ID of a message that was returned. The others are left out.
pub const MESSAGE_ID: usize = 998;

/// Commands that are read from a mail. The others are ignored.
pub const COMMANDS: usize = 10;

/// Lines of a mail, of those that its author wrote, in which commands are looked for. The others are ignored.
pub const COMMAND_LINES: usize = 10;

/// Levels of nested multiparts in which the text of a command is looked for. Parts below them are ignored.
pub const NESTED_PARTS: usize = 8;

/// Octets of a Content-Type that are read in a command. The others are ignored.
pub const CONTENT_TYPE: usize = 2 * 1024;

/// Octets of the text of a notice, with its placeholders replaced and before it is encoded. What is longer is cut at a
/// line. Base64 and a header make at most [`GENERATED`] octets of it.
pub const NOTICE: usize = 40 * 1024;

/// Octets that one value may add to the text of a notice. What is longer is cut at a line.
pub const VALUE: usize = 30 * 1024;

/// Characters of one line of a value in a notice. The others are left out.
pub const VALUE_LINE: usize = 500;

/// Characters of the subject of a notice. The others are left out.
pub const SUBJECT: usize = 200;

/// Octets of the template of a notice. Longer ones are refused.
pub const TEMPLATE: usize = 8 * 1024;

/// Words of a command mail that a notice repeats because they were not understood. The others are left out.
pub const UNKNOWN_WORDS: usize = 10;

/// Characters of a word of a command mail that was not understood. The others are left out.
pub const UNKNOWN_WORD: usize = 20;

/// Seconds after its hand-over to the mail server before which no person answers a mail.
pub const SOONEST_REPLY: u64 = 5;

/// Mails about one request in an hour.
pub const MAILS_IN_HOUR: u32 = 1;

/// Mails about one request in a day.
pub const MAILS_IN_DAY: u32 = 3;

/// Mails to one address in a day for which no valid token asked, from the whole site.
pub const ANSWERS_TO_ADDRESS: u32 = 10;

/// Mails to one domain in an hour for which no valid token asked, from the whole site.
pub const ANSWERS_TO_DOMAIN: u32 = 100;
