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

fn python(host: &str, port: &str) {
    let output = Command::new("python3").args(["-c", SCRIPT, host, port]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
#[ignore = "needs python3"]
fn smtplib_delivers_and_is_refused() {
    let site = Site::with_list();
    let socket = site.data().join("lmtp.sock");
    let server = site.serve(&["--listen", &format!("unix:{}", socket.display())]);
    python("127.0.0.1", &server.address.port().to_string());
    python(socket.to_str().unwrap(), "0");
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
