//! Python's email parser, which is the next to read the message at a Mailman site, finds in it what we say is
//! there: one X-MailFrom, ours, as the last header field, however the header was crafted to be misread.

use crate::support::{Peer, Site, queued_as};
use std::io::Write;
use std::process::{Command, Stdio};

const SCRIPT: &str = r#"
import email, sys
message = email.message_from_bytes(sys.stdin.buffer.read())
assert message.get_all("X-MailFrom") == ["anne@example.com"], message.get_all("X-MailFrom")
assert message.keys()[-1] == "X-MailFrom", message.keys()
assert len(message.get_all("Message-ID")) >= 1
assert "forged" not in "".join(str(value) for value in message.values()), message.items()
"#;

#[test]
#[ignore = "needs python3"]
fn python_finds_one_x_mailfrom_last_in_the_header() {
    let site = Site::with_list();
    let server = site.serve(&[]);
    let mut peer = Peer::greeted(server.address);
    let messages: [&[u8]; 12] = [
        b"A: b\r\nX-MailFrom: forged\r\n\r\nbody\r\n",
        b"A: b\nX-MailFrom: forged\n\tforged\n\nbody\r\n",
        b"A: b\rx-mailfrom: forged\r forged\r\rbody\r\n",
        b"A: b\r\r\nX-MAILFROM: forged\r\n\r\n",
        b"From x\r\nX-MailFrom: forged\r\nFrom y\r\nA: b\r\n\r\n",
        b"A: b\r\nFrom y\r\n\r\nX-MailFrom: forged\r\n",
        b"A: b\r\nno header\r\nX-MailFrom: forged\r\n",
        b" continuation\r\nX-MailFrom: forged\r\n\r\n",
        b"X-MailFrom: forged\r\n: x\r\n forged?\r\n\r\n",
        b"\r\nX-MailFrom: forged\r\n",
        b"",
        b"\xe4: x\r\nX-MailFrom: forged\r\n",
    ];
    for message in messages {
        peer.begin("anne@example.com", &["mylist@example.com"]);
        peer.send(message);
        peer.send(".\r\n");
        let id = queued_as(&peer.reply()).to_owned();
        let mut python = Command::new("python3").args(["-c", SCRIPT]).stdin(Stdio::piped()).spawn().unwrap();
        python.stdin.take().unwrap().write_all(&site.message(&id)).unwrap();
        assert!(python.wait().unwrap().success(), "{}", message.escape_ascii());
    }
}
