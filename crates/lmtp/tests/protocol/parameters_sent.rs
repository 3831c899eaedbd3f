//! The parameters that a client writes, and only to servers that announce them.

use crate::talk::talk;
use crate::util::recipients;
use listgate_lmtp::{Client, ClientEvent, Declared, Dsn, EnvelopeId, Protocol, ReversePath, Transaction};

#[test]
fn parameters_are_sent_to_servers_that_announce_them() {
    let script = |keywords: &str, mail: &str, rcpt: &str| {
        format!(
            "
            S: 220 mail.example
            C: EHLO client.example
            S: 250-mail.example
            {keywords}
            S: 250 PIPELINING
            E: ready
            D: send s@a a@b orcpt=o+1@b c@d 8bit dsn
            C: MAIL FROM:<s@a>{mail}
            C: RCPT TO:<a@b>{rcpt}
            C: RCPT TO:<c@d>{}
            C: DATA",
            rcpt.split(" ORCPT").next().unwrap()
        )
    };
    for (keywords, mail, rcpt) in [
        ("", "", ""),
        ("S: 250-SIZE", " SIZE=5", ""),
        ("S: 250-8BITMIME", " BODY=8BITMIME", ""),
        ("S: 250-SMTPUTF8", "", ""),
        ("S: 250-DSN", " RET=HDRS ENVID=a+20b+2B1", " NOTIFY=FAILURE ORCPT=rfc822;o+2B1@b"),
        (
            "S: 250-DSN\nS: 250-8BITMIME\nS: 250-SIZE 9",
            " SIZE=5 BODY=8BITMIME RET=HDRS ENVID=a+20b+2B1",
            " NOTIFY=FAILURE ORCPT=rfc822;o+2B1@b",
        ),
    ] {
        talk(Protocol::Smtp, &script(keywords, mail, rcpt));
        talk(Protocol::Lmtp, &script(keywords, mail, rcpt).replace("EHLO", "LHLO"));
    }
}

/// Returns the parameters of MAIL and of RCPT.
fn sent(keywords: &str, original: &str, dsn: Option<&Dsn>, to: &str) -> (String, String) {
    let mut client = Client::new(Protocol::Smtp, "a");
    let said = format!("220 a\r\n250-b\r\n{keywords}250 PIPELINING\r\n");
    assert_eq!(client.next(&mut said.as_bytes()), Some(ClientEvent::Ready));
    client.output().clear();
    let mut to = recipients(&[to]);
    to[0].original = Some(original.parse().expect("a test writes good addresses"));
    let from = ReversePath::Null;
    client.send(&Transaction { from: &from, to: &to, declared: Declared::default(), dsn });
    let out = String::from_utf8(std::mem::take(client.output())).expect("commands are text");
    let mut parameters = out.split("\r\n").filter_map(|line| line.split_once('>'));
    let mut next = || parameters.next().expect("MAIL, then RCPT").1.to_owned();
    (next(), next())
}

#[test]
fn an_original_recipient_is_encoded() {
    let long = format!("{}@b", "x".repeat(491));
    let too_long = format!("{}@b", "x".repeat(492));
    for (original, expected) in [
        ("a@b", "rfc822;a@b"),
        ("a+b=c@d", "rfc822;a+2Bb+3Dc@d"),
        (r#""a b"@c"#, r#"rfc822;"a+20b"@c"#),
        (r#""a\b"@c"#, r#"rfc822;"a\b"@c"#),
        ("\u{fc}@b", "utf-8;\\x{FC}@b"),
        (r#""ü \+"@組"#, r#"utf-8;"\x{FC}\x{20}\x{5C}\x{2B}"@\x{7D44}"#),
        (&long, &format!("rfc822;{long}")),
    ] {
        let (_, rcpt) = sent("250-DSN\r\n", original, None, "a@b");
        assert_eq!(rcpt, format!(" ORCPT={expected}"), "{original}");
    }
    assert_eq!(sent("250-DSN\r\n", &too_long, None, "a@b").1, "");
    assert_eq!(sent("", "a@b", None, "a@b").1, "");
}

/// RFC 6533 section 3: the form in UTF-8 is for transactions with SMTPUTF8.
#[test]
fn an_original_recipient_is_in_utf8_only_with_smtputf8() {
    let both = "250-DSN\r\n250-SMTPUTF8\r\n";
    let (mail, rcpt) = sent(both, "\"\u{fc} +\"@b", None, "\u{e4}@b");
    assert_eq!((mail.as_str(), rcpt.as_str()), (" SMTPUTF8", " ORCPT=utf-8;\"\u{fc}\\x{20}\\x{2B}\"@b"));
    let (mail, rcpt) = sent(both, "\u{fc}@b", None, "a@b");
    assert_eq!((mail.as_str(), rcpt.as_str()), ("", " ORCPT=utf-8;\\x{FC}@b"));
}

#[test]
fn each_wish_for_reports_is_a_parameter() {
    let id = || "3f2a-1".parse().ok();
    for (dsn, mail, rcpt) in [
        (Dsn::default(), "", " ORCPT=rfc822;a@b"),
        (Dsn { envelope_id: id(), ..Dsn::default() }, " ENVID=3f2a-1", " ORCPT=rfc822;a@b"),
        (Dsn { headers_only: true, ..Dsn::default() }, " RET=HDRS", " ORCPT=rfc822;a@b"),
        (Dsn { failures_only: true, ..Dsn::default() }, "", " NOTIFY=FAILURE ORCPT=rfc822;a@b"),
    ] {
        assert_eq!(sent("250-DSN\r\n", "a@b", Some(&dsn), "a@b"), (mail.to_owned(), rcpt.to_owned()));
    }
}

#[test]
fn an_envelope_id_is_printable_and_short() {
    for (text, valid) in [
        ("a", true),
        (" ~", true),
        (&"x".repeat(100), true),
        (&"+".repeat(33), true),
        ("", false),
        ("a\r\nb", false),
        ("\u{fc}", false),
        ("a\u{7f}", false),
        (&"x".repeat(101), false),
        (&"+".repeat(34), false),
    ] {
        let id = text.parse::<EnvelopeId>();
        assert_eq!(id.is_ok(), valid, "{text:?}");
        if let Ok(id) = id {
            assert_eq!(id.as_str(), text);
        }
    }
}
