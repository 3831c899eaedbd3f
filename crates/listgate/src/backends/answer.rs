//! How a backend answers.

use crate::model::StoreError;
use std::future::{Future, ready};
use std::pin::Pin;

/// The answer of a backend, as a future because it may have to come from another machine. A backend that knows the
/// answer already returns a future that is ready.
pub(crate) type Answer<'a, T, E = StoreError> = Pin<Box<dyn Future<Output = Result<T, E>> + Send + 'a>>;

/// Returns a future that is ready with `answer`.
pub(super) fn at_once<'a, T: Send + 'a, E: Send + 'a>(answer: Result<T, E>) -> Answer<'a, T, E> {
    Box::pin(ready(answer))
}
