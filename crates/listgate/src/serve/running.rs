//! The current settings of a gate, and the parts that outlive a reload of them.

use crate::backends::{Addresses, Backend};
use crate::capacity::Capacity;
use crate::config::{Config, ConfigError, Reload};
use crate::directory::Directory;
use crate::intake::{DeliveryKeys, Intake};
use crate::lmtp_server::Shared;
use crate::message::Spool;
use crate::metrics::Metrics;
use crate::model::Clock;
use crate::net::{Admission, AdmissionRules, Tls};
use crate::services::Services;
use std::sync::Arc;

/// The parts that outlive a reload of the settings.
pub(crate) struct Parts {
    pub(crate) backend: Arc<dyn Backend>,
    pub(crate) spool: Spool,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) clock: Clock,
    /// Whether the engine works beside the gate.
    pub(crate) engine: bool,
}

/// The current settings of a gate, and the state that its connections share. A connection keeps what it started
/// with.
pub(super) struct Running {
    pub(super) config: Config,
    pub(super) shared: Arc<Shared>,
    /// Whether the engine works beside the gate.
    pub(super) engine: bool,
}

impl Running {
    pub(super) fn new(config: Config, tls: Option<Tls>, parts: Parts) -> Self {
        let (engine, keys) = (parts.engine, Arc::new(DeliveryKeys::new()));
        let (admission, capacity) =
            (Admission::new(admission(&config)), Arc::new(Capacity::new(config.bounds())));
        let shared = shared(&config, tls, parts, keys, admission, capacity);
        Self { config, shared: Arc::new(shared), engine }
    }

    /// Returns the same gate with the settings of `new`, as far as they can change while it runs, and with the
    /// certificate read again.
    ///
    /// # Errors
    /// The certificate cannot be used.
    pub(super) fn reloaded(&self, new: Config) -> Result<(Self, Reload), ConfigError> {
        let (config, mut reload) = self.config.reloaded(new);
        let tls = config.load_tls()?;
        if let (Some(old), Some(new)) = (&self.shared.tls, &tls)
            && !old.is_same(new)
            && !reload.applied.contains(&"tls.certificate")
        {
            reload.applied.push("tls.certificate");
        }
        let Intake { services, spool, keys, clock, .. } = &self.shared.intake;
        let parts = Parts {
            backend: Arc::clone(&services.backend),
            spool: spool.clone(),
            metrics: Arc::clone(&services.metrics),
            clock: clock.clone(),
            engine: self.engine,
        };
        let admission = services.admission.with_rules(admission(&config));
        let capacity = Arc::new(services.capacity.with_bounds(config.bounds()));
        let shared = shared(&config, tls, parts, Arc::clone(keys), admission, capacity);
        Ok((Self { config, shared: Arc::new(shared), engine: self.engine }, reload))
    }
}

fn admission(config: &Config) -> AdmissionRules {
    AdmissionRules {
        allow: config.allow.clone(),
        allow_uids: config.allow_uids.clone(),
        certificates: config.tls_client_ca.is_some(),
        most: config.max_connections_per_caller(),
    }
}

fn shared(
    config: &Config,
    tls: Option<Tls>,
    parts: Parts,
    keys: Arc<DeliveryKeys>,
    admission: Admission,
    capacity: Arc<Capacity>,
) -> Shared {
    let Parts { backend, spool, metrics, clock, engine } = parts;
    let store = Arc::clone(&backend) as Arc<dyn Addresses>;
    let services = Services {
        directory: Directory::new(config, engine, store, Arc::clone(&capacity)),
        backend,
        capacity,
        metrics,
        admission,
        mask_addresses: config.mask_addresses,
        write_timeout: config.command_timeout,
    };
    let intake = Intake {
        services: Arc::new(services),
        spool,
        keys,
        hostname: config.hostname.clone(),
        add_received: config.add_received,
        clock,
    };
    Shared { intake, settings: Arc::new(config.settings()), tls }
}
