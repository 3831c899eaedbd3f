//! `listgate mta`: what it prints for which settings. The tests in `interop/` show that it works.

use crate::support::Site;
use crate::support::tls::Authority;
use std::fs;

/// Returns what `listgate mta ARGS` prints with this configuration.
fn printed(site: &Site, toml: &str, args: &[&str]) -> String {
    let file = config(site, toml);
    let printed = site.stdout(&[&["--config", &file, "mta"], args].concat());
    let quotes_main_cf = |line: &&str| line.starts_with("# before: ");
    for line in printed.lines().filter(|line| line.starts_with('#') && !quotes_main_cf(line)) {
        assert!(line.len() <= 80, "{line}");
    }
    printed
}

fn config(site: &Site, toml: &str) -> String {
    let file = site.data().join("listgate.toml");
    fs::write(&file, toml).unwrap();
    file.to_str().unwrap().to_owned()
}

/// Asserts that each of these lines is there, whole.
#[track_caller]
fn has(printed: &str, lines: &[&str]) {
    for line in lines {
        assert!(printed.lines().any(|printed| printed == *line), "{line:?} is not in\n{printed}");
    }
}

/// Returns the error message and the exit code of a command that prints nothing else.
fn refused(site: &Site, toml: &str, args: &[&str]) -> (String, Option<i32>) {
    let file = config(site, toml);
    let output = site.listgate(&[&["--config", &file, "mta"], args].concat());
    assert!(output.stdout.is_empty());
    (String::from_utf8(output.stderr).unwrap(), output.status.code())
}

#[test]
fn postfix_gets_the_settings_in_use() {
    let site = Site::with_list();
    let fresh = ["postfix", "--fresh"];
    let defaults = printed(&site, "[socketmap]\nlisten = [\"127.0.0.1:8026\"]\n", &fresh);
    has(
        &defaults,
        &[
            "postconf -e 'listgate_domains = example.com'",
            "postconf -e 'relay_domains = $listgate_domains'",
            "postconf -M 'listgate/unix=listgate unix - - n - - lmtp'",
            "postconf -e 'listgate_destination_concurrency_limit = 20'",
            "postconf -e 'listgate_destination_recipient_limit = 50'",
            "postconf -e 'listgate_transport_maps = inline:{ {example.com = listgate:inet:[127.0.0.1]:8024} }'",
            "postconf -e 'transport_maps = $listgate_transport_maps'",
            "postconf -e 'listgate_recipient_maps = socketmap:inet:127.0.0.1:8026:recipients'",
            "postconf -e 'relay_recipient_maps = $listgate_recipient_maps'",
            "postconf -e 'listgate_alias_maps = inline:{ {postmaster@example.com = postmaster} \
             {abuse@example.com = postmaster} }'",
            "postconf -e 'virtual_alias_maps = $listgate_alias_maps'",
            "postfix reload",
        ],
    );
    let global = |line: &str| line.contains("message_size_limit") || line.contains("lmtp_destination");
    assert!(!defaults.lines().any(global), "other mail keeps its limits: {defaults}");
    site.create("staff@example.com");
    let small = printed(
        &site,
        "[site]\npostmaster = \"staff@example.com\"\n[server]\nmax_connections = 8\n\
         max_connections_per_peer = 5\n[lmtp]\nmax_recipients = 7\nmax_message_size = \"1MiB\"\n\
         [socketmap]\nlisten = [\"[::]:8026\"]\n",
        &fresh,
    );
    has(
        &small,
        &[
            "postconf -e 'listgate_recipient_maps = socketmap:inet:[::1]:8026:recipients'",
            "postconf -e 'listgate_destination_concurrency_limit = 5'",
            "postconf -e 'listgate_destination_recipient_limit = 7'",
            "# and Listgate up to 1048576: it bounces larger ones to a list.",
            "# for the owners of staff@example.com.",
        ],
    );
    assert!(!small.contains("alias_maps"), "{small}");
}

#[test]
fn an_address_of_a_list_stays_with_the_list() {
    let site = Site::with_list();
    site.create("abuse@example.com");
    site.stdout(&["domain", "add", "alias.example", "--alias-of", "example.com"]);
    let postfix = printed(&site, "", &["postfix", "--fresh"]);
    let exim = printed(&site, "", &["exim"]);
    for printed in [postfix, exim] {
        assert!(printed.contains("postmaster@alias.example"), "{printed}");
        assert!(
            !printed.contains("abuse@alias.example") && !printed.contains("abuse@example.com"),
            "{printed}"
        );
    }
}

#[test]
fn a_socket_below_postfixs_queue_is_named_relative_to_the_chroot() {
    let site = Site::with_list();
    let fresh = ["postfix", "--fresh"];
    let within = "[socketmap]\nlisten = [\"unix:/var/spool/postfix/listgate/socketmap\"]\n";
    has(
        &printed(&site, within, &fresh),
        &["postconf -e 'listgate_recipient_maps = socketmap:unix:listgate/socketmap:recipients'"],
    );
    let without = "[socketmap]\nlisten = [\"unix:/run/listgate/map\"]\n";
    has(
        &printed(&site, without, &[&fresh[..], &["--listen", "unix:/run/listgate/lmtp"]].concat()),
        &[
            "postconf -e 'listgate_recipient_maps = proxy:socketmap:unix:/run/listgate/map:recipients'",
            "postconf -e 'listgate_transport_maps = inline:{ {example.com = listgate:unix:/run/listgate/lmtp} }'",
        ],
    );
}

#[test]
fn domains_are_listed_unless_postfix_is_to_ask_for_them() {
    let site = Site::with_list();
    site.create("list@example.org");
    site.stdout(&["domain", "add", "alias.example", "--alias-of", "example.com"]);
    let listen = ["--fresh", "--listen", "unix:/var/spool/postfix/listgate/lmtp"];
    let postfix = printed(&site, "", &[&["postfix"], &listen[..]].concat());
    has(
        &postfix,
        &[
            "postconf -e 'listgate_domains = alias.example example.com example.org'",
            "postconf -e 'address_verify_negative_expire_time = 30s'",
            "#   [socketmap]",
        ],
    );
    for part in ["{example.org = listgate:unix:listgate/lmtp}", "{example.com = reject_unverified_recipient}"]
    {
        assert!(postfix.contains(part), "{postfix}");
    }
    let socketmap = "[socketmap]\nlisten = [\"127.0.0.1:8026\"]\n";
    has(
        &printed(&site, socketmap, &["postfix", "--fresh", "--ask-domains"]),
        &[
            "postconf -e 'listgate_domains = socketmap:inet:127.0.0.1:8026:domains'",
            "postconf -e 'listgate_transport_maps = pipemap:{socketmap:inet:127.0.0.1:8026:transport,\
             static:listgate:inet:[127.0.0.1]:8024}'",
        ],
    );
    let no_effect = "[lmtp]\nrefuse_at = \"data\"\n";
    let comment = "# No effect while lmtp.refuse_at is \"data\": every address is accepted then.";
    has(&printed(&site, no_effect, &["postfix", "--fresh"]), &[comment]);
    let exim = printed(&site, no_effect, &["exim", "--listen", "unix:/x", "--listen", "[::1]:24"]);
    has(
        &exim,
        &[
            "domainlist listgate_domains = alias.example : \\",
            "  route_list = * \"<+ ::1\"",
            "  port = 24",
            "  max_rcpt = 1000",
            "    condition = ${if >{$message_size}{52428800}}",
            comment,
        ],
    );
}

#[test]
fn settings_of_another_machine_are_read_from_a_file() {
    let site = Site::with_list();
    let saved = site.data().join("postconf");
    fs::write(&saved, "compatibility_level = 3.6\ntransport_maps = hash:/etc/postfix/transport\n").unwrap();
    let file = saved.to_str().unwrap();
    has(
        &printed(&site, "", &["postfix", "--from", file]),
        &[
            "# before: transport_maps = hash:/etc/postfix/transport",
            "postconf -e 'transport_maps = $listgate_transport_maps hash:/etc/postfix/transport'",
        ],
    );
    fs::write(&saved, "transport_maps = x\nnonsense\n").unwrap();
    let (said, code) = refused(&site, "", &["postfix", "--from", file]);
    assert!(said.contains("line 2 is not a setting") && code == Some(1), "{said}");
    let (said, code) = refused(&site, "", &["postfix", "--from", "/nonexistent"]);
    assert!(said.contains("cannot read /nonexistent") && code == Some(1), "{said}");
    assert_eq!(refused(&site, "", &["postfix", "--from", file, "--fresh"]).1, Some(2));
}

#[test]
fn settings_that_cannot_be_printed_are_refused_with_the_fix() {
    let site = Site::with_list();
    for (toml, args, expected) in [
        ("server.listen = [\"127.0.0.1:0\"]", &["postfix"][..], "another port at each start"),
        ("socketmap.listen = [\"127.0.0.1:0\"]", &["postfix"], "socketmap.listen"),
        ("server.listen = [\"unix:/x\"]", &["exim"], "add an address such as 127.0.0.1:8024"),
        ("", &["postfix", "--fresh", "--ask-domains"], "--ask-domains needs an address"),
    ] {
        let (stderr, code) = refused(&site, toml, args);
        assert!(stderr.contains(expected) && code == Some(1), "{toml}: {stderr}");
    }
    site.stdout(&["list", "remove", "mylist@example.com"]);
    site.stdout(&["domain", "remove", "example.com"]);
    let (stderr, code) = refused(&site, "", &["exim"]);
    assert!(stderr.contains("create a list first") && code == Some(1), "{stderr}");
    assert_eq!(refused(&site, "", &["sendmail"]).1, Some(2));
}

#[test]
fn a_gate_on_another_machine_is_reached_with_tls() {
    let site = Site::with_list();
    Authority::new().issue("lists.example.com").write(site.data());
    let server = "[server]\nhostname = \"lists.example.com\"\nlisten = [\"192.0.2.7:24\"]\n";
    let tls = "[tls]\ncertificate = \"cert.pem\"\nkey = \"key.pem\"\n";
    has(
        &printed(&site, &format!("{server}{tls}"), &["postfix", "--fresh"]),
        &[
            "postconf -P 'listgate/unix/lmtp_tls_security_level=secure'",
            "postconf -P 'listgate/unix/lmtp_tls_secure_cert_match=lists.example.com'",
            "postconf -P 'listgate/unix/lmtp_tls_CAfile=/etc/ssl/certs/ca-certificates.crt'",
        ],
    );
    has(
        &printed(&site, &format!("{server}{tls}client_ca = \"cert.pem\"\n"), &["exim"]),
        &[
            "  route_list = * lists.example.com byname",
            "  tls_verify_hosts = *",
            "  # tls_certificate = /etc/exim4/cert.pem",
        ],
    );
    // On the same machine, TLS protects nothing.
    for toml in [tls.to_owned(), server.to_owned()] {
        assert!(!printed(&site, &toml, &["postfix", "--fresh"]).contains("lmtp_tls"));
        assert!(!printed(&site, &toml, &["exim"]).contains("tls"));
    }
}

#[test]
fn postfix_gets_a_service_for_posts_to_members() {
    let site = Site::with_list();
    let fresh = ["postfix", "--fresh"];
    let defaults = printed(&site, "", &fresh);
    has(
        &defaults,
        &[
            "postconf -M '127.0.0.1:8028/inet=127.0.0.1:8028 inet n - n - - smtpd'",
            "postconf -P '127.0.0.1:8028/inet/local_header_rewrite_clients='",
            "postconf -P '127.0.0.1:8028/inet/content_filter='",
            "postconf -P '127.0.0.1:8028/inet/smtpd_hard_error_limit=10001'",
            "postconf -P '127.0.0.1:8028/inet/smtpd_recipient_limit=1000'",
            "postconf -P '127.0.0.1:8028/inet/smtpd_tls_security_level=none'",
            "#   to = \"smtp:127.0.0.1:8028\"",
        ],
    );
    assert!(!defaults.contains("/smtpd_milters="), "the milters stay");
    assert!(defaults.ends_with("\npostfix reload\n"));
    let own = "[outgoing]\nto = \"smtp:[::1]:2525\"\nmax_recipients = 5000\ntls = \"opportunistic\"\n";
    let own = printed(&site, own, &fresh);
    has(
        &own,
        &[
            "postconf -M '[::1]:2525/inet=[::1]:2525 inet n - n - - smtpd'",
            "postconf -P '[::1]:2525/inet/smtpd_recipient_limit=5000'",
            "#   to = \"smtp:[::1]:2525\"",
        ],
    );
    assert!(!own.contains("/smtpd_tls_security_level"), "TLS is what main.cf says");
    let tried = printed(&site, "[outgoing]\nto = \"dir:./outbox\"\n", &fresh);
    has(&tried, &["#   to = \"smtp:127.0.0.1:8028\""]);
}

#[test]
fn exim_gets_settings_for_posts_to_members() {
    let site = Site::with_list();
    for (toml, to) in [("", "127.0.0.1:25"), ("[outgoing]\nto = \"smtp:127.0.0.1:587\"\n", "127.0.0.1:587")] {
        let line = format!("#   to = \"smtp:{to}\"");
        has(&printed(&site, toml, &["exim"]), &["smtp_accept_queue_per_connection = 0", &line]);
    }
}

#[test]
fn nothing_is_printed_for_posts_that_do_not_leave_through_the_mail_server() {
    let site = Site::with_list();
    let relay = "[outgoing]\nto = \"smtp:mail.example.net:587\"\n";
    let away = format!("[server]\nlisten = [\"192.0.2.7:24\"]\n{relay}");
    for (toml, says) in [("[engine]\nenabled = false\n", false), (relay, true), (&away, true)] {
        for args in [&["postfix", "--fresh"][..], &["exim"]] {
            let printed = printed(&site, toml, args);
            for word in [" smtpd'", "smtp_accept_", "[outgoing]"] {
                assert!(!printed.contains(word), "{printed}");
            }
            assert_eq!(printed.contains("#   smtp:mail.example.net:587\n"), says, "{printed}");
        }
    }
}
