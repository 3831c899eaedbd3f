//! The service manager's side of a gate: sockets that systemd has opened, and messages to systemd. Both protocols are
//! plain environment variables, sockets and datagrams, so other service managers can speak them too.

mod notify;
mod sockets;

pub(crate) use notify::{Notifier, NotifyError};
pub(crate) use sockets::{SocketAddresses, Sockets, SocketsError};

/// The variables that systemd sets for one process. Its children must not get them: they would speak in its name.
pub(crate) const VARIABLES: [&str; 6] =
    ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES"];
