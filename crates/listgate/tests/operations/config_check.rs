//! `listgate config check`.

use crate::support::tls::Authority;
use crate::support::{OWNER, Site};
use std::fs;
use std::process::Command;

/// Runs `listgate config check` on this file and returns what it prints.
fn check(site: &Site, toml: &str) -> String {
    let file = site.data().join("listgate.toml");
    fs::write(&file, toml).unwrap();
    site.stdout(&["config", "check", "--config", file.to_str().unwrap()])
}

/// Returns what `listgate config check` reports of a file with a mistake.
fn refused(site: &Site, toml: &str) -> String {
    let file = site.data().join("listgate.toml");
    fs::write(&file, toml).unwrap();
    let output = site.listgate(&["config", "check", "--config", file.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1), "{toml}");
    String::from_utf8(output.stderr).unwrap()
}

/// Returns all lines but the first, without their comments.
fn settings(stdout: &str) -> Vec<&str> {
    stdout.lines().filter_map(|line| line.split("  #").next()).map(str::trim_end).skip(1).collect()
}

#[test]
fn the_defaults_are_printed_in_80_columns_and_nothing_is_created() {
    let site = Site::new();
    let stdout = site.stdout(&["config", "check"]);
    for line in [
        r#"site.owner = "changeme@example.com""#,
        "# site.postmaster unset",
        r#"server.listen = ["127.0.0.1:8024"]"#,
        r#"server.shutdown_grace = "30s""#,
        r#"lmtp.refuse_at = "rcpt""#,
        r#"lmtp.max_message_size = "50MiB""#,
        r#"addresses.verp_delimiter = "+""#,
        r#"storage.min_free = "256MiB""#,
    ] {
        assert!(settings(&stdout).contains(&line), "{line} is not in\n{stdout}");
    }
    let is_default = |line: &str| line.ends_with("# default") || line.starts_with("storage.data_dir");
    assert!(stdout.lines().skip(1).all(is_default), "{stdout}");
    let free = ["# no file", "server.hostname", "storage.data_dir"];
    let of_any_length = |line: &&str| free.iter().any(|start| line.starts_with(start));
    assert!(stdout.lines().filter(|line| !of_any_length(line)).all(|line| line.len() <= 80), "{stdout}");
    assert_eq!(fs::read_dir(site.data()).unwrap().count(), 0);
}

#[test]
fn each_value_has_its_line_and_the_output_is_an_equivalent_file() {
    let site = Site::new();
    let stdout = check(
        &site,
        "[storage]\nmin_free = \"1GiB\"\n\n[site]\n# Whoever reads it.\nowner = \"\\\"a b\\\"@example.com\"\n\
         postmaster = \"staff@example.com\"\n[lmtp]\nmax_message_size = \"1001B\"\ndata_timeout = \"90s\"\n\
         [server]\nlisten = [\n \"[::1]:24\",\n \"unix:/run/l.sock\"]\n",
    );
    for (setting, line) in [
        (r#"site.owner = "\"a b\"@example.com""#, 6),
        (r#"site.postmaster = "staff@example.com""#, 7),
        (r#"storage.min_free = "1GiB""#, 2),
        (r#"lmtp.max_message_size = "1001B""#, 9),
        (r#"lmtp.data_timeout = "1m 30s""#, 10),
        (r#"server.listen = ["[::1]:24", "unix:/run/l.sock"]"#, 12),
    ] {
        let from = format!("# line {line}");
        let found = stdout.lines().any(|line| line.starts_with(setting) && line.ends_with(&from));
        assert!(found, "{setting} of line {line} is not in\n{stdout}");
    }
    assert_eq!(settings(&check(&site, &stdout)), settings(&stdout));
}

#[test]
fn as_json_each_key_is_an_object() {
    let site = Site::new();
    let file = site.data().join("listgate.toml");
    fs::write(&file, "lmtp.max_recipients = 5\n").unwrap();
    let keys = site.json(&["config", "check", "--config", file.to_str().unwrap()]);
    let find = |name: &str| keys.iter().find(|key| key["key"] == name).unwrap();
    let given = find("lmtp.max_recipients");
    assert_eq!((&given["value"], &given["line"]), (&5.into(), &1.into()));
    assert!(given["file"].as_str().unwrap().ends_with("listgate.toml"));
    let default = find("lmtp.refuse_at");
    assert_eq!(default["value"], "rcpt");
    assert!(default["file"].is_null() && default["line"].is_null());
}

#[test]
fn the_printed_defaults_are_a_file_that_changes_nothing() {
    let site = Site::new();
    let defaults = site.stdout(&["config", "defaults"]);
    assert!(defaults.lines().all(|line| line.len() <= 80), "{defaults}");
    let values = |stdout: &str| settings(stdout).into_iter().map(str::to_owned).collect::<Vec<_>>();
    let with_file = values(&check(&site, &defaults));
    let without: Vec<String> = values(&site.stdout(&["config", "check"]));
    let is_path = |line: &&String| line.starts_with("storage.data_dir");
    assert_eq!(
        with_file.iter().filter(|line| !is_path(line)).collect::<Vec<_>>(),
        without.iter().filter(|line| !is_path(line)).collect::<Vec<_>>()
    );
    // Each value behind a # must be a valid one for its key.
    let examples = defaults.replace("\n# ", "\n").replace("config = \"/etc", "# config = \"/etc");
    let authority = Authority::new();
    authority.issue("lists.example.com").write(site.data());
    fs::write(site.data().join("ca.pem"), authority.pem()).unwrap();
    fs::create_dir(site.data().join("texts")).unwrap();
    fs::write(site.data().join("password"), "secret\n").unwrap();
    let data = site.data().to_str().unwrap();
    check(&site, &examples.replace("/etc/tls", data).replace("/etc/listgate/", &format!("{data}/")));
}

#[test]
fn the_texts_of_a_site_are_read_by_the_check() {
    let site = Site::new();
    let texts = site.data().join("texts");
    fs::create_dir(&texts).unwrap();
    let file = site.data().join("listgate.toml");
    fs::write(&file, "[engine]\ntexts = \"texts\"\n").unwrap();
    let check = || site.listgate(&["config", "check", "--config", file.to_str().unwrap()]);
    fs::write(texts.join("waiting.txt"), "Subject: Please wait\n\nWe will write to $address.\n").unwrap();
    assert_eq!(check().status.code(), Some(0));
    fs::write(texts.join("waiting.txt"), "Subject: Please wait\n\nWe will write to $you.\n").unwrap();
    let output = check();
    let stderr = String::from_utf8(output.stderr).unwrap().replace('\n', " ");
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("the text of waiting, line 3: $you is unknown"), "{stderr}");
}

#[test]
fn a_certificate_is_read_by_the_check() {
    let site = Site::new();
    let (authority, dir) = (Authority::new(), site.data());
    authority.issue("lists.example.com").write(dir);
    fs::write(dir.join("other.pem"), authority.issue("other.example").key).unwrap();
    fs::write(dir.join("leaf.pem"), "no certificate").unwrap();
    let file = dir.join("listgate.toml");
    for (toml, why) in [
        (
            "certificate = \"cert.pem\"",
            "tls.certificate needs tls.key: set it too, or remove tls.certificate",
        ),
        ("key = \"key.pem\"", "tls.key needs tls.certificate"),
        ("client_ca = \"ca.pem\"", "tls.client_ca needs tls.certificate"),
        ("certificate = \"cert.pem\"\nkey = \"missing.pem\"", "missing.pem: No such file or directory"),
        ("certificate = \"cert.pem\"\nkey = \"cert.pem\"", "cert.pem has no private key in PEM"),
        (
            "certificate = \"cert.pem\"\nkey = \"other.pem\"",
            "other.pem: keys may not be consistent: KeyMismatch",
        ),
        (
            "certificate = \"cert.pem\"\nkey = \"key.pem\"\nclient_ca = \"leaf.pem\"",
            "leaf.pem has no certificate in PEM",
        ),
    ] {
        fs::write(&file, format!("[tls]\n{toml}\n")).unwrap();
        let output = site.listgate(&["config", "check", "--config", file.to_str().unwrap()]);
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{toml}");
        assert!(error.contains(why), "{why:?} is not in {error}");
    }
}

#[test]
fn a_mistake_is_an_error_with_its_position() {
    let site = Site::new();
    let file = site.data().join("listgate.toml");
    fs::write(&file, "[server]\nlisten = [\"127.0.0.1:24\"]\nmax_conections = 3\n").unwrap();
    let output = site.listgate(&["config", "check", "--config", file.to_str().unwrap()]);
    let printed = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0));
    for part in ["listgate.toml", "line 3", "did you mean max_connections?"] {
        assert!(printed.contains(part), "{part:?} is not in {printed}");
    }
}

#[test]
fn a_limit_that_would_stop_all_mail_is_refused() {
    let site = Site::new();
    for (key, none, least) in [
        ("lmtp.max_message_size", "0", "at least \"1B\""),
        ("lmtp.max_message_size", "\"0B\"", "at least \"1B\""),
        ("queue.max_entries", "0", "at least 1"),
        ("queue.max_size", "\"0MiB\"", "at least \"1B\""),
        ("lmtp.command_timeout", "\"0s\"", "at least \"1s\""),
        ("lmtp.data_timeout", "\"1ms\"", "at least \"1s\""),
        ("lmtp.transaction_timeout", "\"0s\"", "at least \"1s\""),
        ("outgoing.connections", "0", "no mail could leave: write at least 1"),
        ("outgoing.max_recipients", "0", "no mail could leave: write at least 1"),
        ("outgoing.max_rate", "0", "no mail could leave: write at least 1, or remove the line for no limit"),
        ("outgoing.connect_timeout", "\"0s\"", "no mail could leave: write at least \"1s\""),
        ("outgoing.command_timeout", "\"1ms\"", "no mail could leave: write at least \"1s\""),
        ("outgoing.final_timeout", "\"30s\"", "members would get mail twice: write at least \"1m\""),
    ] {
        let stderr = refused(&site, &format!("{key} = {none}\n"));
        assert!(stderr.contains(key) && stderr.contains(least), "{stderr}");
    }
}

#[test]
fn a_repeated_listen_address_is_refused() {
    let site = Site::new();
    for (toml, parts) in [
        ("server.listen = []\n", &["server.listen = []", "\"127.0.0.1:8024\""][..]),
        ("server.listen = [\"[::1]:24\", \"[::1]:24\"]\n", &["[::1]:24 is in server.listen"]),
        (
            "server.listen = [\"unix:/run/l\"]\nsocketmap.listen = [\"unix:/run/l\"]\n",
            &["unix:/run/l is in server.listen and again in socketmap.listen"],
        ),
        (
            "socketmap.listen = [\"127.0.0.1:8026\"]\nadmin.listen = \"127.0.0.1:8026\"\n",
            &["127.0.0.1:8026 is in socketmap.listen and again in admin.listen"],
        ),
    ] {
        let stderr = refused(&site, toml);
        assert!(parts.iter().all(|part| stderr.contains(part)), "{stderr}");
    }
    // `serve --listen` may have replaced the default.
    assert!(check(&site, "admin.listen = \"127.0.0.1:8024\"\n").contains("admin.listen"));
    let any_port = "server.listen = [\"[::1]:0\", \"[::1]:0\"]\nadmin.listen = \"[::1]:0\"\n";
    assert!(check(&site, any_port).contains("[\"[::1]:0\", \"[::1]:0\"]"));
}

#[test]
fn a_site_owner_that_is_not_an_address_is_refused() {
    let site = Site::new();
    for wrong in ["", "anne", "Anne <a@b.c>"] {
        let stderr = refused(&site, &format!("site.owner = {wrong:?}\n"));
        assert!(stderr.contains("write an address such as"), "{stderr}");
    }
}

#[test]
fn settings_from_a_mailman_site_are_not_shown_as_defaults() {
    let site = Site::new();
    let cfg = site.data().join("mailman.cfg");
    fs::write(&cfg, "[mailman]\nsite_owner: owner@example.com\n").unwrap();
    let stdout = site.stdout(&["config", "check", "--mailman", cfg.to_str().unwrap()]);
    for (key, from) in [
        ("site.owner", "mailman.cfg"),
        ("server.listen", "mailman.cfg"),
        ("addresses.verp_delimiter", "mailman.cfg"),
        ("storage.backend", "--mailman"),
        ("mailman.config", "--mailman"),
        ("lmtp.max_recipients", "default"),
    ] {
        let line = stdout.lines().find(|line| line.starts_with(key)).unwrap();
        assert!(line.ends_with(&format!("# {from}")), "{line}");
    }
}

#[test]
fn a_value_of_the_wrong_type_is_answered_with_an_example() {
    let site = Site::new();
    for (toml, example) in [
        (
            "server.listen = \"127.0.0.1:8024\"",
            "write a list of texts in brackets, such as [\"127.0.0.1:8024\"]",
        ),
        ("admin.listen = [\"127.0.0.1:8025\"]", "write a TCP address in quotes, such as \"127.0.0.1:8025\""),
        ("server.allow_uids = [\"list\"]", "such as [0, 102]"),
        ("server.max_connections = \"5\"", "write a whole number without quotes, such as 1000"),
        ("queue.max_entries = 1.5", "such as 10000000"),
        ("lmtp.add_received = \"yes\"", "write true or false without quotes, such as false"),
        ("outgoing.max_rate = 0.5", "write a whole number without quotes, such as 100"),
        ("outgoing.max_rate = -1", "write a whole number without quotes, such as 100"),
        ("outgoing.final_timeout = 600", "write a time in quotes, such as \"10m\""),
        ("lmtp.command_timeout = 300", "write a time in quotes, such as \"5m\""),
        ("mailman.config = 1", "write a path in quotes"),
        ("addresses.verp_delimiter = \"++\"", "such as \"+\""),
        ("server = 1", "server is a table: write [server], and its keys below it"),
    ] {
        let stderr = refused(&site, toml);
        assert!(stderr.contains(example), "{stderr}");
    }
}

/// Mailman's own runner listens on all of them, too.
#[test]
#[ignore = "needs mount"]
fn a_mailman_site_is_expected_at_every_address_of_its_host() {
    let site = Site::new();
    let (cfg, hosts) = (site.data().join("mailman.cfg"), site.data().join("hosts"));
    fs::write(&cfg, "[mta]\nlmtp_host: lists.test\nlmtp_port: 18024\n").unwrap();
    fs::write(&hosts, "127.0.0.1 lists.test\n127.0.0.2 lists.test\n192.0.2.1 lists.test\n").unwrap();
    // Uses a hosts file of its own, whose last address is not one of this machine (RFC 5737).
    let script = "mount --bind \"$1\" /etc/hosts && exec \"$2\" config check --mailman \"$3\"";
    let mut unshare = Command::new("unshare");
    unshare.args(["-m", "sh", "-c", script, "sh"]).arg(&hosts).arg(env!("CARGO_BIN_EXE_listgate")).arg(&cfg);
    let output = unshare.output().unwrap();
    let printed = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    let listen =
        printed.lines().find(|line| line.starts_with("server.listen")).unwrap_or_else(|| panic!("{printed}"));
    assert!(listen.contains("127.0.0.1:18024") && listen.contains("127.0.0.2:18024"), "{listen}");
    assert!(!listen.contains("192.0.2.1"), "{listen}");
}

#[test]
fn only_one_backend_is_chosen() {
    let site = Site::new();
    let cfg = site.data().join("mailman.cfg");
    fs::write(&cfg, "[mailman]\nsite_owner: owner@example.com\n").unwrap();
    let toml = format!("storage.backend = \"sqlite\"\nmailman.config = {:?}\n", cfg.display());
    let stderr = refused(&site, &toml);
    assert!(
        stderr.contains("storage.backend is \"sqlite\"") && stderr.contains("mailman.config"),
        "{stderr}"
    );
    let toml = toml.replace("sqlite", "mailman");
    let stdout = check(&site, &toml);
    for (key, from) in
        [("storage.backend", "line 1"), ("mailman.config", "line 2"), ("server.listen", "mailman.cfg")]
    {
        let line =
            stdout.lines().find(|line| line.starts_with(key)).unwrap_or_else(|| panic!("{key}: {stdout}"));
        assert!(line.ends_with(&format!("# {from}")), "{line}");
    }
}

#[test]
fn the_data_directory_of_the_file_is_used_unless_an_option_names_another() {
    let site = Site::new();
    let file = site.data().join("listgate.toml");
    fs::write(&file, "storage.data_dir = \"mail\"\n").unwrap();
    let run = |args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_listgate"));
        command.args(args).arg("--config").arg(&file).env_remove("LISTGATE_DATA_DIR");
        command.current_dir(site.data()).output().unwrap()
    };
    assert!(run(&["list", "create", "a@example.com", "--owner", OWNER]).status.success());
    assert!(site.data().join("mail/listgate.db").exists());
    assert!(
        run(&["list", "create", "a@example.com", "--owner", OWNER, "--data-dir", "other"]).status.success()
    );
    assert!(site.data().join("other/listgate.db").exists());
    assert!(!site.data().join("var").exists());
}
