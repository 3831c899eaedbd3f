//! Items that an operator decides one by one.

use super::error::CliError;
use std::fmt::Display;
use std::io::Write;

/// Decides items one by one, so that a large one delays arriving mail only once, and prints each with what was `done`. If
/// one of them does not exist, none is decided.
pub(super) fn each_one<I: Copy + Display>(
    out: &mut impl Write,
    ids: &[I],
    exists: impl Fn(I) -> Result<(), CliError>,
    decide: impl Fn(I) -> Result<(), CliError>,
    done: &str,
) -> Result<(), CliError> {
    ids.iter().try_for_each(|id| exists(*id))?;
    for id in ids {
        let decided = decide(*id);
        if decided.is_err() {
            // Those before it are decided.
            out.flush()?;
        }
        decided?;
        writeln!(out, "{done} {id}")?;
    }
    Ok(())
}
