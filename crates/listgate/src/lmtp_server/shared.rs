//! The state that the sessions of a gate share.

use crate::intake::Intake;
use crate::net::Tls;
use crate::services::Services;
use std::sync::Arc;

/// The state that all sessions share.
pub(crate) struct Shared {
    pub(crate) intake: Intake,
    pub(crate) settings: Arc<listgate_lmtp::Settings>,
    /// Our certificate, if STARTTLS is offered by TCP.
    pub(crate) tls: Option<Tls>,
}

impl Shared {
    pub(crate) fn services(&self) -> &Services {
        &self.intake.services
    }
}
