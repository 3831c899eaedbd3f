//! What a notice says, with placeholders.

use super::template::Template;
use crate::limits;
use crate::placeholders::{Piece, pieces};
use std::fmt;

/// The text of a template: its subject and its body, with placeholders.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Text {
    pub(super) subject: String,
    /// Lines end in LF.
    pub(super) body: String,
}

impl Text {
    /// Reads a text: `Subject: …`, an empty line, and the body. Lines may end in CR LF.
    ///
    /// # Errors
    /// Returns the first problem, with its line.
    ///
    /// ```
    /// use listgate_engine::notice::{Template, Text};
    ///
    /// let error = Text::parse(Template::Waiting, "Subject: Thanks\n\nWe have told $owners.\n").unwrap_err();
    /// assert_eq!(error.to_string(), "the text of waiting, line 3: $owners is unknown; the names are \
    ///     $list, $list_name, $owner, $help, $join, $leave, $address; write $$ for a dollar sign");
    /// ```
    pub fn parse(template: Template, text: &str) -> Result<Self, TextError> {
        let error = |line: usize, problem: Problem| TextError { template, line, problem };
        if text.len() > limits::TEMPLATE {
            return Err(error(1, Problem::TooLong));
        }
        let text = text.strip_prefix('\u{feff}').unwrap_or(text).replace("\r\n", "\n").replace('\r', "\n");
        for (at, line) in text.split('\n').enumerate() {
            if let Some(name) = unknown(template, line) {
                return Err(error(at + 1, Problem::UnknownName(name.to_owned())));
            }
        }
        let (first, rest) = text.split_once('\n').unwrap_or((&text, ""));
        let (name, subject) = first.split_once(':').unwrap_or_default();
        if !name.eq_ignore_ascii_case("Subject") || subject.trim().is_empty() {
            return Err(error(1, Problem::NoSubject));
        }
        let (empty, body) = rest.split_once('\n').unwrap_or((rest, ""));
        if !empty.trim().is_empty() {
            return Err(error(2, Problem::NoEmptyLine));
        }
        if body.trim().is_empty() {
            return Err(error(3, Problem::NoBody));
        }
        Ok(Self { subject: subject.trim().to_owned(), body: body.to_owned() })
    }

    /// Returns the text that is used unless a site has its own.
    pub fn default_of(template: Template) -> Self {
        Self::parse(template, template.default_text()).expect("the tests read all default texts")
    }
}

/// Returns the first name in a line that the template does not know.
fn unknown(template: Template, line: &str) -> Option<&str> {
    pieces(line).find_map(|piece| match piece {
        Piece::Placeholder { name, .. } => {
            let is_known = template.values().iter().any(|value| value.name == name);
            (!is_known).then_some(name)
        }
        Piece::Text(_) => None,
    })
}

/// A text cannot be used.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TextError {
    /// Whose text it is.
    pub template: Template,
    /// The number of the line; the first one is 1.
    pub line: usize,
    /// What is wrong there.
    pub problem: Problem,
}

/// What is wrong with a text.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Problem {
    /// The first line is not `Subject:` with a text.
    NoSubject,
    /// No empty line follows the subject.
    NoEmptyLine,
    /// Nothing follows the empty line.
    NoBody,
    /// The template has no value of this name.
    UnknownName(String),
    /// It has more than [`limits::TEMPLATE`] octets.
    TooLong,
}

impl fmt::Display for TextError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the text of {}, line {}: ", self.template.as_str(), self.line)?;
        match &self.problem {
            Problem::NoSubject => f.write_str("a text begins with a line \"Subject: …\""),
            Problem::NoEmptyLine => f.write_str("an empty line must follow the subject"),
            Problem::NoBody => f.write_str("the text is missing: write it after the empty line"),
            Problem::UnknownName(name) => {
                let names: Vec<_> =
                    self.template.values().iter().map(|value| format!("${}", value.name)).collect();
                let names = names.join(", ");
                write!(f, "${name} is unknown; the names are {names}; write $$ for a dollar sign")
            }
            Problem::TooLong => write!(f, "a text has at most {} octets", limits::TEMPLATE),
        }
    }
}

impl std::error::Error for TextError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(text: &str) -> (usize, Problem) {
        let error = Text::parse(Template::Welcome, text).unwrap_err();
        assert_eq!(error.template, Template::Welcome);
        (error.line, error.problem)
    }

    #[test]
    fn a_text_is_a_subject_and_a_body() {
        for text in [
            "Subject: Hello $list_name\n\nYou are\n\nin.\n",
            "\u{feff}subject:Hello $list_name\r\n \r\nYou are\r\n\r\nin.\r\n",
        ] {
            let expected =
                Text { subject: "Hello $list_name".to_owned(), body: "You are\n\nin.\n".to_owned() };
            assert_eq!(Text::parse(Template::Welcome, text), Ok(expected));
        }
    }

    #[test]
    fn what_is_wrong_with_a_text_is_reported_with_its_line() {
        let name = |name: &str| Problem::UnknownName(name.to_owned());
        for (text, line, expected) in [
            ("", 1, Problem::NoSubject),
            ("Hello\n\nx\n", 1, Problem::NoSubject),
            ("Subject: \n\nx\n", 1, Problem::NoSubject),
            ("Subject: a\nb\n\nx\n", 2, Problem::NoEmptyLine),
            ("Subject: a", 3, Problem::NoBody),
            ("Subject: a\n\n \n\n", 3, Problem::NoBody),
            ("Subject: $a\n\nx\n", 1, name("a")),
            ("Subject: $list\n\n$list ${list_name}\r\n$$a ${b} $c\n", 4, name("b")),
            ("Subject: a\n\nIt costs $5.\n", 3, name("5")),
            ("Subject: a\n\n$members\n", 3, name("members")),
            (&"x".repeat(limits::TEMPLATE + 1), 1, Problem::TooLong),
        ] {
            assert_eq!(problem(text), (line, expected), "{text}");
        }
    }

    #[test]
    fn errors_say_where_and_what_to_do() {
        for (text, expected) in [
            ("", "the text of welcome, line 1: a text begins with a line \"Subject: …\""),
            ("Subject: a\nb", "the text of welcome, line 2: an empty line must follow the subject"),
            (
                "Subject: a\n\n",
                "the text of welcome, line 3: the text is missing: write it after the empty line",
            ),
            (&" ".repeat(9000), "the text of welcome, line 1: a text has at most 8192 octets"),
        ] {
            assert_eq!(Text::parse(Template::Welcome, text).unwrap_err().to_string(), expected);
        }
    }
}
