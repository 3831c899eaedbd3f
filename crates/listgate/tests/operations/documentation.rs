//! What the documentation says about the code: the keys of the configuration, the metrics, and the files and tests
//! that it names.

use crate::support::Site;
use std::collections::BTreeSet;
use std::{fs, path::Path};

#[test]
fn the_readme_has_every_key_with_its_default() {
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../README.md")).unwrap();
    let (_, configuration) = readme.split_once("\n## Configuration\n").unwrap();
    let block: Vec<&str> = configuration.lines().skip_while(|line| !line.starts_with("    [")).collect();
    let block = block.into_iter().map_while(|line| line.strip_prefix("    ")).collect::<Vec<_>>().join("\n");
    assert_eq!(block + "\n", Site::new().stdout(&["config", "defaults"]));
}

#[test]
fn the_page_of_metrics_has_each_of_them_and_no_other() {
    let page =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/metrics.md")).unwrap();
    let rows = page.lines().filter(|line| line.starts_with("| `listgate_"));
    let names = rows.flat_map(|row| row.split('|').nth(1).unwrap().split('`').skip(1).step_by(2));
    let bare = |name: &str| {
        let name = name.split('{').next().unwrap();
        name.trim_end_matches("_total").trim_end_matches("_info").to_owned()
    };
    let documented: BTreeSet<String> = names.map(bare).collect();
    // A metric with labels is not served before it has counted something, so the code is read.
    let code = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/metrics.rs")).unwrap();
    let registered = code.split("registry.register").skip(1).map(|call| {
        let call = call.split(';').next().unwrap();
        let unit = [("Unit::Bytes", "_bytes"), ("Unit::Seconds", "_seconds")];
        let unit = unit.iter().find(|(unit, _)| call.contains(unit)).map_or("", |(_, suffix)| suffix);
        format!("listgate_{}{unit}", call.split('"').nth(1).unwrap())
    });
    assert_eq!(documented, registered.collect());
}

#[test]
fn the_page_of_metrics_has_each_reason() {
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(top.join("../../docs/metrics.md")).unwrap();
    let (_, reasons) = page.split_once("\nThe labels of `listgate_decisions_total`").unwrap();
    let (reasons, _) = reasons.split_once("\nAlert when").unwrap();
    let mut found = 0;
    for file in ["why.rs", "command_why.rs"] {
        let code = fs::read_to_string(top.join("src/engine").join(file)).unwrap();
        let (_, labels) = code.split_once("fn label(reason").unwrap();
        let (labels, _) = labels.split_once("\n}\n").unwrap();
        for label in labels.split('"').skip(1).step_by(2) {
            assert!(reasons.contains(&format!("`{label}`")), "{label}");
            found += 1;
        }
    }
    assert!(found > 30, "the code was read");
}

#[test]
fn every_named_test_exists() {
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
    let code = sources(&home.join("src"));
    for name in page.split('`').filter(|word| !word.contains(':') && word.matches('_').count() > 3) {
        assert!(code.contains(&format!("fn {name}(")), "{name} is not beside the code");
    }
}

#[test]
fn each_walk_names_files_that_exist_and_none_twice() {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let page = fs::read_to_string(top.join("ARCHITECTURE.md")).unwrap();
    let (_, walks) = page.split_once("\n## Four walks\n").unwrap();
    let (walks, _) = walks.split_once("\n## ").unwrap();
    let mut walks: Vec<&str> = walks.split("\n**").skip(1).collect();
    assert_eq!(walks.len(), 4);
    let page = fs::read_to_string(top.join("docs/design/reload.md")).unwrap();
    let (_, walk) = page.split_once("\n## From configuration key to use\n").unwrap();
    walks.push(walk.split_once("\n## ").unwrap().0);
    for walk in walks {
        let mut seen = Vec::new();
        for line in walk.lines().filter(|line| line.starts_with(|c: char| c.is_ascii_digit())) {
            let file = line.split('`').nth(1).unwrap();
            assert!(top.join(file).is_file(), "{file} does not exist");
            assert!(!seen.contains(&file), "{file} is there twice");
            seen.push(file);
        }
        assert!(seen.len() > 5, "{walk}");
    }
}

/// Returns the text of all files below a directory.
fn sources(dir: &Path) -> String {
    let files = fs::read_dir(dir).unwrap().map(|file| file.unwrap().path());
    files.map(|path| if path.is_dir() { sources(&path) } else { fs::read_to_string(path).unwrap() }).collect()
}
