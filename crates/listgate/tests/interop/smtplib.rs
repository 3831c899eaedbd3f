//! Python's smtplib.LMTP, over TCP and over a Unix socket. It reads only one reply after the data, so the test
//! names one recipient at a time.

use crate::support::Site;
use std::process::Command;

const SCRIPT: &str = r#"
import smtplib, sys
host, port = sys.argv[1], int(sys.argv[2])
message = "From: anne@example.org\r\nSubject: by smtplib\r\nMessage-ID: <smtplib@example.org>\r\n\r\n.dot\r\n"
with smtplib.LMTP(host, port, local_hostname="client.example") as lmtp:
    assert lmtp.sendmail("anne@example.org", ["mylist-join@example.com"], message) == {}
    try:
        lmtp.sendmail("anne@example.org", ["nobody@example.com"], message)
        raise SystemExit("the unknown recipient was taken")
    except smtplib.SMTPRecipientsRefused as refused:
        code, text = refused.recipients["nobody@example.com"]
        assert code == 550 and text.startswith(b"5.1.1 "), (code, text)
    assert lmtp.has_extn("size") and lmtp.has_extn("8bitmime") and lmtp.has_extn("pipelining")
"#;

/// Says SMTPUTF8 by itself, and lets `send_message` decide: it does where an address is not ASCII.
const UTF8: &str = r#"
import smtplib, sys
from email.message import EmailMessage
from email.policy import SMTPUTF8
host, port = sys.argv[1], int(sys.argv[2])
raw = "From: jürgen@bücher.example\r\nSubject: Grüße\r\nMessage-ID: <raw@example.org>\r\n\r\nHällo\r\n".encode()
message = EmailMessage(policy=SMTPUTF8)
message["From"] = "Jürgen <jürgen@bücher.example>"
message["To"] = "müller-join@bücher.example"
message["Subject"] = "Grüße"
message["Message-ID"] = "<made@example.org>"
message.set_content("Hällo\n", cte="8bit")
with smtplib.LMTP(host, port, local_hostname="client.example") as lmtp:
    utf8 = ["SMTPUTF8", "BODY=8BITMIME"]
    assert lmtp.sendmail("jürgen@bücher.example", ["müller@xn--bcher-kva.example"], raw, mail_options=utf8) == {}
    assert lmtp.has_extn("smtputf8")
    assert lmtp.send_message(message) == {}
    try:
        lmtp.sendmail("jürgen@bücher.example", ["möller@bücher.example"], raw, mail_options=utf8)
        raise SystemExit("the unknown recipient was taken")
    except smtplib.SMTPRecipientsRefused as refused:
        [(code, text)] = refused.recipients.values()
        assert code == 550 and text.startswith(b"5.1.1 "), (code, text)
"#;

fn python(script: &str, host: &str, port: &str) {
    let output = Command::new("python3").args(["-c", script, host, port]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
#[ignore = "needs python3"]
fn smtplib_delivers_and_is_refused() {
    let site = Site::with_list();
    let socket = site.data().join("lmtp.sock");
    let server = site.serve(&["--listen", &format!("unix:{}", socket.display())]);
    python(SCRIPT, "127.0.0.1", &server.address.port().to_string());
    python(SCRIPT, socket.to_str().unwrap(), "0");
    let ids = site.ids("command");
    assert_eq!(ids.len(), 2);
    for id in ids {
        assert_eq!(
            String::from_utf8(site.message(&id)).unwrap(),
            "From: anne@example.org\r\nSubject: by smtplib\r\nMessage-ID: <smtplib@example.org>\r\n\
             X-MailFrom: anne@example.org\r\n\r\n.dot\r\n"
        );
    }
}

#[test]
#[ignore = "needs python3"]
fn smtplib_sends_utf8() {
    let site = Site::new();
    site.create("müller@bücher.example");
    let server = site.serve(&[]);
    python(UTF8, "127.0.0.1", &server.address.port().to_string());
    for (queue, id, recipient) in [
        ("in", "<raw@example.org>", "müller@xn--bcher-kva.example"),
        ("command", "<made@example.org>", "müller-join@bücher.example"),
    ] {
        let entry = &site.json(&["queue", "ls", "--message-id", id])[0];
        assert_eq!((&entry["queue"], &entry["recipient"]), (&queue.into(), &recipient.into()));
        assert_eq!(
            (&entry["mail_from"], &entry["list_id"]),
            (&"jürgen@bücher.example".into(), &"müller.xn--bcher-kva.example".into())
        );
        let stored = String::from_utf8(site.message(entry["id"].as_str().unwrap())).unwrap();
        assert!(
            stored.contains("\r\nSubject: Grüße\r\n") && stored.contains("\r\n\r\nHällo\r\n"),
            "{stored}"
        );
    }
}
