//! Adds a footer: to the text itself where it has room for it, else as a part of its own. Only octets are inserted; the
//! exception is the last group of a base64 text.

use super::mime::{Content, Transfer, closing, has_armor};
use super::no_footer::NoFooter;
use super::settings::Settings;
use crate::encode::{base64, quoted_printable};
use crate::limits;
use crate::placeholders;
use crate::splice::Splice;
use crate::view::{Field, View};
use crate::write::{field, text_lines, with_suffix};
use listgate_lmtp::Mailbox;
use mail_parser::decoders::base64::base64_decode;
use mail_parser::decoders::quoted_printable::quoted_printable_decode;

/// The octets that a line of a footer may have without an encoding. RFC 5322 section 2.1.1 allows 998; the leave address
/// of a copy may be longer than that of the list.
const LINE: usize = 500;

/// Types that become the first part of a multipart/mixed when they get a footer. Of others it is not certain that they
/// still mean the same there.
const WRAPPED: &[&str] = &[
    "text/plain",
    "text/html",
    "text/markdown",
    "text/enriched",
    "multipart/alternative",
    "multipart/related",
];

/// A footer with its place.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Footer {
    text: Text,
    at: u64,
    remove: u64,
    before: String,
    encoding: Encoding,
    after: String,
    /// If the footer is a part of its own: no line of it may begin with this.
    delimiter: Option<String>,
    /// The other changes, if the post becomes a part.
    pub(super) wrapping: Option<Wrapping>,
}

/// The changes that make a post a part of a multipart/mixed, except for those after the body.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Wrapping {
    /// The fields that are added. All fields that [`is_moved`] are removed.
    pub(super) fields: String,
    /// What comes before the body.
    pub(super) start: Splice,
}

/// Returns whether a field belongs to the content, not to the message (RFC 2045 section 9).
pub(super) fn is_moved(field: &Field<'_>) -> bool {
    field.name.get(..8).is_some_and(|name| name.eq_ignore_ascii_case(b"Content-")) || field.is("MIME-Version")
}

/// How the footer is written.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Encoding {
    charset: Charset,
    transfer: Transfer,
    /// Whether lines are stuffed with a blank (RFC 3676 section 4.4).
    is_flowed: bool,
    /// The octets of the last group of a base64 text, which are encoded again.
    group: Vec<u8>,
}

/// The characters that a footer may have.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Charset {
    Ascii,
    Latin1,
    Utf8,
}

impl Footer {
    pub(super) fn new(settings: &Settings, view: &View<'_>) -> Result<Self, NoFooter> {
        let text = Text::new(settings).ok_or(NoFooter::NotSet)?;
        let plain = text.with(None);
        if text.template.len().max(plain.len()) > limits::FOOTER {
            return Err(NoFooter::TooLong);
        }
        if plain.is_empty() {
            return Err(NoFooter::NotSet);
        }
        let content = Content::read(view)?;
        let is_protected = matches!(
            content.kind.as_str(),
            "multipart/signed"
                | "multipart/encrypted"
                | "application/pkcs7-mime"
                | "application/x-pkcs7-mime"
                | "application/pgp"
                | "application/pgp-encrypted"
        );
        if is_protected || has_armor(view.body_start()) || has_armor(view.body_end()) {
            return Err(NoFooter::SignedOrEncrypted);
        }
        let footer = match content.kind.as_str() {
            "multipart/mixed" => Self::as_last_part(text, &plain, view, &content),
            "text/plain" => match Self::in_text(&text, &plain, view, &content)? {
                Some(footer) => Ok(footer),
                None => Self::wrapped(text, &plain, view, &content),
            },
            kind if WRAPPED.contains(&kind) => Self::wrapped(text, &plain, view, &content),
            _ => Err(NoFooter::Unsupported),
        }?;
        // The text of the list itself must fit, because copies fall back to it.
        if footer.encoded(&plain).is_none() { Err(NoFooter::Malformed) } else { Ok(footer) }
    }

    /// Returns the splice for a copy with this leave address. If it does not fit, the list's own takes its place.
    pub(super) fn splice(&self, leave: Option<&Mailbox>) -> Splice {
        let own = || self.encoded(&self.text.with(None)).expect("the text of the list was tried");
        let text = leave.and_then(|leave| self.encoded(&self.text.with(Some(leave)))).unwrap_or_else(own);
        let insert = format_octets(&self.before, text, &self.after);
        Splice { at: self.at, remove: self.remove, insert }
    }

    fn encoded(&self, text: &str) -> Option<Vec<u8>> {
        let begins_part = |line: &str| self.delimiter.as_ref().is_some_and(|part| line.starts_with(part));
        if text.len() > limits::FOOTER || text.split("\r\n").any(begins_part) {
            return None;
        }
        self.encoding.encoded(text)
    }

    /// Adds the footer to the text of the post. Returns `None` if it does not fit there.
    fn in_text(
        text: &Text,
        plain: &str,
        view: &View<'_>,
        content: &Content,
    ) -> Result<Option<Self>, NoFooter> {
        let body = view.whole_body().ok_or(NoFooter::NotSeen)?;
        let Some(charset) = charset_of(content, plain) else { return Ok(None) };
        if !content.is_inline {
            return Ok(None);
        }
        let is_flowed = content.parameter("format") == "flowed";
        let mut encoding = Encoding { charset, transfer: content.transfer, is_flowed, group: Vec::new() };
        let mut footer = Self {
            text: text.clone(),
            at: view.size(),
            remove: 0,
            before: String::new(),
            encoding: encoding.clone(),
            after: String::new(),
            delimiter: None,
            wrapping: None,
        };
        let decoded = match content.transfer {
            Transfer::SevenBit | Transfer::EightBit => body.to_vec(),
            Transfer::QuotedPrintable if body.ends_with(b"=") => return Err(NoFooter::Malformed),
            Transfer::QuotedPrintable => quoted_printable_decode(body).ok_or(NoFooter::Malformed)?,
            Transfer::Base64 => {
                let group = LastGroup::new(body).ok_or(NoFooter::Malformed)?;
                footer.at = view.body_at() + group.start as u64;
                footer.remove = (group.end - group.start) as u64;
                if group.start > 0 {
                    footer.before = "\r\n".to_owned();
                }
                encoding.group = group.octets;
                group.decoded
            }
        };
        if has_armor(&decoded) {
            return Err(NoFooter::SignedOrEncrypted);
        }
        let line_end = line_end(&decoded, is_flowed);
        if content.transfer == Transfer::Base64 {
            encoding.group.extend_from_slice(line_end.as_bytes());
        } else {
            footer.before = line_end.to_owned();
        }
        footer.encoding = encoding;
        Ok(footer.encoded(plain).is_some().then_some(footer))
    }

    /// Adds the footer as the last part of a multipart/mixed.
    fn as_last_part(text: Text, plain: &str, view: &View<'_>, content: &Content) -> Result<Self, NoFooter> {
        if !matches!(content.transfer, Transfer::SevenBit | Transfer::EightBit) {
            return Err(NoFooter::Malformed);
        }
        let boundary = content.boundary()?;
        let at = closing(view, boundary)?;
        Ok(Self::part(text, plain, boundary, at, "", ""))
    }

    /// Makes the post the first part of a multipart/mixed, whose second part is the footer.
    fn wrapped(text: Text, plain: &str, view: &View<'_>, content: &Content) -> Result<Self, NoFooter> {
        let body = view.whole_body().ok_or(NoFooter::NotSeen)?;
        let mut moved = Vec::new();
        for field in view.fields().filter(is_moved).filter(|field| !field.is("MIME-Version")) {
            moved.extend_from_slice(view.written(&field));
        }
        if moved.len() > limits::MOVED {
            return Err(NoFooter::Unsupported);
        }
        if !matches!(moved.last(), None | Some(b'\r' | b'\n')) {
            moved.extend_from_slice(b"\r\n");
        }
        // A post cannot contain its own hash.
        let boundary = format!("=_{}", &blake3::hash(&[moved.as_slice(), body].concat()).to_hex()[..32]);
        let transfer = match content.transfer {
            Transfer::EightBit => field("Content-Transfer-Encoding", "8bit"),
            _ => String::new(),
        };
        let kind = field("Content-Type", &format!("multipart/mixed; boundary=\"{boundary}\""));
        let start = [format!("--{boundary}\r\n").as_bytes(), &moved, b"\r\n"].concat();
        let wrapping = Wrapping {
            fields: field("MIME-Version", "1.0") + &kind + &transfer,
            start: Splice::insert(view.body_at(), start),
        };
        let after = format!("--{boundary}--\r\n");
        let part = Self::part(text, plain, &boundary, view.size(), "\r\n", &after);
        Ok(Self { wrapping: Some(wrapping), ..part })
    }

    /// Returns the footer as a part.
    fn part(text: Text, plain: &str, boundary: &str, at: u64, before: &str, after: &str) -> Self {
        let is_simple = plain.is_ascii() && plain.split("\r\n").all(|line| line.len() <= LINE);
        let (charset, transfer, fields) = if is_simple {
            let kind = field("Content-Type", "text/plain; charset=us-ascii");
            (Charset::Ascii, Transfer::SevenBit, kind)
        } else {
            let kind = field("Content-Type", "text/plain; charset=utf-8");
            let fields = kind + &field("Content-Transfer-Encoding", "quoted-printable");
            (Charset::Utf8, Transfer::QuotedPrintable, fields)
        };
        let fields = fields + &field("Content-Disposition", "inline");
        Self {
            text,
            at,
            remove: 0,
            before: format!("{before}--{boundary}\r\n{fields}\r\n"),
            encoding: Encoding { charset, transfer, is_flowed: false, group: Vec::new() },
            after: after.to_owned(),
            delimiter: Some(format!("--{boundary}")),
            wrapping: None,
        }
    }
}

fn format_octets(before: &str, text: Vec<u8>, after: &str) -> Vec<u8> {
    [before.as_bytes(), &text, after.as_bytes()].concat()
}

impl Encoding {
    /// Returns the footer as it is written, or `None` if it cannot be written so.
    fn encoded(&self, text: &str) -> Option<Vec<u8>> {
        let stuffed = self.is_flowed.then(|| stuffed(text));
        let text = stuffed.as_deref().unwrap_or(text);
        let octets = match self.charset {
            Charset::Utf8 => text.as_bytes().to_vec(),
            Charset::Ascii => text.is_ascii().then(|| text.as_bytes().to_vec())?,
            Charset::Latin1 => text.chars().map(latin1).collect::<Option<Vec<u8>>>()?,
        };
        match self.transfer {
            Transfer::SevenBit if !octets.is_ascii() => None,
            Transfer::SevenBit | Transfer::EightBit => {
                let is_long = octets.split(|&octet| octet == b'\n').any(|line| line.len() > LINE);
                (!is_long).then_some(octets)
            }
            Transfer::QuotedPrintable => Some(quoted_printable(&octets).into_bytes()),
            Transfer::Base64 => {
                let encoded = base64(&[self.group.as_slice(), &octets].concat());
                let lines: Vec<_> = encoded.as_bytes().chunks(76).collect();
                Some(lines.join(b"\r\n".as_slice()))
            }
        }
    }
}

/// Returns an octet of ISO 8859-1, which is the same in Windows-1252.
fn latin1(c: char) -> Option<u8> {
    u8::try_from(c).ok().filter(|octet| octet.is_ascii() || *octet >= 0xa0)
}

/// Returns text with a blank before lines that would mean something else in format=flowed (RFC 3676 section 4.4).
fn stuffed(text: &str) -> String {
    let means_else = |line: &str| line.starts_with([' ', '>']) || line.starts_with("From ");
    let stuff = |line: &str| if means_else(line) { format!(" {line}") } else { line.to_owned() };
    text.split("\r\n").map(stuff).collect::<Vec<_>>().join("\r\n")
}

/// Returns what must come between a text and the footer, so that the footer begins a line and a paragraph.
fn line_end(text: &[u8], is_flowed: bool) -> &'static str {
    let Some(line) = text.strip_suffix(b"\n").map(|line| line.strip_suffix(b"\r").unwrap_or(line)) else {
        return if text.is_empty() || text.ends_with(b"\r") { "" } else { "\r\n" };
    };
    if is_flowed && line.ends_with(b" ") { "\r\n" } else { "" }
}

/// Returns the charset in which the footer is added to a text, or `None` if it must not be.
fn charset_of(content: &Content, footer: &str) -> Option<Charset> {
    let name = content.parameter("charset");
    match name.as_str() {
        "utf-8" | "utf8" => Some(Charset::Utf8),
        "iso-8859-1" | "latin1" | "windows-1252" => Some(Charset::Latin1),
        // In these, an octet below 128 that begins a line is the character of ASCII.
        "" | "us-ascii" | "ascii" | "gb2312" | "gbk" | "gb18030" | "big5" | "euc-jp" | "euc-kr"
        | "shift_jis" | "koi8-r" | "koi8-u" => footer.is_ascii().then_some(Charset::Ascii),
        _ if name.starts_with("iso-8859-") || name.starts_with("windows-125") => {
            footer.is_ascii().then_some(Charset::Ascii)
        }
        _ => None,
    }
}

/// The last group of a base64 text, if it is not a full one; otherwise only its place.
struct LastGroup {
    /// Where it is in the body.
    start: usize,
    end: usize,
    octets: Vec<u8>,
    /// The whole text.
    decoded: Vec<u8>,
}

impl LastGroup {
    /// Returns `None` if the text is not valid.
    fn new(body: &[u8]) -> Option<Self> {
        let is_blank = |octet: u8| matches!(octet, b' ' | b'\t' | b'\r' | b'\n');
        let digits: Vec<usize> = (0..body.len()).filter(|&at| !is_blank(body[at])).collect();
        let text: Vec<u8> = digits.iter().map(|&at| body[at]).collect();
        let padding = text.iter().rev().take_while(|&&octet| octet == b'=').count();
        let (plain, _) = text.split_at(text.len() - padding);
        let is_digit = |octet: &u8| octet.is_ascii_alphanumeric() || matches!(octet, b'+' | b'/');
        if !text.len().is_multiple_of(4) || padding > 2 || !plain.iter().all(is_digit) {
            return None;
        }
        let decoded = base64_decode(&text)?;
        let end = digits.last().map_or(0, |last| last + 1);
        if padding == 0 {
            return Some(Self { start: end, end, octets: Vec::new(), decoded });
        }
        let start = digits[text.len() - 4];
        let octets = base64_decode(&text[text.len() - 4..])?;
        Some(Self { start, end, octets, decoded })
    }
}

/// The text of a footer, without the leave address of a copy.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Text {
    template: String,
    display_name: String,
    posting_address: String,
    leave_address: String,
}

impl Text {
    fn new(settings: &Settings) -> Option<Self> {
        Some(Self {
            template: settings.footer.clone()?,
            display_name: settings.shown_name(),
            posting_address: settings.posting_address.to_string(),
            leave_address: with_suffix(&settings.posting_address, "-leave"),
        })
    }

    /// Returns the text with this leave address, as [`text_lines`].
    fn with(&self, leave: Option<&Mailbox>) -> String {
        let text = placeholders::expand(&self.template, |name| match name {
            "display_name" => Some(self.display_name.as_str()),
            "posting_address" => Some(self.posting_address.as_str()),
            "leave_address" => Some(leave.map_or(self.leave_address.as_str(), Mailbox::as_str)),
            _ => None,
        });
        text_lines(&text)
    }
}

#[cfg(test)]
mod tests {
    use super::super::Plan;
    use super::*;
    use mail_parser::{MessageParser, MimeHeaders};

    const FOOTER: &str = "__\nTo leave $display_name: $leave_address";
    const ADDED: &str = "__\r\nTo leave My List: mylist-leave@example.com\r\n";

    fn settings(footer: &str) -> Settings {
        let settings = Settings::new("mylist.example.com", "mylist@example.com".parse().unwrap());
        Settings { display_name: "My List".to_owned(), footer: Some(footer.to_owned()), ..settings }
    }

    fn copy(footer: &str, post: &[u8]) -> Result<Vec<u8>, NoFooter> {
        let plan = Plan::new(&settings(footer), &View::whole(post)).unwrap();
        plan.no_footer().map_or_else(|| Ok(plan.copy(None).apply(post)), Err)
    }

    /// Returns the body of a copy, for a post with these fields and this body.
    fn body(footer: &str, fields: &str, body: &str) -> Result<String, NoFooter> {
        let post = format!("From: a@b\r\n{fields}\r\n{body}");
        let copy = copy(footer, post.as_bytes())?;
        Ok(String::from_utf8(View::whole(&copy).body_start().to_vec()).unwrap())
    }

    fn text(charset: &str, transfer: &str) -> String {
        format!("Content-Type: text/plain{charset}\r\nContent-Transfer-Encoding: {transfer}\r\n")
    }

    #[test]
    fn a_footer_is_added_to_a_text_that_has_room_for_it() {
        for (fields, before, added) in [
            (String::new(), "Hello.\r\n", ADDED.to_owned()),
            (String::new(), "", ADDED.to_owned()),
            (String::new(), "Hello.", format!("\r\n{ADDED}")),
            (String::new(), "Hello.\n", ADDED.to_owned()),
            (text("", "7bit"), "Hello.\r\n", ADDED.to_owned()),
            (text("; charset=\"UTF-8\"", "8bit"), "Gr\u{fc}\u{df}e\r\n", ADDED.to_owned()),
            (text("; charset=iso-8859-15", "8bit"), "Hello.\r\n", ADDED.to_owned()),
            (text("; charset=utf-8", "Quoted-Printable"), "=C3=BC\r\n", ADDED.to_owned()),
            (text("; charset=utf-8", "quoted-printable"), "Hello=\r\n", format!("\r\n{ADDED}")),
            (text("; format=flowed", "7bit"), "Hello \r\nall.\r\n", ADDED.to_owned()),
            (text("; format=flowed", "7bit"), "Hello \r\n", format!("\r\n{ADDED}")),
            (text("; format=flowed", "quoted-printable"), "Hello=20\r\n", format!("\r\n{ADDED}")),
            (text("", "7bit") + "Content-Disposition: inline\r\n", "Hello.\r\n", ADDED.to_owned()),
        ] {
            assert_eq!(body(FOOTER, &fields, before), Ok(format!("{before}{added}")), "{fields}{before:?}");
        }
    }

    #[test]
    fn a_footer_is_written_in_the_charset_and_encoding_of_the_text() {
        for (fields, footer, added) in [
            (text("; charset=utf-8", "8bit"), "\u{20ac} ", "\u{20ac}\r\n"),
            (text("; charset=utf-8", "quoted-printable"), "1=\u{20ac}", "1=3D=E2=82=AC\r\n"),
            (text("; charset=iso-8859-1", "quoted-printable"), "\u{fc}", "=FC\r\n"),
            (text("; charset=windows-1252", "quoted-printable"), "\u{fc}", "=FC\r\n"),
            (text("; format=flowed", "7bit"), "-- \n>x\n y\nFrom z \n", "-- \r\n >x\r\n  y\r\n From z\r\n"),
            (text("; format=fixed", "7bit"), ">x\n\n y  \n\n", ">x\r\n\r\n y\r\n"),
            (String::new(), "a\rb\r\nc\0\u{1b}[0m\td\n", "a\r\nb\r\nc[0m\td\r\n"),
            (String::new(), "$$5 $x ${posting_address}", "$5 $x mylist@example.com\r\n"),
        ] {
            assert_eq!(body(footer, &fields, "x\r\n"), Ok(format!("x\r\n{added}")), "{fields}{footer}");
        }
    }

    #[test]
    fn a_footer_is_added_to_base64() {
        for text in ["", "H", "He", "Hel", "Hell", "Hello.\r\n", "Hello\r\n", "Hell\n", &"x".repeat(1000)] {
            for columns in [4, 5, 76, 2000] {
                let encoded = base64(text.as_bytes());
                let lines: Vec<_> = encoded.as_bytes().chunks(columns).collect();
                let lines = String::from_utf8(lines.join(b"\r\n".as_slice())).unwrap();
                for end in ["", "\r\n", " \n\r\n"] {
                    let fields = self::text("; charset=utf-8", "base64");
                    let changed = body("\u{20ac} $leave_address", &fields, &format!("{lines}{end}")).unwrap();
                    let kept = encoded.trim_end_matches('=').len() / 4 * 4;
                    let digits = |text: &str| text.split_whitespace().collect::<String>();
                    assert_eq!(digits(&changed)[..kept], encoded[..kept], "whole groups stay");
                    assert!(
                        changed.ends_with(end) && changed.lines().all(|line| line.len() <= columns.max(76))
                    );
                    let post = format!("From: a@b\r\n{fields}\r\n{changed}");
                    let message = MessageParser::default().parse(&post).unwrap();
                    let line_end = if text.is_empty() || text.ends_with('\n') { "" } else { "\r\n" };
                    let expected = format!("{text}{line_end}\u{20ac} mylist-leave@example.com\r\n");
                    assert_eq!(message.body_text(0).unwrap(), expected);
                }
            }
        }
    }

    #[test]
    fn a_footer_is_the_last_part_of_mixed_content() {
        let fields = "Content-Type: multipart/mixed;\r\n boundary=\"b c\"\r\n";
        let start = "preamble\r\n--b c\r\n\r\nHello.\r\n--b c \r\nContent-Type: image/png\r\n\r\nx\r\n";
        let part =
            "--b c\r\nContent-Type: text/plain; charset=us-ascii\r\nContent-Disposition: inline\r\n\r\n";
        for end in ["--b c--", "--b c--\t\r\nepilogue\r\n"] {
            let expected = format!("{start}{part}{ADDED}{end}");
            assert_eq!(body(FOOTER, fields, &format!("{start}{end}")), Ok(expected), "{end}");
        }
        let part = "--b c\r\nContent-Type: text/plain; charset=utf-8\r\n\
            Content-Transfer-Encoding: quoted-printable\r\nContent-Disposition: inline\r\n\r\n=E2=82=AC\r\n";
        assert_eq!(
            body("\u{20ac}", fields, &format!("{start}--b c--\r\n")),
            Ok(format!("{start}{part}--b c--\r\n"))
        );
    }

    #[test]
    fn a_large_post_has_its_footer_if_its_end_is_seen() {
        let fields = "From: a@b\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n";
        for len in [1, limits::BODY_START, limits::BODY_START + limits::BODY_END, 1 << 20] {
            let start = format!("{fields}{}\r\n", "x".repeat(60).repeat(len / 60));
            let changed = copy(FOOTER, format!("{start}--b--\r\n").as_bytes()).unwrap();
            let changed = String::from_utf8(changed).unwrap();
            assert!(changed.ends_with(&format!("x\r\n--b\r\nContent-Type: text/plain; charset=us-ascii\r\nContent-Disposition: inline\r\n\r\n{ADDED}--b--\r\n")) || len < 60);
            let epilogue = "y\r\n".repeat(limits::BODY_END / 3 + 1);
            let hidden = copy(FOOTER, format!("{start}--b--\r\n{epilogue}").as_bytes());
            assert_eq!(hidden.err(), (len >= limits::BODY_START).then_some(NoFooter::NotSeen), "{len}");
        }
        let text = "x".repeat(limits::BODY_START);
        assert!(body(FOOTER, "", &text).is_ok());
        assert_eq!(body(FOOTER, "", &format!("{text}x")), Err(NoFooter::NotSeen));
        assert_eq!(body(FOOTER, "Content-Type: text/html\r\n", &format!("{text}x")), Err(NoFooter::NotSeen));
    }

    #[test]
    fn a_post_without_room_becomes_a_part() {
        for (fields, moved, added) in [
            ("Content-Type: text/html; charset=utf-8\r\nContent-transfer-encoding: 8bit\r\n", true, true),
            ("Content-Type: multipart/alternative;\r\n boundary=x\r\ncontent-ID: <1@x>\r\n", true, false),
            (
                "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-16\r\nContent-Transfer-Encoding: base64\r\n",
                true,
                false,
            ),
            ("Content-Type: text/plain; name=a\r\nContent-Disposition: attachment\r\n", true, false),
        ] {
            let post = format!("From: a@b\r\n{fields}Subject: x\r\n\r\naGk=\r\n\u{e4}");
            let changed = String::from_utf8(copy(FOOTER, post.as_bytes()).unwrap()).unwrap();
            let view = View::whole(changed.as_bytes());
            let content = Content::read(&view).unwrap();
            assert_eq!(content.kind, "multipart/mixed");
            let boundary = content.boundary().unwrap();
            let fields = fields.replace("MIME-Version: 1.0\r\n", "");
            let expected = format!(
                "--{boundary}\r\n{}\r\naGk=\r\n\u{e4}\r\n--{boundary}\r\n\
                Content-Type: text/plain; charset=us-ascii\r\nContent-Disposition: inline\r\n\r\n{ADDED}--{boundary}--\r\n",
                if moved { fields.as_str() } else { "" }
            );
            assert_eq!(String::from_utf8(view.body_start().to_vec()).unwrap(), expected);
            assert_eq!(content.transfer == Transfer::EightBit, added);
            assert_eq!(view.named("MIME-Version").count(), 1);
            assert_eq!(view.fields().filter(is_moved).count(), if added { 3 } else { 2 });
            let message = MessageParser::default().parse(changed.as_bytes()).unwrap();
            assert_eq!(message.parts.last().unwrap().text_contents(), Some(ADDED.trim_end()));
            assert!(message.parts[0].is_content_type("multipart", "mixed"));
        }
    }

    #[test]
    fn a_footer_that_does_not_fit_the_text_makes_it_a_part() {
        for (charset, transfer, footer) in [
            ("", "7bit", "\u{fc}".to_owned()),
            ("; charset=utf-8", "7bit", "\u{fc}".to_owned()),
            ("; charset=iso-8859-1", "quoted-printable", "\u{20ac}".to_owned()),
            ("; charset=iso-8859-1", "8bit", "\u{85}\u{9f}\u{20ac}".to_owned()),
            ("; charset=iso-8859-15", "8bit", "\u{fc}".to_owned()),
            ("; charset=utf-8", "8bit", "x".repeat(LINE + 1)),
            ("; charset=iso-2022-jp", "7bit", "x".to_owned()),
        ] {
            let changed = body(&footer, &text(charset, transfer), "Hello.\r\n").unwrap();
            assert!(changed.starts_with("--=_"), "{charset} {transfer} {changed}");
            assert!(changed.lines().all(|line| line.len() < LINE), "{changed}");
        }
    }

    #[test]
    fn signed_and_encrypted_posts_have_no_footer() {
        for kind in [
            "multipart/signed; boundary=b; protocol=\"application/pgp-signature\"",
            "Multipart/Encrypted; boundary=b",
            "application/pkcs7-mime; smime-type=signed-data",
            "application/x-pkcs7-mime",
            "application/pgp",
        ] {
            let fields = format!("Content-Type: {kind}\r\n");
            assert_eq!(
                body(FOOTER, &fields, "--b\r\n\r\n--b--\r\n"),
                Err(NoFooter::SignedOrEncrypted),
                "{kind}"
            );
        }
        let inline = "-----BEGIN PGP SIGNED MESSAGE-----\r\n";
        let wrapped = inline.replace("BEGIN", "BEG=\r\nIN");
        for (fields, text) in [
            (String::new(), format!("Hello.\r\n{inline}")),
            (text("", "base64"), base64(inline.as_bytes())),
            (text("", "quoted-printable"), wrapped),
            ("Content-Type: text/html\r\n".to_owned(), inline.to_owned()),
            (
                "Content-Type: multipart/mixed; boundary=b\r\n".to_owned(),
                format!("--b\r\n\r\n{inline}--b--\r\n"),
            ),
        ] {
            assert_eq!(body(FOOTER, &fields, &text), Err(NoFooter::SignedOrEncrypted), "{text}");
        }
        assert!(body(FOOTER, "", &format!("> {inline}")).is_ok());
    }

    #[test]
    fn a_post_that_could_be_read_in_two_ways_has_no_footer() {
        let mixed = "Content-Type: multipart/mixed; boundary=b\r\n";
        for (fields, body) in [
            ("Content-Type: text/plain\r\nContent-Type: text/html\r\n", ""),
            ("Content-Type: text/plain; charset=utf-8; charset=utf-16\r\n", ""),
            ("Content-Type: text\r\n", ""),
            ("Content-Type:\r\n", ""),
            ("Content-Type: (x) multipart/signed; boundary=b\r\n", ""),
            ("Content-Transfer-Encoding: 8bit\r\nContent-Transfer-Encoding: base64\r\n", ""),
            ("Content-Transfer-Encoding: base64\r\n", "aGk"),
            ("Content-Transfer-Encoding: base64\r\n", "aGk=aGk="),
            ("Content-Transfer-Encoding: base64\r\n", "aGk=\r\n-- \r\nother footer\r\n"),
            ("Content-Transfer-Encoding: quoted-printable\r\n", "Hello="),
            ("Content-Type: multipart/mixed\r\n", "--b\r\n\r\n--b--\r\n"),
            (mixed, ""),
            (mixed, "--b--\r\n"),
            (mixed, "--b\r\n\r\nHello.\r\n"),
            (mixed, "--b\r\n\r\n--b--\r\n--b--\r\n"),
            (mixed, "--b\r\n\r\n--b--\r\n--b\r\n"),
            (mixed, "--b\r\n\r\n--bc\r\n--b--\r\n"),
            (&format!("{mixed}Content-Transfer-Encoding: base64\r\n"), "--b\r\n\r\n--b--\r\n"),
        ] {
            assert_eq!(self::body(FOOTER, fields, body), Err(NoFooter::Malformed), "{fields} {body}");
        }
        assert_eq!(
            body("--b", mixed, "--b\r\n\r\n--b--\r\n"),
            Err(NoFooter::Malformed),
            "the footer has the boundary"
        );
    }

    #[test]
    fn other_posts_have_no_footer() {
        for (footer, fields, expected) in [
            ("", "", NoFooter::NotSet),
            (" \r\n\0\n", "", NoFooter::NotSet),
            (&"x".repeat(limits::FOOTER), "", NoFooter::TooLong),
            (&"$leave_address ".repeat(limits::FOOTER / 20), "", NoFooter::TooLong),
            (FOOTER, "Content-Transfer-Encoding: x-uuencode\r\n", NoFooter::Unsupported),
            (FOOTER, "Content-Transfer-Encoding: binary\r\n", NoFooter::Unsupported),
            (FOOTER, "Content-Type: text/calendar; method=REQUEST\r\n", NoFooter::Unsupported),
            (FOOTER, "Content-Type: multipart/report; boundary=b\r\n", NoFooter::Unsupported),
            (FOOTER, "Content-Type: message/partial; id=x; number=1\r\n", NoFooter::Unsupported),
        ] {
            assert_eq!(body(footer, fields, ""), Err(expected), "{fields}");
        }
        let long =
            format!("Content-Type: text/html\r\nContent-Description: {}\r\n", "x".repeat(limits::MOVED));
        assert_eq!(body(FOOTER, &long, ""), Err(NoFooter::Unsupported));
        let none = Settings { footer: None, ..settings("") };
        let plan = Plan::new(&none, &View::whole(b"From: a@b\r\n\r\n")).unwrap();
        assert_eq!(plan.no_footer(), Some(NoFooter::NotSet));
    }

    #[test]
    fn each_copy_has_its_leave_address() {
        let post = b"From: a@b\r\n\r\nHello.\r\n";
        let plan = Plan::new(&settings("$leave_address"), &View::whole(post)).unwrap();
        for (leave, shown) in [
            (None, "mylist-leave@example.com"),
            (Some("mylist-leave+TOKEN@example.com"), "mylist-leave+TOKEN@example.com"),
            // It does not fit the text, so the list's own takes its place.
            (Some("j\u{fc}rg@example.com"), "mylist-leave@example.com"),
        ] {
            let leave = leave.map(|leave| leave.parse().unwrap());
            let copy = plan.copy(leave.as_ref()).apply(post);
            assert!(copy.ends_with(format!("\r\n\r\nHello.\r\n{shown}\r\n").as_bytes()), "{shown}");
        }
    }
}
