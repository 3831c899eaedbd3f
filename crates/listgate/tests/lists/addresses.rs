//! A literal table of addresses, each through RCPT, through `check`, and into its queue.

use crate::support::socketmap::Socketmap;
use crate::support::{Peer, Site, queued_as, socketmap, tcp};
use listgate::Config;

/// Role, list_id, detail, queue.
type Expected = (&'static str, &'static str, &'static str, &'static str);

const NO: Expected = ("", "", "", "");

/// Each address and what it is; [`NO`] for one that is not an endpoint.
const TABLE: &[(&str, Expected)] = &[
    // Each row of the table of sub-addresses.
    ("mylist@example.com", ("post", "mylist.example.com", "", "in")),
    ("mylist-owner@example.com", ("owner", "mylist.example.com", "", "in")),
    ("mylist-bounces@example.com", ("bounces", "mylist.example.com", "", "bounces")),
    ("mylist-request@example.com", ("request", "mylist.example.com", "", "command")),
    ("mylist-confirm@example.com", ("confirm", "mylist.example.com", "", "command")),
    ("mylist-join@example.com", ("join", "mylist.example.com", "", "command")),
    ("mylist-subscribe@example.com", ("join", "mylist.example.com", "", "command")),
    ("mylist-leave@example.com", ("leave", "mylist.example.com", "", "command")),
    ("mylist-unsubscribe@example.com", ("leave", "mylist.example.com", "", "command")),
    // Case.
    ("MyList@Example.COM", ("post", "mylist.example.com", "", "in")),
    ("MYLIST-JOIN@EXAMPLE.COM", ("join", "mylist.example.com", "", "command")),
    ("mylist-Owner@example.com", ("owner", "mylist.example.com", "", "in")),
    // Quotes that are not needed, and quotes that are.
    (r#""mylist"@example.com"#, ("post", "mylist.example.com", "", "in")),
    (r#""my\list-join"@example.com"#, ("join", "mylist.example.com", "", "command")),
    (r#""mylist+x"@example.com"#, ("post", "mylist.example.com", "x", "in")),
    (r#""MyList-Request"@example.com"#, ("request", "mylist.example.com", "", "command")),
    (r#""my list"@example.com"#, NO),
    (r#""mylist@example.com"@example.com"#, NO),
    (r#"" mylist"@example.com"#, NO),
    (r#""mylist\""@example.com"#, NO),
    (r#"""@example.com"#, NO),
    (r#""mylist."@example.com"#, NO),
    // Details.
    ("mylist+x@example.com", ("post", "mylist.example.com", "x", "in")),
    ("mylist+@example.com", ("post", "mylist.example.com", "", "in")),
    ("mylist-confirm+ToKeN@example.com", ("confirm", "mylist.example.com", "ToKeN", "command")),
    (
        "mylist-confirm+0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef@example.com",
        (
            "confirm",
            "mylist.example.com",
            "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
            "command",
        ),
    ),
    (
        "mylist-bounces+anne.person=example.org@example.com",
        ("bounces", "mylist.example.com", "anne.person=example.org", "bounces"),
    ),
    ("mylist-bounces+a+b@example.com", ("bounces", "mylist.example.com", "a+b", "bounces")),
    ("mylist+x-join@example.com", ("post", "mylist.example.com", "x-join", "in")),
    ("mylist-join+x-leave@example.com", ("join", "mylist.example.com", "x-leave", "command")),
    ("test-join+x@example.com", ("post", "test-join.example.com", "x", "in")),
    ("+mylist@example.com", NO),
    ("+@example.com", NO),
    // The whole name of a list takes precedence over a sub-address.
    ("test@example.com", ("post", "test.example.com", "", "in")),
    ("test-join@example.com", ("post", "test-join.example.com", "", "in")),
    ("test-join-join@example.com", ("join", "test-join.example.com", "", "command")),
    ("test-join-owner@example.com", ("owner", "test-join.example.com", "", "in")),
    ("test-leave@example.com", ("leave", "test.example.com", "", "command")),
    ("test-subscribe@example.com", ("join", "test.example.com", "", "command")),
    // Names that are sub-addresses, or begin with a dash, or have dots and dashes.
    ("join@example.com", ("post", "join.example.com", "", "in")),
    ("join-join@example.com", ("join", "join.example.com", "", "command")),
    ("-join@example.com", ("post", "-join.example.com", "", "in")),
    ("-join-leave@example.com", ("leave", "-join.example.com", "", "command")),
    ("a.b@example.com", ("post", "a.b.example.com", "", "in")),
    ("a.b-request@example.com", ("request", "a.b.example.com", "", "command")),
    ("two-words@example.com", ("post", "two-words.example.com", "", "in")),
    ("two-words-owner@example.com", ("owner", "two-words.example.com", "", "in")),
    // An alias domain, and another domain with a list of the same name.
    ("mylist@alias.example", ("post", "mylist.example.com", "", "in")),
    ("mylist-join@ALIAS.example", ("join", "mylist.example.com", "", "command")),
    ("test-join-join@alias.example", ("join", "test-join.example.com", "", "command")),
    ("mylist-confirm+T@alias.example", ("confirm", "mylist.example.com", "T", "command")),
    ("mylist@example.org", ("post", "mylist.example.org", "", "in")),
    ("mylist-owner@example.org", ("owner", "mylist.example.org", "", "in")),
    // A renamed list keeps its list_id.
    ("new-name@example.com", ("post", "old-name.example.com", "", "in")),
    ("new-name-join@example.com", ("join", "old-name.example.com", "", "command")),
    ("old-name@example.com", NO),
    // Postmasters, as set by `site.postmaster`.
    ("postmaster", ("owner", "mylist.example.com", "", "in")),
    ("POSTMASTER", ("owner", "mylist.example.com", "", "in")),
    ("postmaster@example.com", ("owner", "mylist.example.com", "", "in")),
    ("Postmaster@alias.example", ("owner", "mylist.example.com", "", "in")),
    ("postmaster@elsewhere.example", NO),
    // Two dots, or a dot at an end, quoted as Postfix writes them and unquoted as Exim does.
    (
        r#""mylist-bounces+foo..bar=docomo.example"@example.com"#,
        ("bounces", "mylist.example.com", "foo..bar=docomo.example", "bounces"),
    ),
    (
        "mylist-bounces+foo..bar=docomo.example@example.com",
        ("bounces", "mylist.example.com", "foo..bar=docomo.example", "bounces"),
    ),
    (
        r#""mylist-bounces+foo.=docomo.example"@example.com"#,
        ("bounces", "mylist.example.com", "foo.=docomo.example", "bounces"),
    ),
    (
        "mylist-bounces+.foo=d.example@example.com",
        ("bounces", "mylist.example.com", ".foo=d.example", "bounces"),
    ),
    ("mylist-bounces+foo.@example.com", ("bounces", "mylist.example.com", "foo.", "bounces")),
    ("my..list@example.com", NO),
    ("mylist.@example.com", NO),
    (".mylist@example.com", NO),
    // Other scripts: in any case, composed or not, with U-labels or A-labels.
    ("j\u{fc}rgen@example.com", ("post", "j\u{fc}rgen.example.com", "", "in")),
    ("JU\u{308}RGEN@example.com", ("post", "j\u{fc}rgen.example.com", "", "in")),
    ("\"J\u{dc}rgen\"@example.com", ("post", "j\u{fc}rgen.example.com", "", "in")),
    ("ju\u{308}rgen-JOIN@example.com", ("join", "j\u{fc}rgen.example.com", "", "command")),
    (
        "j\u{fc}rgen-confirm+T\u{d6}K@alias.example",
        ("confirm", "j\u{fc}rgen.example.com", "T\u{d6}K", "command"),
    ),
    (
        "mylist-bounces+j\u{fc}=x.example@example.com",
        ("bounces", "mylist.example.com", "j\u{fc}=x.example", "bounces"),
    ),
    ("リスト@例え.テスト", ("post", "リスト.xn--r8jz45g.xn--zckzah", "", "in")),
    ("リスト@xn--r8jz45g.xn--zckzah", ("post", "リスト.xn--r8jz45g.xn--zckzah", "", "in")),
    ("リスト-owner@XN--R8JZ45G.テスト", ("owner", "リスト.xn--r8jz45g.xn--zckzah", "", "in")),
    ("team@b\u{fc}cher.example", ("post", "team.xn--bcher-kva.example", "", "in")),
    ("Team-Leave@BU\u{308}CHER.example", ("leave", "team.xn--bcher-kva.example", "", "command")),
    ("team@xn--bcher-kva.example", ("post", "team.xn--bcher-kva.example", "", "in")),
    ("jurgen@example.com", NO),
    ("りすと@例え.テスト", NO),
    ("team@bucher.example", NO),
    ("team@\u{fc}.b\u{fc}cher.example", NO),
    ("abuse@example.com", ("owner", "mylist.example.com", "", "in")),
    ("ABUSE@alias.example", ("owner", "mylist.example.com", "", "in")),
    ("abuse@elsewhere.example", NO),
    ("abuse-owner@example.com", NO),
    // Near misses.
    ("nolist@example.com", NO),
    ("mylist-bogus@example.com", NO),
    ("mylist-admin@example.com", NO),
    ("mylist-editor@example.com", NO),
    ("mylist-@example.com", NO),
    ("mylist--join@example.com", NO),
    ("mylist-join-@example.com", NO),
    ("mylist-join-join@example.com", NO),
    ("mylist.join@example.com", NO),
    ("mylis@example.com", NO),
    ("mylistt@example.com", NO),
    ("mylist@example.co", NO),
    ("mylist@sub.example.com", NO),
    ("mylist@[127.0.0.1]", NO),
    ("test-join@example.org", NO),
    ("owner@example.com", NO),
    ("-owner@example.com", NO),
];

fn site() -> Site {
    let site = Site::new();
    for list in ["mylist", "test", "test-join", "join", "-join", "a.b", "two-words", "old-name"] {
        site.create(&format!("{list}@example.com"));
    }
    for list in
        ["mylist@example.org", "Ju\u{308}rgen@example.com", "リスト@例え.テスト", "team@B\u{fc}cher.example"]
    {
        site.create(list);
    }
    site.stdout(&["list", "rename", "old-name@example.com", "new-name@example.com"]);
    site.stdout(&["domain", "add", "alias.example", "--alias-of", "example.com"]);
    std::fs::write(site.data().join("gate.toml"), "[site]\npostmaster = \"mylist@example.com\"\n").unwrap();
    site
}

#[test]
fn every_row_through_rcpt_and_into_its_queue() {
    let site = site();
    let postmaster = Some("mylist@example.com".parse().unwrap());
    let gate = site.gate(Config { postmaster, ..site.config() });
    let mut peer = Peer::greeted(tcp(&gate));
    assert!(TABLE.len() >= 60);
    for (address, expected) in TABLE {
        assert_eq!(&peer.command("MAIL FROM:<>")[..3], "250");
        let reply = peer.command(&format!("RCPT TO:<{address}>"));
        if *expected == NO {
            assert_eq!(reply, "550 5.1.1 Requested action not taken: mailbox unavailable", "{address}");
            assert_eq!(&peer.command("RSET")[..3], "250");
            continue;
        }
        assert_eq!(reply, "250 2.1.5 Recipient ok", "{address}");
        assert_eq!(&peer.command("DATA")[..3], "354");
        peer.send("Message-ID: <a@b>\r\n\r\n.\r\n");
        let id = queued_as(&peer.reply()).to_owned();
        let entry = &site.json(&["queue", "show", &id])[0];
        let (role, list_id, detail, queue) = *expected;
        assert_eq!(entry["queue"], queue, "{address}");
        assert_eq!(entry["list_id"], list_id, "{address}");
        assert_eq!(entry["detail"].as_str().unwrap_or_default(), detail, "{address}");
        assert_eq!(entry["recipient"].as_str().unwrap().to_lowercase(), address.to_lowercase());
        let msgdata = &entry["msgdata"];
        match role {
            "post" => assert_eq!(msgdata["to_list"], true, "{address}"),
            role => assert_eq!(msgdata["subaddress"], role, "{address}"),
        }
        assert_eq!(msgdata["to_owner"].as_bool(), (role == "owner").then_some(true), "{address}");
    }
}

#[test]
fn every_row_through_check() {
    let site = site();
    let config = site.data().join("gate.toml");
    let args = ["check", "--json", "--config", config.to_str().unwrap(), "--"];
    let addresses: Vec<&str> = TABLE.iter().map(|(address, _)| *address).collect();
    let output = site.listgate(&[&args[..], &addresses].concat());
    assert_eq!(output.status.code(), Some(1), "some are refused");
    let stdout = String::from_utf8(output.stdout).unwrap();
    assert_eq!(stdout.lines().count(), TABLE.len());
    for (line, (address, expected)) in stdout.lines().zip(TABLE) {
        let answer: serde_json::Value = serde_json::from_str(line).unwrap();
        let text = |key: &str| answer[key].as_str().unwrap_or_default().to_owned();
        let found = [text("role"), text("list_id"), text("detail"), text("queue")];
        let (role, list_id, detail, queue) = *expected;
        assert_eq!(found, [role, list_id, detail, queue], "{address}");
        let code = if *expected == NO { "550 5.1.1" } else { "250 2.1.5" };
        assert!(text("reply").starts_with(code), "{address}: {line}");
    }
}

#[test]
fn check_takes_an_address_in_brackets() {
    let site = Site::with_list();
    let stdout = site.stdout(&["check", "<mylist@example.com>"]);
    assert!(stdout.contains("reply     250 2.1.5"), "{stdout}");
    assert_eq!(site.listgate(&["check", "<>"]).status.code(), Some(1));
}

#[test]
fn every_row_through_socketmap() {
    let site = site();
    let postmaster = Some("mylist@example.com".parse().unwrap());
    let listen = vec!["127.0.0.1:0".parse().unwrap()];
    let gate = site.gate(Config { postmaster, socketmap: listen, ..site.config() });
    let mut postfix = Socketmap::connect(socketmap(&gate));
    let delivers = format!("OK lmtp:inet:[127.0.0.1]:{}", tcp(&gate).port());
    for (address, expected) in TABLE {
        // A map has no domain to add to a bare name.
        let is_found = *expected != NO && address.contains('@');
        let [recipients, transport] = if is_found { ["OK OK", &delivers] } else { ["NOTFOUND "; 2] };
        assert_eq!(postfix.query("recipients", address), recipients, "{address}");
        assert_eq!(postfix.query("transport", address), transport, "{address}");
    }
    let idn = ["b\u{fc}cher.example", "xn--bcher-kva.example", "例え.テスト"];
    for domain in ["example.com", "Example.ORG", "alias.example"].into_iter().chain(idn) {
        assert_eq!(postfix.query("domains", domain), format!("OK {domain}"));
    }
    for key in
        ["", "*", "@example.com", ".example.com", "com", "sub.example.com", "mylist@example.com", "a b"]
    {
        assert_eq!(postfix.query("domains", key), "NOTFOUND ", "{key}");
    }
    for key in
        ["", "*", "<>", "mylist", "@", "@example.com", "example.com", ".example.com", "my list@example.com"]
    {
        assert_eq!(postfix.query("recipients", key), "NOTFOUND ", "{key}");
        assert_eq!(postfix.query("transport", key), "NOTFOUND ", "{key}");
    }
    gate.stop().unwrap();
}
