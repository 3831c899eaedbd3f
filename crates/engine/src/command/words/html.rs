//! The text of HTML, as far as it is needed to find commands. One pass over the text, without a tree.

use mail_parser::decoders::html::add_html_token;

/// Elements whose content is not text.
const NOT_TEXT: &[&str] = &["script", "style", "title", "template"];

/// Elements that begin and end a line.
const BLOCKS: &[&str] = &[
    "address",
    "article",
    "aside",
    "blockquote",
    "body",
    "br",
    "center",
    "dd",
    "div",
    "dl",
    "dt",
    "footer",
    "form",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "header",
    "hr",
    "html",
    "li",
    "main",
    "nav",
    "ol",
    "p",
    "pre",
    "section",
    "table",
    "td",
    "th",
    "tr",
    "ul",
];

/// Elements without content.
const EMPTY: &[&str] =
    &["area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "wbr"];

/// How the classes and ids of what mail programs quote end, in lower case. Some programs put a number before those of the
/// mail to which they reply.
const QUOTES: &[&str] = &[
    "gmail_quote",
    "gmail_quote_container",
    "gmail_attr",
    "gmail_extra",
    "yahoo_quoted",
    "protonmail_quote",
    "moz-cite-prefix",
    "tutanota_quote",
    "zmail_extra",
];

/// How the ids of elements end, in lower case, after which all is quoted.
const LAST: &[&str] = &[
    "appendonsend",                            // Outlook on the web
    "divrplyfwdmsg",                           // the same
    "mail-editor-reference-message-container", // the new Outlook
    "olk_src_body_section",                    // Outlook for Mac
    "replycontent",                            // Netease and others
    "origbody",                                // Tencent
];

/// Stands for a quote in the text, which is not needed.
const QUOTE_MARK: &str = "\n>\n";

/// Begins what is quoted up to the end.
const LAST_MARK: &str = "\n-----\n";

/// Returns the text of HTML: one line for each block, with quotes replaced by `>` and without signatures. The text has
/// at most as many octets as the HTML.
pub(super) fn to_text(html: &str) -> String {
    let mut text = Writer::default();
    let mut skipped: Option<Skipped<'_>> = None;
    let mut rest = html;
    while let Some(at) = rest.find(['<', '&']) {
        let (before, markup) = rest.split_at(at);
        if skipped.is_none() {
            text.add(before);
        }
        match Markup::read(markup) {
            Markup::Tag(tag, after) => {
                rest = after;
                if let Some(part) = &mut skipped {
                    if part.ends_with(&tag) {
                        skipped = None;
                    }
                } else if tag.is_last() {
                    text.line(LAST_MARK);
                    return text.text;
                } else {
                    skipped = text.add_tag(&tag);
                }
            }
            Markup::Entity(entity, after) => {
                rest = after;
                if skipped.is_none() {
                    text.add_entity(entity);
                }
            }
            Markup::Nothing(after) => rest = after,
            Markup::Text(octet, after) => {
                rest = after;
                if skipped.is_none() {
                    text.add(octet);
                }
            }
            // It goes on up to the end.
            Markup::Unfinished => return text.text,
        }
    }
    if skipped.is_none() {
        text.add(rest);
    }
    text.text
}

/// The text so far.
#[derive(Default)]
struct Writer {
    text: String,
    /// Whether a blank comes before the next word.
    blank: bool,
    /// Whether line ends count, as in `<pre>`.
    is_formatted: bool,
}

impl Writer {
    fn add(&mut self, text: &str) {
        for c in text.chars() {
            match c {
                '\n' | '\r' if self.is_formatted => self.line("\n"),
                _ if c.is_whitespace() || c.is_control() => self.blank = true,
                _ => {
                    if self.blank && !self.text.is_empty() && !self.text.ends_with('\n') {
                        self.text.push(' ');
                    }
                    self.blank = false;
                    self.text.push(c);
                }
            }
        }
    }

    fn add_entity(&mut self, entity: &str) {
        let mut decoded = String::new();
        add_html_token(&mut decoded, entity.as_bytes(), false);
        // An encoded line end is none.
        self.add(&decoded.replace(['\n', '\r'], " "));
    }

    fn line(&mut self, mark: &str) {
        self.blank = false;
        self.text += mark;
    }

    /// Adds what a tag means. Returns what is skipped from here on.
    fn add_tag<'h>(&mut self, tag: &Tag<'h>) -> Option<Skipped<'h>> {
        if !tag.is_end && tag.is_quote() {
            self.line(QUOTE_MARK);
            return tag.skipped();
        }
        if tag.is(BLOCKS) {
            self.line("\n");
        }
        if tag.is(&["pre"]) {
            self.is_formatted = !tag.is_end;
        }
        if tag.is_end || !tag.is_signature() { None } else { tag.skipped() }
    }
}

/// An element that is skipped.
struct Skipped<'h> {
    name: &'h str,
    /// How many elements of this name are open.
    open: usize,
}

impl Skipped<'_> {
    /// Reads a tag in the element. Returns whether it ends the element.
    fn ends_with(&mut self, tag: &Tag<'_>) -> bool {
        match tag.name.eq_ignore_ascii_case(self.name) {
            true if tag.is_end => self.open -= 1,
            true => self.open += 1,
            false => {}
        }
        self.open == 0
    }
}

/// What begins with `<` or `&`. Each but the last has what follows it.
enum Markup<'h> {
    Tag(Tag<'h>, &'h str),
    Entity(&'h str, &'h str),
    /// A comment, or an element whose content is not text.
    Nothing(&'h str),
    /// The character itself.
    Text(&'h str, &'h str),
    /// It has no end.
    Unfinished,
}

impl<'h> Markup<'h> {
    fn read(html: &'h str) -> Self {
        let (first, after) = html.split_at(1);
        if first == "&" {
            return Self::entity(html).unwrap_or(Self::Text(first, after));
        }
        if let Some(comment) = after.strip_prefix("!--") {
            return comment.split_once("-->").map_or(Self::Unfinished, |(_, after)| Self::Nothing(after));
        }
        match after.as_bytes().first() {
            Some(b'!' | b'?') => {
                after.split_once('>').map_or(Self::Unfinished, |(_, after)| Self::Nothing(after))
            }
            Some(octet) if octet.is_ascii_alphabetic() || *octet == b'/' => Self::tag(after),
            _ => Self::Text(first, after),
        }
    }

    fn entity(html: &'h str) -> Option<Self> {
        /// Octets of the longest name in HTML: `&CounterClockwiseContourIntegral;`.
        const LONGEST: usize = 33;
        let octets = html.bytes().take(LONGEST).enumerate().skip(1);
        let (end, last) =
            octets.into_iter().find(|(_, octet)| !octet.is_ascii_alphanumeric() && *octet != b'#')?;
        (last == b';').then(|| Self::Entity(&html[..=end], &html[end + 1..]))
    }

    fn tag(html: &'h str) -> Self {
        let Some(end) = tag_end(html) else { return Self::Unfinished };
        let (tag, after) = (&html[..end], &html[end + 1..]);
        let (is_end, tag) = tag.strip_prefix('/').map_or((false, tag), |tag| (true, tag));
        let name = tag.split(|c: char| c.is_whitespace() || c == '/').next().unwrap_or_default();
        let tag = Tag { name, attributes: &tag[name.len()..], is_end };
        match tag.is(NOT_TEXT) && !is_end {
            true => element_end(after, name).map_or(Self::Unfinished, Self::Nothing),
            false => Self::Tag(tag, after),
        }
    }
}

/// Returns the offset of the `>` that ends a tag, which is outside of quotes.
fn tag_end(html: &str) -> Option<usize> {
    let mut quote = None;
    let mut before = b' ';
    for (at, octet) in html.bytes().enumerate() {
        match (octet, quote) {
            (b'>', None) => return Some(at),
            (b'"' | b'\'', None) if before == b'=' => quote = Some(octet),
            (_, Some(open)) if open == octet => quote = None,
            _ => {}
        }
        if !octet.is_ascii_whitespace() {
            before = octet;
        }
    }
    None
}

/// Returns what follows the end tag of an element whose content is not text.
fn element_end<'h>(html: &'h str, name: &str) -> Option<&'h str> {
    let mut rest = html;
    loop {
        rest = rest.split_once("</")?.1;
        if rest.get(..name.len()).is_some_and(|found| found.eq_ignore_ascii_case(name)) {
            return rest.split_once('>').map(|(_, after)| after);
        }
    }
}

/// A tag.
struct Tag<'h> {
    name: &'h str,
    attributes: &'h str,
    is_end: bool,
}

impl<'h> Tag<'h> {
    fn is(&self, names: &[&str]) -> bool {
        names.iter().any(|name| self.name.eq_ignore_ascii_case(name))
    }

    fn skipped(&self) -> Option<Skipped<'h>> {
        (!self.is(EMPTY)).then_some(Skipped { name: self.name, open: 1 })
    }

    fn is_quote(&self) -> bool {
        self.is(&["blockquote"])
            || self.labels().any(|label| QUOTES.iter().any(|end| label.ends_with(end)) || label.contains("yahoo_quoted_"))
            // GMX and WEB.DE
            || attributes(self.attributes).any(|(name, value)| name.eq_ignore_ascii_case("name") && value == "quote")
    }

    fn is_signature(&self) -> bool {
        self.labels().any(|label| label.contains("signature"))
    }

    fn is_last(&self) -> bool {
        !self.is_end && self.labels().any(|label| LAST.iter().any(|end| label.ends_with(end)))
    }

    /// Returns the classes and the id, in lower case.
    fn labels(&self) -> impl Iterator<Item = String> {
        let labels = attributes(self.attributes)
            .filter(|(name, _)| name.eq_ignore_ascii_case("class") || name.eq_ignore_ascii_case("id"));
        labels.flat_map(|(_, value)| value.split_whitespace()).map(str::to_ascii_lowercase)
    }
}

/// Returns the attributes that have a value.
fn attributes(mut rest: &str) -> impl Iterator<Item = (&str, &str)> {
    std::iter::from_fn(move || {
        let (before, after) = rest.split_once('=')?;
        let name =
            before.trim_end().rsplit(|c: char| c.is_whitespace() || c == '/').next().unwrap_or_default();
        let after = after.trim_start();
        let (value, after) = match after.chars().next() {
            Some(quote @ ('"' | '\'')) => after[1..].split_once(quote).unwrap_or((&after[1..], "")),
            _ => after.split_at(after.find(char::is_whitespace).unwrap_or(after.len())),
        };
        rest = after;
        Some((name, value))
    })
}
