//! docs/tutorial.md, run word for word: each command in its terminal and in its order, the handler exactly as
//! printed there, and what the page shows compared with what is printed here.
//!
//! Only `page::BUILD` is not run: the program that was built is on the PATH. The ports are the page's, except
//! for that of Postfix.

use crate::mta::Postfix;
use crate::page::{BEGIN, Step, page, steps};
use crate::reader::{MAIL_SERVER, Reader};
use crate::support::until;
use crate::terminal::agree;
use std::fs::{self, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

const MAIL_SERVER_PORT: &str = "2525";

#[test]
#[ignore = "needs python3, aiosmtpd, script"]
fn word_for_word() {
    let mut reader = reader();
    for step in steps(&page()) {
        reader.follow(&step);
    }
    reader.leave();
}

/// The same, with a Postfix that delivers to a mailbox in place of aiosmtpd.
#[test]
#[ignore = "needs python3, postfix, script"]
fn word_for_word_with_postfix_as_the_mail_server() {
    let mailboxes = tempfile::tempdir().unwrap();
    let postfix = postfix(mailboxes.path());
    postfix.command("stop");
    let mut reader = reader();
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

/// Returns a reader who has followed the README.
fn reader() -> Reader {
    let reader = Reader::new(BEGIN);
    let (code, printed) =
        reader.run("cd .. && listgate list create mylist@example.com --owner anne@example.org");
    assert_eq!(code, Some(0), "{printed}");
    reader
}
