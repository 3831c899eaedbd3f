//! The reference: every key with its default and description, as a configuration file and for the manual.

use super::error::ValueError;
use super::keys::{Applies, Config, Key, keys};
use super::kind::Written;
use serde_json::Value;
use std::path::Path;
use toml::de::{DeTable, DeValue};

/// The column in which the comments begin.
const COMMENT: usize = 36;

/// Returns every key with its default and description, as a configuration file.
pub(crate) fn reference() -> String {
    let mut lines = Vec::new();
    let mut table = "";
    for entry in key_entries() {
        if entry.table != table {
            table = entry.table;
            lines.push(format!("[{table}]"));
        }
        lines.push(line(&entry));
    }
    lines.join("\n") + "\n"
}

fn line(KeyEntry { setting, remark, .. }: &KeyEntry) -> String {
    // At least two blanks, to show clearly where the setting ends.
    format!("{setting:<width$}  # {}", remark.trim_end_matches('.'), width = COMMENT - 2)
}

/// Returns a key with its default, or with an example, which is commented out, if it has no default or a different one
/// on each machine.
fn with_default(key: &Key, defaults: &Config) -> String {
    let (_, name) = key.parts();
    match key.example {
        Some(example) => format!("# {name} = {example}"),
        None => setting(name, &(key.show)(defaults)),
    }
}

/// Returns a key and its value as a line of TOML, or a comment if the key is not set.
pub(crate) fn setting(name: &str, value: &Value) -> String {
    match value {
        Value::Null => format!("# {name} unset"),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(ToString::to_string).collect();
            format!("{name} = [{}]", items.join(", "))
        }
        value => format!("{name} = {value}"),
    }
}

/// A key as the manual describes it.
#[derive(Clone, Debug)]
pub struct KeyEntry {
    /// The table.
    pub table: &'static str,
    /// The name within the table.
    pub name: &'static str,
    /// The key with its default, as a line of the file; one with an example is commented out.
    pub setting: String,
    /// What the file has to write, such as "a size".
    pub kind: &'static str,
    /// A short remark on the values, as in the comment beside the key.
    pub remark: &'static str,
    /// What the key is for, in paragraphs; empty if the remark says it all.
    pub about: &'static str,
    /// Whether SIGHUP applies a change; otherwise the next start does.
    pub at_reload: bool,
}

/// Returns every key, in the order of the reference.
pub fn key_entries() -> Vec<KeyEntry> {
    let defaults = Config::default();
    let mut tables: Vec<&str> = Vec::new();
    let mut entries: Vec<KeyEntry> = keys().map(|key| entry(key, &defaults)).collect();
    for entry in &entries {
        if !tables.contains(&entry.table) {
            tables.push(entry.table);
        }
    }
    entries.sort_by_key(|entry| tables.iter().position(|table| *table == entry.table));
    entries
}

fn entry(key: &Key, defaults: &Config) -> KeyEntry {
    let (table, name) = key.parts();
    let (remark, about) = key.doc.trim().split_once("\n").unwrap_or((key.doc.trim(), ""));
    KeyEntry {
        table,
        name,
        setting: with_default(key, defaults),
        kind: kind(key),
        remark: remark.trim(),
        about: about.trim(),
        at_reload: key.applies == Applies::Reload,
    }
}

/// Returns what the file has to write for a key, in the words of the error for a value of the wrong type.
fn kind(key: &Key) -> &'static str {
    let table = DeValue::Table(DeTable::new());
    let written = Written { value: &table, base: Path::new(""), example: String::new() };
    match (key.set)(&mut Config::default(), &written) {
        Err(ValueError::Expected { expected, .. }) => expected,
        set => unreachable!("no key is a table, and {} said {set:?}", key.name),
    }
}
