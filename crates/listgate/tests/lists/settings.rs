//! `listgate list set`: the settings of a list.

use crate::support::Site;
use rusqlite::Connection;
use serde_json::Value;
use std::fs;
use std::io::Write;
use std::process::Stdio;

const LIST: &str = "mylist@example.com";

/// Changes settings, and returns what is printed.
fn set(site: &Site, changes: &[&str]) -> String {
    site.stdout(&[&["list", "set", LIST], changes].concat())
}

/// Returns a setting as JSON shows it.
fn setting(site: &Site, list: &str, key: &str) -> String {
    let shown = &site.json(&["list", "show", list])[0];
    shown["settings"][key].as_str().unwrap_or_else(|| panic!("{key} in {shown}")).to_owned()
}

#[test]
fn settings_are_set_shown_and_restored() {
    let site = Site::with_list();
    assert!(!site.stdout(&["list", "show", LIST]).contains("settings"), "all have their defaults");
    let changed = set(&site, &["emergency=on", "max_message_size=512KiB", "subject_prefix=[My List]"]);
    assert_eq!(
        changed,
        "mylist@example.com: emergency=yes\n\
         mylist@example.com: max_message_size=512KiB\n\
         mylist@example.com: subject_prefix=[My List]\n"
    );
    let shown = site.stdout(&["list", "show", LIST]);
    let settings =
        "settings emergency=yes\n         max_message_size=512KiB\n         subject_prefix=[My List]\n";
    assert!(shown.contains(settings), "{shown}");
    assert_eq!(
        set(&site, &["emergency=no", "subject_prefix="]),
        "mylist@example.com: emergency=no (default)\nmylist@example.com: subject_prefix=none (default)\n"
    );
    let all = &site.json(&["list", "show", LIST])[0]["settings"];
    assert_eq!(all.as_object().unwrap().len(), 22, "{all}");
    let texts =
        ["emergency", "max_message_size", "subject_prefix", "max_num_recipients"].map(|key| &all[key]);
    assert_eq!(texts, ["no", "512KiB", "none", "50"].map(Value::from).each_ref());
}

#[test]
fn settings_belong_to_the_list_and_not_to_its_name() {
    let site = Site::with_list();
    site.create("other@example.com");
    set(&site, &["emergency=yes"]);
    site.stdout(&["list", "rename", LIST, "news@example.com"]);
    assert_eq!(setting(&site, "news@example.com", "emergency"), "yes");
    assert_eq!(setting(&site, "other@example.com", "emergency"), "no");
    site.stdout(&["list", "remove", "news@example.com"]);
    site.create(LIST);
    assert_eq!(setting(&site, LIST, "emergency"), "no", "it is another list");
}

#[test]
fn wrong_settings_are_refused_and_none_is_changed() {
    let site = Site::with_list();
    for (args, code, part) in [
        (&[LIST, "emergency=yes", "foter=Bye"][..], 2, "no setting foter; did you mean footer?"),
        (&[LIST, "emergency=yes", "munge=maybe"], 2, "munge: write never or always"),
        (&[LIST, "emergency=yes", "max_message_size=40"], 2, "a size from 1KiB with its unit"),
        (&[LIST, "emergency=yes", "footer"], 2, "write KEY=VALUE"),
        (&[LIST], 2, "<KEY=VALUE>"),
        (&[LIST, "emergency=yes", "emergency=no"], 1, "emergency is given twice"),
        (&[LIST, "emergency=yes", "reply_goes_to_list=explicit_header"], 1, "add reply_to_address=ADDRESS"),
        (&["no@example.com", "emergency=yes"], 1, "no@example.com does not exist"),
    ] {
        let output = site.listgate(&[&["list", "set"], args].concat());
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{args:?}: {stderr}");
        assert!(stderr.contains(part), "{args:?}: {stderr}");
        assert_eq!(setting(&site, LIST, "emergency"), "no", "{args:?}");
    }
    set(&site, &["reply_goes_to_list=explicit_header", "reply_to_address=staff@example.org"]);
    let refused = site.listgate(&["list", "set", LIST, "reply_to_address="]);
    assert_eq!(refused.status.code(), Some(1), "what needs it is still set");
    set(&site, &["reply_to_address=", "reply_goes_to_list="]);
}

#[test]
fn a_footer_comes_from_a_file_or_standard_input() {
    let site = Site::with_list();
    let file = site.data().join("footer.txt");
    let from_file = format!("footer=@{}", file.display());
    fs::write(&file, "To leave:\r\n  mylist-leave@example.com\r\n\r\n").unwrap();
    let printed = set(&site, &[&from_file]);
    assert_eq!(printed, "mylist@example.com: footer=To leave:\n           mylist-leave@example.com\n");
    fs::write(&file, "changed").unwrap();
    assert_eq!(setting(&site, LIST, "footer"), "To leave:\n  mylist-leave@example.com");

    let mut command = site.command();
    command.args(["list", "set", LIST, "footer=@-"]).stdin(Stdio::piped()).stdout(Stdio::null());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all("Tschüß".as_bytes()).unwrap();
    assert!(child.wait().unwrap().success());
    assert_eq!(setting(&site, LIST, "footer"), "Tschüß");

    let long = "ü".repeat(5000);
    for (content, part) in [
        (&b"\xff"[..], "footer.txt is not a text in UTF-8"),
        (b"a\x1b[31m", "it has no control characters: U+001B is one"),
        (long.as_bytes(), "footer: it has at most 4096 octets"),
    ] {
        fs::write(&file, content).unwrap();
        let stderr = String::from_utf8(site.listgate(&["list", "set", LIST, &from_file]).stderr).unwrap();
        assert!(stderr.contains(part), "{stderr}");
    }
    fs::remove_file(&file).unwrap();
    let stderr = String::from_utf8(site.listgate(&["list", "set", LIST, &from_file]).stderr).unwrap();
    assert!(stderr.contains("cannot read") && stderr.contains("No such file"), "{stderr}");
    assert_eq!(setting(&site, LIST, "footer"), "Tschüß");
}

/// A newer version stores what this one does not know, and an operator can repair what is wrong.
#[test]
fn stored_settings_of_a_newer_version_stay() {
    let site = Site::with_list();
    set(&site, &["emergency=yes"]);
    let stored = Connection::open(site.data().join("listgate.db")).unwrap();
    let count = || -> (u64, u64) {
        let sql = "SELECT (SELECT count(*) FROM list_setting), n FROM lists_version";
        stored.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap()
    };
    stored.execute("INSERT INTO list_setting SELECT list, 'digests', 'daily' FROM roster", []).unwrap();
    let (rows, changes) = count();
    assert_eq!(setting(&site, LIST, "emergency"), "yes");
    set(&site, &["emergency="]);
    assert_eq!(count(), (rows - 1, changes + 1), "a change is counted, and the unknown one stays");
    set(&site, &["emergency="]);
    assert_eq!(count(), (rows - 1, changes + 1), "nothing changed");

    stored.execute("INSERT INTO list_setting SELECT list, 'munge', 'dmarc' FROM roster", []).unwrap();
    let output = site.listgate(&["list", "show", LIST]);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.contains("munge: write never or always"), "{stderr}");
    set(&site, &["munge="]);
    assert_eq!(setting(&site, LIST, "munge"), "never");
}
