//! Data of an older version is migrated to this one, with everything in it.

use crate::support::Site;
use rusqlite::Connection;

const MIGRATIONS: [&str; 8] = [
    include_str!("../../src/backends/sqlite/0001.sql"),
    include_str!("../../src/backends/sqlite/0002.sql"),
    include_str!("../../src/backends/sqlite/0003.sql"),
    include_str!("../../src/backends/sqlite/0004.sql"),
    include_str!("../../src/backends/sqlite/0005.sql"),
    include_str!("../../src/backends/sqlite/0006.sql"),
    include_str!("../../src/backends/sqlite/0007.sql"),
    include_str!("../../src/backends/sqlite/0008.sql"),
];

/// Makes a site whose database has the schema of an older version.
pub(crate) fn with_schema(version: usize) -> (Site, Connection) {
    let site = Site::new();
    std::fs::create_dir_all(site.data().join("spool")).unwrap();
    let old = Connection::open(site.data().join("listgate.db")).unwrap();
    MIGRATIONS[..version].iter().for_each(|migration| old.execute_batch(migration).unwrap());
    old.pragma_update(None, "user_version", version).unwrap();
    (site, old)
}

#[test]
fn a_first_schema_is_migrated_with_its_lists_and_entries() {
    let (site, old) = with_schema(1);
    old.execute_batch(
        "INSERT INTO domain (name) VALUES ('example.com');
         INSERT INTO list VALUES ('example.com', 'mylist', 'mylist.example.com', 0);
         INSERT INTO delivery VALUES (1, 0, '<>', '<x@y>', 'p', 'l', 'LMTP/TCP', 3, 5, NULL, X'6162630D0A');
         INSERT INTO entry (delivery, n, queue, available_at, received_at, list_id, recipient, msgdata)
         VALUES (1, 1, 'in', 0, 0, 'mylist.example.com', 'mylist@example.com', '{}'),
                (1, 2, 'command', 0, 0, 'mylist.example.com', 'mylist-join@example.com', '{}');",
    )
    .unwrap();
    drop(old);
    assert_eq!(site.json(&["list", "ls"])[0]["state"], "open");
    assert_eq!(site.ids("in"), ["1-1"]);
    let sizes = |queue: &str| {
        let connection = Connection::open(site.data().join("listgate.db")).unwrap();
        let sql = "SELECT entries, octets FROM queue_size WHERE queue = ?1";
        connection.query_row(sql, [queue], |row| Ok((row.get(0)?, row.get(1)?))).unwrap()
    };
    assert_eq!([sizes("in"), sizes("command"), sizes("bounces")], [(1, 5), (1, 5), (0, 0)]);
    site.stdout(&["queue", "remove", "1-1"]);
    assert_eq!([sizes("in"), sizes("command")], [(0, 0), (1, 5)]);
}

/// Lists get numbers, in the order in which they were created.
#[test]
fn lists_of_the_schema_before_members_get_members() {
    let (site, old) = with_schema(6);
    old.execute_batch(
        "INSERT INTO domain (name) VALUES ('example.com');
         INSERT INTO list (domain, local, list_id, created_at)
         VALUES ('example.com', 'b', 'b.example.com', 1), ('example.com', 'a', 'a.example.com', 2);",
    )
    .unwrap();
    drop(old);
    for list in ["a@example.com", "b@example.com"] {
        site.stdout(&["member", "add", list, "anne@example.org"]);
        assert_eq!(site.json(&["member", "ls", list]).len(), 1);
    }
    let migrated = Connection::open(site.data().join("listgate.db")).unwrap();
    let number = |list_id: &str| -> i64 {
        let sql = "SELECT list FROM roster WHERE list_id = ?1";
        migrated.query_row(sql, [list_id], |row| row.get(0)).unwrap()
    };
    assert_eq!((number("b.example.com"), number("a.example.com")), (1, 2));
}

/// What was there before requests and notices stays, and works.
#[test]
fn posts_and_members_of_the_schema_before_requests_stay() {
    let (site, old) = with_schema(8);
    old.execute_batch(
        "INSERT INTO domain (name) VALUES ('example.com');
         INSERT INTO list (domain, local, list_id, created_at) VALUES ('example.com', 'a', 'a.example.com', 1);
         INSERT INTO member (list, role, address, joined_at, own_posts, hidden)
         VALUES (1, 'member', 'anne@example.org', 0, 1, 0);
         INSERT INTO post (list, kind, message_id, accepted_at, settings, personal, cutoff, sent, finished_at)
         VALUES (1, 'post', '<1@x>', 0, '{}', 0, 1, 1, 0);",
    )
    .unwrap();
    drop(old);
    assert_eq!(site.json(&["request", "ls", "a@example.com"]).len(), 0);
    assert_eq!(site.json(&["member", "ls", "a@example.com"]).len(), 1);
    assert_eq!(site.json(&["post", "ls"])[0]["message_id"], "<1@x>");
    let migrated = Connection::open(site.data().join("listgate.db")).unwrap();
    let last = |name: &str| -> i64 {
        let sql = "SELECT seq FROM sqlite_sequence WHERE name = ?1";
        migrated.query_row(sql, [name], |row| row.get(0)).unwrap()
    };
    assert_eq!(["request", "post", "member"].map(last), [0, 1, 1]);
}

#[test]
fn a_database_in_use_by_an_older_gate_is_not_migrated() {
    let (site, old) = with_schema(1);
    let lock = std::fs::File::create(site.data().join("lock")).unwrap();
    lock.lock().unwrap();
    std::fs::write(site.data().join("lock"), "listgate serve (process 7)\n").unwrap();
    for args in [&["list", "ls"][..], &["list", "create", "mylist@example.com"], &["queue", "status"]] {
        let output = site.command().args(args).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{stderr}");
        let names_it = stderr.contains("is served by an older Listgate") && stderr.contains("(process 7)");
        assert!(names_it && stderr.contains("restart it"), "{stderr}");
        assert_eq!(old.pragma_query_value(None, "user_version", |row| row.get(0)), Ok(1));
    }
    // A gate that is about to migrate holds the lock, too, and the command waits for it.
    let starting = std::thread::spawn(move || {
        std::thread::sleep(std::time::Duration::from_millis(300));
        drop(lock);
    });
    site.stdout(&["list", "ls"]);
    starting.join().unwrap();
    assert_ne!(old.pragma_query_value(None, "user_version", |row| row.get(0)), Ok(1));
}
