//! The directories of a site's layout.

use super::error::CfgError;
use super::expand::{absolute, expand};
use super::settings::Settings;
use super::surroundings::{Surroundings, text};
use std::borrow::Cow;

/// A placeholder for a path that only Mailman's own program knows: its own folder, or that of its templates.
const NOT_OURS: &str = "\0";

/// The keys that any value of the layout may refer to, in Mailman's order.
const KEYS: [&str; 12] = [
    "archive_dir",
    "bin_dir",
    "cache_dir",
    "data_dir",
    "etc_dir",
    "list_data_dir",
    "lock_dir",
    "log_dir",
    "messages_dir",
    "queue_dir",
    "lock_file",
    "pid_file",
];

/// The directories and files of a layout, by their names in lower case.
pub(super) struct Paths {
    section: String,
    known: Vec<(&'static str, String)>,
}

impl Paths {
    pub(super) fn new(settings: &Settings, around: &Surroundings) -> Result<Self, CfgError> {
        let section = format!("paths.{}", settings.get("mailman", "layout"));
        if !settings.has(&section) {
            let why = format!(
                "there is no section [{section}]; write one, or take one of Mailman's layouts here, local, \
                 dev and fhs"
            );
            return Err(settings.wrong("mailman", "layout", why));
        }
        let value = |key: &str| settings.get(&section, key).to_owned();
        let var_dir = around.var_dir.clone().unwrap_or_else(|| value("var_dir"));
        let templates = Some(value("template_dir")).filter(|dir| dir != ":source:");
        let mut known = vec![
            ("cwd", around.cwd.clone()),
            ("argv", NOT_OURS.to_owned()),
            ("var_dir", var_dir),
            ("template_dir", templates.unwrap_or(NOT_OURS.to_owned())),
        ];
        known.extend(KEYS.map(|key| (key, value(key))));
        if let Some(cfg) = &settings.cfg {
            known.push(("cfg_file", text(cfg)?));
        }
        resolve(&mut known).map_err(|key| {
            let why = "has a $name that Mailman does not know, or that leads back to itself; take names of \
                       this section, $cwd and $cfg_file";
            settings.wrong(&section, key, why)
        })?;
        for (_, path) in &mut known {
            *path = absolute(&around.cwd, path);
        }
        Ok(Self { section, known })
    }

    /// Returns a directory that we need.
    pub(super) fn dir(&self, settings: &Settings, key: &str) -> Result<&str, CfgError> {
        let path = self.find(key).unwrap_or(NOT_OURS);
        ours(path).ok_or_else(|| settings.wrong(&self.section, key, ONLY_MAILMAN_KNOWS))
    }

    /// Expands `template`: `$VAR_DIR` and the like to directories, and the variable called `name` to `value`.
    pub(super) fn expand(&self, template: &str, name: &str, value: &str) -> Option<String> {
        let expanded = expand(template, |variable| {
            if variable == name {
                return Some(Cow::Borrowed(value));
            }
            let upper = variable.ends_with("_DIR") && variable == variable.to_ascii_uppercase();
            self.find(&variable.to_ascii_lowercase()).filter(|_| upper).map(Cow::Borrowed)
        });
        ours(&expanded).is_some().then_some(expanded)
    }

    fn find(&self, key: &str) -> Option<&str> {
        self.known.iter().find(|(known, _)| *known == key).map(|(_, path)| path.as_str())
    }
}

/// The message for when [`Paths::expand`] returns `None`.
pub(super) const ONLY_MAILMAN_KNOWS: &str =
    "$argv and :source: are folders that only Mailman's own program knows; write the path itself";

fn ours(path: &str) -> Option<&str> {
    (!path.contains(NOT_OURS)).then_some(path)
}

/// Expands values until no `$` is left, as Mailman does. Otherwise returns a key in which one remains.
fn resolve(known: &mut [(&'static str, String)]) -> Result<(), &'static str> {
    let mut before = 0;
    loop {
        let mut open = 0;
        let mut first = None;
        for index in 0..known.len() {
            let find = |name: &str| {
                known.iter().find(|(known, _)| *known == name).map(|(_, value)| Cow::Borrowed(value.as_str()))
            };
            let value = expand(&known[index].1, find);
            if value.contains('$') {
                open += 1;
                first = first.or(Some(known[index].0));
            }
            known[index].1 = value;
        }
        match first {
            None => return Ok(()),
            Some(key) if open == before => return Err(key),
            Some(_) => before = open,
        }
    }
}
