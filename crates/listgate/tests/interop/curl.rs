//! curl, in place of a web page that sends LMTP's commands in a request.

use crate::support::Site;
use std::fs;
use std::process::{Command, Output};

const COMMANDS: &str = "LHLO evil.example\r\nMAIL FROM:<evil@example.org>\r\nRCPT TO:<mylist@example.com>\r\n\
    DATA\r\nSubject: spam\r\n\r\nspam\r\n.\r\nQUIT\r\n";

fn curl(arguments: &[&str], url: &str) -> Output {
    let mut command = Command::new("curl");
    // Without HTTP/0.9, curl does not show what the gate says.
    command.args(["--silent", "--show-error", "--max-time", "20", "--http0.9"]);
    command.args(arguments).arg(url).output().unwrap()
}

#[test]
#[ignore = "needs curl"]
fn a_request_gets_one_421_and_sends_no_mail() {
    let site = Site::with_list();
    let server = site.serve(&[]);
    let file = site.data().join("commands");
    fs::write(&file, COMMANDS).unwrap();
    let body = format!("@{}", file.display());
    let url = format!("http://{}/", server.address);
    let file = file.to_str().unwrap();
    let http = "421 4.7.0 This is LMTP, not HTTP: closing";
    for (arguments, reply) in [
        (&["--request", "POST", "--data-binary", &body] as &[&str], http),
        (&["--request", "PUT", "--data-binary", &body], http),
        (&["--request", "OPTIONS", "--data-binary", &body], http),
        (&["--request", "GET", "--data-binary", &body], http),
        (&["--upload-file", file], http),
        (&["--form", &body.replace('@', "a=@")], http),
        (&[], http),
        (&["--haproxy-protocol"], "421 4.7.0 This is LMTP, not the PROXY protocol: closing"),
    ] {
        let output = curl(arguments, &url);
        let shown = String::from_utf8(output.stdout).unwrap();
        let replies: Vec<&str> = shown.lines().collect();
        assert!(
            replies.len() == 2 && replies[0].starts_with("220 ") && replies[1] == reply,
            "{arguments:?}: {shown} {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    let output = curl(&[], &url.replace("http", "https"));
    assert_eq!(output.status.code(), Some(35), "the TLS handshake fails at once");
    assert!(site.json(&["queue", "ls"]).is_empty(), "nothing is queued");
}
