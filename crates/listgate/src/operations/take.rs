//! Steps of operators.

use super::error::OperationError;
use crate::backends::PostAdmin;
use crate::limits;
use crate::model::{NotStepped, Step};

/// Takes the step that `decide` returns. If what it was decided on has changed meanwhile, it is decided again, a few times.
///
/// # Errors
/// Nothing could be decided, or the step could not be taken, for which `not_taken` makes the error.
pub(super) async fn take_decided(
    store: &dyn PostAdmin,
    decide: impl AsyncFn() -> Result<Step, OperationError>,
    not_taken: impl FnOnce(NotStepped) -> OperationError,
) -> Result<(), OperationError> {
    let mut attempt = 0;
    loop {
        match store.take(&decide().await?).await {
            Ok(_) => return Ok(()),
            Err(NotStepped::Outdated) if attempt < limits::DECIDED_AGAIN => attempt += 1,
            Err(source) => return Err(not_taken(source)),
        }
    }
}
