//! The settings of the way out.

use crate::config::{Config, ConfigError, OutgoingTls, Target};
use crate::file_error::During;
use crate::net::{MailClientSettings, Patience, TlsPolicy};
use crate::texts::Texts;
use listgate_lmtp::{Credentials, Protocol};
use rustix::fs::{Access, access};
use rustix::io::Errno;
use std::path::{self, Path};
use std::time::Duration;
use std::{fs, io};

/// The settings of the way out.
#[derive(Clone)]
pub(crate) struct OutgoingSettings {
    pub(crate) to: Target,
    /// Connections at a time.
    pub(crate) connections: usize,
    /// The maximum number of recipients of a transaction.
    pub(crate) max_recipients: usize,
    /// The maximum number of recipients that all connections together offer in a second; `None`: no limit.
    pub(crate) max_rate: Option<u32>,
    /// The character between `mylist-bounces` and a token.
    pub(crate) delimiter: char,
    /// What the mail says that Listgate writes.
    pub(crate) texts: Texts,
    /// Whether that mail has the envelope sender `<>`.
    pub(crate) null_sender: bool,
    pub(crate) reloadable: Reloadable,
    /// How the mail server is spoken to.
    pub(crate) client: MailClientSettings,
}

/// The settings that a reload changes.
#[derive(Clone, Debug)]
pub(crate) struct Reloadable {
    /// The host name that Listgate calls itself, on new connections.
    pub(crate) hostname: String,
    /// Whether the log shows only part of each address.
    pub(crate) mask_addresses: bool,
    /// How long a stop waits for the mail server.
    pub(crate) grace: Duration,
}

impl Reloadable {
    pub(crate) fn new(config: &Config) -> Self {
        let Config { hostname, mask_addresses, shutdown_grace, .. } = config;
        Self { hostname: hostname.clone(), mask_addresses: *mask_addresses, grace: *shutdown_grace }
    }
}

impl OutgoingSettings {
    /// Takes the settings, as [`new`](Self::new) does, unless the engine is off. If only the data directory says whether it is
    /// on, they are taken.
    ///
    /// # Errors
    /// As for [`new`](Self::new).
    pub(crate) fn if_used(config: &Config) -> Result<Option<Self>, ConfigError> {
        match config.engine_runs() {
            Some(false) => Ok(None),
            Some(true) | None => Self::new(config).map(Some),
        }
    }

    /// Takes the settings from the configuration, and reads the files that it names. Creates nothing. Blocks.
    ///
    /// # Errors
    /// A file cannot be read, or is not what it should be; or the directory that takes the place of a mail server could
    /// not be created.
    pub(crate) fn new(config: &Config) -> Result<Self, ConfigError> {
        let policy = match (config.outgoing_tls, &config.outgoing_ca) {
            (OutgoingTls::Off, _) => TlsPolicy::Off,
            (OutgoingTls::Opportunistic, _) | (OutgoingTls::Required, None) => TlsPolicy::Opportunistic,
            (OutgoingTls::Required, Some(ca)) => TlsPolicy::Required { ca: ca.clone() },
        };
        let tls = policy.load().map_err(|why| ConfigError::OutgoingTls(why.into()))?;
        let credentials = match (&config.outgoing_user, &config.outgoing_password_file) {
            (Some(user), Some(file)) => {
                let password = fs::read_to_string(file).during("read", file)?;
                let credentials = Credentials::new(user, password.trim_end_matches(['\r', '\n']));
                Some(credentials.map_err(|source| ConfigError::Credentials { path: file.clone(), source })?)
            }
            _ => None,
        };
        if let Target::Directory(path) = &config.outgoing_to {
            can_be_created(path).during("create", path)?;
        }
        let patience = Patience {
            connect: config.outgoing_connect_timeout,
            reply: config.outgoing_command_timeout,
            outcome: config.outgoing_final_timeout,
        };
        let client = MailClientSettings {
            protocol: Protocol::Smtp,
            name: config.hostname.clone(),
            tls,
            credentials,
            patience,
        };
        Ok(Self {
            texts: config.load_texts()?,
            null_sender: config.null_sender,
            to: config.outgoing_to.clone(),
            connections: config.outgoing_connections,
            max_recipients: config.outgoing_max_recipients,
            max_rate: config.outgoing_max_rate,
            delimiter: config.verp_delimiter,
            reloadable: Reloadable::new(config),
            client,
        })
    }
}

/// Checks that a directory exists, or could be created. The errors are those that creating it would have.
fn can_be_created(path: &Path) -> io::Result<()> {
    let whole = path::absolute(path)?;
    let found = whole.ancestors().find_map(|one| Some((one, fs::metadata(one).ok()?)));
    match found {
        Some((one, meta)) if !meta.is_dir() && one == whole => Err(Errno::EXIST.into()),
        Some((_, meta)) if !meta.is_dir() => Err(Errno::NOTDIR.into()),
        Some((one, _)) if one != whole => Ok(access(one, Access::WRITE_OK | Access::EXEC_OK)?),
        _ => Ok(()),
    }
}
