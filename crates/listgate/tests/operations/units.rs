//! The files for systemd in `packaging/systemd`, as far as they can be tried without a running systemd.

use crate::support::{OWNER, Peer, Server, Site, program};
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../packaging/systemd")
}

fn unit(name: &str) -> String {
    fs::read_to_string(folder().join(name)).unwrap()
}

/// Returns what a program prints, and checks that it succeeds.
fn stdout(command: &mut Command) -> String {
    let Output { status, stdout, stderr } = command.output().unwrap();
    let (stdout, stderr) = (String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap());
    assert!(status.success(), "{command:?}: {status}\n{stdout}{stderr}");
    assert_eq!(stderr, "", "{command:?}");
    stdout
}

/// Returns the units in a directory of their own, as if this program were installed.
fn installed() -> (TempDir, Vec<PathBuf>) {
    let dir = tempfile::tempdir().unwrap();
    let units = ["listgate.service", "listgate.socket", "listgate-backup.service", "listgate-backup.timer"]
        .map(|name| {
            let path = dir.path().join(name);
            let text = unit(name).replace("/usr/bin/listgate", program().to_str().unwrap());
            fs::write(&path, text).unwrap();
            path
        });
    (dir, units.to_vec())
}

#[test]
#[ignore = "needs systemd-analyze"]
fn systemd_has_nothing_to_say_about_the_units() {
    let (_dir, units) = installed();
    let mut verify = Command::new("systemd-analyze");
    assert_eq!(stdout(verify.args(["verify", "--man=no"]).args(units)), "");
}

#[test]
#[ignore = "needs systemd-analyze"]
fn the_exposure_is_below_two() {
    let (_dir, units) = installed();
    for service in units.iter().filter(|unit| unit.extension().is_some_and(|kind| kind == "service")) {
        let mut analyze = Command::new("systemd-analyze");
        // It fails if the exposure is above the threshold, which is in tenths.
        analyze.args(["security", "--offline=true", "--threshold=19", "--no-pager"]).arg(service);
        let report = stdout(&mut analyze);
        assert!(report.contains("Overall exposure level for "), "{report}");
    }
}

/// Returns the system calls that a unit allows.
fn allowed(unit: &str) -> BTreeSet<String> {
    let mut allowed = BTreeSet::new();
    for filter in unit.lines().filter_map(|line| line.strip_prefix("SystemCallFilter=")) {
        let (is_removed, sets) = filter.strip_prefix('~').map_or((false, filter), |sets| (true, sets));
        for name in sets.split(' ').flat_map(expanded) {
            match is_removed {
                true => drop(allowed.remove(&name)),
                false => drop(allowed.insert(name)),
            }
        }
    }
    allowed
}

/// Returns the system calls of a set, or the one with this name.
fn expanded(name: &str) -> Vec<String> {
    if !name.starts_with('@') {
        return vec![name.to_owned()];
    }
    let shown = stdout(Command::new("systemd-analyze").args(["syscall-filter", "--no-pager", name]));
    let lines =
        shown.lines().skip(1).map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.flat_map(expanded).collect()
}

/// systemd answers other calls with EPERM, as if the disk or the network had failed.
#[test]
#[ignore = "needs systemd-analyze, strace"]
fn the_gate_and_the_backup_make_only_the_calls_that_their_units_allow() {
    let site = Site::new();
    site.stdout(&["list", "create", "mylist@example.com", "--owner", OWNER]);
    site.stdout(&["member", "add", "mylist@example.com", "anne@example.org"]);
    let calls = |name: &str| {
        let text = fs::read_to_string(site.data().join(name)).unwrap();
        let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        let called = text.lines().map(words).filter(|words| words.len() >= 5 && words[0].contains('.'));
        called
            .filter_map(|words| words.last().cloned())
            .filter(|name| name != "total")
            .collect::<BTreeSet<_>>()
    };
    let traced = |name: &str| {
        let mut strace = Command::new("strace");
        strace.args(["-f", "-c", "-o"]).arg(site.data().join(name)).arg(program());
        strace.env("LISTGATE_DATA_DIR", site.data()).stderr(Stdio::null());
        strace
    };
    let mut serve = traced("serve.calls");
    let socket = format!("unix:{}", site.data().join("lmtp.sock").display());
    serve.args(["serve", "--listen", "127.0.0.1:0", "--listen", &socket]);
    serve.args(["--outgoing", &site.outbox().option()]);
    let mut server = Server::start(serve);
    let mut peer = Peer::greeted(server.address);
    for size in [10, 200_000] {
        let body = "0123456789abcdef\r\n".repeat(size / 16);
        peer.deliver(
            "anne@example.org",
            &["mylist@example.com"],
            format!("From: anne@example.org\r\nTo: mylist@example.com\r\n\r\n{body}"),
        );
    }
    site.outbox().wait(2);
    stdout(traced("backup.calls").arg("backup").arg(site.data().join("copy")));
    let children = format!("/proc/{0}/task/{0}/children", server.child.id());
    let traced = fs::read_to_string(children).unwrap();
    for signal in ["-HUP", "-TERM"] {
        assert!(Command::new("kill").args([signal, traced.trim()]).status().unwrap().success());
    }
    assert_eq!(server.wait(), Some(0));
    for (unit_name, trace) in
        [("listgate.service", "serve.calls"), ("listgate-backup.service", "backup.calls")]
    {
        let (calls, allowed) = (calls(trace), allowed(&unit(unit_name)));
        assert!(calls.contains("fdatasync") || calls.contains("fsync"), "{calls:?}");
        // SQLite makes this call as root alone.
        let denied: Vec<_> = calls.difference(&allowed).filter(|call| *call != "fchown").collect();
        assert!(denied.is_empty(), "{unit_name} denies {denied:?}");
    }
}

#[test]
#[ignore = "needs systemd-analyze"]
fn the_user_and_the_directories_are_created() {
    let root = tempfile::tempdir().unwrap();
    fs::create_dir(root.path().join("etc")).unwrap();
    let mut root_option = std::ffi::OsString::from("--root=");
    root_option.push(root.path());
    let created = |program: &str, args: &[&str], file: &str| {
        let output =
            Command::new(program).arg(&root_option).args(args).arg(folder().join(file)).output().unwrap();
        assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
    };
    created("systemd-sysusers", &[], "sysusers.d/listgate.conf");
    let users = fs::read_to_string(root.path().join("etc/passwd")).unwrap();
    let user = users.lines().find(|line| line.starts_with("listgate:")).unwrap();
    assert!(user.contains(":/var/lib/listgate:") && user.ends_with("nologin"), "{user}");
    created("systemd-tmpfiles", &["--create"], "tmpfiles.d/listgate.conf");
    for (dir, mode) in [("var/lib/listgate", 0o750), ("var/backups/listgate", 0o700)] {
        let file = fs::metadata(root.path().join(dir)).unwrap();
        assert_eq!(file.permissions().mode() & 0o777, mode, "{dir}");
    }
}

/// Runs the script of the backup service, as systemd would, on the site.
fn back_up(site: &Site, copies: &Path) -> Output {
    let unit = unit("listgate-backup.service").replace("\\\n", "");
    let script = unit.lines().find_map(|line| line.strip_prefix("ExecStart=/bin/sh -eu -c '")).unwrap();
    let script = script.strip_suffix('\'').unwrap().replace("%%", "%").replace("$$", "$");
    let script =
        script.replace("/usr/bin/listgate --config /etc/listgate/listgate.toml", program().to_str().unwrap());
    let script = script.replace("/var/backups/listgate", copies.to_str().unwrap());
    let mut shell = Command::new("/bin/sh");
    shell.args(["-eu", "-c", &script]).env("KEEP_DAYS", "14").env("LISTGATE_DATA_DIR", site.data());
    shell.output().unwrap()
}

#[test]
fn a_nightly_backup_is_whole_and_old_ones_are_removed_after_it() {
    let (site, copies) = (Site::with_list(), tempfile::tempdir().unwrap());
    let names = || {
        let mut names: Vec<String> = fs::read_dir(copies.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    };
    for (name, date) in
        [("2020-01-01T000000", "30 days ago"), ("2020-01-02T000000", "13 days ago"), ("mine", "90 days ago")]
    {
        let path = copies.path().join(name);
        fs::create_dir(&path).unwrap();
        assert!(Command::new("touch").args(["-d", date]).arg(&path).status().unwrap().success());
    }
    // What a backup that was killed has left.
    fs::create_dir(copies.path().join("unfinished")).unwrap();
    fs::write(copies.path().join("unfinished/file"), "").unwrap();
    let output = back_up(&site, copies.path());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let left = names();
    assert_eq!(left.len(), 3, "{left:?}");
    assert_eq!((left[0].as_str(), left[2].as_str()), ("2020-01-02T000000", "mine"));
    let copy = copies.path().join(&left[1]);
    let lists = site.stdout(&["--data-dir", copy.to_str().unwrap(), "list", "ls"]);
    assert!(lists.contains("mylist@example.com"), "{lists}");
}

#[test]
fn a_backup_that_fails_removes_no_older_one() {
    let (site, copies) = (Site::new(), tempfile::tempdir().unwrap());
    let old = copies.path().join("2020-01-01T000000");
    fs::create_dir(&old).unwrap();
    assert!(Command::new("touch").args(["-d", "30 days ago"]).arg(&old).status().unwrap().success());
    let output = back_up(&site, copies.path());
    assert!(!output.status.success() && old.exists());
}
