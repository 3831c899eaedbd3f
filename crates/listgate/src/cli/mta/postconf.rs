//! The settings of a Postfix, read from what `postconf -n` prints, and values merged with them.

use std::collections::BTreeMap;

/// The prefix of the settings that belong to Listgate. No setting of Postfix begins with it.
pub(super) const OWN: &str = "listgate_";

/// How deep a value may refer to values that refer to values.
const MAX_DEPTH: usize = 8;

/// What is known about the settings of a Postfix.
pub(super) enum Existing {
    /// These are in its main.cf; all others have their defaults.
    Read(Settings),
    /// They could not be read, for this reason.
    Unknown(String),
}

/// The settings in a main.cf.
#[derive(Default)]
pub(super) struct Settings(BTreeMap<String, String>);

/// The number, from 1, of a line that is not a setting.
#[derive(PartialEq, Eq, Debug)]
pub(super) struct NotASetting(pub(super) usize);

impl Settings {
    /// Returns the settings of a new installation, which sets nothing that matters here.
    pub(super) fn fresh() -> Self {
        Self(BTreeMap::from([("compatibility_level".to_owned(), "3.6".to_owned())]))
    }

    /// Reads `name = value` lines, as `postconf -n` prints them and as main.cf has them: a line that starts with a
    /// blank continues the one before; empty lines and those that start with `#` do not count.
    ///
    /// # Errors
    /// A line is neither of these.
    pub(super) fn parse(text: &str) -> Result<Self, NotASetting> {
        let mut settings = BTreeMap::new();
        let mut last: Option<String> = None;
        for (number, line) in text.lines().enumerate() {
            let trimmed = line.trim();
            if trimmed.is_empty() || trimmed.starts_with('#') {
                continue;
            }
            if line.starts_with([' ', '\t']) {
                let name = last.as_ref().ok_or(NotASetting(number + 1))?;
                let value: &mut String = settings.entry(name.clone()).or_default();
                if !value.is_empty() {
                    value.push(' ');
                }
                value.push_str(trimmed);
                continue;
            }
            let (name, value) = trimmed.split_once('=').ok_or(NotASetting(number + 1))?;
            let name = name.trim();
            if name.is_empty() || name.contains(|c: char| c.is_whitespace() || c == ':' || c == '{') {
                return Err(NotASetting(number + 1));
            }
            settings.insert(name.to_owned(), value.trim().to_owned());
            last = Some(name.to_owned());
        }
        Ok(Self(settings))
    }

    /// Returns the value of a setting as main.cf has it; `None` if it has the default.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// Returns the value of a setting whose default a merged value has to keep, or an empty one.
    pub(super) fn in_effect(&self, name: &str) -> &str {
        let default = match name {
            "mydestination" => "$myhostname, localhost.$mydomain, localhost",
            "myorigin" => "$myhostname",
            // Since Postfix 3.0 the default is empty, unless main.cf was written for an older version.
            "relay_domains" if self.compatibility() < 2 => "$mydestination",
            "virtual_alias_maps" if self.get("virtual_maps").is_some() => "$virtual_maps",
            "virtual_alias_domains" => "$virtual_alias_maps",
            "virtual_mailbox_domains" => "$virtual_mailbox_maps",
            _ => "",
        };
        self.get(name).unwrap_or(default)
    }

    fn compatibility(&self) -> u32 {
        let level = self.get("compatibility_level").unwrap_or("0");
        level.split('.').next().and_then(|major| major.trim().parse().ok()).unwrap_or(0)
    }

    /// Returns the words of a setting, without Listgate's own. `$name` is replaced by that setting's words,
    /// if its value is known.
    pub(super) fn words(&self, name: &str) -> Vec<String> {
        let mut found = Vec::new();
        self.expand(self.in_effect(name), MAX_DEPTH, &mut found);
        found
    }

    fn expand(&self, value: &str, depth: usize, found: &mut Vec<String>) {
        for word in words(value) {
            match reference(word) {
                Some(name) if name.starts_with(OWN) => {}
                Some(name) if depth > 0 && self.is_known(name) => {
                    self.expand(self.in_effect(name), depth - 1, found);
                }
                _ => found.push(self.filled_in(word)),
            }
        }
    }

    fn is_known(&self, name: &str) -> bool {
        self.get(name).is_some() || !self.in_effect(name).is_empty()
    }

    /// Replaces each `$name` within a word, such as `lists.$mydomain`, where main.cf sets the name.
    fn filled_in(&self, word: &str) -> String {
        let mut filled = word.to_owned();
        for _ in 0..MAX_DEPTH {
            let Some(name) = self.0.keys().rev().find(|name| filled.contains(&format!("${name}"))) else {
                break;
            };
            filled = filled.replace(&format!("${name}"), &self.0[name]);
        }
        filled
    }

    /// Returns whether a setting that is not Listgate's own has this word in it.
    pub(super) fn mentions(&self, word: &str) -> bool {
        self.0.iter().any(|(name, value)| !name.starts_with(OWN) && value.contains(word))
    }
}

/// Returns the name that a word such as `$name`, `${name}` or `$(name)` refers to.
fn reference(word: &str) -> Option<&str> {
    let name = word.strip_prefix('$')?;
    let bare = name.strip_prefix('{').and_then(|name| name.strip_suffix('}'));
    let bare =
        bare.or_else(|| name.strip_prefix('(').and_then(|name| name.strip_suffix(')'))).unwrap_or(name);
    let is_name = !bare.is_empty() && bare.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    is_name.then_some(bare)
}

/// Splits a value at blanks and commas, except within braces.
pub(super) fn words(value: &str) -> Vec<&str> {
    let mut depth = 0_usize;
    let parts = value.split(|c: char| {
        match c {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth == 0 && (c == ',' || c.is_whitespace())
    });
    parts.filter(|part| !part.is_empty()).collect()
}

/// Where a word of Listgate's goes in a value that has others.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Place {
    First,
    Last,
}

/// Returns `value` with the reference to the setting `own` in it once, or, without a `place`, not at all. Also
/// removes the words that `outdated` names. What else is in the value stays as it is.
pub(super) fn merged(
    value: &str,
    own: &str,
    place: Option<Place>,
    outdated: impl Fn(&str) -> bool,
) -> String {
    let is_own = |word: &str| reference(word) == Some(own);
    let all = words(value);
    let count = all.iter().filter(|word| is_own(word)).count();
    let has_outdated = all.iter().any(|word| outdated(word));
    if count == usize::from(place.is_some()) && !has_outdated {
        return value.to_owned();
    }
    let others = if count > 0 || has_outdated {
        let others: Vec<&str> = all.into_iter().filter(|word| !is_own(word) && !outdated(word)).collect();
        others.join(if value.contains(',') { ", " } else { " " })
    } else {
        value.to_owned()
    };
    match place {
        None => others,
        Some(_) if others.is_empty() => format!("${own}"),
        Some(place) => {
            let comma = if others.contains(',') { "," } else { "" };
            match place {
                Place::First => format!("${own}{comma} {others}"),
                Place::Last => format!("{others}{comma} ${own}"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(text: &str) -> Settings {
        Settings::parse(text).unwrap()
    }

    #[test]
    fn settings_are_read_from_postconf_and_from_main_cf() {
        let read = settings(
            "# a comment\nmyhostname = mx.example.net\nrelayhost =\n\nmydestination=$myhostname,\n  # no\n\tlocalhost\n",
        );
        assert_eq!(read.get("myhostname"), Some("mx.example.net"));
        assert_eq!(read.get("relayhost"), Some(""));
        assert_eq!(read.get("mydestination"), Some("$myhostname, localhost"));
        assert_eq!(read.get("relay_domains"), None);
        for (text, line) in [("  a", 1), ("a = b\nc\n", 2), ("a b = c", 1), ("inline:{a = b}", 1), ("= x", 1)]
        {
            assert_eq!(Settings::parse(text).err(), Some(NotASetting(line)), "{text:?}");
        }
    }

    #[test]
    fn values_are_split_outside_braces() {
        assert_eq!(words(""), [""; 0]);
        assert_eq!(words(" a, b\tc,,d "), ["a", "b", "c", "d"]);
        assert_eq!(
            words("hash:/x inline:{ {a = b, c} {d=e} }, f"),
            ["hash:/x", "inline:{ {a = b, c} {d=e} }", "f"]
        );
    }

    #[test]
    fn references_are_followed() {
        let read = settings(
            "myhostname = mx.example.net\nmydomain = example.net\nmydestination = ${myhostname} lists.$mydomain $a\n\
             a = $b x\nb = $a\nlistgate_domains = y\nrelay_domains = $listgate_domains, $(mydomain)\n",
        );
        let found = read.words("mydestination");
        assert_eq!(found[..2], ["mx.example.net", "lists.example.net"]);
        assert!(found.len() < 20, "a circle ends");
        assert_eq!(read.words("relay_domains"), ["example.net"]);
        assert_eq!(
            settings("myhostname = a\nmydomain = b").words("mydestination"),
            ["a", "localhost.b", "localhost"]
        );
    }

    #[test]
    fn defaults_that_a_merged_value_has_to_keep_are_known() {
        for (text, name, value) in [
            ("", "relay_domains", "$mydestination"),
            ("compatibility_level = 1", "relay_domains", "$mydestination"),
            ("compatibility_level = 2", "relay_domains", ""),
            ("compatibility_level = 3.6", "relay_domains", ""),
            ("relay_domains =", "relay_domains", ""),
            ("", "virtual_alias_maps", ""),
            ("virtual_maps = hash:/etc/virtual", "virtual_alias_maps", "$virtual_maps"),
            ("", "transport_maps", ""),
        ] {
            assert_eq!(settings(text).in_effect(name), value, "{text}: {name}");
        }
    }

    #[test]
    fn a_reference_is_added_once_and_removed_without_trace() {
        let (first, last) = (Some(Place::First), Some(Place::Last));
        for (value, place, expected) in [
            ("", first, "$listgate_x"),
            ("", None, ""),
            ("hash:/a", first, "$listgate_x hash:/a"),
            ("hash:/a", last, "hash:/a $listgate_x"),
            ("permit_mynetworks, check_x hash:/a", first, "$listgate_x, permit_mynetworks, check_x hash:/a"),
            ("a,  b", last, "a,  b, $listgate_x"),
            // It is there, wherever it is.
            ("a ${listgate_x} b", first, "a ${listgate_x} b"),
            ("$listgate_x a $listgate_x", last, "a $listgate_x"),
            ("a, $listgate_x", None, "a"),
            ("inline:{ {a = b, c} } $listgate_x", None, "inline:{ {a = b, c} }"),
            ("$listgate_xy", first, "$listgate_x $listgate_xy"),
            ("old", last, "$listgate_x"),
            ("old, a", first, "$listgate_x a"),
        ] {
            let once = merged(value, "listgate_x", place, |word| word == "old");
            assert_eq!(once, expected, "{value:?} {place:?}");
            assert_eq!(merged(&once, "listgate_x", place, |word| word == "old"), once, "{value:?} {place:?}");
        }
    }
}
