//! The syntax of mailman.cfg: that of Python's RawConfigParser(strict=False), which Mailman reads it with.

use std::collections::BTreeMap;

/// Keys in lower case, and their values.
pub(super) type Options = BTreeMap<String, String>;

/// A parsed file. Sections of the same name are merged into one.
#[derive(Default)]
pub(super) struct File {
    /// The sections, in the order in which they first appear.
    sections: Vec<(String, Options)>,
    /// `[DEFAULT]`: the values for keys that a section of this file lacks.
    defaults: Options,
}

/// A line that Python's parser rejects, and why.
#[derive(Debug, PartialEq)]
pub(super) struct Refused {
    pub(super) line: usize,
    pub(super) why: &'static str,
}

/// The section and key that the next line may belong to.
struct Place {
    /// `None` is `[DEFAULT]`.
    section: Option<usize>,
    key: Option<String>,
}

impl File {
    pub(super) fn parse(text: &str) -> Result<Self, Refused> {
        let mut file = Self::default();
        let mut place: Option<Place> = None;
        let mut indent = 0;
        // As when Python reads a text file, CR LF and a lone CR end a line too.
        let text = text.replace("\r\n", "\n").replace('\r', "\n");
        for (line, number) in text.split('\n').zip(1..) {
            let refused = |why| Refused { line: number, why };
            let value = line.trim_matches(is_space);
            if value.starts_with(['#', ';']) {
                continue;
            }
            if value.is_empty() {
                // An empty line may be inside a value; at its end, it is cut off.
                file.append(place.as_ref(), "");
                continue;
            }
            let depth = line.chars().take_while(|c| is_space(*c)).count();
            if depth > indent && file.append(place.as_ref(), value) {
                continue;
            }
            indent = depth;
            if let Some(name) = header(value) {
                place = Some(Place { section: file.open(name), key: None });
                continue;
            }
            let place = place.as_mut().ok_or_else(|| refused("is before the first [section]"))?;
            let (key, value) =
                value.split_once(['=', ':']).ok_or_else(|| refused("is neither [section] nor key: value"))?;
            let key = key.trim_matches(is_space).to_lowercase();
            if key.is_empty() {
                return Err(refused("has a value and no key"));
            }
            file.options(place.section).insert(key.clone(), value.trim_matches(is_space).to_owned());
            place.key = Some(key);
        }
        Ok(file)
    }

    /// Returns the sections with their options, defaults included.
    pub(super) fn sections(&self) -> impl Iterator<Item = (&str, Options)> {
        self.sections.iter().map(|(name, options)| {
            let mut all = self.defaults.clone();
            all.extend(options.clone());
            for value in all.values_mut() {
                value.truncate(value.trim_end_matches(is_space).len());
            }
            (name.as_str(), all)
        })
    }

    /// Adds a line to the value at `place`, and returns whether there is one.
    fn append(&mut self, place: Option<&Place>, line: &str) -> bool {
        let Some(Place { section, key: Some(key) }) = place else { return false };
        let value = self.options(*section).entry(key.clone()).or_default();
        value.push('\n');
        value.push_str(line);
        true
    }

    fn open(&mut self, name: &str) -> Option<usize> {
        if name == "DEFAULT" {
            return None;
        }
        let known = self.sections.iter().position(|(known, _)| known == name);
        Some(known.unwrap_or_else(|| {
            self.sections.push((name.to_owned(), Options::new()));
            self.sections.len() - 1
        }))
    }

    fn options(&mut self, section: Option<usize>) -> &mut Options {
        match section {
            Some(index) => &mut self.sections[index].1,
            None => &mut self.defaults,
        }
    }
}

/// Returns the name in `[name]`. Like Python, it takes everything up to the last bracket of the line, and ignores
/// the rest.
fn header(line: &str) -> Option<&str> {
    let (name, _) = line.strip_prefix('[')?.rsplit_once(']')?;
    (!name.is_empty()).then_some(name)
}

/// Returns whether Python's `str.strip` removes the character.
fn is_space(c: char) -> bool {
    c.is_whitespace() || ('\x1c'..='\x1f').contains(&c)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str, section: &str, key: &str) -> Option<String> {
        let file = File::parse(text).unwrap();
        file.sections().find(|(name, _)| *name == section)?.1.get(key).cloned()
    }

    #[test]
    fn a_value_starts_after_the_first_delimiter() {
        for text in ["[a]\nk: v", "[a]\nk=v", "[a]\r\nk : v\r\n", "  [a] x\n  K = v", "[a]\nk: w\n[a]\nk: v"]
        {
            assert_eq!(value(text, "a", "k").as_deref(), Some("v"), "{text:?}");
        }
        assert_eq!(value("[a]\nurl = x:y=z ; no comment", "a", "url").as_deref(), Some("x:y=z ; no comment"));
        assert_eq!(value("[a]\nk:", "a", "k").as_deref(), Some(""));
    }

    #[test]
    fn an_indented_line_continues_a_value() {
        assert_eq!(value("[a]\nk: v\n  w\n\n# no\n  x: y\n\n[b]", "a", "k").as_deref(), Some("v\nw\n\nx: y"));
        assert_eq!(value("[a]\n  k: v\n  l: w", "a", "l").as_deref(), Some("w"));
        assert_eq!(value("[a]\nk: v\n [b]\n", "a", "k").as_deref(), Some("v\n[b]"));
    }

    #[test]
    fn section_names_are_case_sensitive_and_may_have_defaults() {
        assert_eq!(value("[A]\nk: v", "a", "k"), None);
        assert_eq!(value("[DEFAULT]\nk: v\n[a]\nl: w", "a", "k").as_deref(), Some("v"));
        assert_eq!(value("[a]\nk: w\n[DEFAULT]\nk: v", "a", "k").as_deref(), Some("w"));
        assert_eq!(value("[a]b]\nk: v", "a]b", "k").as_deref(), Some("v"));
    }

    #[test]
    fn text_that_python_refuses_is_refused_with_its_line() {
        for (text, line) in [("k: v", 1), ("# x\n\n[a]\nword", 4), ("[a]\n: v", 2), ("[]\n", 1)] {
            assert_eq!(File::parse(text).err().map(|refused| refused.line), Some(line), "{text:?}");
        }
    }
}
