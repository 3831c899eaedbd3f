//! Lists with long names have a short alias for addresses with tokens.

use crate::older_schema::with_schema;
use crate::support::socketmap::Socketmap;
use crate::support::{OWNER, Peer, Site, queued_as, socketmap, tcp};
use listgate::Config;

/// A token, as the engine makes it.
const TOKEN: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";

/// The sub-addresses that stand before tokens, and their roles.
const BEFORE_TOKENS: [(&str, &str); 4] =
    [("bounces", "bounces"), ("confirm", "confirm"), ("leave", "leave"), ("request", "request")];

/// Creates a list, and returns the local part of its addresses with tokens.
fn create(site: &Site, name: &str) -> String {
    site.create(&format!("{name}@example.com"));
    alias(site, name).unwrap_or_else(|| name.to_owned())
}

fn alias(site: &Site, name: &str) -> Option<String> {
    site.json(&["list", "show", &format!("{name}@example.com")])[0]["alias"].as_str().map(str::to_owned)
}

fn assert_refused(site: &Site, args: &[&str], part: &str) {
    let output = site.listgate(args);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{args:?}: {stderr}");
    assert!(stderr.contains(part), "{args:?}: {stderr}");
}

#[test]
fn every_address_with_a_token_fits_and_is_routed() {
    let site = Site::new();
    let long = "the-association-of-very-long-names-and-even-longer-addresses";
    let names = [
        (&long[..29], None),
        (&long[..30], Some("the-association-of-very-lo--2")),
        (long, Some("the-association-of-very-lo--3")),
        // 30 octets in 15 characters.
        ("ñññññññññññññññ", Some("list--4")),
        ("münchner-freunde-langer-namen-", Some("m-nchner-freunde-langer-na--5")),
    ];
    for (name, _) in names {
        create(&site, name);
    }
    site.stdout(&["domain", "add", "alias.example", "--alias-of", "example.com"]);
    let listen = vec!["127.0.0.1:0".parse().unwrap()];
    let gate = site.gate(Config { socketmap: listen, ..site.config() });
    let mut peer = Peer::greeted(tcp(&gate));
    let mut postfix = Socketmap::connect(socketmap(&gate));
    for (name, expected) in names {
        let shown = &site.json(&["list", "show", &format!("{name}@example.com")])[0];
        let list_id = shown["list_id"].as_str().unwrap();
        assert_eq!(shown["alias"].as_str(), expected, "{name}");
        let before = expected.unwrap_or(name);
        let addresses =
            BEFORE_TOKENS.iter().map(|(suffix, role)| (format!("{before}-{suffix}+{TOKEN}"), *role));
        for (local, role) in addresses.chain([(before.to_uppercase(), "post")]) {
            assert!(local.len() <= 64, "{local} has {}", local.len());
            for domain in ["example.com", "ALIAS.example"] {
                let address = format!("{local}@{domain}");
                assert_eq!(postfix.query("recipients", &address), "OK OK", "{address}");
                let checked = &site.json(&["check", &address])[0];
                assert_eq!(
                    (&checked["list_id"], &checked["role"]),
                    (&list_id.into(), &role.into()),
                    "{checked}"
                );
                peer.begin("", &[&address]);
                peer.send("Message-ID: <a@b>\r\n\r\n.\r\n");
                let entry = &site.json(&["queue", "show", queued_as(&peer.reply())])[0];
                assert_eq!(entry["list_id"], list_id, "{address}");
                assert_eq!(entry["detail"].as_str(), (role != "post").then_some(TOKEN), "{address}");
            }
        }
    }
    for address in
        ["the-association-of-very-lon--3@example.com", "list--5-bogus@example.com", "list--5@example.org"]
    {
        assert_eq!(postfix.query("recipients", address), "NOTFOUND ", "{address}");
        assert_eq!(&peer.rcpt(address)[..3], "550", "{address}");
    }
}

#[test]
fn an_alias_stays_when_the_list_is_renamed() {
    let site = Site::new();
    let [long, longer, other] = ["a", "b", "c"].map(|begin| begin.repeat(40));
    let first = create(&site, &long);
    let rename = |from: &str, to: &str| {
        site.stdout(&["list", "rename", &format!("{from}@example.com"), &format!("{to}@example.com")])
    };
    rename(&long, &longer);
    assert_eq!(alias(&site, &longer), Some(first.clone()));
    rename(&longer, "short");
    assert_eq!(alias(&site, "short"), Some(first.clone()), "members have mail from there");
    rename("short", &longer);
    assert_eq!(alias(&site, &longer), Some(first));
    let shown = site.stdout(&["list", "show", &format!("{longer}@example.com")]);
    assert!(shown.contains("--1@example.com (for addresses with tokens)\n"), "{shown}");

    create(&site, "small");
    assert_eq!(alias(&site, "small"), None);
    rename("small", &other);
    assert!(alias(&site, &other).unwrap().ends_with("c--2"));
}

#[test]
fn an_alias_and_its_sub_addresses_are_no_names_of_other_lists() {
    let site = Site::new();
    let long = "a".repeat(40);
    let taken = create(&site, &long);
    site.create("other@example.com");
    let owner = format!("{long}@example.com, which has it for addresses with tokens");
    for name in [taken.clone(), format!("{taken}-join"), format!("{taken}-confirm")] {
        let address = format!("{name}@example.com");
        assert_refused(&site, &["list", "create", &address, "--owner", OWNER], &owner);
        assert_refused(&site, &["list", "rename", "other@example.com", &address], &owner);
        assert_refused(&site, &["list", "rename", &format!("{long}@example.com"), &address], &owner);
    }
    site.create(&format!("{taken}@example.org"));
    site.create(&format!("{taken}-news@example.com"));
    site.stdout(&["list", "remove", &format!("{long}@example.com")]);
    site.create(&format!("{taken}@example.com"));
}

/// A list that is there already, or is created in the same command, keeps its address.
#[test]
fn an_alias_is_not_the_address_of_another_list() {
    let site = Site::new();
    let [first, second] = ["a", "b"].map(|begin| begin.repeat(40));
    let best = [format!("{}--2", "a".repeat(26)), format!("{}--4-leave", "b".repeat(26))];
    site.create(&format!("{}@example.com", best[0]));
    assert_eq!(create(&site, &first), "list--2--2");
    site.create(&format!("{}@example.com", best[1]));
    assert_eq!(create(&site, &second), "list--4--2");
    // In another domain, its alias is the name of a list.
    site.create("list--2--2@example.org");
    site.stdout(&["list", "rename", &format!("{first}@example.com"), &format!("{first}@example.org")]);
    let shown = &site.json(&["list", "show", &format!("{first}@example.org")])[0];
    assert_eq!(shown["alias"], best[0]);
}

#[test]
fn a_list_of_an_older_version_gets_its_alias_when_the_database_is_opened() {
    let (site, old) = with_schema(7);
    let [fits, long, other] = [("a", 29), ("b", 30), ("c", 40)].map(|(begin, octets)| begin.repeat(octets));
    old.execute_batch(&format!(
        "INSERT INTO domain (name) VALUES ('example.com');
         INSERT INTO list (domain, local, list_id, created_at)
         VALUES ('example.com', '{fits}', 'a.example.com', 1), ('example.com', '{long}', 'b.example.com', 2),
                ('example.com', '{other}', 'c.example.com', 3),
                ('example.com', '{}--3-confirm', 'd.example.com', 4);",
        "c".repeat(26)
    ))
    .unwrap();
    drop(old);
    let gate = site.gate(site.config());
    assert_eq!(
        Peer::greeted(tcp(&gate)).rcpt(&format!("{}--2-leave+{TOKEN}@example.com", "b".repeat(26))),
        "250 2.1.5 Recipient ok"
    );
    assert_eq!(alias(&site, &fits), None);
    assert_eq!(alias(&site, &other), Some("list--3--2".to_owned()));
}
