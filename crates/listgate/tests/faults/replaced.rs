//! A data directory, or a file in it, that is replaced while a gate runs on it: the gate sends no 250 for mail
//! that no process would find, logs the path, and exits with 1.

use crate::support::{OWNER, Peer, Server, Site, queued_as, until};
use crate::tools::{THREE, command, message};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

const CONFIG: &str = "[storage]\nmin_free = \"0B\"\n[server]\nshutdown_grace = \"20s\"\n";

const TO: [&str; 1] = ["mylist@example.com"];

/// A site whose data directory is one level down, so that a moved directory is still removed after the test.
struct Moved {
    site: Site,
    server: Server,
    log: PathBuf,
}

impl Moved {
    fn new() -> Self {
        let site = Site::new();
        let moved = |args: &[&str]| run(&site, args);
        moved(&["list", "create", "mylist@example.com", "--owner", OWNER]);
        let log = site.data().join("gate.log");
        let mut command = command(&site, site.command(), CONFIG);
        command.env("LISTGATE_DATA_DIR", data(&site)).stderr(File::create(&log).unwrap());
        Self { server: Server::start(command), site, log }
    }

    fn data(&self) -> PathBuf {
        data(&self.site)
    }

    fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    /// Asserts that the gate has exited with 1 and has logged this path and this text.
    #[track_caller]
    fn ended(&mut self, path: &Path, reason: &str) {
        assert_eq!(self.server.wait(), Some(1));
        let (log, path) = (self.log(), path.display().to_string());
        let line = log.lines().find(|line| line.contains("Listgate accepts no more mail"));
        let line = line.unwrap_or_else(|| panic!("{log}"));
        assert!(line.contains(&path) && line.contains(reason), "{path}, {reason}: {line}");
    }
}

fn data(site: &Site) -> PathBuf {
    site.data().join("var")
}

/// Returns what `listgate ARGS` prints for the current data directory.
fn run(site: &Site, args: &[&str]) -> String {
    run_in(site, &data(site), args)
}

fn run_in(site: &Site, data: &Path, args: &[&str]) -> String {
    let output = site.command().env("LISTGATE_DATA_DIR", data).args(args).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Makes a backup, runs `mv var var.old; cp -r backup var`, and returns the path of the old directory.
fn replace_by_a_backup(site: &Site) -> PathBuf {
    let (data, old, backup) = (data(site), site.data().join("var.old"), site.data().join("backup"));
    run(site, &["backup", backup.to_str().unwrap()]);
    fs::rename(&data, &old).unwrap();
    assert!(Command::new("cp").arg("-r").args([&backup, &data]).status().unwrap().success());
    old
}

/// Runs `rm -rf var`, and puts a new one there at once: a gate that looked in between would find none, and say so.
fn remove_and_create(site: &Site) {
    let new = site.data().join("var.new");
    run_in(site, &new, &["list", "create", "mylist@example.com", "--owner", OWNER]);
    // A gate that still writes may create a file while the directory is being removed.
    until("it is removed", || fs::remove_dir_all(data(site)).is_ok());
    fs::rename(new, data(site)).unwrap();
}

fn remove_database(site: &Site) {
    for name in ["listgate.db", "listgate.db-wal", "listgate.db-shm"] {
        fs::remove_file(data(site).join(name)).unwrap();
    }
}

/// Asserts that nothing is promised any more: each reply is 451 or 421, or the connection has ended.
#[track_caller]
fn assert_deferred(replies: &[String]) {
    assert!(!replies.is_empty());
    for reply in replies {
        assert!(reply.is_empty() || reply.starts_with("451") || reply.starts_with("421"), "{replies:?}");
    }
}

/// Tries to deliver a message. Returns the reply to it, or the first one that refuses a command.
fn try_to_deliver(peer: &mut Peer, size: usize) -> Vec<String> {
    for line in ["MAIL FROM:<a@example.org>", "RCPT TO:<mylist@example.com>"] {
        let reply = peer.command(line);
        if !reply.starts_with("250") {
            return vec![reply];
        }
    }
    let reply = peer.command("DATA");
    if !reply.starts_with("354") {
        return vec![reply];
    }
    peer.send(message("<late@x>", size));
    peer.send(".\r\n");
    vec![peer.reply()]
}

/// Replaces the directory with `replace` while a message arrives, and asserts that the message is deferred.
fn while_a_message_arrives(size: usize, replace: impl FnOnce(&Site)) -> Moved {
    let moved = Moved::new();
    let mut peer = Peer::greeted(moved.server.address);
    let kept = peer.deliver("a@example.org", &THREE, message("<kept@x>", size));
    assert!(kept.iter().all(|reply| reply.starts_with("250")), "{kept:?}");
    peer.begin("a@example.org", &THREE);
    let message = message("<late@x>", size);
    let (begin, end) = message.split_at(size / 2);
    peer.send(begin);
    replace(&moved.site);
    peer.send(end);
    peer.send(".\r\n");
    assert_deferred(&THREE.map(|_| peer.reply()));
    drop(peer);
    moved
}

#[test]
fn a_directory_replaced_by_a_backup_ends_the_gate_and_the_old_one_has_the_mail() {
    for size in [100, 200_000] {
        let mut old = PathBuf::new();
        let mut moved = while_a_message_arrives(size, |site| old = replace_by_a_backup(site));
        let (database, place) = (moved.data().join("listgate.db"), old.join("listgate.db"));
        moved.ended(&database, &format!("what was stored before is in {}", place.display()));
        let listed = run_in(&moved.site, &old, &["queue", "ls", "--json"]);
        let kept: Vec<&str> = listed.lines().filter(|entry| entry.contains("<kept@x>")).collect();
        assert_eq!(kept.len(), THREE.len(), "{listed}");
        for entry in kept {
            let entry: serde_json::Value = serde_json::from_str(entry).unwrap();
            let id = entry["id"].as_str().unwrap();
            let message = run_in(&moved.site, &old, &["queue", "show", id, "--message"]);
            assert!(message.len() >= size && message.ends_with("again\r\n"));
        }
    }
}

#[test]
fn a_directory_removed_and_created_again_ends_the_gate() {
    for size in [100, 200_000] {
        let mut moved = while_a_message_arrives(size, remove_and_create);
        let database = moved.data().join("listgate.db");
        moved.ended(&database, "the file with what was stored before was deleted");
        assert_eq!(run(&moved.site, &["queue", "ls", "--json"]), "");
    }
}

#[test]
fn a_database_that_is_removed_ends_the_gate() {
    for size in [100, 200_000] {
        let mut moved = while_a_message_arrives(size, remove_database);
        let database = moved.data().join("listgate.db");
        moved.ended(&database, "was moved away or removed while it was in use");
    }
}

#[test]
fn no_mail_is_accepted_in_a_replaced_directory() {
    for size in [100, 200_000] {
        let mut moved = Moved::new();
        let mut peer = Peer::greeted(moved.server.address);
        queued_as(&peer.deliver("a@example.org", &TO, message("<kept@x>", size))[0]);
        remove_and_create(&moved.site);
        // The gate's last check of the free space may be this old.
        thread::sleep(Duration::from_millis(60));
        assert_deferred(&try_to_deliver(&mut peer, size));
        drop(peer);
        let database = moved.data().join("listgate.db");
        moved.ended(&database, " while it was in use");
    }
}

#[test]
fn replacing_a_file_that_others_open_by_its_path_ends_an_idle_gate() {
    for name in ["listgate.db", "listgate.db-wal", "listgate.db-shm", "spool", "lock"] {
        let mut moved = Moved::new();
        let path = moved.data().join(name);
        fs::rename(&path, moved.site.data().join("elsewhere")).unwrap();
        moved.ended(&path, "was moved away or removed while it was in use");
    }
}

#[test]
fn doctor_distinguishes_a_gate_whose_directory_was_replaced_from_no_gate() {
    let replacements: [fn(&Site); 3] =
        [|site| drop(replace_by_a_backup(site)), remove_and_create, remove_database];
    for replace in replacements {
        let mut moved = Moved::new();
        let mut peer = Peer::greeted(moved.server.address);
        // An open transaction keeps the gate running for the grace time.
        peer.begin("a@example.org", &TO);
        replace(&moved.site);
        until("the gate notices", || moved.log().contains("Listgate accepts no more mail"));
        let output = moved
            .site
            .command()
            .env("LISTGATE_DATA_DIR", moved.data())
            .args(["doctor", "--json", "--config"])
            .arg(moved.site.data().join("listgate.toml"))
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let stdout = String::from_utf8(output.stdout).unwrap();
        let gate = stdout.lines().find(|line| line.contains(r#""check":"gate""#)).unwrap();
        let process = format!("(process {}", moved.server.child.id());
        assert!(gate.contains(r#""verdict":"wrong""#) && gate.contains("directory replaced"), "{gate}");
        assert!(gate.contains(&process), "{gate}");
        assert_eq!(output.status.code(), Some(1));
        peer.send("Subject: late\r\n\r\n.\r\n");
        assert_deferred(&[peer.reply()]);
        drop(peer);
        assert_eq!(moved.server.wait(), Some(1));
    }
}

#[test]
fn a_socket_that_another_gate_has_created_since_is_left_alone() {
    let (first, second) = (Site::with_list(), Site::with_list());
    let socket = first.data().join("sock");
    let listen = format!("unix:{}", socket.display());
    let mut one = first.serve(&["--listen", &listen]);
    fs::remove_file(&socket).unwrap();
    let mut two = second.serve(&["--listen", &listen]);
    one.signal("TERM");
    assert_eq!(one.wait(), Some(0));
    assert!(socket.exists(), "it is the second gate's");
    two.signal("TERM");
    assert_eq!(two.wait(), Some(0));
    assert!(!socket.exists());
}

#[test]
fn a_consumer_of_a_replaced_directory_ends_and_reports_why() {
    let site = Site::new();
    run(&site, &["list", "create", "mylist@example.com", "--owner", OWNER]);
    let mut command = site.command();
    command.env("LISTGATE_DATA_DIR", data(&site)).args([
        "work",
        "in",
        "--config",
        &site.without_engine(),
        "--",
        "true",
    ]);
    let mut work = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let files = format!("/proc/{}/fd", work.id());
    until("it has opened the log", || {
        let mut files =
            fs::read_dir(&files).unwrap().filter_map(|file| fs::read_link(file.ok()?.path()).ok());
        files.any(|file| file.ends_with("listgate.db-wal"))
    });
    // A moment later it has noted which files these are.
    thread::sleep(Duration::from_millis(300));
    assert!(work.try_wait().unwrap().is_none(), "it waits for mail");
    remove_and_create(&site);
    let output = work.wait_with_output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(
        stderr.split_whitespace().collect::<Vec<_>>().join(" ").contains("while it was in use"),
        "{stderr}"
    );
}
