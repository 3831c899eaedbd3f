//! `listgate send` and `listgate bench` used as their help says.

use crate::support::Site;
use std::fs;

#[test]
fn the_usage_line_of_send_works() {
    let site = Site::with_list();
    let server = site.serve(&[]);
    let help = site.stdout(&["send", "--help"]);
    let usage = help.lines().find_map(|line| line.strip_prefix("Usage: listgate ")).unwrap();
    let file = site.data().join("m.eml");
    fs::write(&file, "Subject: shown\n\n").unwrap();
    let shown = usage
        .replace("[OPTIONS]", &format!("--server {}", server.address))
        .replace("[FILE]", file.to_str().unwrap())
        .replace("<ADDRESS>...", "mylist@example.com mylist-join@example.com");
    let stdout = site.stdout(&shown.split(' ').collect::<Vec<_>>());
    assert_eq!(stdout.matches("queued as").count(), 2, "{shown}: {stdout}");
}

#[test]
fn the_configured_server_is_used_unless_another_is_named() {
    let site = Site::with_list();
    let server = site.serve(&[]);
    let file = site.data().join("gate.toml");
    let file = file.to_str().unwrap();
    fs::write(file, format!("server.listen = [\"{}\", \"127.0.0.1:1\"]\n", server.address)).unwrap();
    let to = ["--to", "mylist@example.com", "--config", file];
    assert!(site.stdout(&[&["send"], &to[..]].concat()).contains("queued as 1-1"));
    let stdout = site.stdout(&[&["bench", "--messages", "2"], &to[..]].concat());
    assert!(stdout.contains("2 messages accepted"), "{stdout}");
    let other = site.listgate(&[&["send", "--server", "127.0.0.1:1"], &to[..]].concat());
    assert!(String::from_utf8(other.stderr).unwrap().contains("no LMTP session with 127.0.0.1:1"));
}
