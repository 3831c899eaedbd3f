//! The rules about which module may name which, checked on the sources of a crate.
//!
//! - a: Code in a top-level module may name only those modules of its crate that come earlier in the crate's
//!   list. The root file is above all modules and may name any.
//! - b: The children of a module, files or folders, must not name each other in a cycle, at any depth.
//! - c: A child must not name anything that is defined in the file of a module that contains it.
//! - d: The list contains every top-level module, and nothing else.
//!
//! A path counts wherever it appears: in a `use`, an expression, a type, a pattern, a visibility, an
//! attribute, or among the tokens of a macro. It counts for the module to which it leads, through re-exports,
//! and for every module on the way. Code that is compiled only for tests or the fuzzer does not count.
//!
//! The checks do not see methods and fields of a value that comes from elsewhere, because no path names their
//! module; a path that a macro assembles from pieces; or a `macro_rules` of a parent that is used by its bare
//! name. They do not support `#[path]`, and fail if there is one.

mod conditions;
mod names;
mod resolve;
mod rules;
mod tests;
mod tree;

use std::collections::BTreeMap;

/// Returns all violations in a crate, sorted. `sources` maps the names of its files to their text; `root` is
/// the name of the root file.
pub(crate) fn check(sources: &BTreeMap<String, String>, root: &str, order: &[&str]) -> Vec<rules::Violation> {
    rules::check(&tree::Tree::read(sources, root), order)
}
