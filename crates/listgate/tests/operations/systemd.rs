//! `listgate serve` as a service of systemd, for which the test stands in.

use crate::support::service_manager::{Reports, with_sockets};
use crate::support::socketmap::Socketmap;
use crate::support::{Peer, Server, Site, free_address, get, until};
use std::fs::{self, File, Permissions};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::OwnedFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::process::{Command, Stdio};
use std::time::Instant;

/// Returns `listgate serve` on the site, on a free port, with the log in the file `log`.
fn serve(site: &Site) -> Command {
    let mut command = site.command();
    command.args(["serve", "--no-engine", "--listen", "127.0.0.1:0"]).stderr(log_file(site));
    command
}

fn log_file(site: &Site) -> File {
    File::options().create(true).append(true).open(site.data().join("log")).unwrap()
}

fn log(site: &Site) -> String {
    fs::read_to_string(site.data().join("log")).unwrap()
}

#[test]
fn a_start_a_reload_and_a_stop_are_reported() {
    let (site, reports) = (Site::with_list(), Reports::new());
    let mut command = serve(&site);
    reports.of(&mut command, None);
    let mut server = Server::start(command);
    let opening = reports.next().unwrap();
    assert_eq!(opening, format!("STATUS=opening {}", site.data().display()));
    let ready = format!("READY=1\nSTATUS=taking mail on {}", server.address);
    assert_eq!(reports.next().unwrap(), ready, "nothing else before it");
    server.signal("HUP");
    let reloading = reports.next().unwrap();
    let microseconds: u64 = reloading.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").unwrap().parse().unwrap();
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic).tv_sec as f64;
    assert!((microseconds as f64 / 1e6 - now).abs() < 60.0, "{microseconds} us, {now} s");
    assert_eq!(reports.next().unwrap(), ready);
    Peer::greeted(server.address).assert_usable();
    server.signal("TERM");
    assert_eq!(reports.next().unwrap(), "STOPPING=1\nSTATUS=finishing what is in flight");
    assert_eq!(server.wait(), Some(0));
}

#[test]
fn signs_of_life_come_twice_as_often_as_systemd_wants_them() {
    let (site, reports) = (Site::with_list(), Reports::new());
    let mut command = serve(&site);
    reports.of(&mut command, Some(400_000));
    let since = Instant::now();
    let server = Server::start(command);
    reports.until("WATCHDOG=1");
    for _ in 0..5 {
        assert_eq!(reports.next().unwrap(), "WATCHDOG=1");
    }
    // The first one comes at once.
    let took = since.elapsed().as_millis();
    assert!((1000..10_000).contains(&took), "six in {took} ms");
    drop(server);
}

/// A signal that comes while the settings are read must not end the process, and must not be forgotten.
#[test]
fn sighup_during_the_start_reads_the_settings_again() {
    let site = Site::with_list();
    let (fifo, file) = (site.data().join("listgate.toml"), site.data().join("other.toml"));
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    fs::write(&file, "[server]\nhostname = \"new.example.com\"\n").unwrap();
    let mut command = serve(&site);
    let mut child = command.arg("--config").arg(&fifo).stdout(Stdio::piped()).spawn().unwrap();
    // This waits until the process reads the file, too.
    let mut settings = File::options().write(true).open(&fifo).unwrap();
    fs::rename(&file, &fifo).unwrap();
    let kill = Command::new("kill").args(["-HUP", &child.id().to_string()]).status().unwrap();
    assert!(kill.success());
    settings.write_all(b"[server]\nhostname = \"old.example.com\"\n").unwrap();
    drop(settings);
    until("the settings are read again", || {
        assert!(child.try_wait().unwrap().is_none(), "it has ended");
        log(&site).contains("SIGHUP: new connections use the new server.hostname")
    });
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn an_address_that_is_not_systemds_ends_the_start() {
    let site = Site::new();
    let mut command = site.command();
    command.args(["serve", "--listen", "127.0.0.1:0"]).env("NOTIFY_SOCKET", "notify");
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.contains("NOTIFY_SOCKET=notify is not the address of a socket of systemd"), "{stderr}");
}

fn tcp() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").unwrap()
}

#[test]
fn each_socket_is_served_by_its_name_and_stays_when_the_gate_ends() {
    let site = Site::with_list();
    let (path, output) = (site.data().join("lmtp.sock"), site.data().join("output"));
    let lmtp = UnixListener::bind(&path).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o660)).unwrap();
    let (admin, maps) = (tcp(), tcp());
    let (admin_at, maps_at) = (admin.local_addr().unwrap(), maps.local_addr().unwrap());
    let mut command = site.command();
    command.args(["serve", "--no-engine", "--listen", "127.0.0.1:0"]).env("OUTPUT", &output);
    let sockets = vec![lmtp.try_clone().unwrap().into(), admin.into(), maps.into()];
    let mut child = with_sockets(&command, Some("lmtp:admin:socketmap"), sockets).spawn().unwrap();
    let mut lines = BufReader::new(UnixStream::connect(&path).unwrap()).lines();
    assert!(lines.next().unwrap().unwrap().starts_with("220 "));
    assert!(get(admin_at, "/health").starts_with("HTTP/1.1 200"));
    let mut maps = Socketmap::connect(maps_at);
    let question = "recipients mylist@example.com";
    maps.send(format!("{}:{question},", question.len()));
    assert!(maps.answer().unwrap().starts_with("OK "));
    // The gate takes mail before it shows where.
    let shown = || fs::read_to_string(&output).unwrap();
    until("everything is shown", || shown().contains("\n  lists         "));
    let shown = shown();
    for line in [
        format!("  listening on  unix:{} (opened by systemd)\n", path.display()),
        format!("  socketmap at  {maps_at} (opened by systemd)\n"),
        format!("  metrics at    http://{admin_at}/metrics (opened by systemd)\n"),
        format!("systemd has opened unix:{}: server.listen (127.0.0.1:0) is not used here", path.display()),
        format!("systemd has opened {admin_at}: admin.listen (unset) is not used here"),
    ] {
        assert!(shown.contains(&line), "{line} is not in {shown}");
    }
    for signal in ["-HUP", "-TERM"] {
        let kill = Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap();
        assert!(kill.success());
    }
    assert!(child.wait().unwrap().success());
    let file = fs::metadata(&path).expect("the socket file is systemd's");
    assert_eq!(file.permissions().mode() & 0o777, 0o660);
    UnixStream::connect(&path).expect("callers wait for the next start");
}

#[test]
fn a_caller_waits_while_the_gate_restarts() {
    let site = Site::with_list();
    let socket = tcp();
    let address = socket.local_addr().unwrap();
    let start = || {
        // Without a name, it is for LMTP.
        let mut command = with_sockets(&serve(&site), None, vec![socket.try_clone().unwrap().into()]);
        command.stderr(log_file(&site));
        Server::start(command)
    };
    let mut server = start();
    assert_eq!(server.address, address);
    Peer::greeted(address).assert_usable();
    server.signal("TERM");
    assert_eq!(server.wait(), Some(0));
    let waiting = TcpStream::connect(address).expect("nobody is refused");
    let _server = start();
    let mut greeting = String::new();
    BufReader::new(waiting).read_line(&mut greeting).unwrap();
    assert!(greeting.starts_with("220 "), "{greeting}");
    assert!(log(&site).contains(&format!("systemd has opened {address}")));
}

#[test]
fn sockets_for_another_process_are_left_alone() {
    let site = Site::new();
    let mut command = serve(&site);
    command.env("LISTEN_PID", "1").env("LISTEN_FDS", "1").env("LISTEN_FDNAMES", "lmtp");
    let server = Server::start(command);
    Peer::greeted(server.address);
    assert!(!log(&site).contains("systemd"));
}

/// Returns why a start with this socket fails.
fn refused(names: Option<&str>, socket: impl Into<OwnedFd>) -> String {
    let site = Site::new();
    let mut command = site.command();
    command.args(["serve", "--no-engine", "--listen", "127.0.0.1:0"]);
    let output = with_sockets(&command, names, vec![socket.into()]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(!site.data().join("listgate.db").exists(), "nothing is created");
    String::from_utf8(output.stderr).unwrap().replace('\n', " ")
}

#[test]
fn a_socket_that_cannot_be_used_is_named() {
    let why = refused(Some("smtp"), tcp());
    assert!(why.contains("a socket named \"smtp\"") && why.contains("FileDescriptorName="), "{why}");
    let why = refused(Some("lmtp:admin"), tcp());
    assert!(why.contains("LISTEN_FDNAMES=\"lmtp:admin\" does not name 1 sockets"), "{why}");
    for socket in
        [OwnedFd::from(UdpSocket::bind("127.0.0.1:0").unwrap()), File::open("/dev/null").unwrap().into()]
    {
        let why = refused(Some("lmtp"), socket);
        assert!(why.contains("\"lmtp\" from systemd is neither a TCP nor a Unix stream socket"), "{why}");
    }
    let listener = tcp();
    let why = refused(Some("lmtp"), TcpStream::connect(listener.local_addr().unwrap()).unwrap());
    assert!(why.contains("it does not listen"), "{why}");
    let name = format!("listgate-test-{}", std::process::id());
    let named = SocketAddr::from_abstract_name(name).unwrap();
    let why = refused(None, UnixListener::bind_addr(&named).unwrap());
    assert!(why.contains("a Unix socket without a path"), "{why}");
    let dir = tempfile::tempdir().unwrap();
    let why = refused(Some("admin"), UnixListener::bind(dir.path().join("admin")).unwrap());
    assert!(why.contains("HTTP is served over TCP alone"), "{why}");
}

/// What systemd itself passes, by the program that tests a service with a socket unit.
#[test]
#[ignore = "needs systemd-analyze"]
fn with_the_socket_that_systemd_activates() {
    let site = Site::with_list();
    let address = free_address();
    let serve = site.command();
    let mut command = Command::new("systemd-socket-activate");
    command.args(["--listen", &address.to_string(), "--fdname=lmtp"]);
    command.args(["--setenv", &format!("LISTGATE_DATA_DIR={}", site.data().display())]);
    command.arg(serve.get_program()).args(["serve", "--no-engine"]).stdout(Stdio::piped());
    let mut child = command.stderr(Stdio::null()).spawn().unwrap();
    until("it listens", || TcpStream::connect(address).is_ok());
    Peer::greeted(address).assert_usable();
    let kill = Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
    assert!(kill.success() && child.wait().unwrap().success());
    let mut shown = String::new();
    child.stdout.take().unwrap().read_to_string(&mut shown).unwrap();
    assert!(shown.contains(&format!("listening on  {address} (opened by systemd)")), "{shown}");
}
