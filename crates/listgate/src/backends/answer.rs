//! How a backend answers.

use crate::model::StoreError;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

/// The answer of a backend, as a future because it may have to come from another thread or machine.
pub(crate) enum Answer<'a, T, E = StoreError> {
    /// The backend knew the answer when it was asked, so nothing is allocated. It is `None` once the future has returned
    /// it.
    Known(Option<Result<T, E>>),
    Awaited(Pin<Box<dyn Future<Output = Result<T, E>> + Send + 'a>>),
}

impl<'a, T, E> Answer<'a, T, E> {
    /// Returns the answer that `future` will have.
    pub(crate) fn of(future: impl Future<Output = Result<T, E>> + Send + 'a) -> Self {
        Self::Awaited(Box::pin(future))
    }
}

/// Returns a future that is ready with `answer`.
pub(super) fn at_once<'a, T, E>(answer: Result<T, E>) -> Answer<'a, T, E> {
    Answer::Known(Some(answer))
}

/// Nothing refers to the place of a known answer, so it may be moved.
impl<T, E> Unpin for Answer<'_, T, E> {}

impl<T, E> Future for Answer<'_, T, E> {
    type Output = Result<T, E>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match self.get_mut() {
            Self::Known(answer) => Poll::Ready(answer.take().expect("a future is not polled after its end")),
            Self::Awaited(future) => future.as_mut().poll(context),
        }
    }
}
