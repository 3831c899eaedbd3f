//! The rules about who names whom, checked on the sources of a crate.
//!
//! - a: code in a top-level module names, of the crate's own, only modules that stand earlier in the
//!   crate's list. The root file is above all and names whatever it wants.
//! - b: the children of a module, files or folders, name each other without a cycle, at every depth.
//! - c: a child names nothing that is defined in the file of a module it is in.
//! - d: the list has every top-level module, and nothing else.
//!
//! A path counts wherever it stands: in a `use`, an expression, a type, a pattern, a visibility, an
//! attribute, or among the tokens of a macro. It counts for the module where it leads, through
//! re-exports, and for every module that it passes on the way. Code that only tests or the fuzzer
//! compile does not count.
//!
//! What it cannot see: methods and fields of a value that somebody else hands over, since no path names
//! their module; a path that a macro puts together from pieces; a `macro_rules` of a parent that is used
//! by its bare name. It does not know `#[path]`, and ends at one.

mod conditions;
mod names;
mod resolve;
mod rules;
mod tests;
mod tree;

use std::collections::BTreeMap;

/// All violations in a crate, sorted. `sources` has its files by name, `root` is the name of its root.
pub(crate) fn check(sources: &BTreeMap<String, String>, root: &str, order: &[&str]) -> Vec<rules::Violation> {
    rules::check(&tree::Tree::read(sources, root), order)
}
