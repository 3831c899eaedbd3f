//! Messages to systemd about the state of the service: sd_notify(3), without its library.

use rustix::time::{ClockId, clock_gettime};
use std::env;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::process;
use std::time::Duration;

/// The reason why systemd gets no messages.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotifyError {
    #[error("NOTIFY_SOCKET={} is not the address of a socket of systemd", .0.display())]
    Address(OsString, #[source] io::Error),
    #[error("cannot create a socket for messages to systemd")]
    Socket(#[source] io::Error),
}

/// Sends systemd messages about the state of this process. Without systemd, it does nothing.
#[derive(Default)]
pub(crate) struct Notifier {
    socket: Option<(UnixDatagram, SocketAddr)>,
    watchdog: Option<Duration>,
}

impl Notifier {
    /// Takes what systemd has put into the environment.
    ///
    /// # Errors
    /// It is not an address, or the system has no socket.
    pub(crate) fn from_environment() -> Result<Self, NotifyError> {
        let Some(name) = env::var_os("NOTIFY_SOCKET").filter(|name| !name.is_empty()) else {
            return Ok(Self::default());
        };
        let address = address(&name).map_err(|why| NotifyError::Address(name, why))?;
        let socket = UnixDatagram::unbound().map_err(NotifyError::Socket)?;
        let variable = |name| env::var(name).ok();
        let watchdog = watchdog(variable("WATCHDOG_USEC"), variable("WATCHDOG_PID"), process::id());
        Ok(Self { socket: Some((socket, address)), watchdog })
    }

    /// Returns how long systemd waits for a sign of life before it kills the process; `None`: it does not wait for any.
    pub(crate) fn watchdog(&self) -> Option<Duration> {
        self.watchdog
    }

    /// Reports that the service has started, or that it has read its settings again.
    pub(crate) fn ready(&self, status: &str) {
        self.send(&format!("READY=1\nSTATUS={}", one_line(status)));
    }

    /// Reports that the service reads its settings again. [`ready`](Self::ready) ends this.
    pub(crate) fn reloading(&self) {
        // systemd compares it with the time of its own request, to know that this is the answer.
        let now = clock_gettime(ClockId::Monotonic);
        let microseconds = now.tv_sec * 1_000_000 + now.tv_nsec / 1000;
        self.send(&format!("RELOADING=1\nMONOTONIC_USEC={microseconds}"));
    }

    /// Reports that the service is about to end.
    pub(crate) fn stopping(&self, status: &str) {
        self.send(&format!("STOPPING=1\nSTATUS={}", one_line(status)));
    }

    /// Reports in words what the service does: `systemctl status` shows it.
    pub(crate) fn status(&self, status: &str) {
        self.send(&format!("STATUS={}", one_line(status)));
    }

    /// Gives the sign of life that the [watchdog](Self::watchdog) waits for.
    pub(crate) fn alive(&self) {
        self.send("WATCHDOG=1");
    }

    fn send(&self, message: &str) {
        if let Some((socket, address)) = &self.socket
            && let Err(why) = socket.send_to_addr(message.as_bytes(), address)
        {
            tracing::warn!("cannot send systemd {message:?}: {why}");
        }
    }
}

/// A message is lines, so a text within it is one of them.
fn one_line(text: &str) -> String {
    text.replace('\n', " ")
}

fn address(name: &OsStr) -> io::Result<SocketAddr> {
    match name.as_bytes() {
        [b'@', rest @ ..] => SocketAddr::from_abstract_name(rest),
        [b'/', ..] => SocketAddr::from_pathname(name),
        _ => Err(io::Error::new(io::ErrorKind::InvalidInput, "neither a path nor @ and a name")),
    }
}

/// Returns how long systemd waits for a sign of life of the process `me` (sd_watchdog_enabled(3)).
fn watchdog(microseconds: Option<String>, of: Option<String>, me: u32) -> Option<Duration> {
    if of.is_some_and(|of| of.parse() != Ok(me)) {
        return None;
    }
    let microseconds = microseconds?.parse().ok().filter(|microseconds| *microseconds > 0)?;
    Some(Duration::from_micros(microseconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_watchdog_is_of_this_process_alone() {
        let text = |text: &str| Some(text.to_owned());
        assert_eq!(watchdog(text("30000000"), None, 7), Some(Duration::from_secs(30)));
        assert_eq!(watchdog(text("30000000"), text("7"), 7), Some(Duration::from_secs(30)));
        assert_eq!(watchdog(text("30000000"), text("8"), 7), None);
        for nothing in [None, text("0"), text("soon")] {
            assert_eq!(watchdog(nothing, None, 7), None);
        }
    }

    #[test]
    fn a_socket_of_systemd_has_a_path_or_an_abstract_name() {
        assert!(
            address(OsStr::new("/run/systemd/notify")).is_ok_and(|address| address.as_pathname().is_some())
        );
        let named = address(OsStr::new("@/org/freedesktop/notify")).unwrap();
        assert_eq!(named.as_abstract_name(), Some(b"/org/freedesktop/notify".as_slice()));
        assert!(address(OsStr::new("vsock:2:1234")).is_err());
    }
}
