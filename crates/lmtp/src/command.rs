//! Strict parsing of one command line (RFC 5321 section 4.1.1, RFC 2033 section 4).

use crate::mailbox::{ForwardPath, ReversePath, checked_text, take_forward_path, take_reverse_path};
use crate::reply::Refusal;

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Command<'l> {
    Lhlo(&'l str),
    Mail(Sender),
    Rcpt(ForwardPath),
    Data,
    Rset,
    Noop,
    Vrfy,
    Help,
    Quit,
    /// STARTTLS; `alone` is false if it has a parameter.
    StartTls {
        alone: bool,
    },
}

/// The arguments of MAIL.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Sender {
    /// The sender of the message, to which bounces go.
    pub path: ReversePath,
    /// The declared size in octets (RFC 1870): a hint, not a promise.
    pub size: Option<u64>,
    /// The message may have UTF-8 in its addresses and its header (RFC 6531 section 3.4). Mail servers leave this
    /// out at times, so addresses with UTF-8 are accepted either way.
    pub smtputf8: bool,
}

impl Sender {
    /// Returns the arguments of a MAIL without parameters.
    pub fn new(path: ReversePath) -> Self {
        Self { path, size: None, smtputf8: false }
    }
}

/// Parses a line without its CR LF.
pub(crate) fn parse(line: &[u8]) -> Result<Command<'_>, Refusal> {
    if line.iter().any(|octet| matches!(octet, b'\r' | b'\n')) {
        return Err(Refusal::new(500, 5, 2, "Bare CR or LF in a command: lines end with CR LF"));
    }
    let (verb, argument) = split_verb(trim_end(line));
    let mut upper = [0; 8];
    let Some(upper) = upper.get_mut(..verb.len()) else { return Err(UNKNOWN) };
    upper.copy_from_slice(verb);
    upper.make_ascii_uppercase();
    match &*upper {
        b"LHLO" => lhlo(argument),
        b"MAIL" => mail(argument),
        b"RCPT" => rcpt(argument),
        b"DATA" => alone(argument, Command::Data, "Syntax: DATA"),
        b"RSET" => alone(argument, Command::Rset, "Syntax: RSET"),
        b"QUIT" => alone(argument, Command::Quit, "Syntax: QUIT"),
        b"NOOP" => Ok(Command::Noop),
        b"HELP" => Ok(Command::Help),
        b"VRFY" if argument.is_empty() => Err(syntax("Syntax: VRFY string")),
        // A client may add SMTPUTF8 (RFC 6531 section 3.7.4.2). Every string has the same answer.
        b"VRFY" => match checked_text(argument) {
            Ok(_) => Ok(Command::Vrfy),
            Err(why) => Err(syntax("").with_text(format!("Malformed string: {why}"))),
        },
        b"HELO" | b"EHLO" => Err(Refusal::to_greeting(500, "This is LMTP: say LHLO (RFC 2033)")),
        b"STARTTLS" => Ok(Command::StartTls { alone: argument.is_empty() }),
        b"EXPN" | b"AUTH" | b"BDAT" | b"TURN" | b"ETRN" => {
            Err(Refusal::new(502, 5, 1, "Command not implemented"))
        }
        b"" => Err(Refusal::new(500, 5, 2, "Empty command")),
        _ => Err(UNKNOWN),
    }
}

/// Returns whether `line` is, or was meant to be, a MAIL command.
pub(crate) fn is_mail(line: &[u8]) -> bool {
    split_verb(trim_end(line)).0.eq_ignore_ascii_case(b"MAIL")
}

fn split_verb(line: &[u8]) -> (&[u8], &[u8]) {
    let len = line.iter().position(|&octet| octet == b' ').unwrap_or(line.len());
    let (verb, rest) = line.split_at(len);
    (verb, rest.strip_prefix(b" ").unwrap_or(rest))
}

const UNKNOWN: Refusal = Refusal::new(500, 5, 1, "Command not recognized");

const fn syntax(text: &'static str) -> Refusal {
    Refusal::new(501, 5, 4, text)
}

/// Strips trailing blanks: they are no reason to refuse a command and make mail bounce.
fn trim_end(line: &[u8]) -> &[u8] {
    let len = line.iter().rposition(|octet| !matches!(octet, b' ' | b'\t')).map_or(0, |last| last + 1);
    &line[..len]
}

fn alone<'l>(argument: &[u8], command: Command<'l>, usage: &'static str) -> Result<Command<'l>, Refusal> {
    if argument.is_empty() { Ok(command) } else { Err(syntax(usage)) }
}

/// Parses LHLO. The name is only recorded in the trace and never trusted, so any printable word is accepted, in
/// UTF-8 too, although RFC 6531 section 3.7.1 asks clients for A-labels.
fn lhlo(argument: &[u8]) -> Result<Command<'_>, Refusal> {
    let invisible = |c: char| c.is_control() || c.is_whitespace();
    match std::str::from_utf8(argument) {
        Ok(name) if !name.is_empty() && !name.contains(invisible) => Ok(Command::Lhlo(name)),
        _ => Err(Refusal::to_greeting(501, "Syntax: LHLO hostname")),
    }
}

fn mail(argument: &[u8]) -> Result<Command<'_>, Refusal> {
    const USAGE: Refusal =
        syntax("Syntax: MAIL FROM:<address> [SIZE=octets] [BODY=7BIT|8BITMIME] [SMTPUTF8]");
    let mut rest = strip_keyword(argument, b"FROM:").ok_or(USAGE)?;
    let path = take_reverse_path(&mut rest)
        .map_err(|why| Refusal::new(501, 1, 7, "").with_text(format!("Malformed sender address: {why}")))?;
    let (mut size, mut body, mut smtputf8) = (None, None, None);
    for (keyword, value) in parameters(rest).ok_or(USAGE)? {
        match keyword.to_ascii_uppercase().as_slice() {
            b"SIZE" if size.is_none() => size = Some(declared_size(value).ok_or(BAD_SIZE)?),
            b"BODY" if body.is_none() => body = Some(check_body(value)?),
            b"SMTPUTF8" if smtputf8.is_none() => smtputf8 = Some(no_value(value)?),
            b"SIZE" | b"BODY" | b"SMTPUTF8" => return Err(syntax("A parameter is given twice")),
            _ => return Err(UNKNOWN_PARAMETER),
        }
    }
    Ok(Command::Mail(Sender { path, size, smtputf8: smtputf8.is_some() }))
}

fn rcpt(argument: &[u8]) -> Result<Command<'_>, Refusal> {
    const USAGE: Refusal = syntax("Syntax: RCPT TO:<address>");
    let mut rest = strip_keyword(argument, b"TO:").ok_or(USAGE)?;
    let path = take_forward_path(&mut rest).map_err(|why| {
        Refusal::new(501, 1, 3, "").with_text(format!("Malformed recipient address: {why}"))
    })?;
    match parameters(rest).ok_or(USAGE)?.next() {
        None => Ok(Command::Rcpt(path)),
        Some(_) => Err(UNKNOWN_PARAMETER),
    }
}

const UNKNOWN_PARAMETER: Refusal = Refusal::new(555, 5, 4, "Parameter not recognized or not implemented");
const BAD_SIZE: Refusal = syntax("SIZE wants a number of octets");

fn strip_keyword<'l>(argument: &'l [u8], keyword: &[u8]) -> Option<&'l [u8]> {
    let (word, rest) = argument.split_at_checked(keyword.len())?;
    word.eq_ignore_ascii_case(keyword).then_some(rest)
}

/// Parses repetitions of ` KEY[=VALUE]`, or returns `None` if something else follows the address.
fn parameters(rest: &[u8]) -> Option<impl Iterator<Item = (&[u8], Option<&[u8]>)>> {
    let well_formed = |word: &[u8]| {
        let (key, value) = split_parameter(word);
        key.first().is_some_and(u8::is_ascii_alphanumeric)
            && key.iter().all(|octet| octet.is_ascii_alphanumeric() || *octet == b'-')
            && value.is_none_or(|value| {
                !value.is_empty() && value.iter().all(|octet| matches!(octet, 33..=60 | 62..=126))
            })
    };
    let words = || rest.split(|&octet| octet == b' ').skip(1).filter(|word| !word.is_empty());
    let starts_well = rest.first().is_none_or(|&octet| octet == b' ');
    (starts_well && words().all(well_formed)).then(|| words().map(split_parameter))
}

fn split_parameter(word: &[u8]) -> (&[u8], Option<&[u8]>) {
    match word.iter().position(|&octet| octet == b'=') {
        Some(at) => (&word[..at], Some(&word[at + 1..])),
        None => (word, None),
    }
}

/// Parses 1 to 20 digits (RFC 1870 section 3). A number too large for a `u64` is larger than any limit.
fn declared_size(value: Option<&[u8]>) -> Option<u64> {
    let digits = value.filter(|value| (1..=20).contains(&value.len()))?;
    if !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let text = std::str::from_utf8(digits).ok()?;
    Some(text.parse().unwrap_or(u64::MAX))
}

/// Checks the value of BODY (RFC 6152). Both kinds of message are kept as they arrive, so the value need not
/// be stored.
fn check_body(value: Option<&[u8]>) -> Result<(), Refusal> {
    match value {
        Some(value) if value.eq_ignore_ascii_case(b"7BIT") || value.eq_ignore_ascii_case(b"8BITMIME") => {
            Ok(())
        }
        _ => Err(syntax("BODY is 7BIT or 8BITMIME")),
    }
}

/// Checks that SMTPUTF8 has no value (RFC 6531 section 3.4).
fn no_value(value: Option<&[u8]>) -> Result<(), Refusal> {
    if value.is_none() { Ok(()) } else { Err(syntax("SMTPUTF8 has no value")) }
}
