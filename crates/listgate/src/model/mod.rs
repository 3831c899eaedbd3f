//! The vocabulary: what every other module talks about. It imports nothing of the crate but `limits`.

mod store_error;

pub(crate) use store_error::{Kind as StoreErrorKind, StoreError};
