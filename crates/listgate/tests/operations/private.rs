//! Other people's mail is nobody's to read.

use crate::support::{Peer, Site, tcp};
use std::os::unix::fs::PermissionsExt;

#[test]
fn what_holds_mail_is_open_to_its_owner_alone() {
    let site = Site::with_list();
    let gate = site.gate(site.config());
    Peer::greeted(tcp(&gate)).assert_usable();
    for name in ["listgate.db", "listgate.db-wal", "spool"] {
        let mode = std::fs::metadata(site.data().join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{name} has mode {mode:o}");
    }
}
