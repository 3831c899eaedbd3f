//! `listgate list set`, and how settings of a list are shown.

use super::output::{flowed, printable};
use crate::file_error::{During, FileError};
use crate::limits;
use crate::model::{LIST_SETTINGS, ListAddress, ListChange, ListSettingError, ListSettings, Setting};
use std::fs::File;
use std::io::{self, Read, Write};

#[derive(clap::Args)]
#[command(after_help = help())]
pub(super) struct Args {
    /// The list's address, such as mylist@example.com
    pub(super) address: ListAddress,
    /// A setting and its value; KEY= restores the default, and footer=@FILE reads a file (@-: standard input)
    #[arg(required = true, value_name = "KEY=VALUE", value_parser = change)]
    pub(super) changes: Vec<ListChange>,
}

/// The reason why an argument is not a change of a setting.
#[derive(Debug, thiserror::Error)]
pub(super) enum ChangeArgError {
    #[error(transparent)]
    Setting(#[from] ListSettingError),
    #[error(transparent)]
    File(#[from] FileError),
    #[error("{0} is not a text in UTF-8")]
    NotUtf8(String),
}

/// Reads `KEY=VALUE`, and the file if the value names one.
fn change(text: &str) -> Result<ListChange, ChangeArgError> {
    match text.split_once("=@") {
        Some((key, path)) if key.trim() == "footer" => Ok(ListChange::new("footer", &content(path)?)?),
        _ => Ok(text.parse()?),
    }
}

/// Returns what a file or standard input has, or just enough of it to be too much.
fn content(path: &str) -> Result<String, ChangeArgError> {
    let file = match path {
        "-" => Ok(Box::new(io::stdin()) as Box<dyn Read>),
        path => File::open(path).map(|file| Box::new(file) as Box<dyn Read>),
    };
    let most = limits::LIST_SETTING as u64 + 1;
    let mut octets = Vec::new();
    file.and_then(|file| file.take(most).read_to_end(&mut octets)).during("read", path.as_ref())?;
    if octets.len() > limits::LIST_SETTING {
        // It may end within a character.
        octets.fill(b'x');
    }
    String::from_utf8(octets).map_err(|_| ChangeArgError::NotUtf8(path.to_owned()))
}

/// Returns the table of settings for `--help`.
fn help() -> String {
    let mut text = "Settings:".to_owned();
    for setting in LIST_SETTINGS {
        let Setting { key, values, help, .. } = setting;
        let line = format!("{help}: {values} [default: {}]", setting.default());
        text.push_str(&format!("\n  {key}\n      {}", flowed(&line.replace('`', ""), 6, 6, 80)));
    }
    text
}

/// Reports what was set.
pub(super) fn report(out: &mut impl Write, args: &Args, settings: &ListSettings) -> io::Result<()> {
    for ListChange { key, value } in &args.changes {
        let setting = Setting::of_key(key).expect("the change has its key");
        let default = if value.is_none() { " (default)" } else { "" };
        writeln!(out, "{}: {}{default}", args.address, assignment(setting, settings))?;
    }
    Ok(())
}

/// Writes the settings that differ from the defaults, below a label.
pub(super) fn show(out: &mut impl Write, settings: &ListSettings) -> io::Result<()> {
    let mut label = "settings";
    for (key, _) in settings.pairs() {
        let setting = Setting::of_key(key).expect("the settings have their keys");
        writeln!(out, "{label:8} {}", assignment(setting, settings))?;
        label = "";
    }
    Ok(())
}

/// Returns a setting as it is written, with the lines of a long text below each other.
fn assignment(setting: &Setting, settings: &ListSettings) -> String {
    let value = setting.value(settings);
    let lines: Vec<String> = value.lines().map(printable).collect();
    format!("{}={}", setting.key, lines.join("\n         "))
}

/// Returns all settings as JSON: an object of texts.
pub(super) fn as_json(settings: &ListSettings) -> serde_json::Value {
    LIST_SETTINGS.iter().map(|setting| (setting.key, setting.value(settings))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::path::Path;

    #[test]
    fn the_page_for_list_owners_has_every_setting() {
        let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/lists.md");
        let page = fs::read_to_string(page).unwrap();
        let is_key =
            |line: &&str| LIST_SETTINGS.iter().any(|row| line.starts_with(&format!("| `{}` |", row.key)));
        let documented: Vec<&str> = page.lines().filter(is_key).collect();
        let row = |setting: &Setting| {
            let Setting { key, values, help, .. } = setting;
            format!("| `{key}` | {help} | {values} | `{}` |", setting.default())
        };
        let rows: Vec<String> = LIST_SETTINGS.iter().map(row).collect();
        assert!(documented == rows, "the rows should be\n{}", rows.join("\n"));
    }
}
