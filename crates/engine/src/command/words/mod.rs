//! The commands in a mail, as people write them: in the subject or the text, in a reply, in HTML, in any charset.

mod html;
mod lines;
mod part;

use crate::limits;
use crate::token;
use crate::view::View;
use part::Text;

/// A command.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Word {
    /// `help`: asks what commands there are.
    Help,
    /// `join` or `subscribe`.
    Join,
    /// `leave`, `unsubscribe` or `remove`.
    Leave,
    /// `confirm` with the text of a token: [`token::CHARACTERS`] characters of its alphabet, in lower case. Whether it
    /// is valid is not known.
    Confirm(String),
    /// `who`: asks for the members.
    Who,
    /// `stop` or `end`: what follows is not read.
    Stop,
}

/// What a person wrote.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Words {
    /// The commands in their order, each once; at most [`limits::COMMANDS`]. [`Word::Stop`] is the last one.
    pub commands: Vec<Word>,
    /// The first word of each line that was not understood: letters and digits, at most [`limits::UNKNOWN_WORD`].
    pub unknown: Vec<String>,
}

/// Reads the commands of a mail: from its subject, then from the first [`limits::COMMAND_LINES`] lines that its author
/// wrote. Quoted lines, what is quoted without marks below a line such as `On Monday, Ann wrote:`, and signatures are not
/// the author's. Of a mail with several parts, the first text counts; HTML is read as text.
///
/// The first word of a line is the command, in any case. A `please` may precede it. What follows it is ignored, other
/// than the token of `confirm`, so no address is ever taken from there. But `stop` and `end` stand alone, because they
/// begin sentences.
///
/// If the header is not whole, nothing is read. The time that this takes grows with the length of the mail, and not
/// faster, whatever it contains.
///
/// ```
/// use listgate_engine::command::words::{Word, read};
/// use listgate_engine::view::View;
///
/// let mail = b"Subject: Re: Subscribe\r\n\r\nThank you!\r\n\r\nOn Monday, Ann wrote:\r\n> help\r\n";
/// let words = read(&View::whole(mail));
/// assert_eq!(words.commands, [Word::Join]);
/// assert_eq!(words.unknown, ["Thank"]);
/// ```
pub fn read(view: &View<'_>) -> Words {
    let mut words = Words::default();
    if !view.has_whole_header() {
        return words;
    }
    let subject = view.first("Subject").map(|field| field.decoded()).unwrap_or_default();
    let subject = lines::cleaned(&subject);
    let asked = without_prefixes(&subject);
    let is_reply = asked.len() != subject.len();
    match Line::read(asked, None) {
        // The subject of another mail says nothing about what its author wants.
        Line::Unknown(_) if is_reply => {}
        line => words.add(line),
    }
    let text = match part::first_text(view) {
        Some(Text::Plain(text)) => text,
        Some(Text::Html(html)) => html::to_text(&html),
        None => return words,
    };
    let lines = lines::own(&text, limits::COMMAND_LINES, |line| name(line).is_some());
    let mut at = 0;
    while at < lines.len() && words.goes_on() {
        let line = Line::read(&lines[at], lines.get(at + 1).map(String::as_str));
        at += if matches!(line, Line::Command(_, Length::TwoLines)) { 2 } else { 1 };
        words.add(line);
    }
    words
}

impl Words {
    fn add(&mut self, line: Line) {
        match line {
            Line::Command(word, _) if self.goes_on() && !self.commands.contains(&word) => {
                self.commands.push(word);
            }
            Line::Unknown(word) if !word.is_empty() => self.unknown.push(word),
            Line::Command(..) | Line::Unknown(_) => {}
        }
    }

    fn goes_on(&self) -> bool {
        self.commands.len() < limits::COMMANDS && self.commands.last() != Some(&Word::Stop)
    }
}

/// What a line says.
enum Line {
    Command(Word, Length),
    /// No command: its first word, which is empty if the line has no letters.
    Unknown(String),
}

/// How long a command is: a token may go on on the next line.
enum Length {
    OneLine,
    TwoLines,
}

impl Line {
    /// Reads a line. `next` is the one after it.
    fn read(line: &str, next: Option<&str>) -> Self {
        let one_line = |word| Self::Command(word, Length::OneLine);
        match name(line) {
            Some(Name::Help) => one_line(Word::Help),
            Some(Name::Join) => one_line(Word::Join),
            Some(Name::Leave) => one_line(Word::Leave),
            Some(Name::Who) => one_line(Word::Who),
            Some(Name::Stop) => one_line(Word::Stop),
            Some(Name::Confirm) => match token_after(line, next) {
                Some((token, length)) => Self::Command(Word::Confirm(token), length),
                None => Self::Unknown("confirm".to_owned()),
            },
            None => Self::Unknown(bounded(bare(line).next().unwrap_or_default())),
        }
    }
}

/// The name of a command.
#[derive(Clone, Copy)]
enum Name {
    Help,
    Join,
    Leave,
    Confirm,
    Who,
    Stop,
}

/// The names as they are written.
const NAMES: &[(&str, Name)] = &[
    ("help", Name::Help),
    ("join", Name::Join),
    ("subscribe", Name::Join),
    ("leave", Name::Leave),
    ("unsubscribe", Name::Leave),
    ("remove", Name::Leave),
    ("confirm", Name::Confirm),
    ("who", Name::Who),
    ("stop", Name::Stop),
    ("end", Name::Stop),
];

/// Returns the command at the beginning of a line.
fn name(line: &str) -> Option<Name> {
    let mut words = bare(line);
    let first = words.next()?;
    let first = if first.eq_ignore_ascii_case("please") { words.next()? } else { first };
    let (_, name) = NAMES.iter().find(|(name, _)| first.eq_ignore_ascii_case(name))?;
    let is_sentence = matches!(name, Name::Stop) && words.next().is_some();
    (!is_sentence).then_some(*name)
}

/// Returns the words of a line, without quotes, stops and other marks around them.
fn bare(line: &str) -> impl Iterator<Item = &str> {
    let words = line.split_whitespace().map(|word| word.trim_matches(|c: char| !c.is_alphanumeric()));
    words.filter(|word| !word.is_empty())
}

/// Returns the token after `confirm`. It may be one word, or several where a line was folded, of which the last ones are on
/// the next line.
fn token_after(line: &str, next: Option<&str>) -> Option<(String, Length)> {
    let is_part =
        |word: &&str| word.bytes().all(|octet| octet.is_ascii_alphabetic() || matches!(octet, b'2'..=b'7'));
    let after = || bare(line).skip_while(|word| !word.eq_ignore_ascii_case("confirm")).skip(1);
    let whole = |text: &str| text.len() == token::CHARACTERS;
    if let Some(token) = after().filter(is_part).find(|word| whole(word)) {
        return Some((token.to_ascii_lowercase(), Length::OneLine));
    }
    let mut text = String::new();
    let parts = after().map(|word| (word, Length::OneLine));
    let next_parts = next.into_iter().flat_map(bare).map(|word| (word, Length::TwoLines));
    for (word, length) in parts.chain(next_parts) {
        if !is_part(&word) || text.len() + word.len() > token::CHARACTERS {
            return None;
        }
        text += word;
        if whole(&text) {
            return Some((text.to_ascii_lowercase(), length));
        }
    }
    None
}

/// Returns the beginning of a word, up to a character that is neither a letter nor a digit. It may stand in an answer, so
/// nobody can have us send an address of a page to someone else.
fn bounded(word: &str) -> String {
    word.chars().take_while(|c| c.is_alphanumeric()).take(limits::UNKNOWN_WORD).collect()
}

/// What mail programs put before the subject of a reply or a forwarded mail, in lower case.
const PREFIXES: &[&str] = &[
    "re", "fw", "fwd", // English
    "aw", "antw", "antwort", "wg", // German, Dutch
    "rép", "ref", "tr", // French
    "res", "rv", "enc", // Portuguese, Spanish
    "r", "rif", "i", // Italian
    "sv", "vs", "vb", "vl", "vá", // Swedish, Danish and Norwegian, Finnish, Hungarian
    "odp", "pd", "ynt", "ilt", // Polish, Turkish
    "απ", "σχετ", "πρθ", // Greek
    "ha", "на", "отв", // Russian
    "回复", "答复", "转发", "回覆", "轉寄", "返信", "転送", "답장", "전달", // Chinese, Japanese, Korean
];

/// Returns a subject without the prefixes of replies, such as `Re: AW: Re[2]:`, and without what stands in brackets before
/// it, such as the name of a list.
fn without_prefixes(subject: &str) -> &str {
    /// A longer text is not a prefix.
    const LONGEST: usize = 40;
    let mut rest = subject.trim();
    loop {
        let end = |ends: &[char]| rest.char_indices().take(LONGEST).find(|(_, c)| ends.contains(c));
        let after = if rest.starts_with('[') {
            end(&[']']).map(|(at, _)| rest[at + 1..].trim_start())
        } else {
            end(&[':', '：'])
                .filter(|(at, _)| is_prefix(&rest[..*at]))
                .map(|(at, colon)| rest[at + colon.len_utf8()..].trim_start())
        };
        match after {
            Some(after) if !after.is_empty() => rest = after,
            _ => return rest,
        }
    }
}

/// Returns whether this is a prefix, which may have a number, as in `Re[2]` and `Re^2`.
fn is_prefix(text: &str) -> bool {
    let word = text.trim_end_matches(|c: char| {
        c.is_ascii_digit() || matches!(c, '[' | ']' | '(' | ')' | '^' | '*' | ' ')
    });
    PREFIXES.contains(&word.to_lowercase().as_str())
}

#[cfg(test)]
mod tests;
