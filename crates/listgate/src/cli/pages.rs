//! Lists that are read from the store a page at a time.

use super::error::CliError;
use std::io;

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
