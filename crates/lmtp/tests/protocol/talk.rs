//! Conversations of a client as scripts.

use crate::util::{recipients, sender};
use listgate_lmtp::{
    Client, ClientEvent, Credentials, Declared, Dsn, Protocol, Recipient, ReversePath, Transaction,
};

/// Plays a conversation with a new client, once for each of several sizes of the pieces in which the server's octets
/// arrive. Each line begins with one of these:
///
/// - `S:` the server sends a line. Lines that follow each other arrive together.
/// - `C:` the client has written this line. All that it writes must be named.
/// - `E:` the client has reported this event. All its events must be named.
/// - `D:` its caller does something, see [`Talk::act`].
pub(crate) fn talk(protocol: Protocol, script: &str) {
    for size in [usize::MAX, 1, 2, 7] {
        Talk { client: Client::new(protocol, "client.example"), size }.play(script);
    }
}

struct Talk {
    client: Client,
    size: usize,
}

impl Talk {
    fn play(&mut self, script: &str) {
        let mut said = String::new();
        let (mut written, mut events) = (Vec::new(), Vec::new());
        let (mut wrote, mut reported) = (Vec::new(), Vec::new());
        for line in script.lines().map(str::trim).chain(["D: nothing"]).filter(|line| !line.is_empty()) {
            let (who, text) =
                line.split_once(": ").unwrap_or_else(|| panic!("not a line of a script: {line:?}"));
            if matches!(who, "C" | "E" | "D") && !said.is_empty() {
                self.hear(&said, &mut written, &mut events);
                said.clear();
            }
            if matches!(who, "S" | "D") && said.is_empty() {
                assert_eq!(written, wrote, "what was written before {line:?}, in pieces of {}", self.size);
                assert_eq!(events, reported, "what was reported before {line:?}, in pieces of {}", self.size);
                for lines in [&mut written, &mut wrote, &mut events, &mut reported] {
                    lines.clear();
                }
            }
            match who {
                "S" => said.push_str(&format!("{text}\r\n")),
                "C" => wrote.push(text.to_owned()),
                "E" => reported.push(text.to_owned()),
                "D" => {
                    self.act(text);
                    self.hear("", &mut written, &mut events);
                }
                _ => panic!("not a line of a script: {line:?}"),
            }
        }
    }

    fn hear(&mut self, said: &str, written: &mut Vec<String>, events: &mut Vec<String>) {
        // An empty piece at the end shows what needs no input.
        for mut piece in said.as_bytes().chunks(self.size).chain([b"".as_slice()]) {
            while let Some(event) = self.client.next(&mut piece) {
                events.push(shown(&event));
            }
        }
        let out =
            String::from_utf8(std::mem::take(self.client.output())).expect("what the tests send is text");
        written.extend(out.split_terminator("\r\n").map(str::to_owned));
    }

    /// Does what a line says: `send FROM TO...`, with the parameters `8bit`, `dsn`, and `orcpt=ADDRESS` for the
    /// recipient before it; `body TEXT`, `end`, `tls`, `handshake`, `login USER PASSWORD`, `quit`, `nothing`.
    fn act(&mut self, text: &str) {
        let words: Vec<&str> = text.split(' ').collect();
        match words[..] {
            ["send", from, ref rest @ ..] => self.send(from, rest),
            ["body", text] => self.client.body(format!("{text}\r\n").as_bytes()),
            ["end"] => self.client.end_of_body(),
            ["tls"] => self.client.start_tls(),
            ["handshake"] => self.client.tls_started(),
            ["login", user, password] => {
                let credentials = Credentials::new(user, password).expect("without NUL");
                self.client.authenticate(&credentials).expect("the server offers a mechanism");
            }
            ["quit"] => self.client.quit(),
            ["nothing"] => {}
            _ => panic!("nothing to do: {text:?}"),
        }
    }

    fn send(&mut self, from: &str, words: &[&str]) {
        let from = if from == "<>" { ReversePath::Null } else { sender(from) };
        let mut to: Vec<Recipient> = Vec::new();
        let mut declared = Declared { size: Some(5), ..Declared::default() };
        let wanted = Dsn { envelope_id: "a b+1".parse().ok(), headers_only: true, failures_only: true };
        let mut dsn = None;
        for word in words {
            match word.split_once('=') {
                Some(("orcpt", original)) => {
                    to.last_mut().expect("a recipient before it").original = original.parse().ok()
                }
                _ if *word == "8bit" => declared.eight_bit = true,
                _ if *word == "dsn" => dsn = Some(&wanted),
                _ => to.append(&mut recipients(&[word])),
            }
        }
        self.client.send(&Transaction { from: &from, to: &to, declared, dsn });
    }
}

/// Returns an event as scripts have it. Transactions are counted from 0.
fn shown(event: &ClientEvent) -> String {
    let number = |id| format!("{id:?}").replace("TransactionId", "");
    match event {
        ClientEvent::Ready => "ready".to_owned(),
        ClientEvent::SendBody { transaction } => format!("body {}", number(transaction)),
        ClientEvent::Outcome { transaction, recipient, phase, reply } => {
            format!("outcome {}.{recipient} {phase:?}: {reply}", number(transaction))
        }
        ClientEvent::StartTls => "tls".to_owned(),
        ClientEvent::Refused { phase, reply } => format!("refused {phase:?}: {reply}"),
        ClientEvent::Closed { why, in_doubt: None } => format!("closed: {why}"),
        ClientEvent::Closed { why, in_doubt: Some(id) } => format!("closed, {} in doubt: {why}", number(id)),
    }
}
