//! docs/mailman.md, run word for word with a whole Mailman: its master and runners on a machine of their own, forwards
//! to Listgate and back to Mailman's runner. A post reaches its members through both.

use crate::machine::Machine;
use crate::support::{blocks, installed, program};
use std::fs;
use std::path::Path;

const CFG: &str = "/etc/mailman3/mailman.cfg";
const ANSWERS_AS_MAILMAN: &str = "answers at 127.0.0.1:8024: 220 ";

/// Switches off the runners that no step needs, and the maps for a mail server.
const FEWER: &str = "[mta]\nincoming: mailman.mta.null.NullMTA\n\
    [runner.archive]\nstart: no\n[runner.digest]\nstart: no\n[runner.nntp]\nstart: no\n\
    [runner.rest]\nstart: no\n[runner.retry]\nstart: no\n[runner.task]\nstart: no\n\
    [runner.virgin]\nstart: no\n";

#[test]
#[ignore = "needs mailman3, mount"]
fn word_for_word_with_debians_mailman_and_systemd() {
    let tree = installed("LISTGATE_MAILMAN3", "mailman3");
    let usr = format!("{}:/usr", tree.join("usr").display());
    let machine = Machine::start(&usr, "/usr/bin/python3");
    let mut reader = Reader { machine, systemd: true, gate: None };
    let unit = tree.join("lib/systemd/system/mailman3.service");
    reader.machine.save("/etc/systemd/system/mailman3.service", &fs::read_to_string(unit).unwrap());
    let cfg = fs::read_to_string(tree.join("usr/share/mailman3/mailman.cfg.sample")).unwrap();
    assert_eq!(reader.machine.run("mailman --version"), "GNU Mailman 3.3.8 (Tom Sawyer)\n");
    reader.follow_both_ways(&cfg, "/usr/bin/python3");
}

#[test]
#[ignore = "needs mailman, mount"]
fn word_for_word_with_pypis_mailman_and_no_systemd() {
    let bin = installed("LISTGATE_MAILMAN", "mailman").join("bin");
    let (bin, python) = (bin.display(), bin.join("python").display().to_string());
    let mut machine = Machine::start("/usr", &python);
    machine.run(&format!("ln -sf {bin}/mailman /usr/local/bin/mailman"));
    let mut reader = Reader { machine, systemd: false, gate: None };
    let paths = format!("var_dir: /var/lib/mailman3\nlog_dir: /var/log/mailman3\nbin_dir: {bin}");
    reader.follow_both_ways(&format!("[mailman]\nlayout: here\n[paths.here]\n{paths}\n"), &python);
}

/// Somebody who does what the page says, with systemd or without.
struct Reader {
    machine: Machine,
    systemd: bool,
    /// The process id of `listgate serve`, if it runs without systemd.
    gate: Option<String>,
}

impl Reader {
    /// Follows the page on a running site, and then back.
    fn follow_both_ways(&mut self, cfg: &str, python: &str) {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/mailman.md");
        let page = fs::read_to_string(path).unwrap();
        let (forwards, rest) = page.split_once("\n### Go back\n").expect("the page says how to go back");
        let (back, rest) = rest.split_once("\n### Other settings\n").expect("the page has other settings");
        self.set_up(cfg, python);
        self.assert_delivered("before", "250 Ok");
        if self.systemd {
            self.follow(rest);
        }
        self.follow(forwards);
        self.assert_delivered("forwards", "250 2.0.0 Ok: queued as");
        if let Some(gate) = &self.gate {
            // What Ctrl-C does.
            self.machine.run(&format!("kill -INT {gate}"));
        }
        self.machine.run(&format!("sed -i '/^\\[runner.lmtp\\]$/,$d' {CFG}"));
        self.follow(back);
        self.wait_for_mailmans_runner();
        self.assert_delivered("back", "250 Ok");
        // Nothing waits, and no runner has shunted anything.
        self.machine.wait_for("! find /var/lib/mailman3/queue -type f ! -path '*/archive/*' | grep .");
    }

    /// Makes a site with a list that has a member, a mail server that keeps what the site sends, and starts Mailman.
    fn set_up(&mut self, cfg: &str, python: &str) {
        let machine = &mut self.machine;
        machine.run("mkdir -p /etc/mailman3 /run/mailman3 /var/lib/mailman3 /var/log/mailman3 /var/sent");
        machine.save(CFG, &format!("{cfg}{FEWER}"));
        machine.run(&format!("chgrp list {CFG} && chmod 640 {CFG}"));
        machine.run("chown list:list /run/mailman3 /var/lib/mailman3 /var/log/mailman3");
        machine.run(&format!("ln -sf {} /usr/local/bin/listgate", program().display()));
        machine.spawn(
            &format!("{python} -m aiosmtpd -n -l 127.0.0.1:25 -c aiosmtpd.handlers.Mailbox /var/sent/mail"),
            "/var/sent/log",
        );
        machine.run("sudo -u list mailman create mylist@example.com");
        machine.run("echo anne@example.org | sudo -u list mailman addmembers -W - mylist@example.com");
        let start = if self.systemd { "sudo systemctl start mailman3" } else { "sudo -u list mailman start" };
        machine.run(start);
        self.wait_for_mailmans_runner();
    }

    fn wait_for_mailmans_runner(&mut self) {
        let doctor = format!("sudo -u list listgate doctor --mailman {CFG} | tr -s '\\n ' ' ' > /run/doctor");
        let answers = format!("grep -F '{ANSWERS_AS_MAILMAN}' /run/doctor");
        let log = "cat /run/doctor /var/log/mailman3/mailman.log";
        self.machine.wait_for(&format!("{doctor}; {answers} || {{ sleep 1; {log}; false; }}"));
    }

    fn follow(&mut self, section: &str) {
        for (before, block) in blocks(section) {
            let skipped = if self.systemd { "Without systemd" } else { "With systemd" };
            if before.starts_with(skipped) {
                continue;
            }
            let path = before.split('`').nth(1).unwrap_or_default();
            match block.lines().next().unwrap() {
                "[Unit]" => self.machine.save(path, &block),
                "[runner.lmtp]" => {
                    let end = format!("cat >> {path} <<'END'\n{block}END");
                    self.machine.run(&end);
                    self.assert_restart_is_not_enough();
                }
                _ => block.lines().for_each(|command| self.type_in(command)),
            }
        }
    }

    /// Asserts what the page says of `mailman restart`, while mailman.cfg switches off a runner that runs.
    fn assert_restart_is_not_enough(&mut self) {
        let reload =
            if self.systemd { "sudo systemctl reload mailman3" } else { "sudo -u list mailman restart" };
        self.machine.run(reload);
        self.machine.wait_for("[ $(grep -c 'lmtp runner started' /var/log/mailman3/mailman.log) -ge 2 ]");
        self.wait_for_mailmans_runner();
        self.machine
            .run("grep -F 'switched off in mailman.cfg, and still runs at 127.0.0.1:8024' /run/doctor");
    }

    fn type_in(&mut self, command: &str) {
        if command.contains("listgate serve") {
            self.gate = Some(self.machine.spawn(command, "/var/log/listgate.log"));
            self.machine.wait_for("grep -F 'listening on' /var/log/listgate.log");
        } else if command.contains("listgate doctor") {
            self.examine(command);
        } else {
            self.machine.run(command);
        }
        if command.contains("enable --now listgate") {
            self.machine.wait_for("grep -F 'listening on' /var/log/listgate.log");
        }
    }

    /// Runs `listgate doctor`, which finds exactly what the page says.
    fn examine(&mut self, command: &str) {
        let (code, printed) = self.machine.result_of(command);
        let printed = printed.split_whitespace().collect::<Vec<_>>().join(" ");
        let wrong = printed.matches("WRONG ").count();
        if self.machine.result_of("grep -F listening /var/log/listgate.log").0 == 0 {
            assert_eq!((code, wrong), (0, 0), "{printed}");
            assert!(printed.contains("Mailman's own LMTP runner is switched off"), "{printed}");
        } else {
            assert_eq!((code, wrong), (1, 2), "{printed}");
            assert!(printed.contains("Mailman's own LMTP runner is switched on"), "{printed}");
            assert!(printed.contains(ANSWERS_AS_MAILMAN), "{printed}");
        }
    }

    /// Sends a post to the address that the mail server delivers to. Asserts the reply, and that Mailman's runners
    /// send the post on to the member.
    fn assert_delivered(&mut self, id: &str, reply: &str) {
        let post = format!(
            "From: anne@example.org\nTo: mylist@example.com\nMessage-ID: <{id}@example.org>\n\
             Subject: {id}\n\nHello\n"
        );
        self.machine.save("/run/post", &post);
        let said = self.machine.run(
            "listgate send /run/post --server 127.0.0.1:8024 --from anne@example.org --to mylist@example.com",
        );
        assert!(said.contains(reply), "{said}");
        self.machine.wait_for(&format!("grep -rF '<{id}@example.org>' /var/sent/mail/new"));
    }
}
