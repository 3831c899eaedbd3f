//! Checks that every test named on a crate's page of rules exists.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::Path;
use xtask::run::root;

/// The crates with a page of rules, and where their tests are that are not within a source file.
const CRATES: [(&str, &str); 2] = [("lmtp", "tests/protocol"), ("engine", "tests")];

#[test]
fn every_test_that_a_rule_names_exists() {
    for (krate, tests) in CRATES {
        let home = root().join("crates").join(krate);
        let page = fs::read_to_string(home.join("src/rules.rs")).unwrap();
        let page: Vec<_> = page.lines().flat_map(|line| line[3..].split_whitespace()).collect();
        let page = page.join(" ");
        let rules: Vec<_> = page.split(" - ").skip(1).collect();
        assert!(rules.len() > 30, "{krate}: the rules are read");
        for rule in rules {
            let (_, tested_by) = rule.split_once("tested by ").unwrap_or_else(|| panic!("untested: {rule}"));
            let names: Vec<_> = tested_by.split('`').filter(|word| word.contains("::")).collect();
            assert!(!names.is_empty(), "a rule without a test: {rule}");
            names.iter().for_each(|name| assert_exists(name, &home, tests));
        }
    }
}

/// Fails unless a test has this name: `module::tests::function` in a source file, or `module::function`.
fn assert_exists(name: &str, home: &Path, tests: &str) {
    let (module, function) = name.rsplit_once("::").unwrap();
    let files = match module.strip_suffix("::tests") {
        Some(module) => {
            let module = module.replace("::", "/");
            vec![format!("src/{module}.rs"), format!("src/{module}/mod.rs"), format!("src/{module}/tests.rs")]
        }
        None => {
            let module = module.replace("::", "/");
            vec![format!("{tests}/{module}.rs"), format!("src/{module}.rs")]
        }
    };
    let sources = files.iter().filter_map(|file| fs::read_to_string(home.join(file)).ok());
    assert!(
        sources.into_iter().any(|source| source.contains(&format!("fn {function}("))),
        "{name} is in none of {files:?}"
    );
}
