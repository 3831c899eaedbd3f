//! What the sessions of a gate share.

use crate::intake::Intake;
use crate::services::Services;
use std::sync::Arc;

/// What every session shares.
pub(crate) struct Shared {
    pub(crate) intake: Intake,
    pub(crate) settings: Arc<listgate_lmtp::Settings>,
}

impl Shared {
    pub(crate) fn services(&self) -> &Services {
        &self.intake.services
    }
}
