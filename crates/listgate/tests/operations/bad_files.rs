//! A file that `listgate serve` cannot use is found before it opens anything.

use crate::support::Site;
use std::fs;
use std::net::TcpListener;
use std::process::Output;

/// Runs `listgate ARGS` with a configuration, and returns what it prints about the mistake.
fn refused(site: &Site, toml: &str, args: &[&str]) -> String {
    let file = site.data().join("listgate.toml");
    fs::write(&file, toml).unwrap();
    // Files are relative to the one that names them.
    let data = site.data().join("data");
    let options = ["--config", file.to_str().unwrap(), "--data-dir", data.to_str().unwrap()];
    let Output { status, stderr, .. } = site.listgate(&[&options[..], args].concat());
    let stderr = String::from_utf8(stderr).unwrap();
    assert_eq!(status.code(), Some(1), "{toml}: {stderr}");
    assert!(!data.exists(), "{toml}: the data directory was opened first");
    stderr
}

#[test]
fn serve_says_what_config_check_says_before_it_opens_anything() {
    let site = Site::new();
    let create = |name: &str| fs::create_dir(site.data().join(name)).unwrap();
    let write = |name: &str, text: &str| fs::write(site.data().join(name), text).unwrap();
    create("texts");
    write("texts/welcome.txt", "Subject: Hello\n\n$nobody\n");
    write("file", "not what it should be");
    // A gate that listens first would report this address instead of the file.
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = taken.local_addr().unwrap().to_string();
    for (toml, why) in [
        ("[engine]\ntexts = \"missing\"\n", "missing: No such file"),
        ("[engine]\ntexts = \"texts\"\n", "the text of welcome, line 3: $nobody is unknown"),
        ("[outgoing]\ntls = \"required\"\nca = \"missing\"\n", "missing: No such file"),
        ("[outgoing]\ntls = \"required\"\nca = \"file\"\n", "file has no certificate in PEM"),
        ("[outgoing]\nuser = \"listgate\"\npassword_file = \"missing\"\n", "missing: No such file"),
        ("[outgoing]\nto = \"dir:file\"\n", "file: File exists"),
        ("[outgoing]\nto = \"dir:file/outbox\"\n", "outbox: Not a directory"),
        ("[tls]\ncertificate = \"missing\"\nkey = \"file\"\n", "missing: No such file"),
        ("[mailman]\nconfig = \"missing\"\n", "missing"),
    ] {
        let checked = refused(&site, toml, &["config", "check"]);
        let served = refused(&site, toml, &["serve", "--listen", &listen]);
        assert!(checked.replace('\n', " ").contains(why), "{why:?} is not in {checked}");
        assert_eq!(served, checked, "{toml}");
    }
}

#[test]
fn a_check_creates_no_directory_for_outgoing_mail() {
    let site = Site::new();
    let file = site.data().join("listgate.toml");
    fs::write(&file, "[outgoing]\nto = \"dir:not/yet\"\n").unwrap();
    site.stdout(&["config", "check", "--config", file.to_str().unwrap()]);
    assert!(!site.data().join("not").exists());
}

#[test]
fn files_that_only_outgoing_mail_needs_do_not_stop_a_gate_without_it() {
    let site = Site::new();
    let file = site.data().join("listgate.toml");
    fs::write(&file, "[storage]\nmin_free = 0\n[engine]\ntexts = \"missing\"\n").unwrap();
    let mut server = site.serve(&["--config", file.to_str().unwrap()]);
    server.signal("TERM");
    assert_eq!(server.wait(), Some(0));
}
