//! What a configuration file may say, and how it is told what it may not.

use crate::support::Site;
use listgate::{BareNewline, Config, RefuseAt};
use std::fs;
use std::time::Duration;

fn read(text: &str) -> Result<Config, String> {
    let site = Site::new();
    let file = site.data().join("listgate.toml");
    fs::write(&file, text).unwrap();
    Config::read(&file, site.data()).map_err(|why| why.to_string())
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
        (config.owner.as_str(), config.postmaster.as_deref()),
        ("owner@example.com", Some("staff@example.com"))
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
fn nothing_need_be_said() {
    let config = read("").unwrap();
    assert_eq!(config.listen[0].to_string(), "127.0.0.1:8024");
    assert_eq!(config.max_message_size, 50 << 20);
    assert_eq!(config.data_timeout, Duration::from_secs(600));
}

#[test]
fn a_mistake_is_named_with_its_place_and_the_mend() {
    for (text, parts) in [
        (
            "[lmtp]\nmax_recipient = 3\n",
            &["listgate.toml", "line 2", "max_recipient", "Did you mean `max_recipients`"][..],
        ),
        ("[lmpt]\n", &["line 1", "Did you mean `lmtp`"]),
        ("[lmtp]\nrefuse_at = \"later\"\n", &["line 2", "`rcpt`", "`data`"]),
        ("[lmtp]\ncommand_timeout = \"soon\"\n", &["lmtp.command_timeout", "\"30s\""]),
        ("[lmtp]\nmax_recipients = 0\n", &["lmtp.max_recipients = 0"]),
        ("[lmtp]\nmax_message_size = \"big\"\n", &["line 2", "\"big\" is no size", "\"50MiB\""]),
        ("[storage]\nmin_free = -1\n", &["line 2", "a size such as \"50MiB\""]),
        ("[server]\nlisten = [\"127.0.0.1:25\"]\n", &["server.listen", "port 25"]),
        (
            "[server]\nlisten = [\"unix:@name\"]\n",
            &["server.listen", "unix:@name would be an abstract socket", "unix:./@name"],
        ),
        ("[server]\nlisten = [\"localhost\"]\n", &["server.listen", "127.0.0.1:8024"]),
        ("[site]\npostmaster = \"nobody\"\n", &["site.postmaster", "mylist@example.com"]),
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
    assert!(String::from_utf8_lossy(&output.stderr).contains("cannot read no-such-file.toml"));
}
