//! `listgate doctor` is silent about what is well, right about what is not, and disturbs nothing.

use crate::support::tls::Authority;
use crate::support::{Peer, Server, Site, free_address, queued_as, tcp};
use rusqlite::Connection;
use serde_json::Value;
use std::fs::{self, File, Permissions};
use std::io::Write;
use std::net::TcpListener;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// Returns a site with nothing to report, and its configuration file.
fn sound() -> (Site, PathBuf) {
    let site = Site::with_list();
    fs::set_permissions(site.data(), Permissions::from_mode(0o700)).unwrap();
    let (free, admin, socketmap) = (free_address(), free_address(), free_address());
    let config = format!(
        "[admin]\nlisten = \"{admin}\"\n[site]\nowner = \"owner@example.com\"\npostmaster = \"mylist@example.com\"\n\
         [server]\nlisten = [\"{free}\", \"unix:{dir}/sock\"]\n[storage]\nmin_free = \"1MiB\"\n\
         [socketmap]\nlisten = [\"{socketmap}\", \"unix:{dir}/map\"]\n",
        dir = site.data().display()
    );
    let file = site.data().join("listgate.toml");
    fs::write(&file, config).unwrap();
    (site, file)
}

fn serve(site: &Site, config: &Path) -> Server {
    let mut command = site.command();
    command.args(["serve", "--no-engine", "--config"]).arg(config);
    Server::start(command)
}

/// Returns the exit code of `listgate doctor ARGS`, and its findings.
fn doctor(site: &Site, args: &[&str]) -> (Option<i32>, Vec<Value>) {
    let output = site.listgate(&[&["doctor", "--json"], args].concat());
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    (output.status.code(), printed.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
}

/// Returns the findings that are not ok, except for the speed of the disk, which no test can know.
fn troubles(findings: &[Value]) -> Vec<&Value> {
    findings.iter().filter(|finding| finding["verdict"] != "ok" && finding["check"] != "disk syncs").collect()
}

/// Asserts that this is one of the findings, and that it says how to fix the problem if there is one.
#[track_caller]
fn assert_finds(findings: &[Value], check: &str, verdict: &str, part: &str) {
    let finding = findings.iter().find(|finding| {
        finding["check"] == check
            && finding["verdict"] == verdict
            && finding["found"].as_str().unwrap().contains(part)
    });
    let finding = finding.unwrap_or_else(|| panic!("no {verdict} of {check} with {part:?}: {findings:#?}"));
    assert_eq!(finding["mend"].is_null(), verdict == "ok", "{finding}");
}

/// Asserts that this is one of the findings, and that the exit code is 1.
#[track_caller]
fn assert_wrong(site: &Site, args: &[&str], check: &str, part: &str) {
    let (code, findings) = doctor(site, args);
    assert_finds(&findings, check, "wrong", part);
    assert_eq!(code, Some(1));
}

fn database(site: &Site) -> Connection {
    Connection::open(site.data().join("listgate.db")).unwrap()
}

/// Delivers one small and one large message, and returns their ids.
fn deliver(site: &Site) -> [String; 2] {
    let gate = site.gate(site.config());
    let mut peer = Peer::greeted(tcp(&gate));
    let ids = [10, 100_000].map(|size| {
        let message = format!("Subject: x\r\n\r\n{}\r\n", "x".repeat(size));
        queued_as(&peer.deliver("a@example.org", &["mylist@example.com"], message)[0]).to_owned()
    });
    drop(peer);
    gate.stop().unwrap();
    ids
}

/// Returns every file of the data directory with its size.
fn files(site: &Site) -> Vec<(PathBuf, u64)> {
    let file = |file: std::io::Result<fs::DirEntry>| {
        let file = file.unwrap();
        (file.path(), file.metadata().unwrap().len())
    };
    let mut files: Vec<_> = fs::read_dir(site.data()).unwrap().map(file).collect();
    files.sort();
    files
}

#[test]
fn a_sound_site_is_sound_with_or_without_a_gate_and_stays_unchanged() {
    let (site, config) = sound();
    let config_arg = config.to_str().unwrap();
    let before = files(&site);
    let (code, findings) = doctor(&site, &["--config", config_arg]);
    let [gate] = troubles(&findings)[..] else { panic!("{findings:#?}") };
    assert_eq!((code, &gate["check"], &gate["verdict"]), (Some(0), &"gate".into(), &"note".into()));
    assert_eq!(files(&site), before);

    let server = serve(&site, &config);
    let names = || files(&site).into_iter().map(|(name, _)| name).collect::<Vec<_>>();
    let before = names();
    let (code, findings) = doctor(&site, &["--config", config_arg, "--thorough"]);
    assert_eq!((code, troubles(&findings)), (Some(0), vec![]));
    assert_finds(&findings, "gate", "ok", &format!("process {}", server.child.id()));
    assert_finds(&findings, "address", "ok", &format!("{} greets: 220 ", server.address));
    assert_finds(&findings, "address", "ok", "(mode 666, uid");
    assert_finds(&findings, "admin", "ok", "says: ready");
    assert_finds(&findings, "socketmap", "ok", "127.0.0.1:");
    assert_finds(&findings, "socketmap", "ok", "/map answers");
    assert_eq!(names(), before);
    Peer::greeted(server.address).assert_usable();
}

#[test]
fn the_output_fits_80_columns_and_counts_the_problems() {
    let site = Site::with_list();
    let config = site.data().join("listgate.toml");
    fs::write(&config, "[server]\nlisten = [\"127.0.0.1:0\"]\n[lmtp]\nrefuse_at = \"data\"\n").unwrap();
    let stdout = site.stdout(&["doctor", "--config", config.to_str().unwrap()]);
    assert!(stdout.lines().all(|line| line.chars().count() <= 80), "{stdout}");
    for part in
        ["\nnote  site.owner ", "\nnote  site.postmaster ", "\nnote  lmtp.refuse_at ", " fix: ", " 0 wrong\n"]
    {
        assert!(stdout.contains(part), "{part:?} is not in\n{stdout}");
    }
    let stdout = stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    for fast_enough in ["disk syncs", "commits a second", "messages of 4 KiB a second", "at 32"] {
        assert!(stdout.contains(fast_enough), "{stdout}");
    }
}

#[test]
fn a_configuration_with_a_mistake_is_wrong_and_the_rest_is_examined() {
    let (site, config) = sound();
    fs::write(&config, "[server]\nlisen = []\n").unwrap();
    let (code, findings) = doctor(&site, &["--config", config.to_str().unwrap()]);
    assert_finds(&findings, "configuration", "wrong", "did you mean listen?");
    assert_finds(&findings, "integrity", "ok", "");
    assert_eq!(code, Some(1));
    fs::write(&config, "[site]\npostmaster = \"nolist@example.com\"\n").unwrap();
    let args = ["--config", config.to_str().unwrap(), "--listen", "127.0.0.1:0"];
    assert_wrong(
        &site,
        &args,
        "site.postmaster",
        "nolist@example.com is in a domain of this site, but not a list",
    );
}

#[test]
fn a_missing_data_directory_is_wrong_and_is_not_created() {
    let site = Site::new();
    let typo = site.data().join("typo");
    assert_wrong(&site, &["--data-dir", typo.to_str().unwrap()], "data directory", "typo");
    assert!(!typo.exists());
    let (_, findings) = doctor(&site, &[]);
    assert_finds(&findings, "database", "note", "there is none");
    assert_eq!(fs::read_dir(site.data()).unwrap().count(), 0);
}

#[test]
fn world_readable_mail_and_files_of_another_user_are_noted() {
    let (site, config) = sound();
    let args = ["--config", config.to_str().unwrap()];
    fs::set_permissions(site.data(), Permissions::from_mode(0o755)).unwrap();
    fs::set_permissions(site.data().join("listgate.db"), Permissions::from_mode(0o644)).unwrap();
    assert_finds(&doctor(&site, &args).1, "data directory", "note", "every user");
    if std::os::unix::fs::chown(site.data().join("spool"), Some(12345), None).is_ok() {
        assert_finds(&doctor(&site, &args).1, "data directory", "note", "uid 12345");
    }
}

#[test]
fn a_taken_address_and_a_gate_that_listens_elsewhere_are_wrong() {
    let (site, config) = sound();
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = other.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for stream in other.incoming() {
            let _ = stream.unwrap().write_all(b"220 another program\r\n");
        }
    });
    let listen = ["--config", config.to_str().unwrap(), "--listen", &taken];
    assert_wrong(&site, &listen, "address", "220 another program");
    let socket = format!("unix:{}", config.display());
    assert_wrong(&site, &[&listen[..2], &["--listen", &socket]].concat(), "address", "is not a socket");
    let nowhere = "unix:/no-such-directory/sock";
    assert_wrong(
        &site,
        &[&listen[..2], &["--listen", nowhere]].concat(),
        "address",
        "its directory does not exist",
    );
    let _server = serve(&site, &config);
    let free = free_address().to_string();
    let elsewhere = [&listen[..2], &["--listen", &free]].concat();
    assert_wrong(&site, &elsewhere, "address", "does not answer");
}

#[test]
fn a_gate_that_does_not_allow_this_machine_is_noted() {
    let (site, config) = sound();
    let text = fs::read_to_string(&config).unwrap();
    fs::write(&config, text.replace("[server]\n", "[server]\nallow = [\"192.0.2.1\"]\n")).unwrap();
    let _server = serve(&site, &config);
    let (code, findings) = doctor(&site, &["--config", config.to_str().unwrap()]);
    assert_finds(&findings, "address", "note", "refuses this machine: 421 ");
    assert_finds(&findings, "socketmap", "note", "refuses this machine");
    assert_eq!(code, Some(0));
}

#[test]
fn too_little_space_is_wrong() {
    let (site, config) = sound();
    fs::write(&config, "[storage]\nmin_free = \"1024PiB\"\n").unwrap();
    assert_wrong(&site, &["--config", config.to_str().unwrap()], "free space", "deferred with 452");
}

#[test]
fn messages_without_their_file_are_named_and_files_without_a_message_are_noted() {
    let (site, config) = sound();
    let args = ["--config", config.to_str().unwrap()];
    let [_, large] = deliver(&site);
    assert_finds(&doctor(&site, &args).1, "spool", "ok", "large messages: 1");
    let spool = site.data().join("spool");
    let body = fs::read_dir(&spool).unwrap().next().unwrap().unwrap().path();

    let orphan = File::create(spool.join("orphan")).unwrap();
    assert_finds(&doctor(&site, &args).1, "spool", "note", "1 files");
    let server = serve(&site, &config);
    assert!(!spool.join("orphan").exists(), "the fix that it printed");
    let arriving = File::create(spool.join("arriving")).unwrap();
    assert_finds(&doctor(&site, &args).1, "spool", "ok", "");
    arriving.set_modified(SystemTime::now() - Duration::from_secs(7200)).unwrap();
    assert_finds(&doctor(&site, &args).1, "spool", "note", "1 files");
    drop((server, orphan));

    File::options().write(true).open(&body).unwrap().set_len(99_999).unwrap();
    assert_wrong(&site, &args, "spool", &format!("cut short of {large}"));
    fs::remove_file(body).unwrap();
    assert_wrong(&site, &args, "spool", &large);
    site.stdout(&["queue", "remove", &large]);
    let _server = serve(&site, &config);
    assert_finds(&doctor(&site, &args).1, "spool", "ok", "large messages: 0");
}

#[test]
fn wrong_queue_sizes_are_corrected_beside_a_running_gate() {
    let (site, config) = sound();
    let args = ["--config", config.to_str().unwrap()];
    deliver(&site);
    let server = serve(&site, &config);
    database(&site).execute_batch("UPDATE queue_size SET entries = 7 WHERE queue = 'in'").unwrap();
    database(&site).execute_batch("DELETE FROM queue_size WHERE queue = 'bounces'").unwrap();
    assert_wrong(&site, &args, "queue sizes", "in is recorded with 7 entries");
    let (code, findings) = doctor(&site, &[&args[..], &["--repair"]].concat());
    assert_finds(&findings, "queue sizes", "ok", "corrected: in is recorded with 7 entries");
    assert_eq!(code, Some(0));
    let (code, findings) = doctor(&site, &args);
    assert_finds(&findings, "queue sizes", "ok", "sizes are correct");
    assert_eq!(code, Some(0));
    drop(server);
    let sql = "SELECT entries, octets > 100000 FROM queue_size WHERE queue = 'in'";
    let size = database(&site).query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?)));
    assert_eq!(size, Ok((2, true)));
}

#[test]
fn queues_without_consumers_and_mail_from_the_future_are_reported() {
    let (site, config) = sound();
    let args = ["--config", config.to_str().unwrap()];
    let fresh = deliver(&site);
    assert_finds(&doctor(&site, &args).1, "queues", "ok", ": 2");
    site.stdout(&["queue", "remove", &fresh[0], &fresh[1]]);
    // The doctor uses the system's clock.
    let age = Duration::from_secs(7500);
    site.clock.set_back(age);
    deliver(&site);
    assert_finds(
        &doctor(&site, &args).1,
        "queues",
        "note",
        "no consumer reads in: 2 entries wait, the oldest for 2h 5m",
    );
    database(&site).execute_batch("UPDATE entry SET attempts = 1 WHERE n = 1").unwrap();
    assert_finds(&doctor(&site, &args).1, "queues", "ok", "");
    site.clock.advance(age + Duration::from_secs(1500));
    deliver(&site);
    assert_wrong(&site, &args, "clock", "in the future");
}

#[test]
fn a_log_that_a_reader_keeps_large_is_noted() {
    let (site, config) = sound();
    File::options().write(true).open(site.data().join("listgate.db-wal")).unwrap().set_len(80 << 20).unwrap();
    let (code, findings) = doctor(&site, &["--config", config.to_str().unwrap()]);
    assert_finds(&findings, "log", "note", "80.0 MiB in the write-ahead log");
    assert_eq!(code, Some(0));
}

#[test]
fn a_site_or_domain_without_lists_is_noted() {
    let (site, config) = sound();
    site.stdout(&["domain", "add", "empty.example"]);
    site.stdout(&["domain", "add", "alias.example", "--alias-of", "example.com"]);
    let args = ["--config", config.to_str().unwrap()];
    let (_, findings) = doctor(&site, &args);
    assert_finds(&findings, "domains", "note", "without lists: empty.example");
    assert_eq!(
        findings.iter().filter(|finding| finding["found"].as_str().unwrap().contains("alias")).count(),
        0
    );
    site.stdout(&["list", "remove", "mylist@example.com"]);
    assert_finds(&doctor(&site, &args).1, "lists", "note", "no mail is taken");
}

#[test]
fn a_damaged_database_is_wrong() {
    let site = Site::with_list();
    for number in 0..300 {
        database(&site)
            .execute("INSERT INTO domain (name) VALUES (?1)", [format!("{number:0100}.example")])
            .unwrap();
    }
    let copy = site.data().join("copy");
    let dir = copy.to_str().unwrap();
    site.stdout(&["backup", dir]);
    let args = ["--data-dir", dir, "--listen", "127.0.0.1:0"];
    assert_eq!(doctor(&site, &args).0, Some(0), "a backup is sound");
    let file = File::options().write(true).open(copy.join("listgate.db")).unwrap();
    let middle = file.metadata().unwrap().len() / 4096 / 2 * 4096;
    file.write_all_at(&[0xa5; 4096], middle).unwrap();
    assert_wrong(&site, &args, "integrity", "the database is damaged");
    file.write_all_at(&[0xa5; 4096], 0).unwrap();
    assert_wrong(&site, &args, "database", "cannot be read");
}

#[test]
fn a_database_of_another_version_is_reported_and_left_alone() {
    let site = Site::with_list();
    let args = ["--listen", "127.0.0.1:0"];
    for (schema, verdict, part) in [(1, "note", "an older Listgate"), (99, "wrong", "a newer Listgate")] {
        database(&site).pragma_update(None, "user_version", schema).unwrap();
        assert_finds(&doctor(&site, &args).1, "database", verdict, part);
        let found = database(&site).pragma_query_value(None, "user_version", |row| row.get(0));
        assert_eq!(found, Ok(schema));
    }
}

#[test]
fn links_of_a_killed_backup_are_noted() {
    let (site, config) = sound();
    fs::create_dir(site.data().join("backup-links")).unwrap();
    let (_, findings) = doctor(&site, &["--config", config.to_str().unwrap()]);
    assert_finds(&findings, "backup", "note", "a backup that was killed");
}

#[test]
fn a_program_that_keeps_the_database_locked_is_named() {
    let (site, config) = sound();
    let args = ["--config", config.to_str().unwrap()];
    let _server = serve(&site, &config);
    assert_finds(&doctor(&site, &args).1, "write lock", "ok", "can be written");
    let holder = database(&site);
    holder.execute_batch("BEGIN IMMEDIATE").unwrap();
    assert_wrong(&site, &args, "write lock", &format!("(process {}) has kept", std::process::id()));
    holder.execute_batch("ROLLBACK").unwrap();
    assert_finds(&doctor(&site, &args).1, "write lock", "ok", "can be written");
}

#[test]
fn a_certificate_that_cannot_be_used_is_found() {
    let (site, authority) = (Site::with_list(), Authority::new());
    authority.issue("lists.example.com").write(site.data());
    let config = site.data().join("listgate.toml");
    fs::write(&config, "[tls]\ncertificate = \"cert.pem\"\nkey = \"key.pem\"\n").unwrap();
    let args = ["--config", config.to_str().unwrap()];
    assert_finds(&doctor(&site, &args).1, "certificate", "ok", "cert.pem and its key can be used");
    fs::write(site.data().join("key.pem"), authority.issue("lists.example.com").key).unwrap();
    let (code, findings) = doctor(&site, &args);
    assert_eq!(code, Some(1));
    assert_finds(&findings, "certificate", "wrong", "cannot be used with the key");
}
