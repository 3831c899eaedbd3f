//! A person who joins a list, posts, leaves and comes back, all by mail through a real mail server.

use crate::distribution::Distribution;
use crate::mta::Smtp;
use crate::support::until;
use std::collections::BTreeSet;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;
use tempfile::TempDir;

const LIST: &str = "mylist@example.com";
const ANNE: &str = "anne@members.example";

/// A reply that comes sooner after the mail counts as one that a program has sent.
const SOONEST: Duration = Duration::from_secs(5);

/// The user id of `nobody`, as which Postfix delivers.
const NOBODY: &str = "65534";

/// Returns a directory in which a mail server that delivers as this user can make a mailbox for Anne.
fn mailboxes(user: &str) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::set_permissions(dir.path(), Permissions::from_mode(0o755)).unwrap();
    assert!(Command::new("chown").arg(user).arg(dir.path()).status().unwrap().success());
    dir
}

/// Anne, who has a mailbox.
struct Anne<'m> {
    smtp: &'m dyn Fn() -> Smtp,
    /// Her mailbox, in the format Maildir.
    mailbox: PathBuf,
    read: BTreeSet<PathBuf>,
}

/// A mail that Anne got.
struct Received(String);

impl Received {
    /// Returns the value of a field of its header, unfolded.
    fn field(&self, name: &str) -> String {
        let header = self.0.split("\n\n").next().unwrap().replace("\n ", " ").replace("\n\t", " ");
        let mut fields = header.lines().filter_map(|line| line.split_once(": "));
        let found = fields.find(|(field, _)| field.eq_ignore_ascii_case(name));
        found.unwrap_or_else(|| panic!("{name} is not in {}", self.0)).1.to_owned()
    }
}

impl Anne<'_> {
    fn writes(&self, sender: &str, to: &str, header: &str, body: &str) {
        let message = format!("From: Anne Person <{ANNE}>\r\nTo: {to}\r\n{header}\r\n{body}");
        (self.smtp)().deliver(sender, &[to], &message);
    }

    /// Answers a mail as mail programs do, where its Reply-To says.
    fn replies(&self, sender: &str, mail: &Received) {
        let [to, subject, id] = ["Reply-To", "Subject", "Message-ID"].map(|name| mail.field(name));
        let header = format!("Subject: Re: {subject}\r\nIn-Reply-To: {id}\r\n");
        let quoted: String = mail.0.lines().skip_while(|line| !line.is_empty()).skip(1).map(quote).collect();
        self.writes(sender, &to, &header, &format!("On Monday, mylist wrote:\r\n{quoted}"));
    }

    /// Waits for the next mail to Anne.
    #[track_caller]
    fn reads(&mut self, subject: &str) -> Received {
        let mut unread = self.unread();
        until(subject, || {
            unread = self.unread();
            !unread.is_empty()
        });
        assert_eq!(unread.len(), 1, "one mail at a time");
        let mail = fs::read_to_string(&unread[0]).unwrap();
        self.read.extend(unread);
        let mail = Received(mail);
        assert_eq!(mail.field("Subject"), subject, "{}", mail.0);
        mail
    }

    fn unread(&self) -> Vec<PathBuf> {
        let files = fs::read_dir(self.mailbox.join("new")).into_iter().flatten();
        files.map(|file| file.unwrap().path()).filter(|file| !self.read.contains(file)).collect()
    }
}

fn quote(line: &str) -> String {
    format!("> {line}\r\n")
}

/// Has Anne join, post, leave and come back. `smtp` connects to the mail server.
fn joins_posts_leaves_and_comes_back(distribution: &Distribution, smtp: &dyn Fn() -> Smtp, mailbox: &Path) {
    let members = || distribution.stored("SELECT count(*) FROM member WHERE role = 'member'");
    let mut anne = Anne { smtp, mailbox: mailbox.to_owned(), read: BTreeSet::new() };
    anne.writes(ANNE, "mylist-join@example.com", "Subject: Hello\r\n", "");
    let confirm = anne.reads("Please confirm that you want to join mylist");
    // The time counts from when the hand-over was stored.
    distribution.has_left(1);
    sleep(SOONEST);
    anne.replies("", &confirm);
    distribution.until_stored("SELECT count(*) FROM decision WHERE outcome = 'ignored'", 1);
    assert_eq!(members(), 1, "a program replied");
    anne.replies(ANNE, &confirm);
    let welcome = anne.reads("Welcome to mylist");
    assert!(welcome.field("Return-Path").starts_with("<mylist-bounces+"), "{}", welcome.0);
    assert_eq!(members(), 2);
    anne.replies(ANNE, &confirm);
    distribution.until_stored("SELECT count(*) FROM decision WHERE outcome = 'ignored'", 2);
    assert_eq!((members(), anne.unread().len()), (2, 0), "it came twice");

    anne.writes(ANNE, LIST, "Subject: First post\r\nMessage-ID: <1@members.example>\r\n", "Hello, all\r\n");
    let post = anne.reads("First post");
    let leave = post.field("List-Unsubscribe");
    let leave = leave.strip_prefix("<mailto:").unwrap().split('>').next().unwrap();
    anne.writes(ANNE, leave, "", "");
    let goodbye = anne.reads("You are no longer on mylist");
    assert_eq!(members(), 1);
    sleep(SOONEST);
    anne.replies(ANNE, &goodbye);
    anne.reads("Welcome to mylist");
    let shown = distribution.site.stdout(&["member", "ls", LIST]);
    assert!(shown.contains("Anne Person") && shown.contains(ANNE), "{shown}");
    assert_eq!(distribution.stored("SELECT count(*) FROM request"), 0);
    distribution.until_stored("SELECT count(*) FROM post WHERE finished_at IS NULL", 0);
    assert_eq!(anne.unread(), [] as [PathBuf; 0]);
}

#[test]
#[ignore = "needs postfix"]
fn through_postfix() {
    let distribution = Distribution::start(&["other@example.net".to_owned()], &[]);
    let mailboxes = mailboxes(NOBODY);
    let postfix = distribution.postfix(&format!(
        "mynetworks = 192.0.2.1\nvirtual_mailbox_domains = members.example\nvirtual_mailbox_base = {}\n\
         virtual_mailbox_maps = inline:{{ {ANNE}=anne/ }}\nvirtual_uid_maps = static:{NOBODY}\n\
         virtual_gid_maps = static:{NOBODY}\n",
        mailboxes.path().display()
    ));
    joins_posts_leaves_and_comes_back(&distribution, &|| postfix.smtp(), &mailboxes.path().join("anne"));
}

#[test]
#[ignore = "needs exim4"]
fn through_exim() {
    let distribution = Distribution::start(&["other@example.net".to_owned()], &[]);
    let mailboxes = mailboxes("Debian-exim");
    let mailbox = mailboxes.path().join("anne");
    let exim = distribution.exim(
        "mailbox:\n  driver = accept\n  domains = members.example\n  transport = mailbox\n",
        &format!(
            "mailbox:\n  driver = appendfile\n  directory = {}\n  maildir_format\n  create_directory\n  \
             return_path_add\n  user = Debian-exim\n",
            mailbox.display()
        ),
    );
    joins_posts_leaves_and_comes_back(&distribution, &|| exim.smtp(), &mailbox);
}
