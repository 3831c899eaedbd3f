//! Lists that are read from the store a page at a time.

use super::error::CliError;
use serde_json::Value;
use std::io::{self, Write};

/// Passes each item to `each`. `page` returns the items after a place, and none at the end; `place` is that of an item.
pub(super) fn each_of_pages<T, P>(
    first: P,
    page: impl Fn(P) -> Result<Vec<T>, CliError>,
    place: impl Fn(&T) -> P,
    mut each: impl FnMut(&T) -> io::Result<()>,
) -> Result<(), CliError> {
    let mut after = first;
    loop {
        let some = page(after)?;
        let Some(last) = some.last() else { return Ok(()) };
        after = place(last);
        some.iter().try_for_each(&mut each)?;
    }
}

/// Prints each item, in one or more lines or as a JSON object. `pages` are the first place, a page after a place, and the
/// place of an item.
pub(super) fn list<T, P, W: Write>(
    out: &mut W,
    json: bool,
    (first, page, place): (P, impl Fn(P) -> Result<Vec<T>, CliError>, impl Fn(&T) -> P),
    lines: impl Fn(&mut W, &T) -> io::Result<()>,
    as_json: impl Fn(&T) -> Value,
) -> Result<(), CliError> {
    each_of_pages(first, page, place, |item| match json {
        true => writeln!(out, "{}", as_json(item)),
        false => lines(out, item),
    })
}
