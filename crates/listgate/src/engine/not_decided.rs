//! The reason why nothing could be decided.

use crate::model::{ListSettingError, StoreError, TooManyRows};
use listgate_engine::view::WrongLength;

/// The reason why nothing could be decided now.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotDecided {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the settings of its list cannot be used")]
    Settings(#[from] ListSettingError),
    #[error("its message was removed")]
    Gone,
    #[error("its message is not complete")]
    Length(#[from] WrongLength),
    #[error("this version does not know in which role its list was addressed")]
    Role,
    #[error(transparent)]
    TooManyRows(#[from] TooManyRows),
}
