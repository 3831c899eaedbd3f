//! Properties that hold for all inputs. `PROPTEST_CASES` sets how many inputs are tried.

use crate::util::{Pair, SECOND, Seen, Server, codes, pieces, recipients, sender};
use listgate_lmtp::{
    BareNewline, Client, ClientEvent, Closed, Declared, Event, Mailbox, Phase, Protocol, Refusal, Refused,
    Reply, ReversePath, Session, Settings, Transaction, TransactionId,
};
use proptest::{collection::vec, prelude::*, sample::select};
use std::{sync::Arc, time::Instant};

/// Generates a line that a client may send, or something close to one.
fn command() -> impl Strategy<Value = Vec<u8>> {
    let usual = select(vec![
        "LHLO a",
        "MAIL FROM:<a@b>",
        "MAIL FROM:<a@b>",
        "MAIL FROM:<>",
        "MAIL FROM:<no@b>",
        "MAIL FROM:<broken@b>",
        "MAIL FROM:<a@b> SIZE=9",
        "MAIL FROM:<a@b> SIZE=99999",
        "MAIL FROM:<a@b> X",
        "MAIL FROM:<\u{fc}@\u{7d44}> SMTPUTF8",
        "MAIL FROM:<a@b> SMTPUTF8=1",
        "RCPT TO:<\"\u{7d44} \u{fc}\"@b>",
        "RCPT TO:<full\u{85}@b>",
        "LHLO \u{fc}",
        "VRFY \u{fc} SMTPUTF8",
        "RCPT TO:<a@b>",
        "RCPT TO:<a@b>",
        "RCPT TO:<no@b>",
        "RCPT TO:<full@b>",
        "RCPT TO:<postmaster>",
        "RCPT TO:<>",
        "DATA",
        "DATA",
        "DATA",
        ".",
        ".",
        "..",
        ".x",
        "x",
        "",
        "RSET",
        "NOOP",
        "VRFY a",
        "HELP",
        "EHLO a",
        "EXPN",
        "QUIT",
        "NONSENSE",
        "STARTTLS",
        "GET /a HTTP/1.1",
        "HELP HTTP/2",
        "PROXY UNKNOWN",
        "SSH-2.0-a",
        "\u{16}\u{3}\u{1}",
    ]);
    let end = select(vec!["\r\n", "\r\n", "\r\n", "\r\n", "\r\n", "\r\n", "\n", "\r", ""]);
    (usual, end).prop_map(|(line, end)| [line, end].concat().into_bytes())
}

/// Generates a valid transaction, so that the data is reached often.
fn transaction() -> impl Strategy<Value = Vec<u8>> {
    (vec(select(vec!["a", "no", "full"]), 0..5), octets(0..80)).prop_map(|(names, body)| {
        let rcpt: String = names.iter().map(|name| format!("RCPT TO:<{name}@b>\r\n")).collect();
        let head = format!("RSET\r\nMAIL FROM:<a@b>\r\n{rcpt}DATA\r\n");
        [head.as_bytes(), &body, b"\r\n.\r\n"].concat()
    })
}

/// Generates random octets, most of them with a meaning in data.
fn octets(len: std::ops::Range<usize>) -> impl Strategy<Value = Vec<u8>> {
    vec(prop_oneof![Just(b'.'), Just(b'\r'), Just(b'\n'), Just(b'a'), any::<u8>()], len)
}

fn wire() -> impl Strategy<Value = Vec<u8>> {
    let part = prop_oneof![4 => command(), 2 => transaction(), 1 => octets(0..40)];
    let heads: Vec<&[u8]> = vec![b"LHLO a\r\n", b"LHLO a\r\n", b"", b"\r\n\r\n", b"\r\n\r\n\0\r\nQUIT"];
    (select(heads), vec(part, 0..25)).prop_map(|(head, parts)| [head, &parts.concat()].concat())
}

/// Sets tight limits, so that they are reached.
fn narrow(bare_newline: BareNewline) -> impl FnOnce(&mut Settings) {
    move |settings| {
        settings.bare_newline = bare_newline;
        settings.limits.message_size = 60;
        settings.limits.recipients = 3;
        settings.limits.errors = 10;
    }
}

fn bare_newline() -> impl Strategy<Value = BareNewline> {
    prop_oneof![Just(BareNewline::Keep), Just(BareNewline::Reject)]
}

/// Returns the events without the bodies of refused messages: how much of one arrives before the refusal
/// depends on the pieces, and is discarded anyway.
fn without_refused_bodies(seen: &[Seen]) -> Vec<&Seen> {
    let refused = |at: usize| matches!(seen.get(at..at + 2), Some([Seen::Body(_), Seen::Unwanted]));
    (0..seen.len()).filter(|at| !refused(*at)).map(|at| &seen[at]).collect()
}

fn is_reply_line(line: &str) -> bool {
    let Some(text) = line.strip_suffix("\r\n").filter(|text| text.len() >= 4) else { return false };
    let octets = text.as_bytes();
    matches!(octets[0], b'2'..=b'5')
        && octets[1..3].iter().all(u8::is_ascii_digit)
        && matches!(octets[3], b' ' | b'-')
        && octets.iter().all(|octet| matches!(octet, b' '..=b'~'))
        && line.len() <= 512
}

/// Returns whether the class of the enhanced code is that of the reply code (RFC 2034 section 4).
fn classes_agree(line: &str) -> bool {
    match line[4..].split('.').collect::<Vec<_>>()[..] {
        [class, subject, _, ..] if subject.bytes().all(|octet| octet.is_ascii_digit()) => {
            line.starts_with(class)
        }
        _ => true,
    }
}

proptest! {
    #[test]
    fn the_splitting_of_the_input_does_not_matter(
        wire in wire(),
        sizes in vec(1..20_usize, 1..6),
        bare_newline in bare_newline(),
    ) {
        let mut whole = Server::with(narrow(bare_newline));
        whole.receive(&wire);
        whole.receive(b"");
        whole.now += 2 * SECOND;
        whole.receive(b"");
        let mut cut = Server::with(narrow(bare_newline));
        for piece in pieces(&wire, &sizes) {
            cut.receive(piece);
        }
        cut.receive(b"");
        cut.now += 2 * SECOND;
        cut.receive(b"");
        prop_assert_eq!(whole.take_written(), cut.take_written());
        prop_assert_eq!(without_refused_bodies(&whole.seen), without_refused_bodies(&cut.seen));
    }

    #[test]
    fn each_accepted_recipient_gets_one_reply_and_every_line_is_well_formed(
        wire in wire(),
        sizes in vec(1..200_usize, 1..6),
        bare_newline in bare_newline(),
    ) {
        let mut server = Server::with(narrow(bare_newline));
        for piece in pieces(&wire, &sizes) {
            server.receive(piece);
        }
        for (accepted, replies) in &server.replies_to_data {
            prop_assert!(*accepted > 0);
            prop_assert_eq!(accepted, replies);
        }
        let written = server.take_written();
        for line in written.split_inclusive('\n').skip(1) {
            prop_assert!(is_reply_line(line), "{:?}", line);
            prop_assert!(classes_agree(line), "{:?}", line);
        }
        let closed = server.seen.iter().position(|seen| *seen == Seen::Close);
        prop_assert!(closed.is_none_or(|at| at + 1 == server.seen.len()), "nothing follows the end");
    }

    /// Compares a session that had plaintext behind STARTTLS with one that had none (RFC 3207 section 4.2). Pieces
    /// that follow the one with the end of the line do not reach the session: the handshake reads them.
    #[test]
    fn nothing_pipelined_behind_starttls_has_an_effect(
        before in vec(select(vec!["LHLO a\r\n", "NOOP\r\n", "NONSENSE\r\n", "MAIL FROM:<no@b>\r\n"]), 0..4),
        injected in wire(),
        sizes in vec(1..60_usize, 1..6),
        after in wire(),
    ) {
        let before = [before.concat().as_bytes(), b"STARTTLS\r\n"].concat();
        let run = |injected: &[u8]| {
            let mut server = Server::with(narrow(BareNewline::Keep));
            server.session.offer_starttls();
            for piece in pieces(&[&before, injected].concat(), &sizes) {
                server.receive(piece);
                if server.seen.contains(&Seen::StartTls) {
                    break;
                }
            }
            let greeted = server.session.peer_name().to_owned();
            server.receive(&after);
            (greeted, server.take_written(), server.seen, server.replies_to_data)
        };
        let (greeted, written, seen, replies) = run(b"");
        prop_assert_eq!(&greeted, "");
        prop_assert!(seen.contains(&Seen::StartTls));
        prop_assert_eq!(run(&injected), (greeted, written, seen, replies));
    }

    /// Each accepted transaction ends exactly once.
    #[test]
    fn an_accepted_mail_ends_once(wire in wire(), bare_newline in bare_newline()) {
        let mut server = Server::with(narrow(bare_newline));
        server.receive(&wire);
        let mut open = false;
        for seen in &server.seen {
            match seen {
                Seen::Mail(sender) => {
                    prop_assert!(!open);
                    open = !sender.starts_with("no");
                }
                Seen::Recipient(_) | Seen::Body(_) | Seen::Unwanted => prop_assert!(open),
                Seen::Complete(_) | Seen::Abandoned | Seen::Refused(Refused::Message, _) => {
                    prop_assert!(open);
                    open = false;
                }
                Seen::Refused(..) | Seen::StartTls | Seen::Flush | Seen::Close => {}
            }
        }
    }

    #[test]
    fn a_message_arrives_as_it_was_sent(
        text in octets(0..300),
        to in vec(select(vec!["a@b", "full@b", "no@b"]), 1..5),
        sizes in vec(1..50_usize, 1..5),
        hide_pipelining: bool,
    ) {
        let mut pair = Pair::new(Server::new(), &sizes);
        pair.hide_pipelining = hide_pipelining;
        pair.send("ann@example.org", &to, &text);
        let expected: Vec<_> = to
            .iter()
            .map(|address| match &address[..2] {
                "a@" => Some(250),
                "fu" => Some(452),
                _ => Some(550),
            })
            .collect();
        prop_assert_eq!(codes(&pair.events, to.len()), expected);
        prop_assert_eq!(pair.events.last(), Some(&ClientEvent::Ready));
        let mut arrived = text.clone();
        if !text.is_empty() && !text.ends_with(b"\r\n") {
            arrived.extend_from_slice(b"\r\n");
        }
        let is_sent = to.iter().any(|address| !address.starts_with("no")) && !arrived.is_empty();
        let bodies = if is_sent { vec![arrived.as_slice()] } else { vec![] };
        prop_assert_eq!(pair.server.bodies(), bodies);
    }
}

/// Generates a valid local part: as RFC 5321 section 4.1.2 allows, or with dots anywhere.
fn local_part() -> impl Strategy<Value = String> {
    prop_oneof![
        "[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]{1,20}(\\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]{1,20}){0,3}",
        "\\.{0,2}[a-z]{1,5}(\\.{1,3}[a-z]{1,5}){0,3}\\.{0,2}",
        "\"([ !#-\\[\\]-~]|\\\\[ -~]){0,30}\"",
        "[a-z\u{a0}-\u{10ffff}]{1,10}(\\.[a-z\u{a0}-\u{10ffff}]{1,10}){0,3}",
        "\"([ !#-\\[\\]-~\u{a0}-\u{10ffff}]|\\\\[ -~]){0,20}\"",
    ]
}

fn domain() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => "[A-Za-z0-9_]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?(\\.[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?){0,3}",
        1 => "[a-z\u{a0}-\u{10ffff}]{1,20}(\\.[a-z\u{a0}-\u{10ffff}]{1,20}){0,2}",
        1 => any::<std::net::Ipv4Addr>().prop_map(|address| format!("[{address}]")),
        1 => any::<std::net::Ipv6Addr>().prop_map(|address| format!("[IPv6:{address}]")),
        // Not the tag "ipv6", whose address would have to be one.
        1 => "\\[[a-z]{1,4}[0-57-9]:[!-Z^-~]{1,30}\\]",
    ]
}

/// Generates text that is close to an address.
fn nearly_an_address() -> impl Strategy<Value = String> {
    prop_oneof![
        ".{0,40}",
        "[a\"\\\\@.\\[\\]: <>,-]{0,20}",
        (local_part(), domain(), any::<prop::sample::Index>(), any::<char>()).prop_map(
            |(local, domain, at, c)| {
                let mut chars: Vec<char> = format!("{local}@{domain}").chars().collect();
                let at = at.index(chars.len());
                chars[at] = c;
                chars.into_iter().collect()
            }
        ),
    ]
}

proptest! {
    #[test]
    fn a_mailbox_reads_back_as_it_was_written(local in local_part(), domain in domain()) {
        let text = format!("{local}@{domain}");
        let mailbox: Mailbox = text.parse().map_err(|why| TestCaseError::fail(format!("{text}: {why}")))?;
        prop_assert_eq!(mailbox.as_str(), &text);
        prop_assert_eq!(mailbox.local().as_str(), &local);
        prop_assert_eq!(mailbox.domain().as_str(), &domain);
        let mut server = Server::greeted();
        // Whether the server accepts the addresses does not matter here.
        server.say(format!("MAIL FROM:<{text}>\r\nRSET\r\n").as_bytes());
        server.say(format!("MAIL FROM:<>\r\nRCPT TO:<@x.example:{mailbox}> \r\n").as_bytes());
        prop_assert!(server.seen.contains(&Seen::Mail(text.clone())), "{:?}", server.seen);
        prop_assert!(server.seen.contains(&Seen::Recipient(text)), "{:?}", server.seen);
    }

    #[test]
    fn no_text_makes_the_mailbox_parser_panic(text in nearly_an_address()) {
        if let Ok(mailbox) = text.parse::<Mailbox>() {
            prop_assert_eq!(mailbox.as_str(), &text);
            prop_assert_eq!(mailbox.is_ascii(), text.is_ascii());
            prop_assert!(mailbox.local().unquoted().len() <= mailbox.local().as_str().len());
            prop_assert_eq!(mailbox.to_string().parse::<Mailbox>(), Ok(mailbox));
        }
    }

    /// Reads the reply with a client, as is done in practice.
    #[test]
    fn a_reply_reads_back_as_it_was_written(
        code in prop_oneof![200..300_u16, 400..421_u16, 422..600_u16],
        lines in vec("[ -~]{0,100}", 1..6),
        sizes in vec(1..30_usize, 1..4),
    ) {
        let reply = Reply { code, lines };
        let mut wire = Vec::new();
        reply.encode(&mut wire);
        let text = String::from_utf8(wire.clone()).expect("ASCII");
        prop_assert!(text.split_inclusive('\n').all(is_reply_line), "{}", text);
        let (mut client, transaction) = client_after_the_data(1);
        let mut events = Vec::new();
        for mut piece in pieces(&wire, &sizes) {
            while let Some(event) = client.next(&mut piece) {
                events.push(event);
            }
        }
        let outcome = ClientEvent::Outcome { transaction, recipient: 0, phase: Phase::Message, reply: reply.into() };
        prop_assert_eq!(events, [outcome, ClientEvent::Ready]);
    }

    #[test]
    fn a_refusal_reads_back_as_it_was_written(
        code in 400..600_u16,
        subject in 0..1000_u16,
        detail in 0..1000_u16,
        text in prop_oneof!["[ -~]{0,100}", ".{0,600}", "(?s).{0,20}"],
    ) {
        let refusal = Refusal::new(code, subject, detail, "").with_text(text.clone());
        let said = refusal.to_string();
        let mut session: Session<(), String> = Session::new(Arc::new(crate::util::settings()));
        let mut input = b"LHLO a\r\nMAIL FROM:<>\r\n".as_slice();
        let mut events = std::iter::from_fn(|| session.next(Instant::now(), &mut input));
        prop_assert!(events.any(|event| matches!(event, Event::Mail(_))));
        session.output().clear();
        session.refuse(&refusal);
        let wire = String::from_utf8(session.output().clone()).expect("ASCII");
        prop_assert!(is_reply_line(&wire), "{}", wire);
        prop_assert_eq!(wire.trim_end_matches("\r\n"), &said);
        prop_assert_eq!(refusal.code(), code);
        prop_assert_eq!(refusal.is_temporary(), code < 500);
        let printable = text.len() <= 100 && text.bytes().all(|octet| matches!(octet, b' '..=b'~'));
        if printable {
            prop_assert_eq!(said, format!("{code} {}.{subject}.{detail} {text}", code / 100));
        }
    }

    #[test]
    fn no_octets_make_a_client_panic(wire in server_octets(), sizes in vec(1..40_usize, 1..5), recipient_count in 1..5_usize) {
        let mut client = Client::new(Protocol::Lmtp, "a");
        let to = recipients(&vec!["a@b"; recipient_count]);
        let mut transactions = vec![Vec::new()];
        let mut closed = false;
        for mut piece in pieces(&wire, &sizes) {
            while let Some(event) = client.next(&mut piece) {
                prop_assert!(!closed, "nothing follows the end");
                match &event {
                    ClientEvent::Ready => {
                        transactions.push(Vec::new());
                        let declared = Declared { size: Some(5), ..Declared::default() };
                        client.send(&Transaction::new(&sender("a@b"), &to, declared));
                    }
                    ClientEvent::SendBody { .. } => {
                        client.body(b"x");
                        client.end_of_body();
                    }
                    ClientEvent::Closed { .. } => closed = true,
                    ClientEvent::Outcome { .. } => {}
                    ClientEvent::StartTls | ClientEvent::Refused { .. } => {
                        prop_assert!(false, "an answer to what was not asked");
                    }
                }
                transactions.last_mut().expect("never empty").push(event);
            }
        }
        let last = transactions.pop().expect("never empty");
        codes(&last, recipient_count);
        for events in transactions.iter().skip(1) {
            prop_assert!(codes(events, recipient_count).iter().all(Option::is_some), "{:?}", events);
        }
    }
}

/// Generates octets that a server may send, or something close to them.
fn server_octets() -> impl Strategy<Value = Vec<u8>> {
    let line = select(vec![
        "250 Ok",
        "250 Ok",
        "250 Ok",
        "250 Ok",
        "250 2.1.5 Ok",
        "354 go",
        "354 go",
        "250-more",
        "550 5.1.1 No",
        "451 4.3.0 Later",
        "503 5.5.1 No",
        "250",
        "421 4.3.2 Bye",
        "220 x",
        "",
        "x",
        "2500",
    ])
    .prop_map(|line| format!("{line}\r\n").into_bytes());
    let part = prop_oneof![30 => line, 1 => octets(0..20)];
    let greeting = select(vec![
        "",
        "220 a\r\n250 b\r\n",
        "220 a\r\n250-b\r\n250 PIPELINING\r\n",
        "220 a\r\n250-b\r\n250 SIZE\r\n",
    ]);
    (greeting, vec(part, 0..30)).prop_map(|(head, parts)| [head.as_bytes(), &parts.concat()].concat())
}

/// Returns a client that waits for the outcomes of `recipient_count` recipients.
fn client_after_the_data(recipient_count: usize) -> (Client, TransactionId) {
    let mut client = Client::new(Protocol::Lmtp, "a");
    let mut input = b"220 a\r\n250 b\r\n".as_slice();
    assert_eq!(client.next(&mut input), Some(ClientEvent::Ready));
    let to = recipients(&vec!["a@b"; recipient_count]);
    let transaction = client.send(&Transaction::new(&ReversePath::Null, &to, Declared::default()));
    let replies = format!("250 a\r\n{}354 c\r\n", "250 b\r\n".repeat(recipient_count));
    assert_eq!(client.next(&mut replies.as_bytes()), Some(ClientEvent::SendBody { transaction }));
    client.end_of_body();
    (client, transaction)
}

/// The code that the property above leaves out, because it ends the session.
#[test]
fn a_421_reads_back_too() {
    let mut wire = Vec::new();
    let reply = Reply { code: 421, lines: vec!["4.3.2 a".to_owned(), "4.3.2 b".to_owned()] };
    reply.encode(&mut wire);
    assert_eq!(wire, b"421-4.3.2 a\r\n421 4.3.2 b\r\n");
    assert_eq!(reply.to_string(), "421 4.3.2 a / 4.3.2 b");
    let (mut client, transaction) = client_after_the_data(1);
    let why = Closed::Refused { phase: Some(Phase::Message), reply };
    let event = client.next(&mut wire.as_slice());
    assert_eq!(event, Some(ClientEvent::Closed { why, in_doubt: Some(transaction) }));
}
