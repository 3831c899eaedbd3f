//! Addresses in the syntax of RFC 5321 section 4.1.2 and RFC 6531 section 3.3 (UTF-8), with dots in local parts as
//! people use them. Text is kept as it was written: nothing is unquoted, case-folded, normalized or mapped to
//! A-labels. The code that routes the mail decides which addresses are equal.

use crate::limits;
use std::{fmt, net::Ipv4Addr, net::Ipv6Addr, str::FromStr};

/// An address `local@domain`, kept octet for octet as it was written.
///
/// ```
/// use listgate_lmtp::Mailbox;
/// let mailbox: Mailbox = r#""my list"@Example.com"#.parse().unwrap();
/// assert_eq!(mailbox.local().as_str(), r#""my list""#);
/// assert_eq!(mailbox.local().unquoted(), "my list");
/// assert_eq!(mailbox.domain().as_str(), "Example.com");
/// ```
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Mailbox {
    text: String,
    local_len: usize,
}

impl Mailbox {
    /// Returns the local part, up to the `@` before the domain.
    pub fn local(&self) -> LocalPart<'_> {
        LocalPart(&self.text[..self.local_len])
    }

    /// Returns the domain, after the `@`.
    pub fn domain(&self) -> Domain<'_> {
        Domain(&self.text[self.local_len + 1..])
    }

    /// Returns the whole address as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns whether the address can be sent without SMTPUTF8 (RFC 6531 section 3.2).
    pub fn is_ascii(&self) -> bool {
        self.text.is_ascii()
    }
}

impl fmt::Display for Mailbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for Mailbox {
    type Err = InvalidAddress;

    /// Parses `local@domain` without angle brackets; the whole text must be the address (RFC 5321
    /// sections 4.1.2 and 4.1.3). Local parts may be longer than the RFC's 64 octets, up to
    /// [`limits::LOCAL_PART`], and may have dots anywhere without quotes ([`needs_no_quotes`]). Host names may
    /// contain underscores. UTF-8 may be anywhere except in quoted pairs and address literals (RFC 6531
    /// section 3.3), but no C1 control characters (U+0080 to U+009F).
    ///
    /// # Errors
    /// Returns what is wrong, worded for the sender.
    fn from_str(text: &str) -> Result<Self, InvalidAddress> {
        let mut rest = text.as_bytes();
        let mailbox = take_mailbox(&mut rest)?;
        if rest.is_empty() { Ok(mailbox) } else { Err(InvalidAddress("something follows the address")) }
    }
}

/// The local part of a [`Mailbox`], including any quotes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LocalPart<'m>(&'m str);

impl<'m> LocalPart<'m> {
    /// Returns the local part as it was written.
    pub fn as_str(self) -> &'m str {
        self.0
    }

    /// Returns whether the local part is a quoted string.
    pub fn is_quoted(self) -> bool {
        self.0.starts_with('"')
    }

    /// Returns the local part without its quotes and without the backslashes of quoted pairs (RFC 5321
    /// section 4.1.2 calls `"a"` and `a` equivalent).
    pub fn unquoted(self) -> String {
        let Some(inner) = self.0.strip_prefix('"').and_then(|inner| inner.strip_suffix('"')) else {
            return self.0.to_owned();
        };
        let mut text = String::with_capacity(inner.len());
        let mut chars = inner.chars();
        while let Some(c) = chars.next() {
            text.push(if c == '\\' { chars.next().unwrap_or(c) } else { c });
        }
        text
    }
}

/// The domain of a [`Mailbox`]: a name or an address literal.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Domain<'m>(&'m str);

impl<'m> Domain<'m> {
    /// Returns the domain as it was written.
    pub fn as_str(self) -> &'m str {
        self.0
    }

    /// Returns whether the domain is an address literal such as `[192.0.2.1]` (RFC 5321 section 4.1.3).
    pub fn is_literal(self) -> bool {
        self.0.starts_with('[')
    }
}

/// The sender of a message (RFC 5321, Reverse-path).
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum ReversePath {
    /// `<>`: no sender, as in bounces.
    Null,
    /// `<local@domain>`
    Mailbox(Mailbox),
}

impl ReversePath {
    /// Returns whether the path can be sent without SMTPUTF8 (RFC 6531 section 3.2).
    pub fn is_ascii(&self) -> bool {
        match self {
            Self::Null => true,
            Self::Mailbox(mailbox) => mailbox.is_ascii(),
        }
    }
}

impl fmt::Display for ReversePath {
    /// Writes the address without angle brackets, or `<>` for the null sender.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("<>"),
            Self::Mailbox(mailbox) => mailbox.fmt(f),
        }
    }
}

/// A recipient of a message (RFC 5321, Forward-path).
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum ForwardPath {
    /// `<Postmaster>`, in any case, without a domain (RFC 5321 section 4.5.1).
    Postmaster,
    /// `<local@domain>`
    Mailbox(Mailbox),
}

impl ForwardPath {
    /// Returns whether the path can be sent without SMTPUTF8 (RFC 6531 section 3.2).
    pub fn is_ascii(&self) -> bool {
        match self {
            Self::Postmaster => true,
            Self::Mailbox(mailbox) => mailbox.is_ascii(),
        }
    }
}

impl fmt::Display for ForwardPath {
    /// Writes the address without angle brackets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Postmaster => f.write_str("postmaster"),
            Self::Mailbox(mailbox) => mailbox.fmt(f),
        }
    }
}

/// The reason why an address is invalid.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct InvalidAddress(pub(crate) &'static str);

impl fmt::Display for InvalidAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for InvalidAddress {}

/// Takes `<>` or `<mailbox>` from the front of `rest`.
pub(crate) fn take_reverse_path(rest: &mut &[u8]) -> Result<ReversePath, InvalidAddress> {
    if let Some(after) = rest.strip_prefix(b"<>") {
        *rest = after;
        return Ok(ReversePath::Null);
    }
    Ok(ReversePath::Mailbox(mailbox_in_brackets(rest)?))
}

/// Takes `<mailbox>` or `<postmaster>` from the front of `rest`.
pub(crate) fn take_forward_path(rest: &mut &[u8]) -> Result<ForwardPath, InvalidAddress> {
    const POSTMASTER: &[u8] = b"<postmaster>";
    if let Some((path, after)) = rest.split_at_checked(POSTMASTER.len())
        && path.eq_ignore_ascii_case(POSTMASTER)
    {
        *rest = after;
        return Ok(ForwardPath::Postmaster);
    }
    Ok(ForwardPath::Mailbox(mailbox_in_brackets(rest)?))
}

fn mailbox_in_brackets(rest: &mut &[u8]) -> Result<Mailbox, InvalidAddress> {
    *rest = rest.strip_prefix(b"<").ok_or(InvalidAddress("no < before the address"))?;
    skip_source_route(rest)?;
    let mailbox = take_mailbox(rest)?;
    *rest = rest.strip_prefix(b">").ok_or(InvalidAddress("no > after the address"))?;
    Ok(mailbox)
}

/// Skips `@one.example,@two.example:`, which is accepted and ignored (RFC 5321 section 4.1.1.3, appendix F.2).
fn skip_source_route(rest: &mut &[u8]) -> Result<(), InvalidAddress> {
    if rest.first() != Some(&b'@') {
        return Ok(());
    }
    loop {
        *rest = rest.strip_prefix(b"@").ok_or(InvalidAddress("malformed source route"))?;
        take_domain(rest)?;
        match rest.split_first() {
            Some((b',', after)) => *rest = after,
            Some((b':', after)) => {
                *rest = after;
                return Ok(());
            }
            _ => return Err(InvalidAddress("malformed source route")),
        }
    }
}

fn take_mailbox(rest: &mut &[u8]) -> Result<Mailbox, InvalidAddress> {
    let local = take_local_part(rest)?;
    let no_at = || match rest.contains(&b'@') {
        true => InvalidAddress("a space or another character that needs quotes before the @"),
        false => InvalidAddress("no @ after the local part"),
    };
    *rest = rest.strip_prefix(b"@").ok_or_else(no_at)?;
    let domain = take_domain(rest)?;
    Ok(Mailbox { text: [local, "@", domain].concat(), local_len: local.len() })
}

fn take_local_part<'a>(rest: &mut &'a [u8]) -> Result<&'a str, InvalidAddress> {
    let len = match rest.first() {
        Some(b'"') => quoted_string_len(rest)?,
        _ => unquoted_len(rest)?,
    };
    if len > limits::LOCAL_PART {
        return Err(InvalidAddress("the local part is too long"));
    }
    split_text(rest, len)
}

fn quoted_string_len(text: &[u8]) -> Result<usize, InvalidAddress> {
    let mut at = 1;
    while let Some(&octet) = text.get(at) {
        at += match (octet, text.get(at + 1)) {
            (b'"', _) => return Ok(at + 1),
            (b'\\', Some(b' '..=b'~')) => 2,
            (b'\\', Some(128..)) => {
                return Err(InvalidAddress("a backslash before a character that is not ASCII"));
            }
            // This includes a backslash that quotes nothing: the octet after it, which is not printable, is
            // the error.
            (b' '..=b'~' | 128.., _) => 1,
            _ => return Err(InvalidAddress("a control character in the local part")),
        };
    }
    Err(InvalidAddress("the quoted local part does not end"))
}

/// Returns the length of the unquoted local part at the front of `text`: atoms and dots, see [`needs_no_quotes`].
/// Octets that are not ASCII count as parts of atoms (RFC 6531 section 3.3), without a check of UTF-8.
fn unquoted_len(text: &[u8]) -> Result<usize, InvalidAddress> {
    let len = text.iter().take_while(|&&octet| is_atext(octet) || octet == b'.').count();
    if len == 0 {
        return Err(InvalidAddress("the local part is missing"));
    }
    if text[..len].iter().all(|&octet| octet == b'.') {
        return Err(InvalidAddress("the local part has only dots"));
    }
    Ok(len)
}

/// Returns whether `text` can be a local part without quotes as people use them: a dot may be at either end, or
/// next to another dot, as in `foo..bar`. Text of dots alone needs quotes, because `.` and `..` name directories.
/// The length is not checked.
///
/// RFC 5321 allows less ([`is_dot_string`]): some mail servers quote `foo..bar`, and others do not.
pub fn needs_no_quotes(text: &str) -> bool {
    unquoted_len(text.as_bytes()) == Ok(text.len()) && checked_text(text.as_bytes()).is_ok()
}

/// Returns whether `text` can be a local part without quotes in the strict sense of RFC 5321 section 4.1.2
/// (Dot-string) and RFC 6531 section 3.3 (UTF-8): atoms with single dots between them. The length is not checked.
pub fn is_dot_string(text: &str) -> bool {
    needs_no_quotes(text) && !text.split('.').any(str::is_empty)
}

fn is_atext(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || octet >= 128 || b"!#$%&'*+-/=?^_`{|}~".contains(&octet)
}

fn take_domain<'a>(rest: &mut &'a [u8]) -> Result<&'a str, InvalidAddress> {
    let len = match rest.first() {
        Some(b'[') => address_literal_len(rest)?,
        _ => domain_name_len(rest)?,
    };
    if len > limits::DOMAIN {
        return Err(InvalidAddress("the domain is too long"));
    }
    split_text(rest, len)
}

/// Returns the length of the domain name at the front of `text`, without a check of UTF-8. Underscores are
/// accepted although host names have none, because mail servers pass them on. U-labels (RFC 6531 section 3.3) may
/// be longer than [`limits::LABEL`]: that limit is for the A-label, which may be shorter than its UTF-8.
fn domain_name_len(text: &[u8]) -> Result<usize, InvalidAddress> {
    let in_label =
        |octet: u8| octet.is_ascii_alphanumeric() || octet == b'-' || octet == b'_' || octet >= 128;
    let len = text.iter().take_while(|&&octet| in_label(octet) || octet == b'.').count();
    let good = |label: &[u8]| match label {
        [] | [b'-', ..] | [.., b'-'] => false,
        _ => label.len() <= limits::LABEL || !label.is_ascii(),
    };
    if len == 0 {
        return Err(InvalidAddress("the domain is missing"));
    }
    if !text[..len].split(|&octet| octet == b'.').all(good) {
        return Err(InvalidAddress("malformed domain"));
    }
    Ok(len)
}

/// Returns whether `text` is a domain name or an address literal.
pub fn is_domain(text: &str) -> bool {
    let mut rest = text.as_bytes();
    take_domain(&mut rest).is_ok() && rest.is_empty()
}

/// Returns whether `text` is a domain name (not an address literal), with A-labels or U-labels as written. Whether
/// a U-label is valid in the sense of IDNA is not checked.
pub fn is_domain_name(text: &str) -> bool {
    let name = text.as_bytes();
    name.len() <= limits::DOMAIN && domain_name_len(name) == Ok(name.len()) && checked_text(name).is_ok()
}

fn address_literal_len(text: &[u8]) -> Result<usize, InvalidAddress> {
    const MALFORMED: InvalidAddress = InvalidAddress("malformed address literal");
    let end = text.iter().position(|&octet| octet == b']').ok_or(MALFORMED)?;
    let inner = std::str::from_utf8(&text[1..end]).map_err(|_| MALFORMED)?;
    let good = match inner.split_once(':') {
        None => inner.parse::<Ipv4Addr>().is_ok(),
        Some((tag, address)) if tag.eq_ignore_ascii_case("IPv6") => address.parse::<Ipv6Addr>().is_ok(),
        Some((tag, content)) => is_general_literal(tag, content),
    };
    if good { Ok(end + 1) } else { Err(MALFORMED) }
}

/// Checks the parts of `tag:content` (RFC 5321, General-address-literal).
fn is_general_literal(tag: &str, content: &str) -> bool {
    let ldh = |octet: u8| octet.is_ascii_alphanumeric() || octet == b'-';
    !tag.is_empty()
        && tag.bytes().all(ldh)
        && !tag.ends_with('-')
        && !content.is_empty()
        && content.bytes().all(|octet| matches!(octet, 33..=90 | 94..=126))
}

/// Splits off the first `len` octets of `rest`, which end before an ASCII octet or at the end.
fn split_text<'a>(rest: &mut &'a [u8], len: usize) -> Result<&'a str, InvalidAddress> {
    let (text, after) = rest.split_at(len);
    let text = checked_text(text)?;
    *rest = after;
    Ok(text)
}

/// Returns `octets` as text, if it is UTF-8 without C1 control characters, which terminals obey. ASCII is checked
/// elsewhere.
pub(crate) fn checked_text(octets: &[u8]) -> Result<&str, InvalidAddress> {
    let text = std::str::from_utf8(octets).map_err(|_| InvalidAddress("it is not valid UTF-8"))?;
    if !text.is_ascii() && text.contains(|c| matches!(c, '\u{80}'..='\u{9f}')) {
        return Err(InvalidAddress("a control character (U+0080 to U+009F)"));
    }
    Ok(text)
}
