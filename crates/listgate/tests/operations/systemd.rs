//! `listgate serve` as a service of systemd, for which the test stands in.

use crate::support::service_manager::Reports;
use crate::support::{Peer, Server, Site, until};
use std::fs::{self, File};
use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Instant;

/// Returns `listgate serve` on the site, on a free port, with the log in the file `log`.
fn serve(site: &Site) -> Command {
    let log = File::options().create(true).append(true).open(site.data().join("log")).unwrap();
    let mut command = site.command();
    command.args(["serve", "--no-engine", "--listen", "127.0.0.1:0"]).stderr(log);
    command
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
    let uptime = fs::read_to_string("/proc/uptime").unwrap();
    let uptime: f64 = uptime.split(' ').next().unwrap().parse().unwrap();
    assert!((microseconds as f64 / 1e6 - uptime).abs() < 60.0, "{microseconds} us, {uptime} s");
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
    let server = Server::start(command);
    reports.until("WATCHDOG=1");
    let since = Instant::now();
    for _ in 0..5 {
        assert_eq!(reports.next().unwrap(), "WATCHDOG=1");
    }
    let took = since.elapsed().as_millis();
    assert!((800..10_000).contains(&took), "five in {took} ms");
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
