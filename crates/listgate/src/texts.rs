//! The texts of generated mail: the default ones, and those with which a site replaces them.

use crate::file_error::{During, FileError};
use listgate_engine::notice::{Template, Text, TextError};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The text of each generated mail.
#[derive(Clone, Debug)]
pub(crate) struct Texts(BTreeMap<Template, Text>);

/// The reason why the texts of a site cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TextsError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error("{}: {why}", path.display())]
    Text { path: PathBuf, why: TextError },
    #[error("{} does not replace a text: the names are {}", path.display(), names())]
    Name { path: PathBuf },
}

impl Default for Texts {
    fn default() -> Self {
        Self(Template::ALL.into_iter().map(|template| (template, Text::default_of(template))).collect())
    }
}

impl Texts {
    /// Reads the texts in a folder: `NAME.txt` replaces the text of the template NAME. Blocks.
    ///
    /// # Errors
    /// A file cannot be read, has another name, or is not a text of its template.
    pub(crate) fn read(folder: &Path) -> Result<Self, TextsError> {
        let mut texts = Self::default();
        for file in fs::read_dir(folder).during("read", folder)? {
            let path = file.during("read", folder)?.path();
            if path.extension().is_none_or(|extension| extension != "txt") {
                continue;
            }
            let name = path.file_stem().and_then(|name| name.to_str()).unwrap_or_default();
            let Some(template) = Template::from_name(name) else { return Err(TextsError::Name { path }) };
            let text = fs::read_to_string(&path).during("read", &path)?;
            let text = Text::parse(template, &text).map_err(|why| TextsError::Text { path, why })?;
            texts.0.insert(template, text);
        }
        Ok(texts)
    }

    /// Returns the text of a template.
    pub(crate) fn of(&self, template: Template) -> &Text {
        self.0.get(&template).expect("each template has a text")
    }
}

fn names() -> String {
    let names = Template::ALL.map(|template| format!("{}.txt", template.as_str()));
    names.join(", ")
}
