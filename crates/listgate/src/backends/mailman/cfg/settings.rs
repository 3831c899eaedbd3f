//! The settings of all files combined: Mailman's defaults, the files that the site's own file extends, and that
//! file.

use super::error::CfgError;
use super::expand::absolute;
use super::surroundings::text;
use super::syntax::{File, Options};
use crate::file_error::During;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::rc::Rc;

const SCHEMA: &str = include_str!("schema.cfg");
const PACKAGED: &str = include_str!("packaged.cfg");
/// The maximum number of files that extend one another. Mailman has no limit, and fails when Python's stack is
/// full.
const MAX_EXTENDED: usize = 100;

/// A value and the file that sets it; `None` for a default.
#[derive(Clone)]
struct Setting {
    value: String,
    file: Option<Rc<Path>>,
}

type Section = BTreeMap<String, Setting>;

pub(super) struct Settings {
    /// The site's own file.
    pub(super) cfg: Option<PathBuf>,
    sections: BTreeMap<String, Section>,
    /// The initial settings of a new section, by its kind, such as `paths`.
    masters: BTreeMap<String, Section>,
}

impl Settings {
    /// Reads the defaults, and the file at `cfg` on top of them. `cfg` is absolute.
    pub(super) fn read(cfg: Option<PathBuf>) -> Result<Self, CfgError> {
        let mut settings = Self::defaults();
        settings.cfg.clone_from(&cfg);
        let mut stack: Vec<(Rc<Path>, File)> = Vec::new();
        let mut next = cfg;
        while let Some(path) = next {
            let file = parse(&path)?;
            if stack.len() == MAX_EXTENDED {
                let why = "[meta] extends: these files extend one another without an end".to_owned();
                return Err(CfgError::Value { path, why });
            }
            next = extended(&path, &file)?;
            stack.push((path.into(), file));
        }
        for (path, file) in stack.into_iter().rev() {
            settings.lay_over(&path, &file)?;
        }
        Ok(settings)
    }

    fn defaults() -> Self {
        let mut settings = Self { cfg: None, sections: BTreeMap::new(), masters: BTreeMap::new() };
        for text in [SCHEMA, PACKAGED] {
            let file = File::parse(text).expect("the defaults are well-formed");
            for (name, options) in file.sections() {
                let origin = options.into_iter().map(|(key, value)| (key, Setting { value, file: None }));
                match name.strip_suffix(".master") {
                    Some(kind) => drop(settings.masters.insert(kind.to_owned(), origin.collect())),
                    None => settings.section(name).extend(origin),
                }
            }
        }
        settings
    }

    /// Returns the section of this name. A new one starts with the settings of its kind.
    fn section(&mut self, name: &str) -> &mut Section {
        let master = name.split_once('.').and_then(|(kind, _)| self.masters.get(kind));
        self.sections.entry(name.to_owned()).or_insert_with(|| master.cloned().unwrap_or_default())
    }

    fn lay_over(&mut self, path: &Rc<Path>, file: &File) -> Result<(), CfgError> {
        for (name, options) in file.sections() {
            // Mailman ignores sections that look like part of its schema.
            if name == "meta" || [".template", ".optional", ".master"].iter().any(|end| name.ends_with(end)) {
                continue;
            }
            let kind = name.split_once('.');
            if kind.is_some_and(|(_, rest)| rest.contains('.')) {
                let why = format!("[{name}]: a section's name has at most one dot; rename it or remove it");
                return Err(CfgError::Value { path: path.to_path_buf(), why });
            }
            let known = self.sections.contains_key(name)
                || kind.is_some_and(|(kind, _)| self.masters.contains_key(kind));
            if known {
                update(self.section(name), path, options);
            }
        }
        Ok(())
    }

    pub(super) fn has(&self, section: &str) -> bool {
        self.sections.contains_key(section)
    }

    /// Returns the value of a key that the schema has, in a section that exists.
    pub(super) fn get(&self, section: &str, key: &str) -> &str {
        let setting = self.sections.get(section).and_then(|section| section.get(key));
        &setting.expect("only keys of the schema are asked for").value
    }

    /// Returns the error for a value that cannot be used. `why` ends with how to fix it.
    pub(super) fn wrong(&self, section: &str, key: &str, why: impl Into<String>) -> CfgError {
        let setting = self.sections.get(section).and_then(|section| section.get(key));
        let file = setting.and_then(|setting| setting.file.as_deref()).or(self.cfg.as_deref());
        let path = file.unwrap_or(Path::new("Mailman's defaults")).to_owned();
        // A URL may contain a password, and errors go to logs.
        let value = setting.filter(|_| key != "url").map(|setting| setting.value.as_str()).unwrap_or("...");
        CfgError::Value { path, why: format!("[{section}] {key}: {value}: {}", why.into()) }
    }
}

/// Updates a section, and ignores keys that the schema does not have.
fn update(section: &mut Section, path: &Rc<Path>, options: Options) {
    for (key, value) in options {
        if let Some(setting) = section.get_mut(&key) {
            *setting = Setting { value, file: Some(Rc::clone(path)) };
        }
    }
}

fn parse(path: &Path) -> Result<File, CfgError> {
    let text = fs::read_to_string(path).during("read", path)?;
    File::parse(&text).map_err(|refused| CfgError::Syntax {
        path: path.to_owned(),
        line: refused.line,
        why: refused.why,
    })
}

/// Returns the file that this one extends. Its name is appended to this file's folder even if it is absolute.
fn extended(path: &Path, file: &File) -> Result<Option<PathBuf>, CfgError> {
    let meta = file.sections().find(|(name, _)| *name == "meta");
    let Some(name) = meta.and_then(|(_, options)| options.get("extends").cloned()) else { return Ok(None) };
    let folder = path.parent().unwrap_or(Path::new("/"));
    let found = PathBuf::from(absolute(&text(folder)?, &format!("./{name}")));
    if !found.is_file() {
        let why = format!(
            "[meta] extends: {name}: there is no file {}; the name counts from the folder of this file",
            found.display()
        );
        return Err(CfgError::Value { path: path.to_owned(), why });
    }
    Ok(Some(found))
}
