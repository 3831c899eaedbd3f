//! Socketmap while the database is unavailable, and while its callers send requests that never end.

use crate::support::socketmap::Socketmap;
use crate::support::{PATIENCE, Site, free_address, socketmap, until};
use crate::tools::{open, peak_memory, serve};
use listgate::Config;
use std::io::Write;
use std::net::TcpStream;

#[test]
fn an_unreadable_database_is_a_temporary_failure_and_never_a_refusal() {
    let site = Site::with_list();
    let gate = site.gate(Config { socketmap: vec!["127.0.0.1:0".parse().unwrap()], ..site.config() });
    let mut postfix = Socketmap::connect(socketmap(&gate));
    let mut query = || {
        [
            postfix.query("recipients", "mylist-join@example.com"),
            postfix.query("recipients", "nobody@example.com"),
            postfix.query("transport", "mylist@example.com"),
            postfix.query("domains", "example.com"),
            postfix.query("domains", "example.org"),
        ]
        .map(|answer| answer.split(' ').next().unwrap().to_owned())
    };
    let well = ["OK", "NOTFOUND", "OK", "OK", "NOTFOUND"];
    assert_eq!(query(), well);
    // The database is unusable while its tables have other names.
    let database = open(&site);
    let rename = |from: [&str; 2], to: [&str; 2]| {
        for (from, to) in from.into_iter().zip(to) {
            database.execute_batch(&format!("ALTER TABLE {from} RENAME TO {to}")).unwrap();
        }
    };
    rename(["lists_version", "domain"], ["n_aside", "d_aside"]);
    assert_eq!(query(), ["TEMP"; 5]);
    rename(["n_aside", "d_aside"], ["lists_version", "domain"]);
    assert_eq!(query(), well);
    gate.stop().unwrap();
}

#[test]
fn netstrings_without_an_end_take_no_memory() {
    let site = Site::with_list();
    let address = free_address();
    let server = serve(&site, &format!("[socketmap]\nlisten = [\"{address}\"]\n"));
    assert_eq!(Socketmap::connect(address).query("domains", "example.com"), "OK example.com");
    let before = peak_memory(&server);
    let beginnings: [&[u8]; 3] = [b"9", b"99999999999:recipients ", b"4096:recipients "];
    for beginning in beginnings {
        let mut streams: Vec<TcpStream> = (0..20).map(|_| Socketmap::connect(address).0).collect();
        for stream in &mut streams {
            stream.write_all(beginning).unwrap();
            until("the connection ends", || {
                stream.set_write_timeout(Some(PATIENCE)).unwrap();
                stream.write_all(&[b'9'; 64 << 10]).is_err()
            });
        }
    }
    let grown = peak_memory(&server) - before;
    assert!(grown < 1 << 20, "VmHWM grew by {} KiB", grown >> 10);
    assert_eq!(Socketmap::connect(address).query("recipients", "mylist@example.com"), "OK OK");
}
