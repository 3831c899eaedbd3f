//! The error about an address that a gate cannot listen on names its key.

use crate::support::Site;
use std::fs;
use std::io::Write;
use std::net::TcpListener;
use std::os::unix::net::{UnixDatagram, UnixListener};

#[test]
fn the_key_of_an_address_in_use_is_named() {
    let site = Site::new();
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = other.local_addr().unwrap().to_string();
    let plain = site.data().join("plain");
    fs::write(&plain, "mine").unwrap();
    let served = site.data().join("served");
    let _served = UnixListener::bind(&served).unwrap();
    let other_kind = site.data().join("log");
    let _log = UnixDatagram::bind(&other_kind).unwrap();
    let file = site.data().join("gate.toml");
    for (address, why) in [
        (taken, "another program has it"),
        (format!("unix:{}", plain.display()), "what is there is not a socket: remove it, or"),
        (format!("unix:{}", served.display()), "another process serves that socket"),
        (format!("unix:{}", other_kind.display()), "cannot be found out whether a process serves it"),
    ] {
        for (toml, key) in [
            (format!("server.listen = [{address:?}]\n"), "--listen or server.listen"),
            (
                format!("server.listen = [\"127.0.0.1:0\"]\nsocketmap.listen = [{address:?}]\n"),
                "socketmap.listen",
            ),
        ] {
            fs::write(&file, toml).unwrap();
            let output = site.listgate(&["serve", "--config", file.to_str().unwrap()]);
            assert_eq!(output.status.code(), Some(1));
            let stderr = String::from_utf8(output.stderr).unwrap();
            assert!(stderr.contains(&address) && stderr.contains(why), "{stderr}");
            assert!(stderr.contains(&format!("choose another {key}")), "{stderr}");
        }
    }
    assert_eq!(fs::read(plain).unwrap(), b"mine");
    assert!(served.exists() && other_kind.exists());
}

#[test]
fn an_address_that_mailmans_runner_has_is_reported_with_its_name() {
    let site = Site::new();
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = other.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for peer in other.incoming() {
            peer.unwrap().write_all(b"220 localhost GNU Mailman LMTP runner 2.0\r\n").unwrap();
        }
    });
    let output = site.listgate(&["serve", "--listen", &taken]);
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    let why = "(Mailman's own LMTP runner has it: choose another --listen or server.listen)";
    assert!(said.contains(&format!("cannot listen on {taken} {why}: ")), "{said}");
    let file = site.data().join("gate.toml");
    fs::write(&file, format!("server.listen = [{taken:?}]\n")).unwrap();
    let output = site.listgate(&["doctor", "--json", "--config", file.to_str().unwrap()]);
    let said = String::from_utf8(output.stdout).unwrap();
    let found = format!("\"found\":\"Mailman's own LMTP runner answers at {taken}: 220 localhost ");
    assert!(said.contains(&found), "{said}");
    assert!(said.contains("\"mend\":\"choose another server.listen\""), "{said}");
}
