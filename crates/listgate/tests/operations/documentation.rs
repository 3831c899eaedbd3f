//! The tests that docs/reliability.md names exist.

use std::{fs, path::Path};

#[test]
fn every_test_that_is_named_exists() {
    let home = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(home.join("../../docs/reliability.md")).unwrap();
    let names: Vec<&str> = page.split('`').filter(|word| word.matches("::").count() == 2).collect();
    assert!(names.len() > 30, "the tables were read");
    for name in names {
        let (module, function) = name.rsplit_once("::").unwrap();
        let file = home.join("tests").join(module.replace("::", "/")).with_extension("rs");
        let source = fs::read_to_string(&file).unwrap_or_else(|why| panic!("{}: {why}", file.display()));
        assert!(source.contains(&format!("fn {function}(")), "{name} does not exist");
    }
}
