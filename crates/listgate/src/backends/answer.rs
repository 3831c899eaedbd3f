//! How a backend answers.

use crate::model::StoreError;
use std::future::{Future, ready};
use std::pin::Pin;

/// An answer that may have to come from another machine. A backend that knows it at once gives it at once.
pub(crate) type Answer<'a, T, E = StoreError> = Pin<Box<dyn Future<Output = Result<T, E>> + Send + 'a>>;

/// An answer that is there already.
pub(super) fn at_once<'a, T: Send + 'a, E: Send + 'a>(answer: Result<T, E>) -> Answer<'a, T, E> {
    Box::pin(ready(answer))
}
