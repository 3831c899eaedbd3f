//! `listgate send`: a line for each recipient, and an exit code.

use crate::support::{Site, free_address, until};
use std::io::Write;
use std::process::{Output, Stdio};

fn send(site: &Site, args: &[&str], message: &[u8]) -> Output {
    let mut command = site.command();
    command.arg("send").args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(message).unwrap();
    child.wait_with_output().unwrap()
}

#[test]
fn each_recipient_has_its_line_and_a_refusal_is_exit_1() {
    let site = Site::with_list();
    let server = site.serve(&[]);
    let address = server.address.to_string();
    let list = "mylist@example.com";
    let taken =
        send(&site, &["--server", &address, "--from", "a@example.org", "--to", list], b".dot\n\nlines\n");
    assert_eq!(taken.status.code(), Some(0), "{}", String::from_utf8_lossy(&taken.stderr));
    assert_eq!(String::from_utf8(taken.stdout).unwrap(), "mylist@example.com  250 2.0.0 Ok: queued as 1-1\n");
    let stored = String::from_utf8(site.message("1-1")).unwrap();
    assert!(stored.ends_with("\r\n\r\n.dot\r\n\r\nlines\r\n"), "{stored}");
    assert!(stored.contains("X-MailFrom: a@example.org\r\n"));

    let mixed =
        send(&site, &["--server", &address, "--to", "nobody@example.com", "--to", list], b"Subject: x\n\n");
    assert_eq!(mixed.status.code(), Some(1));
    let stdout = String::from_utf8(mixed.stdout).unwrap();
    assert!(stdout.contains("nobody@example.com  550 5.1.1 "), "{stdout}");
    assert!(stdout.contains("mylist@example.com  250 2.0.0 Ok: queued as 2-1\n"), "{stdout}");
}

#[test]
fn a_server_that_is_down_or_does_not_speak_lmtp_is_named() {
    let site = Site::new();
    let address = free_address().to_string();
    let output = send(&site, &["--server", &address, "--to", "a@example.com"], b"");
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains(&address));
    let usage = send(&site, &["--to", "not an address"], b"");
    assert_eq!(usage.status.code(), Some(2));
    let file = site.data().join("message.eml");
    std::fs::write(&file, "Subject: x\n\n").unwrap();
    let usage = send(&site, &["--to", "a@example.com", file.to_str().unwrap()], b"");
    let stderr = String::from_utf8(usage.stderr).unwrap();
    assert!(stderr.contains("that is a file: write it before --to"), "{stderr}");
}

/// Ctrl-Z and `fg` while it waits for a reply.
#[test]
fn a_stopped_send_continues_where_it_was() {
    let site = Site::new();
    let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = server.local_addr().unwrap().to_string();
    let mut command = site.command();
    command.args(["send", "--server", &address, "--to", "a@example.com"]);
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let (mut stream, _) = server.accept().unwrap();
    let signal = |name: &str| {
        let pid = child.id().to_string();
        assert!(std::process::Command::new("kill").args([name, &pid]).status().unwrap().success());
        let state = format!("/proc/{pid}/stat");
        let stopped = || std::fs::read_to_string(&state).unwrap().contains(") T ");
        until("the signal has arrived", || stopped() == (name == "-STOP"));
    };
    // The first round may come before it waits for the greeting.
    for _ in 0..3 {
        signal("-STOP");
        signal("-CONT");
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    stream.write_all(b"421 4.3.2 closing\r\n").unwrap();
    drop(stream);
    let stderr = String::from_utf8(child.wait_with_output().unwrap().stderr).unwrap();
    assert!(stderr.contains("421 4.3.2 closing"), "{stderr}");
}
