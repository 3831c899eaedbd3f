//! The commands for sites as they exist.

use super::*;
use crate::operations::Postmaster;

const SOCKETMAP: &str = "127.0.0.1:8026";

fn config(socketmap: Option<&str>) -> Config {
    Config { socketmap: socketmap.map(|at| at.parse().unwrap()).into_iter().collect(), ..Config::default() }
}

fn for_gate(config: &Config, existing: &Existing) -> String {
    let domains = ["lists.example.com", "alias.example"].map(str::to_owned);
    let kept = ["postmaster@lists.example.com".to_owned()];
    let postmaster = config.postmaster.clone().map_or(Postmaster::Nobody, Postmaster::Address);
    let kept = if config.postmaster.is_some() { &[] } else { &kept[..] };
    let gate = Gate { config, domains: &domains, kept, postmaster: &postmaster, asked: false, sends: false };
    commands(&gate, existing).unwrap()
}

fn for_settings(config: &Config, text: &str) -> String {
    for_gate(config, &Existing::Read(Settings::parse(text).unwrap()))
}

/// Returns main.cf after the commands, in the format of `postconf -n`.
fn pasted(before: &str, commands: &str) -> String {
    let mut lines: Vec<String> = before.lines().map(str::to_owned).collect();
    let is_set = |line: &str, name: &str| line.split(" =").next() == Some(name);
    for command in commands.lines() {
        if let Some(name) = command.strip_prefix("postconf -X ") {
            lines.retain(|line| !is_set(line, name));
        } else if let Some(setting) = command.strip_prefix("postconf -e '") {
            let setting = setting.strip_suffix('\'').unwrap().replace(r"'\''", "'");
            lines.retain(|line| !is_set(line, setting.split(" =").next().unwrap()));
            lines.push(setting);
        }
    }
    lines.join("\n")
}

/// Returns the value of a setting after the commands have run, and checks that a second run changes nothing.
#[track_caller]
fn after(config: &Config, before: &str, name: &str) -> String {
    let first = for_settings(config, before);
    let once = pasted(before, &first);
    let second = for_settings(config, &once);
    let mut again: Vec<String> = pasted(&once, &second).lines().map(str::to_owned).collect();
    let mut expected: Vec<&str> = once.lines().collect();
    again.sort();
    expected.sort_unstable();
    assert_eq!(again, expected, "{second}");
    assert!(!second.contains("# before: "), "{second}");
    Settings::parse(&once).unwrap().get(name).unwrap_or("(default)").to_owned()
}

/// Debian's main.cf for an Internet site.
const DEBIAN: &str = "\
alias_database = hash:/etc/aliases
alias_maps = hash:/etc/aliases
append_dot_mydomain = no
compatibility_level = 3.6
inet_interfaces = all
mailbox_size_limit = 0
mydestination = $myhostname, mx.example.net, localhost.example.net, , localhost
myhostname = mx.example.net
mynetworks = 127.0.0.0/8 [::ffff:127.0.0.0]/104 [::1]/128
recipient_delimiter = +
relayhost =
smtpd_relay_restrictions = permit_mynetworks permit_sasl_authenticated defer_unauth_destination";

/// Virtual mailboxes in a database, a spam filter, a backup MX for another domain.
const MAILBOXES: &str = "\
compatibility_level = 2
content_filter = smtp-amavis:[127.0.0.1]:10024
message_size_limit = 104857600
mydestination = localhost
proxy_read_maps = $virtual_alias_maps $virtual_mailbox_domains
relay_domains = hash:/etc/postfix/relay_domains, backup.example.org
smtpd_recipient_restrictions = permit_mynetworks, permit_sasl_authenticated, reject_unauth_destination, check_policy_service unix:private/policyd-spf
transport_maps = proxy:mysql:/etc/postfix/transport.cf, hash:/etc/postfix/transport
virtual_alias_maps = proxy:mysql:/etc/postfix/alias.cf
virtual_mailbox_domains = proxy:mysql:/etc/postfix/domains.cf
virtual_mailbox_maps = proxy:mysql:/etc/postfix/mailboxes.cf
virtual_transport = lmtp:unix:private/dovecot-lmtp";

/// A main.cf that is older than compatibility levels.
const OLD: &str = "\
mydomain = example.net
myhostname = mx.example.net
virtual_maps = hash:/etc/postfix/virtual";

/// What an earlier `listgate mta postfix` printed, before it merged.
const OUTDATED: &str = "\
compatibility_level = 3.6
relay_domains = socketmap:inet:127.0.0.1:8026:domains
relay_recipient_maps = socketmap:inet:127.0.0.1:8026:recipients
transport_maps = hash:/etc/postfix/transport, socketmap:inet:127.0.0.1:8026:transport";

#[test]
fn existing_values_are_kept() {
    let (by_map, by_trial) = (config(Some(SOCKETMAP)), config(None));
    for (config, before, name, expected) in [
        (&by_map, DEBIAN, "relay_domains", "$listgate_domains"),
        (&by_map, DEBIAN, "relay_recipient_maps", "$listgate_recipient_maps"),
        (&by_map, DEBIAN, "smtpd_recipient_restrictions", "(default)"),
        (&by_map, DEBIAN, "listgate_domains", "lists.example.com alias.example"),
        (&by_map, DEBIAN, "unverified_recipient_reject_code", "(default)"),
        (&by_trial, DEBIAN, "relay_recipient_maps", "(default)"),
        (&by_trial, DEBIAN, "smtpd_recipient_restrictions", "$listgate_recipient_restrictions"),
        (&by_trial, DEBIAN, "unverified_recipient_reject_code", "550"),
        // With other relay domains, relay_recipient_maps is not for us, socketmap or not.
        (
            &by_map,
            MAILBOXES,
            "relay_domains",
            "hash:/etc/postfix/relay_domains, backup.example.org, $listgate_domains",
        ),
        (&by_map, MAILBOXES, "relay_recipient_maps", "(default)"),
        (
            &by_map,
            MAILBOXES,
            "smtpd_recipient_restrictions",
            "$listgate_recipient_restrictions, permit_mynetworks, permit_sasl_authenticated, \
             reject_unauth_destination, check_policy_service unix:private/policyd-spf",
        ),
        (
            &by_map,
            MAILBOXES,
            "transport_maps",
            "$listgate_transport_maps, proxy:mysql:/etc/postfix/transport.cf, hash:/etc/postfix/transport",
        ),
        (&by_map, MAILBOXES, "virtual_alias_maps", "proxy:mysql:/etc/postfix/alias.cf $listgate_alias_maps"),
        (&by_map, MAILBOXES, "message_size_limit", "104857600"),
        (&by_map, MAILBOXES, "proxy_read_maps", "$virtual_alias_maps $virtual_mailbox_domains"),
        // The defaults of an old Postfix are values too.
        (&by_map, OLD, "relay_domains", "$mydestination $listgate_domains"),
        (&by_map, OLD, "virtual_alias_maps", "$virtual_maps $listgate_alias_maps"),
        // The maps of an earlier build go: with them, a stopped gate would defer all mail.
        (&by_map, OUTDATED, "relay_domains", "$listgate_domains"),
        (&by_map, OUTDATED, "relay_recipient_maps", "$listgate_recipient_maps"),
        (&by_map, OUTDATED, "transport_maps", "$listgate_transport_maps hash:/etc/postfix/transport"),
    ] {
        assert_eq!(after(config, before, name), expected, "{name} of {before}");
    }
}

#[test]
fn maps_of_a_chrooted_postfix_may_be_asked_through_proxymap() {
    let config = config(Some("unix:/run/listgate/map"));
    let before = "compatibility_level = 3.6\nproxy_read_maps = $alias_maps";
    assert_eq!(after(&config, before, "proxy_read_maps"), "$alias_maps $listgate_proxy_read_maps");
    assert_eq!(
        after(&config, DEBIAN, "proxy_read_maps"),
        "(default)",
        "the default has relay_recipient_maps"
    );
}

#[test]
fn what_is_no_longer_needed_goes() {
    let (by_map, by_trial) = (config(Some(SOCKETMAP)), config(None));
    let before = "compatibility_level = 3.6\nrelay_recipient_maps = hash:/etc/postfix/relay";
    let once = pasted(before, &for_settings(&by_map, before));
    assert_eq!(after(&by_trial, &once, "relay_recipient_maps"), "hash:/etc/postfix/relay");
    assert_eq!(after(&by_trial, &once, "listgate_recipient_maps"), "(default)");
    let debian = pasted(DEBIAN, &for_settings(&by_trial, DEBIAN));
    assert_eq!(after(&by_map, &debian, "smtpd_recipient_restrictions"), "(default)");
    let staff = "staff@example.org".parse().unwrap();
    let with_postmaster = Config { postmaster: Some(staff), ..by_map };
    for setting in ["virtual_alias_maps", "listgate_alias_maps"] {
        assert_eq!(after(&with_postmaster, &debian, setting), "(default)");
    }
}

#[test]
fn decisions_about_trials_are_kept() {
    let config = config(None);
    let decided = format!("{DEBIAN}\naddress_verify_poll_delay = 2s");
    assert_eq!(after(&config, &decided, "address_verify_poll_delay"), "2s");
    assert_eq!(after(&config, &decided, "unverified_recipient_reject_code"), "550");
    let elsewhere = format!("{DEBIAN}\nsmtpd_sender_restrictions = reject_unverified_sender");
    assert_eq!(after(&config, &elsewhere, "unverified_recipient_reject_code"), "(default)");
    assert!(for_settings(&config, &elsewhere).contains("so the settings for it stay as they\n"));
}

#[test]
fn a_domain_of_another_kind_is_a_conflict() {
    let config = config(Some(SOCKETMAP));
    for (setting, class) in [
        ("mydestination = localhost, Lists.Example.COM", "mydestination"),
        ("mydestination = $myhostname\nmyhostname = lists.example.com", "mydestination"),
        ("myhostname = lists.example.com", "mydestination"),
        ("mydestination = lists.$mydomain\nmydomain = example.com", "mydestination"),
        ("virtual_mailbox_domains = lists.example.com example.org", "virtual_mailbox_domains"),
        ("virtual_alias_domains = lists.example.com", "virtual_alias_domains"),
    ] {
        let before = format!("compatibility_level = 3.6\n{setting}");
        let said = for_settings(&config, &before);
        assert!(said.contains(&format!("# CONFLICT: lists.example.com is in {class}.\n")), "{said}");
        // The other domain is not affected.
        assert_eq!(after(&config, &before, "listgate_domains"), "alias.example");
        assert_eq!(after(&config, &before, "virtual_alias_maps"), "(default)");
    }
    let all = for_settings(&config, "mydestination = lists.example.com alias.example");
    assert!(!all.contains("postconf") && all.matches("CONFLICT").count() == 2, "{all}");
    let tables = for_settings(&config, MAILBOXES);
    for table in ["domains.cf'  # virtual_mailbox_domains", "alias.cf'  # virtual_alias_domains"] {
        let line = format!("#   postmap -q lists.example.com 'proxy:mysql:/etc/postfix/{table}\n");
        assert!(tables.contains(&line), "{tables}");
    }
}

#[test]
fn settings_that_cannot_be_read_are_not_replaced() {
    let printed = for_gate(&config(None), &Existing::Unknown("postconf: not found".to_owned()));
    assert!(printed.contains("# postconf: not found\n"), "{printed}");
    assert!(printed.contains("# In main.cf, add this to relay_domains: $listgate_domains\n"), "{printed}");
    let set = printed.lines().filter_map(|line| line.strip_prefix("postconf -e '"));
    for setting in set {
        assert!(setting.starts_with("listgate_"), "{setting}");
    }
}

#[test]
fn a_value_with_a_quote_survives_the_shell() {
    assert_eq!(quoted("a'b"), r"'a'\''b'");
    let config = config(None);
    let before = "smtpd_recipient_restrictions = check_client_access inline:{ {a = reject it's b} }";
    assert_eq!(
        after(&config, before, "smtpd_recipient_restrictions"),
        "$listgate_recipient_restrictions check_client_access inline:{ {a = reject it's b} }"
    );
}

#[test]
fn the_postmaster_is_one_of_this_machine() {
    for (before, postmaster) in [
        (DEBIAN, "postmaster"),
        (OLD, "postmaster"),
        (MAILBOXES, "postmaster@localhost"),
        (
            "mydestination = localhost, example.net\nmyorigin = $mydomain\nmydomain = example.net",
            "postmaster",
        ),
        ("mydestination = localhost, example.net\nmyorigin = /etc/mailname", "postmaster@localhost"),
        ("mydestination =\nrelayhost = [mx.example.net]", "postmaster"),
    ] {
        let table = format!("inline:{{ {{postmaster@lists.example.com = {postmaster}}} }}");
        assert_eq!(after(&config(None), before, "listgate_alias_maps"), table, "{before}");
    }
}

#[test]
fn messages_that_only_postfix_takes_are_reported() {
    let config = config(None);
    for (limit, says) in [("104857600", "of up to 104857600 octets"), ("0", "of any size")] {
        let printed = for_settings(&config, &format!("message_size_limit = {limit}"));
        assert!(
            printed.contains(&format!("# Postfix takes messages {says} (message_size_limit)")),
            "{printed}"
        );
    }
    assert!(!for_settings(&config, DEBIAN).contains("message_size_limit"));
}
