//! The line of an error has each of its causes exactly once.

use crate::support::Site;
use std::fs;
use std::net::TcpListener;

/// Returns the error that a start prints with a data directory of this name below `site`'s and an address.
fn start_error(site: &Site, data: &str, address: &str) -> String {
    let data = site.data().join(data);
    let output = site.listgate(&["serve", "--data-dir", data.to_str().unwrap(), "--listen", address]);
    assert_eq!(output.status.code(), Some(1));
    let stderr = String::from_utf8(output.stderr).unwrap();
    let (_, error) = stderr.split_once("listgate: ").expect("an error is printed");
    error.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn each_cause_of_a_start_that_fails_is_printed_once() {
    let site = Site::new();
    let data = |name: &str| site.data().join(name).display().to_string();
    fs::write(data("file"), "").unwrap();
    assert_eq!(
        start_error(&site, "file", "127.0.0.1:0"),
        format!("cannot create the data directory {}: File exists (os error 17)", data("file"))
    );
    fs::create_dir(data("garbage")).unwrap();
    fs::write(data("garbage/listgate.db"), "This is not a database. ".repeat(100)).unwrap();
    assert_eq!(
        start_error(&site, "garbage", "127.0.0.1:0"),
        format!("cannot configure {}: file is not a database (SQLite error 26)", data("garbage/listgate.db"))
    );
    fs::create_dir_all(data("locked/lock")).unwrap();
    assert_eq!(
        start_error(&site, "locked", "127.0.0.1:0"),
        format!("cannot lock {}: Is a directory (os error 21)", data("locked/lock"))
    );
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = other.local_addr().unwrap().to_string();
    assert_eq!(
        start_error(&site, "new", &taken),
        format!(
            "cannot listen on {taken} (another program has it: choose another --listen or server.listen): \
             Address already in use (os error 98)"
        )
    );
}
