//! Sockets that systemd has opened for a gate: sd_listen_fds(3). They stay open while the gate restarts, so callers wait
//! instead of being refused.

use crate::net::{Inherited, ListenAddress, NotInherited};
use listenfd::ListenFd;
use std::env;
use std::process;

/// The sockets, by what is served on them. Where there are any, they replace the listeners of the configuration.
#[derive(Default, Debug)]
pub(crate) struct Sockets {
    pub(crate) lmtp: Vec<Inherited>,
    pub(crate) admin: Vec<Inherited>,
    pub(crate) socketmap: Vec<Inherited>,
}

/// The addresses of the sockets that systemd has passed.
#[derive(Debug)]
pub(crate) struct SocketAddresses {
    pub(crate) lmtp: Vec<ListenAddress>,
    pub(crate) admin: Vec<ListenAddress>,
    pub(crate) socketmap: Vec<ListenAddress>,
}

/// The reason why the sockets cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SocketsError {
    #[error("LISTEN_FDS={0:?} is not a number of sockets")]
    Count(String),
    #[error("LISTEN_FDNAMES={names:?} does not name {count} sockets")]
    Names { names: String, count: usize },
    #[error(
        "systemd passes a socket named {0:?}, and nothing is served on it: name it lmtp, admin or socketmap \
         (FileDescriptorName= in its socket unit)"
    )]
    Unknown(String),
    #[error(
        "the socket {0:?} from systemd is neither a TCP nor a Unix stream socket: use ListenStream= in its socket \
         unit"
    )]
    Kind(String),
    #[error(
        "the socket {name:?} from systemd cannot be used (see ListenStream= and Accept= in its socket unit)"
    )]
    Unusable { name: String, source: NotInherited },
    #[error(
        "the socket {name:?} from systemd is on port 25, where LMTP must not be served (RFC 2033 section 5)"
    )]
    Port25 { name: String },
    #[error("the socket {0:?} from systemd is a Unix socket, and HTTP is served over TCP alone")]
    AdminUnix(String),
}

/// What is served on a socket.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Service {
    Lmtp,
    Admin,
    Socketmap,
}

impl Sockets {
    /// Takes the sockets that systemd has passed to this process, if any. Call it before there are other threads, since it
    /// changes the environment.
    ///
    /// # Errors
    /// A socket has an unknown name, or cannot be used.
    pub(crate) fn from_environment() -> Result<Self, SocketsError> {
        let mut sockets = Self::default();
        // They are for another process, such as the parent, unless the id is ours.
        if env::var("LISTEN_PID").ok().and_then(|id| id.parse().ok()) != Some(process::id()) {
            return Ok(sockets);
        }
        let Ok(count) = env::var("LISTEN_FDS") else { return Ok(sockets) };
        let count = usize::from(count.parse::<u16>().map_err(|_| SocketsError::Count(count))?);
        let names = names(env::var("LISTEN_FDNAMES").ok(), count)?;
        let mut passed = ListenFd::from_env();
        for (at, name) in names.into_iter().enumerate() {
            sockets.take(&mut passed, at, name)?;
        }
        Ok(sockets)
    }

    /// Returns where the sockets listen.
    pub(crate) fn addresses(&self) -> SocketAddresses {
        let Self { lmtp, admin, socketmap } = self;
        SocketAddresses { lmtp: addresses(lmtp), admin: addresses(admin), socketmap: addresses(socketmap) }
    }

    fn take(&mut self, passed: &mut ListenFd, at: usize, name: String) -> Result<(), SocketsError> {
        let service = service(&name).ok_or_else(|| SocketsError::Unknown(name.clone()))?;
        let taken = if let Ok(Some(socket)) = passed.take_tcp_listener(at) {
            Inherited::tcp(socket)
        } else if let Ok(Some(socket)) = passed.take_unix_listener(at) {
            Inherited::unix(socket)
        } else {
            return Err(SocketsError::Kind(name));
        };
        let socket = match taken {
            Ok(socket) => socket,
            Err(source) => return Err(SocketsError::Unusable { name, source }),
        };
        match (service, socket.address().tcp()) {
            (Service::Lmtp, Some(address)) if address.port() == 25 => Err(SocketsError::Port25 { name }),
            (Service::Admin, None) => Err(SocketsError::AdminUnix(name)),
            _ => {
                self.of(service).push(socket);
                Ok(())
            }
        }
    }

    fn of(&mut self, service: Service) -> &mut Vec<Inherited> {
        match service {
            Service::Lmtp => &mut self.lmtp,
            Service::Admin => &mut self.admin,
            Service::Socketmap => &mut self.socketmap,
        }
    }
}

fn addresses(sockets: &[Inherited]) -> Vec<ListenAddress> {
    sockets.iter().map(|socket| socket.address().clone()).collect()
}

/// Returns the names of the sockets. Without names, all have the empty one.
fn names(names: Option<String>, count: usize) -> Result<Vec<String>, SocketsError> {
    if count == 0 {
        return Ok(Vec::new());
    }
    let Some(names) = names else { return Ok(vec![String::new(); count]) };
    let each: Vec<String> = names.split(':').map(str::to_owned).collect();
    match each.len() == count {
        true => Ok(each),
        false => Err(SocketsError::Names { names, count }),
    }
}

/// Returns what is served on a socket of this name, if anything. A socket unit without `FileDescriptorName=` gives its own
/// name, and a program that is not systemd may give none.
fn service(name: &str) -> Option<Service> {
    match name {
        "lmtp" | "listgate.socket" | "unknown" | "" => Some(Service::Lmtp),
        "admin" => Some(Service::Admin),
        "socketmap" => Some(Service::Socketmap),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_says_what_is_served() {
        for name in ["lmtp", "listgate.socket", "unknown", ""] {
            assert_eq!(service(name), Some(Service::Lmtp), "{name}");
        }
        assert_eq!(service("admin"), Some(Service::Admin));
        assert_eq!(service("socketmap"), Some(Service::Socketmap));
        for name in ["LMTP", "other.socket", "connection", "stored"] {
            assert_eq!(service(name), None, "{name}");
        }
    }

    #[test]
    fn there_is_a_name_for_each_socket_or_there_are_none() {
        let of = |text: &str, count| names(Some(text.to_owned()), count).ok();
        assert_eq!(of("lmtp:admin", 2), Some(vec!["lmtp".to_owned(), "admin".to_owned()]));
        assert_eq!(of("lmtp", 2), None);
        assert_eq!(of("lmtp:admin", 1), None);
        assert_eq!(of("", 0), Some(Vec::new()));
        assert_eq!(names(None, 2).ok(), Some(vec![String::new(); 2]));
    }
}
