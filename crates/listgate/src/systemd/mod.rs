//! The service manager's side of a gate: sockets that systemd has opened, and messages to systemd. Both protocols are
//! plain environment variables, sockets and datagrams, so other service managers can speak them too.

mod notify;
mod sockets;

use std::process::Command;

pub(crate) use notify::{Notifier, NotifyError};
pub(crate) use sockets::{SocketAddresses, Sockets, SocketsError};

/// The variables that systemd sets for one process. Its children must not get them: they would speak in its name.
const VARIABLES: [&str; 6] =
    ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES"];

/// Removes from the environment of a command what systemd has set for this process alone.
pub(crate) fn keep_from(command: &mut Command) {
    for variable in VARIABLES {
        command.env_remove(variable);
    }
}
