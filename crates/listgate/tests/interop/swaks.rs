//! swaks, the test client that postmasters use.

use crate::support::Site;
use std::process::{Command, Output};

fn swaks(port: u16, to: &str) -> Output {
    let port = port.to_string();
    let mut command = Command::new("swaks");
    command.args(["--protocol", "LMTP", "--server", "127.0.0.1", "--port", &port]);
    command.args(["--helo", "client.example", "--from", "anne@example.org", "--to", to]);
    command.args(["--header", "Subject: by swaks", "--body", "Hello"]);
    command.output().unwrap()
}

#[test]
#[ignore = "needs swaks"]
fn swaks_delivers_to_several_and_is_refused() {
    let site = Site::with_list();
    let server = site.serve(&[]);
    let output = swaks(server.address.port(), "mylist@example.com,mylist-request@example.com");
    let stdout = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{stdout}");
    assert!(stdout.contains("250 2.0.0 Ok: queued as 1-1"), "{stdout}");
    assert_eq!((site.ids("in").len(), site.ids("command").len()), (1, 1));
    let stored = String::from_utf8(site.message("1-1")).unwrap();
    assert!(
        stored.contains("Subject: by swaks\r\n")
            && stored.contains("\r\nX-MailFrom: anne@example.org\r\n\r\nHello"),
        "{stored}"
    );

    let output = swaks(server.address.port(), "nobody@example.com");
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stdout).contains("550 5.1.1 "));
}

/// swaks does not know SMTPUTF8, and sends UTF-8 as it is.
#[test]
#[ignore = "needs swaks"]
fn swaks_sends_utf8() {
    let site = Site::new();
    site.create("müller@bücher.example");
    let server = site.serve(&[]);
    let port = server.address.port().to_string();
    for (number, to) in ["müller@bücher.example", "Müller-Join@xn--bcher-kva.example"].iter().enumerate() {
        let mut command = Command::new("swaks");
        command.args(["--protocol", "LMTP", "--server", "127.0.0.1", "--port", &port]);
        command.args(["--helo", "bücher.example", "--from", "jürgen@bücher.example", "--to", to]);
        command.args(["--header", "Subject: Grüße", "--header", &format!("Message-Id: <{number}@ü>")]);
        let output = command.args(["--body", "Hällo"]).output().unwrap();
        let stdout = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success() && stdout.contains("SMTPUTF8"), "{stdout}");
        let entry = &site.json(&["queue", "ls", "--message-id", &format!("<{number}@ü>")])[0];
        assert_eq!(
            (&entry["mail_from"], &entry["recipient"]),
            (&"jürgen@bücher.example".into(), &(*to).into())
        );
        assert_eq!(
            (&entry["list_id"], &entry["lhlo"]),
            (&"müller.xn--bcher-kva.example".into(), &"bücher.example".into())
        );
        let stored = String::from_utf8(site.message(entry["id"].as_str().unwrap())).unwrap();
        assert!(stored.contains("Subject: Grüße\r\n") && stored.contains("\r\n\r\nHällo"), "{stored}");
    }
}
