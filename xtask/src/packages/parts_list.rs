//! The list of the parts that a program is made of (a software bill of materials), in the format of CycloneDX.
//!
//! Cargo knows which packages are compiled into the program, and their licences; the lock file has their checksums. The
//! format is simple enough to be written here, without a tool that would have to be compiled first.

use super::Tree;
use super::files::{cannot, write};
use crate::run::{self, Outcome, cargo, root};
use std::fs;
use std::path::{Path, PathBuf};

/// A package of cargo's.
#[derive(Debug, PartialEq)]
struct Part<'t> {
    name: &'t str,
    version: &'t str,
    licence: String,
    checksum: Option<&'t str>,
}

/// Writes the list into a folder, and returns its path.
///
/// # Errors
/// Cargo fails, or a file cannot be read or written.
pub fn build(tree: &Tree, into: &Path) -> Outcome<PathBuf> {
    let mut list = cargo(&["tree", "--locked", "--package", "listgate", "--edges", "normal,no-proc-macro"]);
    list.args(["--prefix", "none", "--no-dedupe", "--format", "{p}|{l}"]);
    let listed = run::output(&mut list)?;
    let lock = root().join("Cargo.lock");
    let lock = fs::read_to_string(&lock).map_err(|why| cannot("read", &lock, &why))?;
    let path = into.join(format!("listgate-{}.cdx.json", tree.version));
    write(&path, &json(&parts(&listed, &lock), &tree.version))?;
    Ok(path)
}

/// Reads what cargo has listed; each part is there once, without `listgate` itself.
fn parts<'t>(listed: &'t str, lock: &'t str) -> Vec<Part<'t>> {
    let mut lines: Vec<&str> = listed.lines().collect();
    lines.sort_unstable();
    lines.dedup();
    let parts = lines.into_iter().filter_map(|line| {
        let (package, licence) = line.split_once('|')?;
        let mut words = package.split(' ');
        let (name, version) = (words.next()?, words.next()?.strip_prefix('v')?);
        // An old way to write a choice.
        let licence = licence.replace('/', " OR ");
        Some(Part { name, version, licence, checksum: checksum(lock, name, version) })
    });
    parts.filter(|part| part.name != "listgate").collect()
}

/// Returns the checksum of a package; those of the workspace have none.
fn checksum<'t>(lock: &'t str, name: &str, version: &str) -> Option<&'t str> {
    let (_, package) =
        lock.split_once(&format!("[[package]]\nname = \"{name}\"\nversion = \"{version}\"\n"))?;
    let package = package.split("[[package]]").next()?;
    package.lines().find_map(|line| line.strip_prefix("checksum = \"")?.strip_suffix('"'))
}

/// Writes the list. Names, versions, licences and checksums have no character that JSON would escape.
fn json(parts: &[Part], version: &str) -> String {
    let components: Vec<String> = parts.iter().map(component).collect();
    format!(
        r#"{{
  "bomFormat": "CycloneDX",
  "specVersion": "1.5",
  "version": 1,
  "metadata": {{
    "component": {{ "type": "application", "name": "listgate", "version": "{version}" }}
  }},
  "components": [
{}
  ]
}}
"#,
        components.join(",\n")
    )
}

fn component(Part { name, version, licence, checksum }: &Part) -> String {
    let origin = checksum.map(|checksum| {
        format!(
            r#", "purl": "pkg:cargo/{name}@{version}", "hashes": [{{ "alg": "SHA-256", "content": "{checksum}" }}]"#
        )
    });
    format!(
        r#"    {{ "type": "library", "name": "{name}", "version": "{version}", "licenses": [{{ "expression": "{licence}" }}]{} }}"#,
        origin.unwrap_or_default()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const LISTED: &str = "listgate v0.1.0 (/src/listgate)|MIT\nlistgate-lmtp v0.1.0 (/src/lmtp)|MIT\n\
        memchr v2.8.0|Unlicense/MIT\nmemchr v2.8.0|Unlicense/MIT\n";
    const LOCK: &str = "[[package]]\nname = \"listgate-lmtp\"\nversion = \"0.1.0\"\n\n\
        [[package]]\nname = \"memchr\"\nversion = \"2.8.0\"\nsource = \"registry\"\nchecksum = \"c0ffee\"\n";

    #[test]
    fn a_part_is_listed_once_with_its_licence_and_checksum() {
        let (ours, other) = (("listgate-lmtp", "0.1.0", "MIT"), ("memchr", "2.8.0", "Unlicense OR MIT"));
        let part = |(name, version, licence): (&'static str, &'static str, &str), checksum| Part {
            name,
            version,
            licence: licence.to_owned(),
            checksum,
        };
        assert_eq!(parts(LISTED, LOCK), [part(ours, None), part(other, Some("c0ffee"))]);
    }

    #[test]
    fn the_list_is_json() {
        let list: serde_json::Value =
            serde_json::from_str(&json(&parts(LISTED, LOCK), "1.2")).expect("it is JSON");
        assert_eq!(list["metadata"]["component"]["version"], "1.2");
        assert_eq!(list["components"][0]["licenses"][0]["expression"], "MIT");
        assert_eq!(list["components"][1]["purl"], "pkg:cargo/memchr@2.8.0");
        assert_eq!(list["components"][1]["hashes"][0]["content"], "c0ffee");
    }
}
