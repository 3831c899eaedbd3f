//! The client of `listgate-lmtp` with a real Postfix, by SMTP.

use crate::mta::Postfix;
use crate::support::PATIENCE;
use listgate_lmtp::{
    Client, ClientEvent, Closed, Declared, Dsn, ForwardPath, Phase, Protocol, Recipient, ReversePath,
    Transaction, TransactionId,
};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;

const MESSAGE: &[u8] = "Subject: Gr\u{fc}\u{df}e\r\n\r\n.\r\n..\r\nHello\r\n".as_bytes();

/// What became of one recipient.
type Outcome = (TransactionId, usize, Phase, u16);

fn to(address: &str) -> Recipient {
    let path = ForwardPath::Mailbox(address.parse().unwrap());
    Recipient { path, original: Some(format!("original+{address}").parse().unwrap()) }
}

/// Sends one transaction after another, each as early as the client may, and returns the outcomes in order.
fn sent(postfix: &Postfix, transactions: &[Transaction<'_>]) -> Vec<Outcome> {
    let mut stream = TcpStream::connect(postfix.smtp).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut client = Client::new(Protocol::Smtp, "client.example");
    let mut left = transactions.iter();
    let mut outcomes: Vec<Outcome> = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        stream.write_all(client.output()).unwrap();
        client.output().clear();
        let read = stream.read(&mut buffer).unwrap();
        assert!(read > 0, "Postfix hung up");
        let mut input = &buffer[..read];
        while let Some(event) = client.next(&mut input) {
            match event {
                ClientEvent::Ready => match left.next() {
                    Some(transaction) => _ = client.send(transaction),
                    None => client.quit(),
                },
                ClientEvent::SendBody { .. } => {
                    client.body(MESSAGE);
                    client.end_of_body();
                    if let Some(transaction) = left.next() {
                        assert!(client.may_send(), "Postfix pipelines");
                        client.send(transaction);
                    }
                }
                ClientEvent::Outcome { transaction, recipient, phase, reply } => {
                    outcomes.push((transaction, recipient, phase, reply.code));
                }
                ClientEvent::Closed { why: Closed::Quit, in_doubt: None } => return outcomes,
                other => panic!("{other:?}"),
            }
        }
    }
}

#[test]
#[ignore = "needs postfix"]
fn each_recipient_has_its_outcome_and_the_next_transaction_follows_the_dot() {
    let restrictions = "mynetworks = 127.0.0.0/8\nsmtpd_delay_reject = no\n\
        smtpd_recipient_restrictions = check_recipient_access inline:{ {no@example.org = 550 5.1.1 No} }, \
        permit_mynetworks, reject\n\
        smtpd_data_restrictions = check_client_access static:HOLD\n\
        smtpd_sender_restrictions = check_sender_access inline:{ {no@example.com = 554 5.7.1 Not you} }\n";
    let postfix = Postfix::with(restrictions);
    let from = |address: &str| ReversePath::Mailbox(address.parse().unwrap());
    let (ann, nobody, utf8) = (from("ann@example.com"), from("no@example.com"), from("\u{e4}nn@example.com"));
    let declared = Declared::of(MESSAGE);
    let dsn = Dsn { envelope_id: "batch 1+1".parse().ok(), headers_only: true, failures_only: true };
    let mixed = [to("a@example.org"), to("no@example.org"), to("\u{fc}+\u{fc}@example.org")];
    let refused = [to("no@example.org"), to("no@example.org")];
    let one = [to("b@example.org")];
    let transaction = |from, to| Transaction { from, to, declared, dsn: Some(&dsn) };
    let outcomes = sent(
        &postfix,
        &[
            transaction(&ann, &mixed),
            transaction(&ann, &refused),
            transaction(&nobody, &one),
            transaction(&utf8, &one),
            Transaction::new(&ReversePath::Null, &one, Declared::default()),
        ],
    );
    let mut ids: Vec<TransactionId> = outcomes.iter().map(|outcome| outcome.0).collect();
    assert!(ids.is_sorted());
    ids.dedup();
    let [first, second, third, fourth, fifth] = ids[..] else { panic!("{outcomes:?}") };
    assert_eq!(
        outcomes,
        [
            (first, 1, Phase::Rcpt, 550),
            (first, 0, Phase::Message, 250),
            (first, 2, Phase::Message, 250),
            (second, 0, Phase::Rcpt, 550),
            (second, 1, Phase::Rcpt, 550),
            (third, 0, Phase::Mail, 554),
            (fourth, 0, Phase::Message, 250),
            (fifth, 0, Phase::Message, 250),
        ]
    );
    // What Postfix has understood of the parameters.
    let held = held(&postfix);
    for text in [
        "envelope_id=batch 1+1",
        "ret_flags=2",
        "notify_flags=4",
        "dsn_orig_rcpt=rfc822;original+a@example.org",
        "dsn_orig_rcpt=utf-8;original+\u{fc}+\u{fc}@example.org",
        "Hello",
    ] {
        assert!(held.contains(text), "{text:?} is not in {held}");
    }
}

/// Returns the messages on hold with their envelopes.
fn held(postfix: &Postfix) -> String {
    let hold = postfix.dir().join("queue/hold");
    let find = Command::new("find").arg(hold).args(["-type", "f"]).output().unwrap();
    let files = String::from_utf8(find.stdout).unwrap();
    assert_eq!(files.lines().count(), 3, "{files}");
    let shown =
        Command::new("/usr/sbin/postcat").arg("-c").arg(postfix.conf()).args(files.lines()).output().unwrap();
    String::from_utf8(shown.stdout).unwrap()
}
