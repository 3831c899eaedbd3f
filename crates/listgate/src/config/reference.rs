//! The reference: every key with its default and description, as a configuration file.

use super::keys::{Config, Key, keys};
use serde_json::Value;

/// The column in which the comments begin.
const COMMENT: usize = 36;

/// Returns every key with its default and description, as a configuration file. A key that has no default, or a
/// different one on each machine, has an example that is commented out.
pub(crate) fn reference() -> String {
    let defaults = Config::default();
    let mut lines = Vec::new();
    let mut tables: Vec<&str> = Vec::new();
    for key in keys() {
        let (table, _) = key.parts();
        if !tables.contains(&table) {
            tables.push(table);
        }
    }
    for table in tables {
        lines.push(format!("[{table}]"));
        lines.extend(keys().filter(|key| key.parts().0 == table).map(|key| line(key, &defaults)));
    }
    lines.join("\n") + "\n"
}

fn line(key: &Key, defaults: &Config) -> String {
    let (_, name) = key.parts();
    let setting = match key.example {
        Some(example) => format!("# {name} = {example}"),
        None => setting(name, &(key.show)(defaults)),
    };
    let doc = key.doc.lines().next().unwrap_or_default().trim().trim_end_matches('.');
    // At least two blanks, to show clearly where the setting ends.
    format!("{setting:<width$}  # {doc}", width = COMMENT - 2)
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
