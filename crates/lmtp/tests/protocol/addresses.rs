//! Which addresses are valid (RFC 5321 sections 4.1.2 and 4.1.3).

use crate::util::{Seen, Server};
use listgate_lmtp::{Mailbox, is_domain, is_domain_name, is_dot_string, needs_no_quotes};

fn good() -> Vec<String> {
    let long_name = [&"a".repeat(63), &"b".repeat(63), &"c".repeat(63), "d".repeat(63).as_str()].join(".");
    let mut good: Vec<String> = [
        "a@b",
        "list@example.com",
        "LIST@Example.COM",
        "list+detail@example.com",
        "list-bounces+ann=example.org@example.com",
        "first.last@example.com",
        "foo..bar@docomo.example",
        ".foo@docomo.example",
        "foo.@docomo.example",
        "..foo...bar..@docomo.example",
        r#""foo..bar"@docomo.example"#,
        r#""..."@docomo.example"#,
        "!#$%&'*+-/=?^_`{|}~@example.com",
        r#""my list"@example.com"#,
        r#""a@b"@example.com"#,
        r#""a\"b\\c\ d"@example.com"#,
        r#"""@example.com"#,
        r#""<>(),;:"@example.com"#,
        "a@xn--bcher-kva.example",
        "a@b\u{fc}cher.example",
        "\u{fc}@\u{fc}.\u{7d44}\u{7e54}",
        "\u{7528}..\u{6237}.@example.com",
        "\"\u{7528} \u{6237}\\\"\"@b\u{fc}cher.example",
        "a\u{a0}b@example.com",
        "\u{1f600}+\u{e4}@example.com",
        "a@under_score.example",
        "a@1.2.3",
        "a@[192.0.2.1]",
        "a@[IPv6:2001:db8::1]",
        "a@[ipv6:::ffff:192.0.2.1]",
        "a@[x-tag:some(@)thing]",
    ]
    .map(str::to_owned)
    .to_vec();
    good.push(format!("{}@example.com", "a".repeat(65)));
    good.push(format!("{}@example.com", "a".repeat(1024)));
    good.push(format!("a@{long_name}"));
    good.push(format!("a@{}.example", "\u{7d44}".repeat(50)));
    good.push(format!("{}@example.com", "\u{e4}".repeat(512)));
    good
}

fn bad() -> Vec<String> {
    let mut bad: Vec<String> = [
        "",
        "a",
        "@",
        "a@",
        "@b",
        ".@b",
        "..@b",
        "...@b",
        r#""a".@b"#,
        r#".."a"@b"#,
        "a b@c",
        "a@b c",
        "a@b@c",
        "a,b@c",
        "(comment)a@b",
        "a@b.",
        "a@.b",
        "a@b..c",
        "a@-b",
        "a@b-",
        "a@b!c",
        r#""a@b"#,
        r#""a"b@c"#,
        r#"a"b"@c"#,
        r#""a"@"#,
        r#""a\"#,
        "\"a\\\u{1}\"@b",
        "\"a\tb\"@c",
        "a\0@b",
        "a@b\0",
        "a@[192.0.2.1",
        "a@[192.0.2]",
        "a@[192.0.2.256]",
        "a@[192.0.02.1]",
        "a@[IPv6:192.0.2.1]",
        "a@[IPv6:2001:db8:::1]",
        "a@[IPv6:fe80::1%eth0]",
        "a@[]",
        "a@[x:]",
        "a@[:y]",
        "a@[x-:y]",
        "a@[x_y:z]",
        "a@[x:y z]",
        "a@[x:\u{e4}]",
        "a@[192.0.2.1]x",
    ]
    .map(str::to_owned)
    .to_vec();
    bad.push(format!("{}@example.com", "a".repeat(1025)));
    bad.push(format!("\"{}\"@example.com", "a".repeat(1023)));
    bad.push(format!("a@{}", "b".repeat(64)));
    bad.push(format!("a@{}", vec!["b".repeat(63); 4].join(".") + "c"));
    bad.push(format!("a@[x:{}]", "y".repeat(255)));
    bad
}

fn bad_in_utf8() -> Vec<String> {
    let mut bad: Vec<String> = [
        "\u{85}@example.com",
        "b\u{80}cher@example.com",
        "\"b\u{9f}cher\"@example.com",
        "\"\\\u{fc}\"@example.com",
        "a@b\u{85}cher.example",
        "a@-b\u{fc}cher.example",
        "a@b\u{fc}cher-.example",
        "a@b\u{fc}cher..example",
    ]
    .map(str::to_owned)
    .to_vec();
    bad.push(format!("{}@example.com", "\u{e4}".repeat(513)));
    bad.push(format!("a@{}", "\u{e4}".repeat(128)));
    bad
}

#[test]
fn addresses_are_kept_as_written() {
    for address in good() {
        let mailbox: Mailbox = address.parse().unwrap_or_else(|why| panic!("{address}: {why}"));
        assert_eq!(mailbox.as_str(), address);
        assert_eq!(format!("{}@{}", mailbox.local().as_str(), mailbox.domain().as_str()), address);
        let mut server = Server::greeted();
        let replies = server.say(format!("MAIL FROM:<{address}>\r\nRCPT TO:<{address}>\r\n").as_bytes());
        assert_eq!(replies, "250 2.1.0 Sender ok\r\n250 2.1.5 Recipient ok\r\n", "{address}");
        assert_eq!(server.seen, [Seen::Mail(address.clone()), Seen::Recipient(address)]);
    }
}

#[test]
fn invalid_addresses_are_501() {
    for address in bad().into_iter().chain(bad_in_utf8()) {
        assert!(address.parse::<Mailbox>().is_err(), "{address:?}");
        let mut server = Server::greeted();
        server.say(b"MAIL FROM:<ann@example.org>\r\n");
        let reply = server.say(format!("RCPT TO:<{address}>\r\n").as_bytes());
        assert!(reply.starts_with("501 5.1.3 Malformed recipient address: "), "{address:?}: {reply}");
        server.say(b"RSET\r\n");
        if !address.is_empty() {
            let reply = server.say(format!("MAIL FROM:<{address}>\r\n").as_bytes());
            assert!(reply.starts_with("501 5.1.7 Malformed sender address: "), "{address:?}: {reply}");
        }
    }
}

#[test]
fn invalid_utf8_is_refused_with_the_reason() {
    let mut server = Server::greeted();
    for path in [
        b"b\xfccher@example.com".as_slice(),
        b"a@b\xfccher.example",
        b"\"\xe4\"@b",
        b"\xc0\x80@b",
        b"a\xe4@b",
        b"\xed\xa0\x80@b",
        b"@\xff:a@b",
    ] {
        let reply = server.say(&[b"MAIL FROM:<", path, b">\r\n"].concat());
        let expected = "501 5.1.7 Malformed sender address: it is not valid UTF-8\r\n";
        assert_eq!(reply, expected, "{}", path.escape_ascii());
    }
    assert_eq!(server.say(b"LHLO \xff\r\n"), "501 Syntax: LHLO hostname\r\n");
    assert_eq!(server.say(b"VRFY \xff\r\n"), "501 5.5.4 Malformed string: it is not valid UTF-8\r\n");
}

#[test]
fn the_null_path_may_send_but_not_receive() {
    let mut server = Server::greeted();
    assert_eq!(server.say(b"MAIL FROM:<>\r\n"), "250 2.1.0 Sender ok\r\n");
    assert_eq!(server.seen, [Seen::Mail("<>".to_owned())]);
    let reply = server.say(b"RCPT TO:<>\r\n");
    assert_eq!(reply, "501 5.1.3 Malformed recipient address: the local part is missing\r\n");
}

#[test]
fn postmaster_needs_no_domain_and_ignores_case() {
    for name in ["postmaster", "Postmaster", "POSTMASTER"] {
        let mut server = Server::greeted();
        let replies = server.say(format!("MAIL FROM:<>\r\nRCPT TO:<{name}>\r\n").as_bytes());
        assert_eq!(replies, "250 2.1.0 Sender ok\r\n250 2.1.5 Recipient ok\r\n");
        assert_eq!(server.seen[1], Seen::Recipient("postmaster".to_owned()));
    }
    let mut server = Server::greeted();
    server.say(b"MAIL FROM:<>\r\n");
    assert!(server.say(b"RCPT TO:<@a.example:postmaster>\r\n").starts_with("501 "));
    assert!(server.say(b"RCPT TO:<postmaster\r\n").starts_with("501 "));
    server.say(b"RCPT TO:<PostMaster@example.com>\r\n");
    assert_eq!(
        server.seen[1..],
        [Seen::Flush, Seen::Flush, Seen::Recipient("PostMaster@example.com".to_owned())]
    );
    server.say(b"RSET\r\n");
    assert!(server.say(b"MAIL FROM:<postmaster>\r\n").starts_with("501 "), "a sender has a domain");
}

#[test]
fn source_routes_are_ignored() {
    let mut server = Server::greeted();
    server.say(b"MAIL FROM:<@a.example:ann@example.org>\r\n");
    server.say(b"RCPT TO:<@a.example,@b.example:list@example.com>\r\n");
    let names = [Seen::Mail("ann@example.org".to_owned()), Seen::Recipient("list@example.com".to_owned())];
    assert_eq!(server.seen, names);
    for route in ["@:", "@a", "@a,:", "@a,b:", "@a;", "@a,@:", "@a.example", "@a b:"] {
        let reply = server.say(format!("RCPT TO:<{route}list@example.com>\r\n").as_bytes());
        assert!(reply.starts_with("501 5.1.3 "), "{route}: {reply}");
    }
}

#[test]
fn quotes_are_kept_and_can_be_removed() {
    let parse = |text: &str| text.parse::<Mailbox>().unwrap();
    let quoted = parse(r#""a \"b\" \\c"@example.com"#);
    assert!(quoted.local().is_quoted());
    assert_eq!(quoted.local().unquoted(), r#"a "b" \c"#);
    let plain = parse("list@[192.0.2.1]");
    assert!(!plain.local().is_quoted());
    assert_eq!(plain.local().unquoted(), "list");
    assert!(plain.domain().is_literal());
    assert!(!quoted.domain().is_literal());
    assert_eq!(parse(r#""a@b"@c"#).domain().as_str(), "c");
    assert_eq!(parse("a@[x:b@c]").local().as_str(), "a");
}

#[test]
fn names_can_be_checked_without_an_address() {
    assert!(is_dot_string("a.b") && !is_dot_string("a b") && !is_dot_string("") && !is_dot_string("a."));
    assert!(is_dot_string("\u{e4}.\u{fc}") && !is_dot_string("\u{e4}..b") && !is_dot_string("\u{85}"));
    assert!(needs_no_quotes("\u{e4}..\u{fc}") && !needs_no_quotes("\u{85}"));
    assert!(is_domain_name("b\u{fc}cher.example") && !is_domain_name("b\u{85}.example"));
    assert!(is_domain("b\u{fc}cher.example") && !is_domain("b\u{85}.example"));
    assert!(is_domain_name("example.com") && !is_domain_name("[192.0.2.1]") && !is_domain_name(""));
    assert!(!is_domain_name("example.com.") && !is_domain_name(&"a.".repeat(150)));
    assert!(is_domain("example.com") && is_domain("[192.0.2.1]") && is_domain("[IPv6:::1]"));
    assert!(!is_domain("") && !is_domain("[192.0.2.1]a") && !is_domain("a(") && !is_domain("[192.0.2]"));
}

/// Such addresses are in daily use, and mail servers write them with and without quotes.
#[test]
fn dots_may_be_anywhere() {
    for text in ["foo..bar", ".foo", "foo.", "..foo", "a..b..c"] {
        assert!(needs_no_quotes(text) && !is_dot_string(text), "{text}");
        for written in [text.to_owned(), format!("\"{text}\"")] {
            let mailbox: Mailbox = format!("{written}@docomo.example").parse().unwrap();
            assert_eq!(mailbox.local().as_str(), written);
            assert_eq!(mailbox.local().unquoted(), text);
        }
    }
    assert!(needs_no_quotes("a.b") && is_dot_string("a.b"));
    for text in [".", "..", "a b", "", "a@b", "a\"b"] {
        assert!(!needs_no_quotes(text) && !is_dot_string(text), "{text:?}");
    }
}

#[test]
fn errors_describe_what_is_wrong() {
    for (text, words) in [
        ("..@c", "the local part has only dots"),
        ("a@b c", "something follows the address"),
        ("a@", "the domain is missing"),
        ("\"a\\", "the quoted local part does not end"),
        ("\"a\\\u{1}\"@b", "a control character in the local part"),
        ("\"a\\\u{e4}\"@b", "a backslash before a character that is not ASCII"),
        ("a\u{85}@b", "a control character (U+0080 to U+009F)"),
        ("a@b\u{9f}", "a control character (U+0080 to U+009F)"),
    ] {
        let why: Box<dyn std::error::Error> = text.parse::<Mailbox>().unwrap_err().into();
        assert_eq!(why.to_string(), words, "{text:?}");
    }
}
