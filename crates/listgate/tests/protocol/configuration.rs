//! What a configuration file may contain, and how its mistakes are reported.

use crate::support::Site;
use listgate::{BareNewline, Config, Gate, RefuseAt};
use std::error::Error;
use std::fs;
use std::time::Duration;

fn read(text: &str) -> Result<Config, String> {
    let site = Site::new();
    let file = site.data().join("listgate.toml");
    fs::write(&file, text).unwrap();
    Config::read(&file, site.data()).map_err(|why| {
        let mut text = why.to_string();
        let mut cause = why.source();
        while let Some(why) = cause {
            text += &format!(": {why}");
            cause = why.source();
        }
        text
    })
}

#[test]
fn every_key_is_read() {
    let config = read(
        r#"
        [site]
        owner = "owner@example.com"
        postmaster = "Staff@example.com"
        [server]
        listen = ["127.0.0.1:8024", "[::1]:8024", "unix:/run/listgate.sock"]
        hostname = "lists.example.com"
        max_connections = 7
        shutdown_grace = "3s"
        [lmtp]
        refuse_at = "data"
        max_message_size = "1MiB"
        max_recipients = 5
        command_timeout = "1m"
        data_timeout = "2m"
        transaction_timeout = "3m"
        bare_newline = "reject"
        add_received = true
        [addresses]
        verp_delimiter = "="
        [storage]
        min_free = "1GiB"
        [socketmap]
        listen = ["127.0.0.1:8026", "unix:/run/socketmap"]
        "#,
    )
    .unwrap();
    let listen: Vec<String> = config.listen.iter().map(ToString::to_string).collect();
    assert_eq!(listen, ["127.0.0.1:8024", "[::1]:8024", "unix:/run/listgate.sock"]);
    let socketmap: Vec<String> = config.socketmap.iter().map(ToString::to_string).collect();
    assert_eq!(socketmap, ["127.0.0.1:8026", "unix:/run/socketmap"]);
    assert_eq!(
        (config.owner.as_str(), config.postmaster.map(|list| list.to_string()).as_deref()),
        ("owner@example.com", Some("Staff@example.com"))
    );
    assert_eq!((config.hostname.as_str(), config.max_connections), ("lists.example.com", 7));
    assert_eq!((config.refuse_at, config.bare_newline), (RefuseAt::Data, BareNewline::Reject));
    assert_eq!((config.max_message_size, config.max_recipients, config.min_free), (1 << 20, 5, 1 << 30));
    let seconds =
        [config.shutdown_grace, config.command_timeout, config.data_timeout, config.transaction_timeout];
    assert_eq!(seconds.map(|time| time.as_secs()), [3, 60, 120, 180]);
    assert_eq!((config.verp_delimiter, config.add_received), ('=', true));
}

#[test]
fn an_empty_configuration_has_the_defaults() {
    let config = read("").unwrap();
    assert_eq!(config.listen[0].to_string(), "127.0.0.1:8024");
    assert_eq!(config.max_message_size, 50 << 20);
    assert_eq!(config.data_timeout, Duration::from_secs(600));
}

#[test]
fn a_mistake_is_reported_with_its_position_and_the_fix() {
    for (text, parts) in [
        (
            "[lmtp]\nmax_recipient = 3\n",
            &["listgate.toml, line 2", "unknown key lmtp.max_recipient", "did you mean max_recipients?"][..],
        ),
        ("[lmpt]\n", &["line 1: unknown table [lmpt]; did you mean [lmtp]?"]),
        (
            "[lmtp]\nrefuse_at = \"later\"\n",
            &["line 2: lmtp.refuse_at = \"later\": write \"rcpt\" or \"data\""],
        ),
        (
            "[lmtp]\nrefuse_at = \"RCPT\"\n",
            &["line 2: lmtp.refuse_at = \"RCPT\": write \"rcpt\" or \"data\""],
        ),
        (
            "[lmtp]\ncommand_timeout = \"soon\"\n",
            &["line 2: lmtp.command_timeout = \"soon\": write a time such as \"5m\": "],
        ),
        ("[lmtp]\nmax_recipients = 0\n", &["line 2: lmtp.max_recipients = 0", "at least 1"]),
        ("[lmtp]\nmax_message_size = \"big\"\n", &["line 2: ", "= \"big\": write a size, such as \"50MiB\""]),
        ("[storage]\nmin_free = -1\n", &["line 2: ", "a size, such as \"256MiB\""]),
        ("[server]\nlisten = [\"127.0.0.1:25\"]\n", &["line 2: server.listen", "port 25", "use 24 or 8024"]),
        (
            "[server]\nlisten = [\"unix:@name\"]\n",
            &["server.listen", "an abstract socket is not supported", "unix:./@name"],
        ),
        ("[server]\nlisten = [\"localhost\"]\n", &["server.listen = [\"localhost\"]: write 127.0.0.1:8024"]),
        (
            "[server]\nlisten = [\"[::1]:24\", \"localhost\"]\n",
            &["server.listen = ", ": \"localhost\": write 127.0.0.1:8024"],
        ),
        (
            "[server]\nallow = [\"privat\"]\n",
            &["server.allow", "\"privat\" is not a network: write loopback"],
        ),
        ("[site]\npostmaster = \"nobody\"\n", &["site.postmaster", "anne@example.com"]),
        ("[server]\nhostname = \"a b\"\n", &["server.hostname = \"a b\"", "\"lists.example.com\""]),
        ("[addresses]\nverp_delimiter = \"-\"\n", &["addresses.verp_delimiter", "such as \"+\""]),
        ("[site\n", &["line 1"]),
    ] {
        let why = read(text).unwrap_err();
        for part in parts {
            assert!(why.contains(part), "{part:?} is not in: {why}");
        }
    }
    let site = Site::new();
    let output = site.listgate(&["serve", "--config", "no-such-file.toml"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("cannot read no-such-file.toml: No such file"));
}

#[test]
fn for_a_key_in_the_wrong_table_the_right_one_is_named() {
    for (text, hint) in [
        ("[server]\nmax_message_size = \"1MiB\"\n", "max_message_size belongs in [lmtp]"),
        ("[lmtp]\nlisten = [\"127.0.0.1:24\"]\n", "listen belongs in [server] or [admin] or [socketmap]"),
        ("[queue]\nbackend = \"mailman\"\n", "it is storage.backend now"),
        ("[lists]\nsource = \"sqlite\"\n", "lists.source is storage.backend now"),
    ] {
        let why = read(text).unwrap_err();
        assert!(why.contains(hint), "{hint:?} is not in: {why}");
    }
}

#[test]
fn text_that_is_not_toml_gets_an_example_of_its_key() {
    for (text, hint) in [
        ("[server]\nsocket_mode = 0660\n", "\nWrite for example: socket_mode = \"0666\""),
        ("[lmtp]\ncommand_timeout = 5m\n", "\nWrite for example: command_timeout = \"5m\""),
        ("server.socket_mode = 0660\n", "\nWrite for example: socket_mode = \"0666\""),
        ("[lmtp]\n[server]\n[lmtp]\n", "\nIt is in line 1 already: keep one of the two"),
        (
            "[lmtp]\nadd_received = true\nadd_received = false\n",
            "\nIt is in line 2 already: keep one of the two",
        ),
        // Another table may have a key of the same name.
        (
            "[admin]\nlisten = \"[::1]:1\"\n[server]\nlisten = [\"[::1]:2\"]\nlisten = [\"[::1]:3\"]\n",
            "\nIt is in line 4 already: keep one of the two",
        ),
    ] {
        let why = read(text).unwrap_err();
        assert!(why.contains("listgate.toml: ") && why.ends_with(hint), "{hint:?} does not end: {why}");
    }
}

#[test]
fn conflicting_values_are_refused_with_what_to_change() {
    let why = read("lmtp.max_message_size = \"2GiB\"\n").unwrap_err();
    assert!(why.contains("lmtp.max_message_size = 2GiB is more than server.max_in_flight = 1GiB"), "{why}");
    assert!(why.ends_with("set server.max_in_flight to 2GiB or more"), "{why}");
}

#[test]
fn a_path_is_relative_to_the_file() {
    let site = Site::new();
    let file = site.data().join("listgate.toml");
    fs::write(&file, "storage.data_dir = \"mail\"\nserver.listen = [\"unix:lmtp\"]\n").unwrap();
    let config = Config::read(&file, "elsewhere").unwrap();
    assert_eq!(config.data_dir, site.data().join("mail"));
    assert_eq!(config.listen[0].to_string(), format!("unix:{}", site.data().join("lmtp").display()));
}

#[test]
fn a_configuration_made_by_a_program_is_checked_like_a_file() {
    let site = Site::new();
    let refused = |config: Config| match Gate::start(config) {
        Ok(_) => panic!("it was started"),
        Err(why) => why.to_string(),
    };
    let config = || Config { listen: vec!["127.0.0.1:0".parse().unwrap()], ..Config::new(site.data()) };
    for (config, key) in [
        (Config { hostname: "a b".to_owned(), ..config() }, "server.hostname = \"a b\""),
        (Config { max_connections: 0, ..config() }, "server.max_connections = 0"),
        (Config { listen: Vec::new(), ..config() }, "server.listen = []"),
        (Config { owner: "anne".to_owned(), ..config() }, "site.owner = \"anne\""),
        (Config { command_timeout: Duration::ZERO, ..config() }, "lmtp.command_timeout = \"0s\""),
        (Config { max_in_flight: 0, ..config() }, "lmtp.max_message_size = 50MiB is more than"),
    ] {
        let why = refused(config);
        assert!(why.contains(key), "{key:?} is not in: {why}");
    }
    assert_eq!(fs::read_dir(site.data()).unwrap().count(), 0, "nothing was created");
}
