//! A manual page: its head, and texts in its format.

use crate::file::File;
use clap::Command;
use roff::{Roff, bold, roman};
use std::path::Path;

/// The chapters of the manual that we have pages in.
#[derive(Clone, Copy)]
pub(crate) enum Chapter {
    Commands = 1,
    FileFormats = 5,
}

/// A page that is being written.
pub(crate) struct Page {
    name: String,
    chapter: Chapter,
    body: String,
}

impl Page {
    /// Begins a page of this name. `about` is the line that searches of the manual find.
    pub(crate) fn new(name: &str, chapter: Chapter, about: &str) -> Self {
        let (version, number) = (version(), (chapter as u8).to_string());
        let mut head = Roff::new();
        head.control("TH", [&*name.to_uppercase(), &number, "", &version, "Listgate"]);
        // Words are not divided, so that names can be searched for; lines end where the words end.
        head.control("nh", []).control("ad", ["l"]);
        head.control("SH", ["NAME"]).text([roman(format!("{name} - {about}"))]);
        Self { name: name.to_owned(), chapter, body: head.render() }
    }

    pub(crate) fn section(&mut self, title: &str) -> &mut Self {
        self.control("SH", title)
    }

    pub(crate) fn subsection(&mut self, title: &str) -> &mut Self {
        self.control("SS", title)
    }

    /// Adds paragraphs, which are separated by empty lines.
    pub(crate) fn paragraphs(&mut self, text: &str) -> &mut Self {
        for paragraph in text.split("\n\n").filter(|paragraph| !paragraph.trim().is_empty()) {
            self.body.push_str(".PP\n");
            self.text(paragraph);
        }
        self
    }

    /// Adds what command lines look like, each on a line of its own: words to type, and the arguments.
    pub(crate) fn usages<'u>(&mut self, usages: impl Iterator<Item = (&'u str, String)>) {
        let mut lines = Roff::new();
        // Without empty lines between them, and with hanging ends in case one does not fit.
        lines.control("PD", ["0"]);
        for (words, arguments) in usages {
            lines.control("HP", []).text([bold(words), roman(arguments)]);
        }
        lines.control("PD", []);
        self.add(&lines);
    }

    /// Adds a term, and the paragraphs that explain it.
    pub(crate) fn term(&mut self, term: &str, text: &str) -> &mut Self {
        let mut head = Roff::new();
        head.control("TP", []).text([bold(term)]);
        self.add(&head);
        for (at, paragraph) in text.split("\n\n").filter(|paragraph| !paragraph.trim().is_empty()).enumerate()
        {
            if at > 0 {
                self.body.push_str(".IP\n");
            }
            self.text(paragraph);
        }
        self
    }

    /// Adds the arguments and options of a command that are not hidden.
    pub(crate) fn options(&mut self, command: &Command) {
        let mut rendered = Vec::new();
        clap_mangen::Man::new(command.clone())
            .render_options_section(&mut rendered)
            .expect("writing to memory succeeds");
        let rendered = String::from_utf8(rendered).expect("the text of options is UTF-8");
        // The title depends on where the options are shown, and the head of the page has the definitions.
        if let Some((_, options)) = rendered.split_once(".SH OPTIONS\n") {
            self.body.push_str(&highlighted(options));
        }
    }

    /// Adds the text after a command's help: paragraphs, and terms indented by two blanks with indented explanations.
    pub(crate) fn after_help(&mut self, text: &str) -> &mut Self {
        let mut term: Option<(&str, String)> = None;
        for line in text.lines() {
            match (line.len() - line.trim_start().len(), &mut term) {
                (0, _) => {
                    if let Some((term, text)) = term.take() {
                        self.term(term, &text);
                    }
                    self.paragraphs(line);
                }
                (1..=2, _) => {
                    if let Some((term, text)) = term.replace((line.trim(), String::new())) {
                        self.term(term, &text);
                    }
                }
                (_, Some((_, text))) => *text = format!("{text} {}", line.trim()),
                (_, None) => drop(self.paragraphs(line)),
            }
        }
        if let Some((term, text)) = term {
            self.term(term, &text);
        }
        self
    }

    pub(crate) fn finish(self) -> File {
        let number = self.chapter as u8;
        let path = Path::new(&format!("man{number}")).join(format!("{}.{number}", self.name));
        File { path, text: self.body }
    }

    fn control(&mut self, name: &str, argument: &str) -> &mut Self {
        let mut line = Roff::new();
        line.control(name, [argument]);
        self.add(&line)
    }

    /// Adds a text of one paragraph; its own line ends do not matter.
    fn text(&mut self, text: &str) {
        let words: Vec<&str> = text.split_whitespace().collect();
        let mut line = Roff::new();
        line.text([roman(words.join(" "))]);
        self.add(&line);
    }

    fn add(&mut self, lines: &Roff) -> &mut Self {
        // As `render`, without the definitions, which are in the head already.
        let rendered = lines.to_roff().replace('\'', "\\(aq");
        self.body.push_str(&highlighted(&rendered));
        self
    }
}

/// Returns the version that pages are about.
fn version() -> String {
    let version = listgate::cli::definitions().get_version().unwrap_or_default().to_owned();
    format!("Listgate {version}")
}

/// Replaces what is between backticks, as in Markdown, with bold text.
fn highlighted(rendered: &str) -> String {
    let mut is_code = false;
    let marked = rendered.split('`').enumerate().map(|(at, part)| {
        if at == 0 {
            return part.to_owned();
        }
        is_code = !is_code;
        format!("{}{part}", if is_code { "\\fB" } else { "\\fR" })
    });
    marked.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_is_bold_and_what_roff_would_interpret_is_text() {
        let mut page = Page::new("name", Chapter::Commands, "about");
        page.paragraphs("`.so` isn't\n'a \\macro' - it's `text`");
        let page = page.finish();
        assert_eq!(page.path, Path::new("man1/name.1"));
        let (_, body) = page.text.split_once(".PP\n").unwrap();
        assert_eq!(body, "\\fB.so\\fR isn\\(aqt \\(aqa \\\\macro\\(aq \\- it\\(aqs \\fBtext\\fR\n");
    }

    #[test]
    fn indented_lines_after_a_help_are_terms() {
        let mut page = Page::new("name", Chapter::Commands, "about");
        page.after_help("Settings:\n  one\n      the first\n      of two\n  two\n      the second\nAfter.");
        let text = page.finish().text;
        assert!(
            text.ends_with(
                ".PP\nSettings:\n.TP\n\\fBone\\fR\nthe first of two\n.TP\n\\fBtwo\\fR\nthe second\n.PP\nAfter.\n"
            ),
            "{text}"
        );
    }
}
