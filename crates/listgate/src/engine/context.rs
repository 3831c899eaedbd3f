//! What all decisions of an engine share.

use super::lists::Lists;
use crate::backends::EngineStore;
use crate::config::Config;
use crate::metrics::Metrics;
use crate::model::Clock;
use crate::services::Named;
use crate::texts::Texts;
use listgate_engine::token::Day;
use listgate_lmtp::Mailbox;
use std::sync::Arc;
use std::time::UNIX_EPOCH;
use tokio::sync::watch;

/// The settings of the site that the engine needs.
#[derive(Clone, Debug)]
pub(crate) struct EngineSettings {
    /// The address that gets mail to the owners of a list that has none.
    pub(crate) site_owner: Option<String>,
    /// The address that gets mail to the postmasters of the domains.
    pub(crate) postmaster: Option<Mailbox>,
    /// Whether the log shows only part of each address.
    pub(crate) mask_addresses: bool,
    /// The name under which the site's mail server writes Authentication-Results; `None`: none is trusted.
    pub(crate) authserv_id: Option<String>,
}

impl EngineSettings {
    pub(crate) fn new(config: &Config) -> Self {
        let site_owner = config.site_owner().map(ToOwned::to_owned);
        let postmaster = config.site_postmaster();
        let authserv_id = config.authserv_id.clone();
        Self { site_owner, postmaster, mask_addresses: config.mask_addresses, authserv_id }
    }

    /// Returns an address in the form used in the log.
    pub(super) fn named(&self, address: &str) -> String {
        Named::new(address, self.mask_addresses).to_string()
    }
}

/// What all decisions of an engine share.
pub(super) struct Context {
    pub(super) store: Arc<dyn EngineStore>,
    pub(super) lists: Lists,
    pub(super) metrics: Arc<Metrics>,
    pub(super) texts: Texts,
    settings: watch::Receiver<EngineSettings>,
    clock: Clock,
}

impl Context {
    pub(super) fn new(
        store: Arc<dyn EngineStore>,
        (settings, texts): (watch::Receiver<EngineSettings>, Texts),
        metrics: Arc<Metrics>,
        clock: Clock,
    ) -> Self {
        Self { store, lists: Lists::default(), metrics, texts, settings, clock }
    }

    /// Returns the current settings.
    pub(super) fn settings(&self) -> EngineSettings {
        self.settings.borrow().clone()
    }

    /// Returns the time in seconds since 1970.
    pub(super) fn seconds(&self) -> u64 {
        self.clock.now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
    }

    pub(super) fn today(&self) -> Day {
        Day::of_seconds(self.seconds())
    }
}
