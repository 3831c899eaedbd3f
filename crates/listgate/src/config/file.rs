//! Reads a configuration file, which is TOML, into a [`Config`]. The error for a mistake names its line and the
//! fix.

use super::backend::BackendKind;
use super::error::{ConfigError, Conflict};
use super::keys::{Config, Key, keys};
use super::kind::Written;
use crate::file_error::During;
use std::collections::BTreeMap;
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// The keys that a file sets, with their line numbers, from 1.
pub(crate) type Lines = BTreeMap<&'static str, usize>;

/// The keys that were renamed: the old name, then the new one.
const RENAMED: [(&str, &str); 2] =
    [("lists.source", "storage.backend"), ("queue.backend", "storage.backend")];

impl Config {
    /// Returns the defaults with the settings of the file at `path`. `data_dir` applies unless the file names
    /// another.
    ///
    /// # Errors
    /// The file cannot be read, or has a mistake: the error names the file, the line, the key and the fix.
    pub fn read(path: &Path, data_dir: impl Into<PathBuf>) -> Result<Self, ConfigError> {
        let mut config = Self::new(data_dir);
        config.apply(path)?;
        Ok(config)
    }

    /// Applies the settings of the file at `path`.
    ///
    /// # Errors
    /// As for [`read`](Self::read).
    pub fn apply(&mut self, path: &Path) -> Result<(), ConfigError> {
        self.load(path).map(drop)
    }

    /// Applies the settings of the file at `path`, and returns the keys that it sets.
    ///
    /// # Errors
    /// As for [`read`](Self::read).
    pub(crate) fn load(&mut self, path: &Path) -> Result<Lines, ConfigError> {
        let text = fs::read_to_string(path).during("read", path)?;
        let file = File { path, text: &text };
        let root = DeTable::parse(&text).map_err(|why| file.syntax(why))?;
        let mut settings = file.settings(root.get_ref())?;
        let is_set = |name: &str| settings.iter().any(|setting| setting.key.name == name);
        let (names_site, listens) = (is_set("mailman.config"), is_set("server.listen"));
        let names_site = names_site || matches!(self.backend, BackendKind::Mailman(_));
        // A Mailman site has defaults of its own, which the other keys override.
        settings.sort_by_key(|setting| match setting.key.name {
            "mailman.config" => 0,
            "storage.backend" => 1,
            _ => 2,
        });
        for setting in &settings {
            file.set(self, setting)?;
        }
        let conflict = |conflict| ConfigError::File { path: path.to_owned(), conflict };
        let says_sqlite = |setting: &Setting<'_>| {
            setting.key.name == "storage.backend" && setting.value.get_ref().as_str() == Some("sqlite")
        };
        if names_site && settings.iter().any(says_sqlite) {
            return Err(conflict(Conflict::Backends));
        }
        // The default may be overridden on the command line.
        let listen = if listens { self.listen.as_slice() } else { &[] };
        self.agrees(listen).map_err(conflict)?;
        Ok(settings.iter().map(|setting| (setting.key.name, file.line(&setting.place))).collect())
    }
}

/// A key that a file sets, with its value.
struct Setting<'f> {
    key: &'static Key,
    /// The range of the key within the text, in octets.
    place: Range<usize>,
    value: &'f Spanned<DeValue<'f>>,
}

struct File<'f> {
    path: &'f Path,
    text: &'f str,
}

impl<'f> File<'f> {
    fn line(&self, place: &Range<usize>) -> usize {
        self.text[..place.start].matches('\n').count() + 1
    }

    /// Returns every key of every table, or an error for the first that is unknown.
    fn settings(&self, root: &'f DeTable<'f>) -> Result<Vec<Setting<'f>>, ConfigError> {
        let mut settings = Vec::new();
        for (table, keys_of_table) in root {
            let name = table.get_ref().as_ref();
            if !keys().any(|key| key.parts().0 == name) {
                return Err(self.unknown(&table.span(), format!("table [{name}]"), no_such_table(name)));
            }
            let DeValue::Table(keys_of_table) = keys_of_table.get_ref() else {
                let (path, line) = (self.path.to_owned(), self.line(&table.span()));
                return Err(ConfigError::NotATable { path, line, name: name.to_owned() });
            };
            for (key, value) in keys_of_table {
                let full = format!("{name}.{}", key.get_ref());
                let known = keys().find(|known| known.name == full);
                let place = key.span();
                let known =
                    known.ok_or_else(|| self.unknown(&place, format!("key {full}"), no_such_key(&full)))?;
                settings.push(Setting { key: known, place, value });
            }
        }
        Ok(settings)
    }

    fn set(&self, config: &mut Config, setting: &Setting<'_>) -> Result<(), ConfigError> {
        let base = self.path.parent().unwrap_or(Path::new(""));
        let written = Written { value: setting.value.get_ref(), base, example: setting.key.example() };
        (setting.key.set)(config, &written).map_err(|why| ConfigError::Value {
            path: self.path.to_owned(),
            line: self.line(&setting.place),
            key: setting.key.name,
            written: shortened(&self.text[setting.value.span()]),
            source: Box::new(why),
        })
    }

    fn unknown(&self, place: &Range<usize>, name: String, hint: String) -> ConfigError {
        ConfigError::Unknown { path: self.path.to_owned(), line: self.line(place), name, hint }
    }

    /// Returns the TOML parser's error, with a hint if it concerns a key that is known.
    fn syntax(&self, why: toml::de::Error) -> ConfigError {
        let hint = why.span().and_then(|place| self.hint(&why, &place));
        ConfigError::Syntax { path: self.path.to_owned(), why: Box::new(why), hint }
    }

    fn hint(&self, why: &toml::de::Error, place: &Range<usize>) -> Option<String> {
        let before = &self.text[..place.start];
        let start_of_line = before.rfind('\n').map_or(0, |at| at + 1);
        let line = self.text[start_of_line..].lines().next()?;
        if why.message().contains("duplicate key") {
            return Some(format!(
                "\nIt is in line {} already: keep one of the two",
                first_line(before, line)?
            ));
        }
        let (key, _) = line.split_once('=')?;
        let table = before.lines().rev().find_map(|line| line.trim().strip_prefix('[')?.strip_suffix(']'));
        let full = table.map_or_else(|| key.trim().to_owned(), |table| format!("{table}.{}", key.trim()));
        let known = keys().find(|known| known.name == full)?;
        Some(format!("\nWrite for example: {} = {}", known.parts().1, known.example()))
    }
}

/// Returns the number, from 1, of the line before `line` that begins the same table, or sets the same key of its table.
fn first_line(before: &str, line: &str) -> Option<usize> {
    let lines: Vec<&str> = before.lines().collect();
    let is_header = |line: &str| line.trim_start().starts_with('[');
    let of_table = lines.iter().rposition(|earlier| is_header(earlier)).map_or(0, |header| header + 1);
    let from = if is_header(line) { 0 } else { of_table };
    let first = lines[from..].iter().position(|earlier| same_start(earlier, line))?;
    Some(from + first + 1)
}

/// Returns whether two lines begin a table, or set a key, of the same name.
fn same_start(one: &str, other: &str) -> bool {
    let name = |line: &str| line.split(['=', '#']).next().unwrap_or_default().trim().to_owned();
    name(one) == name(other)
}

fn no_such_table(name: &str) -> String {
    let renamed = RENAMED.iter().find(|(was, _)| was.split('.').next() == Some(name));
    if let Some((was, now)) = renamed {
        return format!("; {was} is {now} now");
    }
    nearest(name, keys().map(|key| key.parts().0))
        .map_or_else(String::new, |near| format!("; did you mean [{near}]?"))
}

/// Returns a hint for an unknown key: its new name, the table that it belongs in, or the most similar key.
fn no_such_key(full: &str) -> String {
    if let Some((_, now)) = RENAMED.iter().find(|(was, _)| *was == full) {
        return format!("; it is {now} now");
    }
    let (table, name) = full.split_once('.').unwrap_or_default();
    let elsewhere: Vec<String> =
        keys().filter(|key| key.parts().1 == name).map(|key| format!("[{}]", key.parts().0)).collect();
    if !elsewhere.is_empty() {
        return format!("; {name} belongs in {}", elsewhere.join(" or "));
    }
    let of_table = keys().filter(|key| key.parts().0 == table).map(|key| key.parts().1);
    let near = nearest(name, of_table);
    near.map_or_else(String::new, |near| format!("; did you mean {near}?"))
}

fn nearest<'k>(name: &str, known: impl Iterator<Item = &'k str>) -> Option<&'k str> {
    known.min_by_key(|known| strsim::damerau_levenshtein(name, known))
}

/// Returns a value on one line, cut off if it is long.
fn shortened(written: &str) -> String {
    const MOST: usize = 60;
    let line = written.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}
