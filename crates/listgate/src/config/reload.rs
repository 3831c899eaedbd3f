//! Determines which changes apply to a running gate.

use super::keys::{Applies, Config, keys};

/// The result of reading the settings again, as names of keys.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Reload {
    /// Changed, and used for connections from now on.
    pub applied: Vec<&'static str>,
    /// Changed, but used only from the next start on.
    pub at_restart: Vec<&'static str>,
}

impl Config {
    /// Returns the settings of a gate that runs with `self` after `new` was read: keys that apply only at a start
    /// keep their values.
    pub(crate) fn reloaded(&self, mut new: Self) -> (Self, Reload) {
        let mut reload = Reload::default();
        let changed: Vec<_> = keys().filter(|key| (key.show)(self) != (key.show)(&new)).collect();
        for key in changed {
            match key.applies {
                Applies::Reload => reload.applied.push(key.name),
                Applies::Restart => {
                    (key.copy)(&mut new, self);
                    reload.at_restart.push(key.name);
                }
            }
        }
        (new, reload)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_that_need_a_restart_keep_their_value() {
        let old = Config::default();
        let mut new = Config { max_recipients: 7, max_connections: 7, ..Config::default() };
        new.listen = vec!["127.0.0.1:24".parse().unwrap()];
        let (now, reload) = old.reloaded(new);
        assert_eq!((now.max_recipients, now.max_connections), (7, old.max_connections));
        assert_eq!(now.listen, old.listen);
        assert_eq!(reload.applied, ["lmtp.max_recipients"]);
        assert_eq!(reload.at_restart, ["server.listen", "server.max_connections"]);
    }
}
