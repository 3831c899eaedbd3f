//! Other people's mail is not readable by other users.

use crate::support::{Peer, Site, tcp};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn files_with_mail_are_accessible_to_their_owner_only() {
    let site = Site::with_list();
    let gate = site.gate(site.config());
    Peer::greeted(tcp(&gate)).assert_usable();
    for name in ["listgate.db", "listgate.db-wal", "spool"] {
        let mode = mode(&site.data().join(name));
        assert_eq!(mode & 0o077, 0, "{name} has mode {mode:o}");
    }
}

#[test]
fn a_backup_is_as_private_as_its_source() {
    let site = Site::with_list();
    let gate = site.gate(site.config());
    let large = format!("Subject: large\r\n\r\n{}", "in a spool file\r\n".repeat(5000));
    Peer::greeted(tcp(&gate)).deliver("a@example.org", &["mylist@example.com"], large);
    let copy = site.data().join("copy");
    // The directory existed before, and was open to all.
    std::fs::create_dir(&copy).unwrap();
    site.stdout(&["backup", copy.to_str().unwrap()]);
    assert_eq!((mode(&copy.join("listgate.db")), mode(&copy.join("spool"))), (0o600, 0o700));
    let body = std::fs::read_dir(copy.join("spool")).unwrap().next().unwrap().unwrap().path();
    assert_eq!(mode(&body), 0o600);
}
