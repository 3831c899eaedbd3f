//! Data of a newer version is left alone.

use crate::support::Site;

#[test]
fn a_newer_schema_is_refused_politely() {
    let site = Site::with_list();
    let database = site.data().join("listgate.db");
    rusqlite::Connection::open(&database).unwrap().pragma_update(None, "user_version", 99).unwrap();
    for args in [&["list", "ls"][..], &["serve", "--listen", "127.0.0.1:0"]] {
        let output = site.listgate(args);
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1));
        assert!(
            stderr.contains("newer Listgate (schema 99; this one knows 11)")
                && stderr.contains("listgate.db"),
            "{stderr}"
        );
    }
}
