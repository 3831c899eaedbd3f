//! Checks of the configuration, the gate, and the addresses it listens on.

use super::finding::{AS_THE_GATE, Finding};
use crate::backends::Holder;
use crate::backends::mailman::is_own_runner;
use crate::config::{BackendKind, Config, ConfigError, RefuseAt};
use crate::error_chain::Chain;
use crate::net::{ListenAddress, SocketFile, connect, greeting};
use crate::socketmap::netstring;
use std::fs;
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;
use tokio::net::TcpSocket;

/// How long to wait for an answer: far longer than any gate takes that has a free connection.
const PATIENCE: Duration = Duration::from_secs(3);

/// The maximum octets read of an answer from the admin listener or a map.
const ANSWER: u64 = 4096;

pub(super) fn configuration(file: Option<&Path>, readable: Result<(), ConfigError>) -> Finding {
    let check = "configuration";
    match (readable, file) {
        (Ok(()), None) => Finding::ok(check, "no file: the defaults (`listgate config check` prints them)"),
        (Ok(()), Some(file)) => Finding::ok(check, format!("{} has no mistake", file.display())),
        (Err(why), _) if why.is_of_mailman() => Finding::wrong(
            check,
            Chain(&why).to_string(),
            "correct the file; without it, nothing else can be checked",
        ),
        (Err(why), _) => Finding::wrong(
            check,
            Chain(&why).to_string().replace('\n', "; "),
            "correct the file; the checks below use the defaults",
        ),
    }
}

/// Returns notes on settings that few sites want.
pub(super) fn settings(config: &Config) -> Vec<Finding> {
    let mut findings = Vec::new();
    if config.site_owner().is_none() {
        let key = match config.backend {
            BackendKind::Sqlite => "site.owner",
            BackendKind::Mailman(_) => "[mailman] site_owner",
        };
        findings.push(Finding::note(
            "site.owner",
            "mail to a list's -owner address has the envelope sender changeme@example.com",
            format!("set {key} to one of your addresses"),
        ));
    }
    if config.postmaster.is_none() && matches!(config.backend, BackendKind::Mailman(_)) {
        findings.push(Finding::note(
            "site.postmaster",
            "the gate refuses mail to postmaster@ and abuse@; `listgate mta` leaves it to the mail server",
            "if the owners of a list are to read it, set site.postmaster to that list",
        ));
    }
    if config.refuse_at == RefuseAt::Data {
        findings.push(Finding::note(
            "lmtp.refuse_at",
            "every address is accepted at RCPT, so the mail server cannot verify addresses",
            "if that is not intended, set lmtp.refuse_at to \"rcpt\"",
        ));
    }
    findings.extend(certificate(config));
    findings
}

/// Checks the files for STARTTLS, if it is configured.
fn certificate(config: &Config) -> Option<Finding> {
    let check = "certificate";
    match config.load_tls() {
        Ok(tls) => tls.and(config.tls_certificate.as_ref()).map(|path| {
            Finding::ok(check, format!("{} and its key can be used for STARTTLS", path.display()))
        }),
        Err(why) => Some(Finding::wrong(
            check,
            Chain(&why).to_string(),
            "replace the file; until then no gate starts with these settings, and a running one keeps what it has",
        )),
    }
}

pub(super) fn gate(dir: &Path, holder: io::Result<Holder>) -> Finding {
    match holder {
        Ok(Holder::Serving(holder)) => Finding::ok("gate", format!("{holder} is running")),
        Ok(Holder::Replaced(holder)) => Finding::wrong(
            "gate",
            format!(
                "directory replaced: {holder} is ending, because its files are no longer those of {}",
                dir.display()
            ),
            "its log says where the old files are; start `listgate serve` once it has ended",
        ),
        Ok(Holder::Nobody) => {
            Finding::note("gate", "no gate is running on this data", "start `listgate serve`")
        }
        Err(why) => Finding::wrong(
            "gate",
            format!("cannot look at {}: {why}", dir.join("lock").display()),
            AS_THE_GATE,
        ),
    }
}

/// Checks whether the gate answers at an LMTP address, or could listen there if it is not running.
pub(super) fn address(address: &ListenAddress, running: bool, backend: &BackendKind) -> Finding {
    let (check, key) = ("address", "server.listen");
    match (address, running) {
        (ListenAddress::Tcp(socket), _) if socket.port() == 0 => {
            Finding::ok(check, format!("{address} has another port at each start; it was not checked"))
        }
        (ListenAddress::Unix(path), false) => free_socket(check, key, path),
        (ListenAddress::Tcp(socket), _) => match (greeting(address), running) {
            (Ok(line), _) if is_own_runner(&line) => Finding::wrong(
                check,
                format!("Mailman's own LMTP runner answers at {address}: {line}"),
                backend.fix_for_mailmans_runner(key),
            ),
            (greeting, true) => greets(address, greeting),
            (_, false) => free_port(check, key, *socket),
        },
        (ListenAddress::Unix(_), true) => greets(address, greeting(address)),
    }
}

/// Reports how a running gate greets at an LMTP address.
fn greets(address: &ListenAddress, greeting: io::Result<String>) -> Finding {
    let check = "address";
    match greeting {
        Ok(line) if line.starts_with("220") => {
            Finding::ok(check, format!("{address} greets: {line}{}", socket_mode(address)))
        }
        Ok(line) if line.starts_with("421") => Finding::note(
            check,
            format!("{address} refuses this machine: {line}"),
            "if that is not intended, change server.allow, server.allow_uids, server.max_connections_per_peer",
        ),
        Ok(line) => Finding::wrong(
            check,
            format!("{address} greets with {line:?}"),
            "find out what listens there, and see the gate's log",
        ),
        Err(why) => Finding::wrong(
            check,
            format!("the gate is running and does not answer at {address}: {why}"),
            "if it was started with --listen, use the same option here; otherwise see its log",
        ),
    }
}

/// Checks whether the gate answers at a socketmap address, or could listen there if it is not running.
pub(super) fn socketmap(address: &ListenAddress, running: bool) -> Finding {
    let (check, key) = ("socketmap", "socketmap.listen");
    match (address, running) {
        (ListenAddress::Tcp(socket), _) if socket.port() == 0 => {
            Finding::ok(check, format!("{address} has another port at each start; it was not checked"))
        }
        (_, true) => match query_unknown_domain(address) {
            Ok(answer) if answer.contains("NOTFOUND ") => Finding::ok(check, format!("{address} answers")),
            Ok(answer) if answer.is_empty() => Finding::note(
                check,
                format!("{address} refuses this machine"),
                "if that is not intended, change server.allow, server.allow_uids",
            ),
            Ok(answer) => Finding::wrong(
                check,
                format!("{address} answers {answer:?}"),
                "find out what listens there, and see the gate's log",
            ),
            Err(why) => {
                let found = format!("the gate is running and does not answer at {address}: {why}");
                Finding::wrong(
                    check,
                    found,
                    format!("compare {key} with its value when the gate was started"),
                )
            }
        },
        (ListenAddress::Tcp(socket), false) => free_port(check, key, *socket),
        (ListenAddress::Unix(path), false) => free_socket(check, key, path),
    }
}

/// Returns the answer to a query for a domain that does not exist. It is empty if the gate refuses the connection.
fn query_unknown_domain(address: &ListenAddress) -> io::Result<String> {
    let mut stream = connect(address, PATIENCE)?;
    let mut answer = || {
        stream.write_all(netstring::write("domains ").as_bytes())?;
        stream.end_of_requests()?;
        let mut answer = Vec::new();
        (&mut stream).take(ANSWER).read_to_end(&mut answer)?;
        Ok(String::from_utf8_lossy(&answer).into_owned())
    };
    // Which of these errors occurs depends on how far the query got before the gate closed the connection.
    let closed = [io::ErrorKind::ConnectionReset, io::ErrorKind::BrokenPipe, io::ErrorKind::NotConnected];
    match answer() {
        Err::<_, io::Error>(why) if closed.contains(&why.kind()) => Ok(String::new()),
        answered => answered,
    }
}

/// Checks whether the gate reports at the admin listener that it is ready, or could listen there if it is not
/// running.
pub(super) fn admin(address: SocketAddr, running: bool) -> Finding {
    let (check, key) = ("admin", "admin.listen");
    match (address.port(), running) {
        (0, _) => Finding::ok(check, format!("{address} has another port at each start; it was not checked")),
        (_, false) => free_port(check, key, address),
        (_, true) => match readiness(address) {
            Ok(answer) if answer.starts_with("HTTP/1.1 200") => {
                Finding::ok(check, format!("{address} says: ready"))
            }
            Ok(answer) => {
                let why = answer.lines().last().unwrap_or_default();
                let found = format!("{address} does not say that the gate is ready: {why}");
                Finding::wrong(check, found, "see the other findings, and the gate's log")
            }
            Err(why) => {
                let found = format!("the gate is running and does not answer at {address}: {why}");
                Finding::wrong(
                    check,
                    found,
                    format!("compare {key} with its value when the gate was started"),
                )
            }
        },
    }
}

fn readiness(address: SocketAddr) -> io::Result<String> {
    let mut stream = connect(&ListenAddress::Tcp(address), PATIENCE)?;
    stream.write_all(b"GET /ready HTTP/1.1\r\nHost: listgate\r\n\r\n")?;
    let mut answer = String::new();
    stream.take(ANSWER).read_to_string(&mut answer)?;
    Ok(answer)
}

/// Returns the mode and the owner of a Unix socket, which determine who may connect.
fn socket_mode(address: &ListenAddress) -> String {
    let ListenAddress::Unix(path) = address else { return String::new() };
    match fs::metadata(path) {
        Ok(socket) => {
            format!(" (mode {:o}, uid {}, gid {})", socket.mode() & 0o777, socket.uid(), socket.gid())
        }
        Err(_) => String::new(),
    }
}

/// Checks that a port is free. It binds without listening, which fails whenever the start of a gate would fail, and
/// does not prevent a gate from starting at the same time.
fn free_port(check: &'static str, key: &str, address: SocketAddr) -> Finding {
    let bind = || {
        let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        socket.set_reuseaddr(true)?;
        socket.bind(address)
    };
    match bind() {
        Ok(()) => Finding::ok(check, format!("{address} is free")),
        Err(why) if why.kind() == io::ErrorKind::AddrInUse => {
            let who = match greeting(&ListenAddress::Tcp(address)) {
                Ok(line) if !line.is_empty() => format!(", which says {line:?}"),
                _ => String::new(),
            };
            Finding::wrong(
                check,
                format!("{address} is taken by another program{who}"),
                format!("stop that program, or set {key} to another address"),
            )
        }
        Err(why) => Finding::wrong(
            check,
            format!("a gate cannot listen on {address}: {why}"),
            format!("set {key} to an address of this machine and a port above 1023"),
        ),
    }
}

fn free_socket(check: &'static str, key: &str, path: &Path) -> Finding {
    let address = ListenAddress::Unix(path.to_owned());
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let or_another = format!("or set {key} to another path");
    match SocketFile::at(path) {
        Ok(SocketFile::Nothing) if parent.is_none_or(Path::is_dir) => {
            Finding::ok(check, format!("{address} is free"))
        }
        Ok(SocketFile::Nothing) => Finding::wrong(
            check,
            format!("a gate cannot create {address}: its directory does not exist"),
            "create its directory, for the user that the gate runs as",
        ),
        Err(why) => Finding::wrong(
            check,
            format!("a gate cannot create {address}: {why}"),
            "create its directory, for the user that the gate runs as",
        ),
        Ok(SocketFile::NoSocket) => Finding::wrong(
            check,
            format!("{} exists and is not a socket", path.display()),
            format!("remove it, {or_another}"),
        ),
        Ok(SocketFile::Served) => Finding::wrong(
            check,
            format!("{address} is served by another program"),
            format!("stop that program, {or_another}"),
        ),
        Ok(SocketFile::Unclear(why)) => Finding::wrong(
            check,
            format!("a socket is at {address}, but it is unknown whether a process serves it: {why}"),
            format!("remove it if none does, {or_another}"),
        ),
        Ok(SocketFile::LeftBehind) => {
            Finding::ok(check, format!("{address} was left behind; the next start replaces it"))
        }
    }
}

/// Checks the gate that holds the lock in `dir`, and its addresses. Returns whether it is running.
pub(super) fn listening<E>(
    config: &Config,
    dir: &Path,
    holder: io::Result<Holder>,
    mut report: impl FnMut(Finding) -> Result<(), E>,
) -> Result<bool, E> {
    let running = matches!(&holder, Ok(Holder::Serving(_)));
    // A gate whose directory was replaced is stopping: it does not answer, but still occupies its addresses.
    let is_ending = matches!(&holder, Ok(Holder::Replaced(_)));
    report(gate(dir, holder))?;
    if is_ending {
        return Ok(false);
    }
    let address = |listen| address(listen, running, &config.backend);
    config.listen.iter().map(address).try_for_each(&mut report)?;
    config.socketmap.iter().map(|address| socketmap(address, running)).try_for_each(&mut report)?;
    config.admin.map(|address| admin(address, running)).into_iter().try_for_each(&mut report)?;
    Ok(running)
}
