//! What the end of a command means for its entry, whatever the command does.

use crate::handler::{Workers, command, work};
use crate::support::Site;
use crate::{LONG, deliver, open, states};
use listgate::queue::{Name, Verdict};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

/// Makes leased and deferred entries eligible for `listgate work`, which uses the system's clock. A consumer
/// whose clock is ahead leases what is due and releases it.
fn let_time_pass(site: &Site) {
    crate::let_time_pass(site);
    let mut queue = open(site, Name::In);
    let leases = queue.lease(10, LONG).unwrap();
    let released: Vec<_> = leases.into_iter().map(|lease| (lease, Verdict::Release)).collect();
    assert!(queue.settle(&released).unwrap().iter().all(Result::is_ok));
}

#[test]
fn the_command_gets_the_message_and_the_facts() {
    let site = Site::with_list();
    deliver(&site, &["mylist-confirm+abc@example.com"]);
    let script = "cat > $0.message; env | grep ^LISTGATE_ | sort > $0.facts";
    let place = site.data().join("seen");
    let output = work(&site, &["command", "--drain"], &["sh", "-c", script, place.to_str().unwrap()]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let message = fs::read_to_string(place.with_extension("message")).unwrap();
    assert!(message.starts_with("Subject: 0\r\n") && message.ends_with("\r\n\r\n"), "{message}");
    let facts = fs::read_to_string(place.with_extension("facts")).unwrap();
    for fact in [
        "LISTGATE_ID=1-1\n",
        "LISTGATE_QUEUE=command\n",
        "LISTGATE_LIST_ID=mylist.example.com\n",
        "LISTGATE_LISTNAME=mylist@example.com\n",
        "LISTGATE_SUBADDRESS=confirm\n",
        "LISTGATE_DETAIL=abc\n",
        "LISTGATE_MAIL_FROM=anne@example.org\n",
        "LISTGATE_RECIPIENT=mylist-confirm+abc@example.com\n",
        "LISTGATE_ATTEMPT=1\n",
        "LISTGATE_MSGDATA={\"_parsemsg\":false,\"listname\":\"mylist@example.com\",",
    ] {
        assert!(facts.contains(fact), "{fact:?} in {facts}");
    }
    assert!(facts.contains(&format!("LISTGATE_DATA_DIR={}\n", site.data().display())), "{facts}");
    let at = facts.lines().find_map(|line| line.strip_prefix("LISTGATE_RECEIVED_AT=")).unwrap();
    assert!(at.starts_with("20") && at.ends_with('Z'), "{at}");
    assert_eq!(site.ids("command").len(), 0);
    let log = String::from_utf8(output.stderr).unwrap();
    assert!(log.contains("done id=1-1 list=\"mylist.example.com\" attempt=1"), "{log}");
}

/// A command must not speak to systemd in the name of `listgate work`, nor use its sockets.
#[test]
fn the_command_does_not_get_systemds_variables() {
    let site = Site::with_list();
    deliver(&site, &["mylist-join@example.com"]);
    let place = site.data().join("seen");
    let handler = ["sh", "-c", "env > $0", place.to_str().unwrap()];
    let mut command = command(&site, &["command", "--drain"], &handler);
    for variable in
        ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES"]
    {
        command.env(variable, "1");
    }
    assert!(command.env("OTHER", "1").stderr(Stdio::null()).status().unwrap().success());
    let seen = fs::read_to_string(place).unwrap();
    assert!(seen.contains("OTHER=1\n"), "{seen}");
    for prefix in ["NOTIFY_", "WATCHDOG_", "LISTEN_"] {
        assert!(!seen.lines().any(|line| line.starts_with(prefix)), "{seen}");
    }
}

#[test]
fn the_exit_code_is_the_verdict() {
    let site = Site::with_list();
    deliver(&site, &["mylist@example.com"; 5]);
    let script = "case $LISTGATE_ID in
        1-1) ;;
        2-1) exit 75;;
        3-1) echo first >&2; echo 'no such token' >&2; exit 65;;
        4-1) echo oops >&2; exit 1;;
        5-1) kill -SEGV $$;;
        esac";
    let output = work(&site, &["in", "--drain", "--jobs", "3"], &["sh", "-c", script]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(
        states(&site),
        [
            "2-1 later 1: exit code 75",
            "3-1 shunted 1: exit code 65: first\nno such token",
            "4-1 later 1: exit code 1: oops",
            "5-1 later 1: signal 11",
        ]
    );
}

#[test]
fn too_many_attempts_are_shunted() {
    let site = Site::with_list();
    deliver(&site, &["mylist@example.com"]);
    for attempt in 1..=3 {
        work(&site, &["in", "--drain", "--max-attempts", "3"], &["sh", "-c", "echo broken >&2; exit 2"]);
        let state = if attempt < 3 { "later" } else { "shunted" };
        assert_eq!(site.json(&["queue", "ls"])[0]["state"], state);
        let_time_pass(&site);
    }
    assert_eq!(states(&site), ["1-1 shunted 3: given up after 3 attempts: exit code 2: broken"]);
    site.stdout(&["queue", "retry", "1-1"]);
    work(&site, &["in", "--drain"], &["true"]);
    assert_eq!(states(&site).len(), 0);
}

#[test]
fn an_entry_that_kills_its_worker_each_time_is_finally_shunted() {
    let site = Site::with_list();
    deliver(&site, &["mylist@example.com"]);
    for _ in 0..2 {
        let mut worker = Workers::start(&site, &["in"], &["sleep", "60"]);
        worker.until_running(1);
        worker.kill();
        let_time_pass(&site);
    }
    work(&site, &["in", "--drain", "--max-attempts", "2"], &["true"]);
    assert_eq!(states(&site), ["1-1 shunted 3: given up after 2 attempts: its lease lapsed"]);
}

#[test]
fn a_command_that_hangs_is_ended_with_its_children() {
    let site = Site::with_list();
    deliver(&site, &["mylist@example.com"; 2]);
    // The second ignores SIGTERM.
    let script = "[ $LISTGATE_ID = 2-1 ] && trap '' TERM; echo $$ > $0.$LISTGATE_ID; sleep 1000 & wait; wait";
    let place = site.data().join("pid");
    let arguments = ["in", "--drain", "--jobs", "2", "--timeout", "1s"];
    work(&site, &arguments, &["sh", "-c", script, place.to_str().unwrap()]);
    assert_eq!(states(&site), ["1-1 later 1: it took longer than 1s", "2-1 later 1: it took longer than 1s"]);
    for id in ["1-1", "2-1"] {
        let group = fs::read_to_string(format!("{}.{id}", place.display())).unwrap();
        crate::handler::until_group_has_ended(group.trim());
    }
}

#[test]
fn gigabytes_of_output_take_no_memory_and_input_need_not_be_read() {
    let site = Site::with_list();
    let gate = site.gate(site.config());
    let mut peer = crate::support::Peer::greeted(crate::support::tcp(&gate));
    let large = format!("Subject: large\r\n\r\n{}", "0123456789abcdef\r\n".repeat(20_000));
    peer.deliver("", &["mylist@example.com"], &large);
    peer.deliver("", &["mylist@example.com"], &large[..60_000 / 18 * 18]);
    gate.stop().unwrap();
    let script = "head -c 1 > /dev/null; head -c 2000000000 /dev/zero >&2; head -c 1000000000 /dev/zero; echo the end >&2; exit 65";
    let mut worker = Workers::start(&site, &["in", "--drain", "--timeout", "10m"], &["sh", "-c", script]);
    let mut most = 0;
    while worker.is_running() {
        most = most.max(worker.resident());
        std::thread::sleep(Duration::from_millis(10));
    }
    assert!(most < 64 << 20, "{most} octets");
    let states = states(&site);
    assert_eq!(states.len(), 2);
    assert!(
        states.iter().all(|state| state.contains(" shunted 1: exit code 65: ") && state.ends_with("the end"))
    );
}

#[test]
fn a_missing_command_is_reported_before_there_is_an_entry() {
    let site = Site::with_list();
    let directory = site.data().to_str().unwrap();
    let plain = site.data().join("plain");
    fs::write(&plain, "#!/bin/sh\n").unwrap();
    let plain = plain.to_str().unwrap();
    for (command, why) in [
        (
            "./no-such-handler",
            "command ./no-such-handler not found: give its path, or add its directory to PATH".to_owned(),
        ),
        ("no-such-handler", "command no-such-handler not found: ".to_owned()),
        ("tee -a log | wc", "write `-- sh -c \"tee -a log | wc\"`".to_owned()),
        (directory, format!("{directory} is a directory")),
        (plain, format!("{plain} is not executable for this user: `chmod +x {plain}`")),
    ] {
        let output = work(&site, &["in", "--drain"], &[command]);
        assert_eq!(output.status.code(), Some(1));
        let stderr = String::from_utf8(output.stderr).unwrap();
        let stderr = stderr.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(stderr.contains(&why), "{stderr}");
    }
}

#[test]
fn a_command_that_cannot_be_run_costs_no_attempt() {
    let site = Site::with_list();
    deliver(&site, &["mylist@example.com"]);
    let handler = site.data().join("handler");
    // A program for another processor: an ELF header with an unknown machine type.
    let foreign = [&b"\x7fELF\x02\x01\x01"[..], &[0; 9], &[2, 0, 0xff, 0xff], &[0; 44]].concat();
    for (octets, hint) in [
        (&b"#!/no/such/interpreter\n"[..], "the interpreter behind its #! is not there"),
        (b"", "a script begins with a line such as #!/bin/sh"),
        (b"echo hello\n", "a script begins with a line such as #!/bin/sh"),
        (&foreign, "a program is for this processor"),
    ] {
        fs::write(&handler, octets).unwrap();
        fs::set_permissions(&handler, Permissions::from_mode(0o755)).unwrap();
        assert_cannot_run(&site, &handler, hint);
    }
    let _writer = fs::File::options().append(true).open(&handler).unwrap();
    assert_cannot_run(&site, &handler, "another process is writing it");
}

fn assert_cannot_run(site: &Site, handler: &Path, hint: &str) {
    let handler = handler.to_str().unwrap();
    let output = work(site, &["in"], &[handler]);
    let stderr = String::from_utf8(output.stderr).unwrap();
    let stderr = stderr.split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains(&format!("cannot run {handler}")) && stderr.contains("waits again"), "{stderr}");
    assert!(stderr.contains(hint), "{stderr}");
    assert_eq!(states(site), ["1-1 waiting 0: "]);
}

#[test]
fn background_processes_are_not_waited_for() {
    let site = Site::with_list();
    deliver(&site, &["mylist@example.com"]);
    work(
        &site,
        &["in", "--drain"],
        &["sh", "-c", "sleep 300 & echo $! > $0", site.data().join("pid").to_str().unwrap()],
    );
    let pid = fs::read_to_string(site.data().join("pid")).unwrap();
    assert!(std::process::Command::new("kill").arg(pid.trim()).status().unwrap().success(), "it still ran");
}

#[test]
fn work_refuses_a_mailman_site() {
    let site = Site::new();
    let config = site.data().join("listgate.toml");
    fs::write(&config, "storage.backend = \"mailman\"\n").unwrap();
    let output = site.listgate(&["work", "in", "--config", config.to_str().unwrap(), "--", "true"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        String::from_utf8(output.stderr)
            .unwrap()
            .contains("Mailman's own: `mailman start` starts the runners")
    );
}
