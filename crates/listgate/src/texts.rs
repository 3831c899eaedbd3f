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

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn page() -> String {
        let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/commands.md");
        fs::read_to_string(page).unwrap()
    }

    fn names(template: Template) -> Vec<&'static str> {
        template.values().iter().map(|value| value.name).collect()
    }

    #[test]
    fn the_page_of_commands_has_each_text_with_its_placeholders() {
        let everywhere = names(Template::ALL[0]).into_iter();
        let everywhere: Vec<_> =
            everywhere.filter(|name| Template::ALL.iter().all(|one| names(*one).contains(name))).collect();
        let page = page();
        let sentence = everywhere.iter().map(|name| format!("`${name}`")).collect::<Vec<_>>();
        let (last, first) = sentence.split_last().unwrap();
        let sentence = format!("Each text can use {} and {last}", first.join(", "));
        assert!(page.replace('\n', " ").contains(&sentence), "{sentence}");
        let rows = page.lines().filter(|line| line.starts_with("| `") && line.contains(".txt` |"));
        let documented: Vec<(&str, &str)> = rows
            .map(|row| {
                let cells: Vec<&str> = row.split(" | ").collect();
                (cells[0], cells[2].trim_end_matches(" |"))
            })
            .collect();
        let expected = Template::ALL.map(|template| {
            let own = names(template).into_iter().filter(|name| !everywhere.contains(name));
            let own = own.map(|name| format!("`${name}`")).collect::<Vec<_>>().join(", ");
            (format!("| `{}.txt`", template.as_str()), own)
        });
        let expected: Vec<(&str, &str)> = expected.iter().map(|(file, own)| (&**file, &**own)).collect();
        assert_eq!(documented, expected);
    }

    #[test]
    fn the_page_of_commands_explains_each_placeholder() {
        let page = page();
        let documented: BTreeSet<&str> = page.lines().filter(|line| line.starts_with("| `$")).collect();
        let mut about = BTreeMap::new();
        for value in Template::ALL.iter().flat_map(|template| template.values()) {
            about.entry(value.name).or_insert(value.about);
        }
        let rows = about.iter().map(|(name, about)| format!("| `${name}` | {about} |"));
        let rows: BTreeSet<String> = rows.collect();
        assert!(
            documented == rows.iter().map(String::as_str).collect(),
            "the rows should be\n{}",
            rows.into_iter().collect::<Vec<_>>().join("\n")
        );
    }

    #[test]
    fn a_folder_replaces_the_texts_that_it_has() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        write("README", "not a text");
        write("waiting.txt", "Subject: Wait, $address\n\nWe will write to you.\n");
        let texts = Texts::read(folder.path()).unwrap();
        let own = Text::parse(Template::Waiting, "Subject: Wait, $address\n\nWe will write to you.\n");
        assert_eq!(texts.of(Template::Waiting), &own.unwrap());
        assert_eq!(texts.of(Template::Welcome), &Text::default_of(Template::Welcome));
        write("welcome.txt", "Subject: Hello\n\n$members\n");
        let why = Texts::read(folder.path()).unwrap_err().to_string();
        assert!(why.contains("welcome.txt: the text of welcome, line 3: $members is unknown"), "{why}");
        fs::rename(folder.path().join("welcome.txt"), folder.path().join("wellcome.txt")).unwrap();
        let why = Texts::read(folder.path()).unwrap_err().to_string();
        assert!(
            why.contains("wellcome.txt does not replace a text: the names are confirm-join.txt, "),
            "{why}"
        );
    }
}
