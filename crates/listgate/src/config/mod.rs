//! The configuration: the table of keys (`keys.rs`), the kinds of their values (`kind.rs`), and the TOML file
//! that sets them (`file.rs`).

mod backend;
mod check;
mod error;
mod file;
mod keys;
mod kind;
mod reference;
mod reload;
mod target;

pub use backend::BackendKind;
pub use error::{ConfigError, Conflict, ValueError};
pub(crate) use file::Lines;
pub use keys::Config;
pub(crate) use keys::keys;
pub use kind::{OutgoingTls, RefuseAt};
pub use reference::{KeyEntry, key_entries};
pub(crate) use reference::{reference, setting};
pub use reload::Reload;
pub use target::{Target, TargetError};

use crate::capacity::Bounds;
use crate::limits;
use crate::net::{Tls, TlsFiles};
use crate::texts::Texts;
use listgate_lmtp::{Limits, Mailbox, Settings};

impl Config {
    pub(crate) fn bounds(&self) -> Bounds {
        Bounds {
            min_free: self.min_free.max(limits::SETTLING_RESERVE),
            max_in_flight: self.max_in_flight,
            max_entries: self.max_entries,
            max_octets: self.max_octets,
        }
    }

    /// Returns whether the engine runs, or `None` if that depends on the data directory.
    pub(crate) fn engine_runs(&self) -> Option<bool> {
        match self.backend {
            BackendKind::Sqlite => self.engine,
            BackendKind::Mailman(_) => Some(false),
        }
    }

    /// Returns the address of the site's owner, if one was chosen.
    pub(crate) fn site_owner(&self) -> Option<&str> {
        Some(self.owner.as_str()).filter(|owner| *owner != keys::NO_OWNER)
    }

    /// Returns who gets mail to the postmasters of the domains if the engine runs.
    pub(crate) fn site_postmaster(&self) -> Option<Mailbox> {
        self.postmaster.clone().or_else(|| self.site_owner()?.parse().ok())
    }

    /// Returns how many connections one caller may have at a time. The default is half of all connections, but at
    /// least as many as one mail server may need.
    pub(crate) fn max_connections_per_caller(&self) -> usize {
        // Postfix has at most 100 processes by default.
        self.max_connections_per_peer.unwrap_or((self.max_connections / 2).max(100))
    }

    /// Returns the settings of a session.
    pub(crate) fn settings(&self) -> Settings {
        let mut settings = Settings::new(self.hostname.clone());
        settings.software = format!("Listgate LMTP queue runner {}", env!("CARGO_PKG_VERSION"));
        settings.bare_newline = self.bare_newline;
        settings.limits = self.limits();
        settings
    }

    /// Reads the texts of generated mail. Blocks.
    ///
    /// # Errors
    /// A file of the site cannot be read, or is not a text.
    pub(crate) fn load_texts(&self) -> Result<Texts, ConfigError> {
        let read = self.texts.as_deref().map(Texts::read).transpose();
        Ok(read.map_err(|why| ConfigError::Texts(why.into()))?.unwrap_or_default())
    }

    /// Reads the certificate for STARTTLS, if there is one. Blocks.
    ///
    /// # Errors
    /// A file cannot be read, or is not what it should be.
    pub(crate) fn load_tls(&self) -> Result<Option<Tls>, ConfigError> {
        let (Some(certificate), Some(key)) = (&self.tls_certificate, &self.tls_key) else { return Ok(None) };
        let client_ca = self.tls_client_ca.clone();
        let files = TlsFiles { certificate: certificate.clone(), key: key.clone(), client_ca };
        Tls::load(&files).map(Some).map_err(|why| ConfigError::Tls(why.into()))
    }

    fn limits(&self) -> Limits {
        let mut limits = Limits::default();
        // More recipients need more commands to name them.
        let commands = u32::try_from(self.max_recipients).unwrap_or(u32::MAX).saturating_mul(10);
        limits.commands = commands.max(limits.commands);
        limits.message_size = self.max_message_size;
        limits.recipients = self.max_recipients;
        limits.command_timeout = self.command_timeout;
        limits.data_timeout = self.data_timeout;
        limits.transaction_timeout = self.transaction_timeout;
        limits
    }
}
