//! Checks that the checker finds each kind of violation and accepts everything else.

use super::check;
use std::collections::BTreeMap;

/// Returns the violations in a crate with these files, without the reasons.
fn found(order: &[&str], files: &[(&str, &str)]) -> Vec<String> {
    let sources: BTreeMap<String, String> =
        files.iter().map(|(name, text)| (format!("src/{name}"), (*text).to_owned())).collect();
    let violations = check(&sources, "src/lib.rs", order);
    let short = |line: String| line.splitn(4, ": ").take(3).collect::<Vec<_>>().join(": ");
    violations.iter().map(|violation| short(violation.to_string())).collect()
}

/// Returns the violations in `low`, in a crate that has `low` and above it `high`.
fn in_low(low: &str) -> Vec<String> {
    let high =
        "pub mod part; pub struct Thing; pub enum Kind { One } pub fn make() {} pub const N: usize = 1;";
    found(
        &["low", "high"],
        &[
            ("lib.rs", "mod high; mod low; pub use high::Thing as Exported; pub struct OfTheRoot;"),
            ("high/mod.rs", high),
            ("high/part.rs", "pub struct Part;"),
            ("low.rs", low),
        ],
    )
}

/// Returns the violations in two children of `a`, which declares both and has `own` in its own file.
fn in_children(own: &str, one: &str, two: &str) -> Vec<String> {
    let own = format!("mod one; mod two; {own}");
    found(&["a"], &[("lib.rs", "mod a;"), ("a/mod.rs", &own), ("a/one.rs", one), ("a/two.rs", two)])
}

const NONE: [&str; 0] = [];

#[test]
fn a_higher_module_may_name_a_lower_one() {
    let files = [
        ("lib.rs", "mod high; mod low; use high::f; pub use low::Low;"),
        ("high.rs", "use crate::low::Low; pub fn f() { super::low::g(); println!(\"{}\", crate::Low::N); }"),
        ("low.rs", "pub struct Low; pub fn g() {}"),
    ];
    assert_eq!(found(&["low", "high"], &files), NONE);
    assert_eq!(
        found(&["high", "low"], &files),
        [
            "src/high.rs:1: crate::Low::N: rule a",
            "src/high.rs:1: crate::low::Low: rule a",
            "src/high.rs:1: super::low::g: rule a",
        ]
    );
}

#[test]
fn an_import_is_found() {
    assert_eq!(in_low("use crate::high::Thing;"), ["src/low.rs:1: crate::high::Thing: rule a"]);
    assert_eq!(in_low("use super::high as h;"), ["src/low.rs:1: super::high: rule a"]);
    assert_eq!(in_low("use crate::high::*;"), ["src/low.rs:1: crate::high::*: rule a"]);
    assert_eq!(
        in_low("use crate::{\n    high::{self, part::Part},\n};"),
        ["src/low.rs:2: crate::high: rule a", "src/low.rs:2: crate::high::part::Part: rule a"]
    );
    assert_eq!(
        in_low("fn f() {\n    use crate::high::make;\n}"),
        ["src/low.rs:2: crate::high::make: rule a"]
    );
}

#[test]
fn a_path_in_the_code_is_found() {
    for (code, path) in [
        ("fn f() { crate::high::make(); }", "crate::high::make"),
        ("fn f() { super::high::make(); }", "super::high::make"),
        ("fn f() { self::super::high::make(); }", "self::super::high::make"),
        ("fn f() -> Vec<crate::high::Thing> { todo() }", "crate::high::Thing"),
        ("fn f() -> [u8; crate::high::N] { todo() }", "crate::high::N"),
        ("fn f(k: K) { match k { crate::high::Kind::One => {} } }", "crate::high::Kind::One"),
        ("struct S<T: crate::high::Kind>(T);", "crate::high::Kind"),
        ("impl crate::high::Kind for u8 {}", "crate::high::Kind"),
        ("pub(in crate::high) struct S;", "crate::high"),
    ] {
        assert_eq!(in_low(code), [format!("src/low.rs:1: {path}: rule a")], "{code}");
    }
}

#[test]
fn a_path_in_an_attribute_is_found() {
    for (code, path) in [
        ("enum E { A(#[from] crate::high::Thing) }", "crate::high::Thing"),
        ("struct S { #[arg(value_parser = crate::high::make)] f: u8 }", "crate::high::make"),
        ("struct S { #[serde(with = \"crate::high::part\")] f: u8 }", "crate::high::part"),
        ("#[derive(crate::high::Thing)] struct S;", "crate::high::Thing"),
    ] {
        assert_eq!(in_low(code), [format!("src/low.rs:1: {path}: rule a")], "{code}");
    }
    assert_eq!(in_low("/// See [`crate::high::Thing`].\nstruct S;"), NONE);
}

#[test]
fn a_path_in_a_macro_is_found() {
    for (code, path) in [
        ("fn f() { println!(\"{}\", crate::high::N); }", "crate::high::N"),
        ("fn f() { assert!(matches!(x, [(super::high::Kind::One, _)])); }", "super::high::Kind::One"),
        ("macro_rules! m { () => { $crate::high::make() } }", "crate::high::make"),
        ("m! { use crate::{high::Thing}; }", "crate::high::Thing"),
        ("fn f() { m!(Vec::<crate::high::Thing>::new()) }", "crate::high::Thing"),
    ] {
        assert_eq!(in_low(code), [format!("src/low.rs:1: {path}: rule a")], "{code}");
    }
}

#[test]
fn a_reexport_of_the_root_belongs_to_its_module() {
    assert_eq!(in_low("use crate::Exported;"), ["src/low.rs:1: crate::Exported: rule a"]);
    assert_eq!(in_low("fn f(_: super::Exported) {}"), ["src/low.rs:1: super::Exported: rule a"]);
}

#[test]
fn a_reexport_counts_for_both_ends() {
    let files = [
        ("lib.rs", "mod a; mod b; mod c;"),
        ("a.rs", "pub use crate::c::Thing;"),
        ("b.rs", "fn f(_: crate::a::Thing) {}"),
        ("c.rs", "pub struct Thing;"),
    ];
    let of_b = |order: &[&str]| {
        found(order, &files).into_iter().filter(|line| line.starts_with("src/b.rs")).collect::<Vec<_>>()
    };
    assert_eq!(of_b(&["c", "a", "b"]), NONE);
    assert_eq!(of_b(&["c", "b", "a"]), ["src/b.rs:1: crate::a::Thing: rule a"]);
    assert_eq!(of_b(&["a", "b", "c"]), ["src/b.rs:1: crate::a::Thing: rule a"]);
}

#[test]
fn an_import_is_reported_once() {
    let low = "use crate::high::{self, Thing};\nfn f(_: Thing) { high::make(); let high = 1; drop(high); }";
    assert_eq!(
        in_low(low),
        ["src/low.rs:1: crate::high: rule a", "src/low.rs:1: crate::high::Thing: rule a"]
    );
}

#[test]
fn children_in_a_cycle_are_found() {
    for (one, path) in [
        ("use super::two::Two;", "super::two::Two"),
        ("fn f() { crate::a::two::g(); }", "crate::a::two::g"),
        ("use crate::a; fn f() { a::two::g(); }", "a::two::g"),
    ] {
        assert_eq!(
            in_children("", one, "use super::one;"),
            [format!("src/a/one.rs:1: {path}: rule b"), "src/a/two.rs:1: super::one: rule b".to_owned()]
        );
        assert_eq!(in_children("use one::f; use two::Two;", one, "use std::fs;"), NONE);
    }
}

#[test]
fn a_cycle_may_be_long_and_deep() {
    let files = [
        ("lib.rs", "mod a;"),
        ("a.rs", "mod b;"),
        ("a/b.rs", "mod one; mod two; mod three;"),
        ("a/b/one.rs", "use super::two::X;"),
        ("a/b/two/mod.rs", "mod inner; pub struct X;"),
        ("a/b/two/inner.rs", "use super::super::three::X;"),
        ("a/b/three.rs", "pub struct X; fn f() { crate::a::b::one::g() }"),
    ];
    assert_eq!(
        found(&["a"], &files),
        [
            "src/a/b/one.rs:1: super::two::X: rule b",
            "src/a/b/three.rs:1: crate::a::b::one::g: rule b",
            "src/a/b/two/inner.rs:1: super::super::three::X: rule b",
        ]
    );
}

#[test]
fn a_child_that_names_an_item_of_its_parent_is_found() {
    let own = "pub struct Own; pub fn f() {} macro_rules! m { () => {} }";
    for (one, path) in [
        ("use super::Own;", "super::Own"),
        ("use super::*;", "super::*"),
        ("fn g() { super::f(); }", "super::f"),
        ("fn g() { crate::a::f(); }", "crate::a::f"),
        ("use crate::a;\nfn g() { a::f(); }", "a::f"),
        ("fn g() { dbg!(super::f()); }", "super::f"),
        ("fn g() { super::made_by_a_macro(); }", "super::made_by_a_macro"),
    ] {
        let line = one.lines().count();
        assert_eq!(in_children(own, one, ""), [format!("src/a/one.rs:{line}: {path}: rule c")], "{one}");
    }
    assert_eq!(in_low("use crate::OfTheRoot;"), ["src/low.rs:1: crate::OfTheRoot: rule c"]);
}

#[test]
fn a_grandchild_may_not_name_an_item_of_its_grandparent() {
    let files = [
        ("lib.rs", "mod a;"),
        ("a.rs", "mod b; pub struct Own;"),
        ("a/b.rs", "mod c; use super::Own;"),
        ("a/b/c.rs", "use super::Own; pub(in crate::a) struct C; pub(super) struct D;"),
    ];
    assert_eq!(
        found(&["a"], &files),
        ["src/a/b.rs:1: super::Own: rule c", "src/a/b/c.rs:1: super::Own: rule c"]
    );
}

#[test]
fn a_reexport_of_a_parent_belongs_to_its_child() {
    let own = "pub(crate) use two::Two; use std::fs;";
    assert_eq!(in_children(own, "use super::{Two, fs};", "pub struct Two;"), NONE);
    assert_eq!(
        in_children(own, "use super::Two;", "pub struct Two; fn f() { super::one::g(); }"),
        ["src/a/one.rs:1: super::Two: rule b", "src/a/two.rs:1: super::one::g: rule b"]
    );
    let globbed = "pub(crate) use two::*;";
    assert_eq!(in_children(globbed, "use super::Two;", "pub struct Two;"), NONE);
}

#[test]
fn a_parent_names_its_children_without_crate() {
    let own = "use two::Two; pub use one::f; fn g() { one::f(); two::h(Two); }";
    assert_eq!(in_children(own, "pub fn f() {}", "pub struct Two; pub fn h(_: Two) {}"), NONE);
    let files = [
        ("lib.rs", "mod low; mod high;"),
        ("low/mod.rs", "mod child; use child::Thing; fn f() { child::high::make(); }"),
        ("low/child.rs", "pub use crate::high; pub use high::Thing;"),
        ("high.rs", "pub struct Thing; pub fn make() {}"),
    ];
    assert_eq!(
        found(&["low", "high"], &files),
        [
            "src/low/child.rs:1: crate::high: rule a",
            "src/low/mod.rs:1: child::Thing: rule a",
            "src/low/mod.rs:1: child::high::make: rule a",
        ]
    );
}

#[test]
fn a_module_and_a_function_may_share_a_name() {
    let own = "pub fn two() {}";
    let names_child = "fn f() { super::two::g(); }";
    assert_eq!(in_children(own, names_child, "pub fn g() {}"), NONE);
    let names_parent = "fn f() { super::two(); }";
    assert_eq!(in_children(own, names_parent, "pub fn g() {}"), ["src/a/one.rs:1: super::two: rule c"]);
}

#[test]
fn a_module_in_braces_belongs_to_its_file() {
    let low = "pub fn f() {} mod inner { use super::f; use crate::low::f as g; use super::super::high; }";
    assert_eq!(in_low(low), ["src/low.rs:1: super::super::high: rule a"]);
    let own = "pub mod inner { pub fn f() {} }";
    assert_eq!(in_children(own, "use super::inner::f;", ""), ["src/a/one.rs:1: super::inner::f: rule c"]);
}

#[test]
fn the_list_has_every_module_and_nothing_else() {
    let files =
        [("lib.rs", "mod a; mod b; #[cfg(test)] mod tests;"), ("a.rs", "use crate::b;"), ("b.rs", "")];
    assert_eq!(found(&["b", "a"], &files), NONE);
    assert_eq!(found(&["a", "c"], &files), ["src/lib.rs:1: b: rule d", "src/lib.rs:1: c: rule d"]);
}

#[test]
fn code_compiled_only_for_tests_is_ignored() {
    for code in [
        "#[cfg(test)] use crate::high::Thing;",
        "#[cfg(test)] mod tests { use crate::high::Thing; }",
        "#[cfg(test)] mod tests;",
        "#[cfg(any(test, fuzzing))] pub mod fuzz;",
        "#[cfg(all(test, unix))] fn f() { crate::high::make(); }",
        "struct S; impl S { #[cfg(test)] fn f() { crate::high::make(); } }",
        "trait T { #[cfg(test)] fn f() { crate::high::make(); } }",
        "struct S { #[cfg(test)] f: crate::high::Thing }",
        "enum E { #[cfg(test)] A(crate::high::Thing) }",
        "fn f() { #[cfg(test)] let x = crate::high::N; }",
        "fn f() { #[cfg(test)] crate::high::make(); }",
        "fn f() { #[cfg(test)] assert!(crate::high::N > 0); }",
        "fn f() { #[cfg(test)] { crate::high::make(); } }",
        "fn f() { match x { #[cfg(test)] _ => crate::high::make() } }",
        "fn f() { #[cfg(test)] use crate::high::Thing; }",
    ] {
        assert_eq!(in_low(code), NONE, "{code}");
    }
    for condition in ["not(test)", "unix", "any(test, unix)"] {
        let code = format!("#[cfg({condition})] use crate::high::Thing;");
        assert_eq!(in_low(&code), ["src/low.rs:1: crate::high::Thing: rule a"], "{code}");
    }
}

#[test]
fn other_crates_are_ignored() {
    let low = "use ::high::Thing; use std::high::N; use serde::Serialize; fn f() { ::high::make(); tokio::high(); }";
    assert_eq!(in_low(low), NONE);
}

#[test]
fn a_circular_import_terminates() {
    assert_eq!(in_low("use one::two; use two::one; fn f() { one::f(); } use super::low::g as g;"), NONE);
    assert_eq!(in_children("pub use one::*; pub use two::*;", "pub use super::two::*;", ""), NONE);
}

#[test]
fn a_report_names_the_violation_and_the_rule() {
    let violation = |order: &[&str], files: &[(&str, &str)]| {
        let sources = files.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
        check(&sources, "lib.rs", order).iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let files = [("/a.rs", "use crate::b::f;"), ("/b.rs", "pub fn f() {}"), ("lib.rs", "mod a; mod b;")];
    assert_eq!(
        violation(&["a", "b"], &files),
        ["/a.rs:1: crate::b::f: rule a: `a` is below `b` and may not name it"]
    );
}
