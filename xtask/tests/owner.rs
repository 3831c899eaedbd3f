//! The owner's data, which is only in the workspace's `Cargo.toml`: the address of the repository and the mail
//! address of the maintainers. Other files refer to it in words, so that it is replaced in one place.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::PathBuf;
use xtask::run::root;
use xtask::sources;

const REPOSITORY: &str = env!("CARGO_PKG_REPOSITORY");
const AUTHORS: &str = env!("CARGO_PKG_AUTHORS");

#[test]
fn no_other_file_has_the_owners_data() {
    let (_, address) = REPOSITORY.split_once("://").unwrap();
    let (_, mail) = AUTHORS.split_once('<').unwrap();
    let (_, domain) = mail.trim_end_matches('>').split_once('@').unwrap();
    let top = root();
    let files = sources::all().unwrap();
    let has = |path: &PathBuf| {
        let text = String::from_utf8_lossy(&fs::read(path).unwrap()).into_owned();
        text.contains(address) || text.contains(&format!("@{domain}")) || has_address_of_a_repository(&text)
    };
    let found: Vec<PathBuf> = files.into_iter().filter(has).collect();
    assert_eq!(found, [top.join("Cargo.toml")], "only this file may have it");
}

#[test]
fn the_pages_say_where_it_is() {
    let read = |page: &str| fs::read_to_string(root().join(page)).unwrap();
    let security = read("SECURITY.md");
    assert!(
        ["[Cargo.toml](Cargo.toml)", "`repository`", "`authors`"].iter().all(|word| security.contains(word))
    );
    for page in ["CODE_OF_CONDUCT.md", "CONTRIBUTING.md", ".github/ISSUE_TEMPLATE/bug.md"] {
        assert!(read(page).contains("SECURITY.md"), "{page} does not refer to SECURITY.md");
    }
}

/// Returns whether a text has the URL of a repository of Listgate, wherever that is.
fn has_address_of_a_repository(text: &str) -> bool {
    text.split("https://").skip(1).any(|rest| {
        let url = rest.split(|c: char| c.is_whitespace() || "\"'`)>".contains(c)).next().unwrap_or_default();
        url.split_once("/listgate")
            .is_some_and(|(_, after)| matches!(after.chars().next(), None | Some('/' | '.')))
    })
}
