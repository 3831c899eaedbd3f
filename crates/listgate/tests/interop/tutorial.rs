//! docs/tutorial.md, run word for word: each command in its terminal and in its order, the handler exactly as
//! printed there, and what the page shows compared with what is printed here.
//!
//! Only `page::BUILD` is not run: the program that was built is on the PATH. The ports are the page's, except
//! for that of Postfix.

use crate::mta::Postfix;
use crate::page::{BEGIN, Step, page, steps};
use crate::support::{PATIENCE, until};
use crate::terminal::{Terminal, agree, has};
use std::fs::{self, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::thread::sleep;
use std::time::{Duration, Instant};
use tempfile::TempDir;

const GATE: &str = "127.0.0.1:8024";
const MAIL_SERVER_PORT: &str = "2525";
const MAIL_SERVER: &str = "aiosmtpd ";
/// The commands that run until Ctrl-C.
const LASTING: [&str; 3] = ["listgate serve", "listgate work", MAIL_SERVER];
/// The commands that show what became of mail, which can take a moment.
const LOOKS: [&str; 2] = ["listgate queue ls", "listgate queue status"];

/// Makes the tests run one at a time: the page has only one port for the gate.
static PORT: Mutex<()> = Mutex::new(());

#[test]
#[ignore = "needs python3, aiosmtpd, script"]
fn word_for_word() {
    let _alone = PORT.lock().unwrap_or_else(PoisonError::into_inner);
    let mut reader = Reader::new();
    for step in steps(&page()) {
        reader.follow(&step);
    }
    reader.leave();
}

/// The same, with a Postfix that delivers to a mailbox in place of aiosmtpd.
#[test]
#[ignore = "needs python3, postfix, script"]
fn word_for_word_with_postfix_as_the_mail_server() {
    let _alone = PORT.lock().unwrap_or_else(PoisonError::into_inner);
    let mailboxes = tempfile::tempdir().unwrap();
    let postfix = postfix(mailboxes.path());
    postfix.command("stop");
    let mut reader = Reader::new();
    for step in steps(&page().replace(MAIL_SERVER_PORT, &postfix.smtp.port().to_string())) {
        match &step {
            Step::Run { command, .. } if command.starts_with(MAIL_SERVER) => postfix.command("start"),
            Step::Later(shown) => assert_delivered(&mailboxes.path().join("anne/new"), shown),
            _ => reader.follow(&step),
        }
    }
    assert_eq!(
        handler(&reader.home(), "bob@example.org", "Subject: help\n\n"),
        Some(65),
        "nobody has that mailbox"
    );
    reader.leave();
}

#[test]
#[ignore = "needs python3"]
fn the_handler_ignores_automatic_mail_and_recognizes_help_requests() {
    let home = tempfile::tempdir().unwrap();
    for step in steps(&page().replace(MAIL_SERVER_PORT, "1")) {
        if let Step::Save { name, text } = step {
            fs::write(home.path().join(&name), text).unwrap();
            fs::set_permissions(home.path().join(&name), Permissions::from_mode(0o755)).unwrap();
        }
    }
    const ANNE: &str = "anne@example.org";
    for (sender, message, code) in [
        ("<>", "Subject: help\n\n", 0),
        (ANNE, "Subject: help\nAuto-Submitted: auto-replied\n\n", 0),
        (ANNE, "Subject: help\nPrecedence: Bulk\n\n", 0),
        // Nothing listens on port 1: 75 means that the handler tried to answer.
        (ANNE, "Subject: HELP\nAuto-Submitted: no\n\n", 75),
        (ANNE, "Subject: hi\n\n\nhelp me\n", 75),
        (ANNE, "Content-Transfer-Encoding: base64\n\naGVscA==\n", 75),
        (ANNE, "Subject: h\u{e9}lp\n\n", 65),
        (ANNE, "", 65),
        (ANNE, "Content-Type: text/html\n\nhelp", 65),
        (ANNE, "Content-Type: text/plain; charset=none\n\nno help\n", 65),
    ] {
        assert_eq!(handler(home.path(), sender, message), Some(code), "{sender} {message:?}");
    }
}

/// Runs help.py on one mail and returns its exit code.
fn handler(home: &Path, sender: &str, message: &str) -> Option<i32> {
    let mut command = Command::new("./help.py");
    for (name, value) in
        [("ID", "1-1"), ("SUBADDRESS", "request"), ("LISTNAME", "mylist@example.com"), ("MESSAGE_ID", "")]
    {
        command.env(format!("LISTGATE_{name}"), value);
    }
    command.env("LISTGATE_MAIL_FROM", sender).current_dir(home);
    let mut child = command.stdin(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(message.as_bytes()).unwrap();
    child.wait().unwrap().code()
}

fn postfix(mailboxes: &Path) -> Postfix {
    fs::set_permissions(mailboxes, Permissions::from_mode(0o755)).unwrap();
    assert!(Command::new("chown").arg("65534").arg(mailboxes).status().unwrap().success());
    Postfix::with(&format!(
        "virtual_mailbox_domains = example.org\nvirtual_mailbox_base = {}\n\
         virtual_mailbox_maps = inline:{{ anne@example.org=anne/ }}\n\
         virtual_uid_maps = static:65534\nvirtual_gid_maps = static:65534\n",
        mailboxes.display()
    ))
}

/// Asserts that the mail, which aiosmtpd shows between two lines, is in the mailbox, from the null sender.
fn assert_delivered(mailbox: &Path, shown: &str) {
    let mails = || fs::read_dir(mailbox).into_iter().flatten().map(|mail| mail.unwrap().path());
    until("the answer is delivered", || mails().count() == 1);
    let mail = fs::read_to_string(mails().next().unwrap()).unwrap();
    assert!(mail.contains("Return-Path: <>\n"), "{mail}");
    let lines: Vec<&str> =
        shown.lines().filter(|line| !line.starts_with("-----") && !line.starts_with("X-Peer:")).collect();
    assert!(lines.len() > 10, "{shown}");
    for line in lines {
        assert!(mail.lines().any(|printed| agree(line, printed)), "{line:?} is not in {mail}");
    }
}

/// A reader who has followed the README and now does what the page says.
struct Reader {
    dir: TempDir,
    /// The terminals in which something runs, in the order in which it was started.
    terminals: Vec<Terminal>,
}

impl Reader {
    fn new() -> Self {
        let free = std::net::TcpListener::bind(GATE);
        assert!(free.is_ok(), "the tutorial needs {GATE}; end what listens there and try again");
        let reader = Self { dir: tempfile::tempdir().unwrap(), terminals: Vec::new() };
        fs::create_dir(reader.checkout()).unwrap();
        let mut readme = Terminal::start(
            &reader.checkout(),
            "listgate list create mylist@example.com",
            &reader.dir.path().join("terminal"),
        );
        assert_eq!(readme.wait(), Some(0), "{}", readme.printed());
        reader
    }

    /// Returns the path of the Listgate clone, or of what the page needs of it.
    fn checkout(&self) -> PathBuf {
        self.dir.path().join("listgate")
    }

    /// Returns the page's own directory.
    fn home(&self) -> PathBuf {
        self.checkout().join("tutorial")
    }

    fn follow(&mut self, step: &Step) {
        match step {
            Step::Save { name, text } => fs::write(self.home().join(name), text).unwrap(),
            Step::Run { command, shown } if LASTING.iter().any(|lasting| command.starts_with(lasting)) => {
                let output = self.dir.path().join(format!("terminal-{}", self.terminals.len()));
                // Without `exec`, the shell, which is not interactive, would get Ctrl-C, too.
                let command = format!("{BEGIN} && exec {command}");
                self.terminals.push(Terminal::start(&self.checkout(), &command, &output));
                self.wait_for(shown);
            }
            Step::Run { command, shown } => {
                let patience = if LOOKS.contains(&command.as_str()) { PATIENCE } else { Duration::ZERO };
                let end = Instant::now() + patience;
                loop {
                    let printed = self.run(command);
                    if agree(shown, &printed) {
                        break;
                    }
                    assert!(Instant::now() < end, "{command}\nprints\n{printed}\nthe page shows\n{shown}");
                }
            }
            Step::Later(shown) => self.wait_for(shown),
        }
    }

    fn run(&self, command: &str) -> String {
        let line = format!("{BEGIN} && {command}");
        let mut terminal = Terminal::start(&self.checkout(), &line, &self.dir.path().join("terminal"));
        let code = terminal.wait();
        assert_eq!(code, Some(0), "{command}: {}", terminal.printed());
        terminal.printed()
    }

    /// Waits until the terminal in which something was started last prints this.
    fn wait_for(&self, shown: &str) {
        let terminal = self.terminals.last().expect("something runs");
        let end = Instant::now() + PATIENCE;
        while !has(&terminal.printed(), shown) {
            assert!(Instant::now() < end, "printed is\n{}\nthe page shows\n{shown}", terminal.printed());
            sleep(Duration::from_millis(20));
        }
    }

    /// Presses Ctrl-C in every terminal.
    fn leave(mut self) {
        for mut terminal in self.terminals.drain(..).rev() {
            terminal.interrupt();
            assert_eq!(terminal.wait(), Some(0), "{}", terminal.printed());
        }
    }
}
