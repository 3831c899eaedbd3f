//! Checks that the tests named in the table of rules in the crate's documentation exist.

use std::{fs, path::Path};

#[test]
fn every_test_that_the_documentation_names_exists() {
    let home = Path::new(env!("CARGO_MANIFEST_DIR"));
    let documentation = fs::read_to_string(home.join("src/lib.rs")).unwrap();
    let mut named = 0;
    for row in documentation
        .lines()
        .filter(|line| ["//! | RFC", "//! | …", "//! | No RFC"].iter().any(|row| line.starts_with(row)))
    {
        let proofs = row.trim_end_matches([' ', '|']).rsplit('|').next().unwrap();
        let names: Vec<_> = proofs.split('`').filter(|word| word.contains("::")).collect();
        assert!(!names.is_empty(), "a rule without a test: {row}");
        for name in names {
            let (module, function) = name.rsplit_once("::").unwrap();
            let file = match module.strip_suffix("::tests") {
                Some(module) => format!("src/{module}.rs"),
                None => format!("tests/protocol/{module}.rs"),
            };
            let source = fs::read_to_string(home.join(&file)).unwrap_or_else(|why| panic!("{file}: {why}"));
            assert!(source.contains(&format!("fn {function}(")), "{name} is not in {file}");
            named += 1;
        }
    }
    assert!(named > 30, "the table was read");
}
