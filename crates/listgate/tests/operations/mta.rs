//! `listgate mta`: what it prints for which settings. The tests in `interop/` show that it works.

use crate::support::Site;
use std::fs;

/// Returns what `listgate mta ARGS` prints with this configuration.
fn printed(site: &Site, toml: &str, args: &[&str]) -> String {
    let file = config(site, toml);
    let printed = site.stdout(&[&["--config", &file, "mta"], args].concat());
    for line in printed.lines().filter(|line| line.starts_with('#')) {
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
    let site = Site::new();
    let defaults = printed(&site, "[socketmap]\nlisten = [\"127.0.0.1:8026\"]\n", &["postfix"]);
    has(
        &defaults,
        &[
            "relay_domains = socketmap:inet:127.0.0.1:8026:domains",
            "relay_recipient_maps = socketmap:inet:127.0.0.1:8026:recipients",
            "transport_maps = socketmap:inet:127.0.0.1:8026:transport",
            "lmtp_destination_concurrency_limit = 20",
            "lmtp_destination_recipient_limit = 50",
            "message_size_limit = 51200000",
            "# virtual_alias_maps = inline:{ { postmaster@lists.example.com = root } }",
        ],
    );
    let small = printed(
        &site,
        "[site]\npostmaster = \"staff@example.com\"\n[server]\nmax_connections = 8\n\
         max_connections_per_peer = 5\n[lmtp]\nmax_recipients = 7\nmax_message_size = \"1MiB\"\n\
         [socketmap]\nlisten = [\"[::]:8026\"]\n",
        &["postfix"],
    );
    has(
        &small,
        &[
            "relay_domains = socketmap:inet:[::1]:8026:domains",
            "lmtp_destination_concurrency_limit = 5",
            "lmtp_destination_recipient_limit = 7",
            "message_size_limit = 1048576",
            "# postmaster@ these domains reaches the owners of staff@example.com.",
        ],
    );
    assert_eq!(fs::read_dir(site.data()).unwrap().count(), 1, "no database was made");
}

#[test]
fn a_socket_below_postfixs_queue_is_named_relative_to_the_chroot() {
    let site = Site::new();
    let within = printed(
        &site,
        "[socketmap]\nlisten = [\"unix:/var/spool/postfix/listgate/socketmap\"]\n",
        &["postfix"],
    );
    has(&within, &["relay_domains = socketmap:unix:listgate/socketmap:domains"]);
    let without = "[socketmap]\nlisten = [\"unix:/run/listgate/map\"]\n";
    has(
        &printed(&site, without, &["postfix", "--listen", "unix:/run/listgate/lmtp"]),
        &[
            "relay_domains = proxy:socketmap:unix:/run/listgate/map:domains",
            "# below /var/spool/postfix, or run `postconf -F lmtp/unix/chroot=n`.",
        ],
    );
}

#[test]
fn domains_are_listed_if_there_is_no_socketmap() {
    let site = Site::with_list();
    site.create("list@example.org");
    site.stdout(&["domain", "add", "alias.example", "--alias-of", "example.com"]);
    let listen = ["--listen", "unix:/var/spool/postfix/listgate/lmtp"];
    let postfix = printed(&site, "", &[&["postfix"], &listen[..]].concat());
    has(
        &postfix,
        &[
            "relay_domains = alias.example",
            "    { example.org = lmtp:unix:listgate/lmtp }",
            "    { example.com = reject_unverified_recipient }",
            "address_verify_negative_expire_time = 30s",
            "#   [socketmap]",
        ],
    );
    let at_data = "[lmtp]\nrefuse_at = \"data\"\n";
    assert!(printed(&site, at_data, &["postfix"]).contains("# No effect while lmtp.refuse_at"));
    let exim = printed(&site, at_data, &["exim", "--listen", "unix:/x", "--listen", "[::1]:24"]);
    has(
        &exim,
        &[
            "domainlist listgate_domains = alias.example : \\",
            "  route_list = * \"<+ ::1\"",
            "  port = 24",
            "  max_rcpt = 1000",
            "message_size_limit = 52428800",
        ],
    );
    assert!(exim.contains("# No effect while lmtp.refuse_at"));
}

#[test]
fn settings_that_cannot_be_printed_are_refused_with_the_fix() {
    let site = Site::with_list();
    for (toml, args, expected) in [
        ("server.listen = [\"127.0.0.1:0\"]", &["postfix"][..], "another port at each start"),
        ("socketmap.listen = [\"127.0.0.1:0\"]", &["postfix"], "socketmap.listen"),
        ("server.listen = [\"unix:/x\"]", &["exim"], "add an address such as 127.0.0.1:8024"),
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
