//! Checks values, and whether they conflict with one another.

use super::backend::BackendKind;
use super::error::{ConfigError, Conflict};
use super::keys::{Config, keys};
use super::kind::{self, OutgoingTls};
use crate::model::size;
use crate::net::ListenAddress;

impl Config {
    /// Checks whether a gate can use the configuration.
    ///
    /// # Errors
    /// A value is not allowed, or two values conflict. The error names the keys and the fix.
    pub fn check(&self) -> Result<(), ConfigError> {
        for key in keys() {
            (key.accept)(self).map_err(|why| ConfigError::Field {
                key: key.name,
                value: (key.show)(self).to_string(),
                source: Box::new(why),
            })?;
        }
        // Mailman accepts any text as its owner.
        if matches!(self.backend, BackendKind::Sqlite) {
            kind::mailbox(&self.owner).map_err(|why| ConfigError::Field {
                key: "site.owner",
                value: format!("{:?}", self.owner),
                source: Box::new(why),
            })?;
        }
        Ok(self.agrees(&self.listen)?)
    }

    /// Checks whether values conflict, for a gate that listens on `listen`.
    pub(super) fn agrees(&self, listen: &[ListenAddress]) -> Result<(), Conflict> {
        if self.max_in_flight < self.max_message_size {
            return Err(Conflict::MessageSize {
                message: size(self.max_message_size),
                in_flight: size(self.max_in_flight),
            });
        }
        if self.engine == Some(true) && matches!(self.backend, BackendKind::Mailman(_)) {
            return Err(Conflict::Engine);
        }
        let tls = [
            ("tls.certificate", &self.tls_certificate),
            ("tls.key", &self.tls_key),
            ("tls.client_ca", &self.tls_client_ca),
        ];
        let missing = tls[..2].iter().find(|(_, path)| path.is_none());
        let set = tls.iter().find(|(_, path)| path.is_some());
        if let (Some((set, _)), Some((missing, _))) = (set, missing) {
            return Err(Conflict::Tls { set, missing });
        }
        let needs = [
            (
                self.outgoing_user.is_some(),
                "outgoing.user",
                &self.outgoing_password_file,
                "outgoing.password_file",
            ),
            (
                self.outgoing_tls == OutgoingTls::Required,
                "outgoing.tls = \"required\"",
                &self.outgoing_ca,
                "outgoing.ca",
            ),
        ];
        for (is_set, set, path, missing) in needs {
            if is_set && path.is_none() {
                return Err(Conflict::Tls { set, missing });
            }
        }
        let admin = self.admin.map(ListenAddress::Tcp);
        let listen = listen.iter().map(|address| ("server.listen", address));
        let socketmap = self.socketmap.iter().map(|address| ("socketmap.listen", address));
        let all = listen.chain(socketmap).chain(admin.iter().map(|address| ("admin.listen", address)));
        let mut taken: Vec<(&str, &ListenAddress)> = Vec::new();
        // Port 0 stands for a different port each time.
        for (key, address) in all.filter(|(_, address)| !address.is_any_port()) {
            if let Some(&(first, _)) = taken.iter().find(|(_, taken)| *taken == address) {
                return Err(Conflict::Address { address: address.clone(), first, second: key });
            }
            taken.push((key, address));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_mailman_site_has_no_engine() {
        let dir = tempfile::tempdir().unwrap();
        let cfg = dir.path().join("mailman.cfg");
        fs::write(&cfg, format!("[paths.here]\nvar_dir: {}\n", dir.path().display())).unwrap();
        let mut config = Config { engine: Some(true), ..Config::new(dir.path()) };
        assert!(config.check().is_ok());
        assert_eq!(config.engine_runs(), Some(true));
        config.follow_mailman(Some(&cfg)).unwrap();
        let refused = config.check().unwrap_err().to_string();
        assert!(
            refused.starts_with("engine.enabled is true, but the runners of a Mailman site"),
            "{refused}"
        );
        config.engine = None;
        assert!(config.check().is_ok());
        assert_eq!(config.engine_runs(), Some(false));
    }
}
