//! Checks that the links of the pages lead somewhere: to a file of this repository, and to a heading of it.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use xtask::sources;

#[test]
fn every_link_leads_somewhere() {
    let mut links = 0;
    let files = sources::all().unwrap();
    let pages = files.iter().filter(|file| file.extension().is_some_and(|extension| extension == "md"));
    for page in pages {
        let text = fs::read_to_string(page).unwrap();
        for target in targets(&text) {
            links += 1;
            let (file, heading) = target.split_once('#').unwrap_or((&target, ""));
            let to = if file.is_empty() { page.clone() } else { page.parent().unwrap().join(file) };
            assert!(to.exists(), "{}: {target}: the file does not exist", page.display());
            let has = |text: &str| text.lines().filter_map(anchor).any(|anchor| anchor == heading);
            assert!(
                heading.is_empty() || has(&fs::read_to_string(&to).unwrap()),
                "{}: {target}: the page does not have this heading",
                page.display()
            );
        }
    }
    assert!(links > 50, "the pages were read");
}

/// Returns where the links of a text lead within the repository.
fn targets(text: &str) -> Vec<String> {
    let text: Vec<_> = text.lines().filter(|line| !line.starts_with("    ")).collect();
    let text = text.join("\n");
    let ends = text.split("](").skip(1).filter_map(|rest| rest.split_once(')'));
    ends.map(|(target, _)| target.to_owned()).filter(|target| !target.contains("://")).collect()
}

/// Returns the name by which a link leads to a heading, as GitHub makes it.
fn anchor(line: &str) -> Option<String> {
    let heading = line.strip_prefix('#')?.trim_start_matches('#').strip_prefix(' ')?;
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || [' ', '-', '_'].contains(c));
    Some(kept.flat_map(char::to_lowercase).map(|c| if c == ' ' { '-' } else { c }).collect())
}
