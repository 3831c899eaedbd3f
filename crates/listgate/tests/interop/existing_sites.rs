//! Mail servers that have other mail: what worked before `listgate mta postfix` works after it, and while the gate is
//! stopped.

use crate::mta::{Postfix, Smtp};
use crate::support::{Site, free_address, until};
use listgate::Config;
use std::fs::{self, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

/// What Debian's installer writes for an Internet site, without TLS. Every client is a stranger to it.
const DEBIAN: &str = "\
# See /usr/share/postfix/main.cf.dist for a commented, more complete version
smtpd_banner = $myhostname ESMTP $mail_name (Debian/GNU)
biff = no
# appending .domain is the MUA's job.
append_dot_mydomain = no
readme_directory = no
compatibility_level = 3.6
smtpd_relay_restrictions = permit_mynetworks permit_sasl_authenticated defer_unauth_destination
myhostname = mx.example.net
alias_maps = hash:DIR/aliases
alias_database = hash:DIR/aliases
mydestination = $myhostname, mx.example.net, localhost.example.net, , localhost
relayhost =
mynetworks = 192.0.2.1
mailbox_size_limit = 0
recipient_delimiter = +
local_recipient_maps = proxy:unix:passwd.byname $alias_maps
mail_spool_directory = DIR/mail/
";

/// Virtual mailboxes, a spam filter, a block list of senders, and a domain of which it is the backup.
const MAILBOXES: &str = "\
compatibility_level = 3.6
myhostname = mx.example.net
mydestination = localhost
alias_maps = hash:DIR/aliases
local_recipient_maps = proxy:unix:passwd.byname $alias_maps
mail_spool_directory = DIR/mail/
mynetworks = 192.0.2.1
virtual_mailbox_domains = example.org
virtual_mailbox_maps = hash:DIR/mailboxes
virtual_mailbox_base = DIR/mail
virtual_uid_maps = static:65534
virtual_gid_maps = static:65534
virtual_alias_maps = hash:DIR/virtual
relay_domains = backup.example
transport_maps = hash:DIR/transport
content_filter = spamfilter:dummy
smtpd_recipient_restrictions = permit_mynetworks, reject_unauth_destination, check_sender_access hash:DIR/senders
";

/// The filter of MAILBOXES, and the server to which it returns the mail.
const FILTER: &str = "\
spamfilter unix - n n - 10 pipe flags=Rq user=nobody argv=python3 DIR/filter.py RETURN ${sender} ${recipient}
RETURN inet n - n - - smtpd
  -o content_filter= -o receive_override_options=no_unknown_recipient_checks
  -o mynetworks=127.0.0.0/8 -o smtpd_relay_restrictions=permit_mynetworks,reject
  -o smtpd_recipient_restrictions=permit_mynetworks,reject
";

const FILTER_PY: &str = "\
import smtplib, subprocess, sys
try:
    at, sender, *recipients = sys.argv[1:]
    message = subprocess.run(
        ['bogofilter', '-p', '-e', '-d', 'DIR/words'], input=sys.stdin.buffer.read(), stdout=subprocess.PIPE,
        check=True).stdout
    host, port = at.split(':')
    with smtplib.SMTP(host, int(port)) as postfix:
        postfix.sendmail(sender, recipients, message)
except Exception as why:
    print(why)
    sys.exit(75)
";

/// Mailboxes in Dovecot, which Postfix also asks which addresses exist.
const BY_DOVECOT: &str = "\
compatibility_level = 3.6
myhostname = mx.example.net
mydestination = localhost
alias_maps = hash:DIR/aliases
local_recipient_maps = proxy:unix:passwd.byname $alias_maps
mail_spool_directory = DIR/mail/
mynetworks = 192.0.2.1
virtual_mailbox_domains = example.org
virtual_transport = lmtp:unix:DIR/dovecot-lmtp
lmtp_destination_recipient_limit = 1
smtpd_recipient_restrictions = reject_unauth_destination reject_unverified_recipient
unverified_recipient_reject_code = 550
address_verify_poll_count = 10
address_verify_poll_delay = 1s
";

const DOVECOT: &str = "\
base_dir = DIR/base
state_dir = DIR/state
log_path = DIR/dovecot.log
protocols = lmtp
ssl = no
default_internal_user = nobody
default_internal_group = nogroup
default_login_user = nobody
mail_location = maildir:DIR/mail/%u
first_valid_uid = 0
passdb {
  driver = passwd-file
  args = DIR/users
}
userdb {
  driver = passwd-file
  args = username_format=%u DIR/users
  default_fields = uid=nobody gid=nogroup home=DIR/mail/%u
}
service lmtp {
  unix_listener DIR/dovecot-lmtp {
    mode = 0666
  }
}
service anvil {
  chroot =
}
";

/// A mail server with mailboxes.
struct Existing {
    postfix: Postfix,
    mailbox: &'static str,
    unknown: &'static str,
    /// Sees that what else the server does works. The text is part of each Message-ID.
    others: fn(&Existing, &str),
}

impl Existing {
    fn start(
        dir: TempDir,
        [main, services]: [&str; 2],
        [mailbox, unknown]: [&'static str; 2],
        others: fn(&Self, &str),
    ) -> Self {
        let path = dir.path().to_str().unwrap().to_owned();
        fs::create_dir(dir.path().join("mail")).unwrap();
        owned_by_nobody(&dir.path().join("mail"));
        fs::write(dir.path().join("aliases"), format!("postmaster: {mailbox}\n")).unwrap();
        succeeds(Command::new("/usr/sbin/postalias").arg(format!("hash:{path}/aliases")));
        let [main, services] = [main, services].map(|text| text.replace("DIR", &path));
        Self { postfix: Postfix::within(dir, &main, &services), mailbox, unknown, others }
    }

    /// Sees that mail still arrives that has nothing to do with lists, and that the rest is still refused.
    fn works(&self, when: &str) {
        let id = format!("{when}@client.example");
        self.postfix.smtp().send(&[self.mailbox], &id);
        self.arrives(&id);
        let mut smtp = self.stranger("anne@example.org");
        smtp.command(&format!("RCPT TO:<{}>", self.unknown), "550");
        smtp.command(
            "RCPT TO:<anne@elsewhere.example>",
            "454 4.7.1 <anne@elsewhere.example>: Relay access denied",
        );
        (self.others)(self, when);
    }

    fn stranger(&self, sender: &str) -> Smtp {
        let mut smtp = self.postfix.smtp();
        smtp.command(&format!("MAIL FROM:<{sender}>"), "250");
        smtp
    }

    /// Waits until a mail is in a mailbox, and returns it.
    fn arrives(&self, id: &str) -> String {
        let mut found = None;
        until("the mail arrives", || {
            found = files(&self.postfix.dir().join("mail")).iter().find_map(|file| {
                let mail = fs::read_to_string(file).unwrap_or_default();
                mail.contains(&format!("Message-ID: <{id}>")).then_some(mail)
            });
            found.is_some()
        });
        found.unwrap()
    }

    /// Hands a mail to `sendmail`, as programs on the machine do.
    fn sendmail(&self, to: &str, id: &str) {
        let mut sendmail = Command::new("/usr/sbin/sendmail");
        sendmail.args(["-i", "-f", "anne@example.org", to]).env("MAIL_CONFIG", self.postfix.conf());
        let mut child = sendmail.stdin(Stdio::piped()).spawn().unwrap();
        write!(child.stdin.take().unwrap(), "From: anne@example.org\nMessage-ID: <{id}>\n\nHello\n").unwrap();
        assert!(child.wait().unwrap().success());
    }

    /// Returns what `listgate mta postfix` prints for it.
    fn printed(&self, site: &Site, config: &Path) -> String {
        let mut command = site.command();
        command.arg("--config").arg(config).args(["mta", "postfix"]);
        let output = command.env("MAIL_CONFIG", self.postfix.conf()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    fn configuration(&self) -> [String; 2] {
        ["main.cf", "master.cf"].map(|name| fs::read_to_string(self.postfix.conf().join(name)).unwrap())
    }

    /// Adds Listgate to the server by pasting what is printed for it, and nothing else.
    fn takes_lists_too(&self, socketmap: bool) {
        self.works("before");
        let site = Site::new();
        site.create("mylist@lists.example.com");
        fs::set_permissions(site.data(), Permissions::from_mode(0o755)).unwrap();
        let file = site.data().join("listgate.toml");
        let ask = if socketmap {
            format!("[socketmap]\nlisten = [\"{}\"]\n", free_address())
        } else {
            String::new()
        };
        let listen = free_address();
        let toml = format!(
            "[storage]\nmin_free = \"0B\"\n[server]\nlisten = [\"{listen}\"]\n{ask}[outgoing]\nto = \"smtp:{}\"\n",
            free_address()
        );
        fs::write(&file, toml).unwrap();
        let start = || site.gate(Config::read(&file, site.data()).unwrap());
        let gate = start();

        self.postfix.paste(&self.printed(&site, &file));
        let once = self.configuration();
        let again = self.printed(&site, &file);
        assert!(!again.contains("# before: "), "{again}");
        self.postfix.paste(&again);
        assert_eq!(self.configuration(), once, "a second run changes nothing");

        self.works("after");
        let mut smtp = self.postfix.smtp();
        smtp.send(&["mylist@lists.example.com"], "list@client.example");
        smtp.send(&["postmaster@lists.example.com"], "postmaster@client.example");
        smtp.send(&["ABUSE@lists.example.com"], "abuse@client.example");
        self.stranger("anne@example.org").command("RCPT TO:<nosuch@lists.example.com>", "550");
        let ids = |id: &str| site.json(&["queue", "ls", "--message-id", id]).len();
        until("the list has the mail", || ids("<list@client.example>") == 1);
        self.arrives("postmaster@client.example");
        self.arrives("abuse@client.example");

        gate.stop().unwrap();
        self.works("stopped");
        self.stranger("anne@example.org").command("RCPT TO:<other@lists.example.com>", "45");
        self.sendmail("mylist@lists.example.com", "waits@client.example");
        self.postfix.logged(&["to=<mylist@lists.example.com>", "status=deferred"]);
        let gate = start();
        self.postfix.command("flush");
        until("the list has the mail that has waited", || ids("<waits@client.example>") == 1);
        gate.stop().unwrap();
        let log = self.postfix.log();
        assert!(!log.contains("status=bounced"), "{log}");
        // Postfix warns of a domain that is of two kinds, and of settings that it cannot use.
        assert!(!log.contains("do not list domain") && !log.contains("unused parameter"), "{log}");
    }
}

fn succeeds(command: &mut Command) {
    assert!(command.status().unwrap().success(), "{command:?}");
}

fn owned_by_nobody(path: &Path) {
    succeeds(Command::new("chown").arg("-R").arg("65534").arg(path));
}

/// Returns the files below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok).map(|entry| entry.path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

#[test]
#[ignore = "needs postfix"]
fn debians() {
    let addresses = ["nobody@mx.example.net", "nosuch@mx.example.net"];
    let existing =
        Existing::start(tempfile::tempdir().unwrap(), [DEBIAN, ""], addresses, |existing, when| {
            let id = format!("{when}-detail@client.example");
            existing.postfix.smtp().send(&["postmaster+detail@mx.example.net"], &id);
            existing.arrives(&id);
        });
    existing.takes_lists_too(true);
}

#[test]
#[ignore = "needs postfix, python3, bogofilter"]
fn one_with_mailboxes_and_a_spam_filter() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().to_str().unwrap();
    for (name, text) in [
        ("mailboxes", "anne@example.org anne/\n"),
        ("virtual", "sales@example.org anne@example.org\n"),
        ("transport", "backup.example discard:\n"),
        ("senders", "rude.example REJECT\n"),
    ] {
        fs::write(dir.path().join(name), text).unwrap();
        succeeds(Command::new("/usr/sbin/postmap").arg(format!("hash:{path}/{name}")));
    }
    let words = dir.path().join("words");
    fs::create_dir(&words).unwrap();
    for (kind, text) in [("-s", "Subject: x\n\nlottery casino\n"), ("-n", "Subject: x\n\nHello\n")] {
        let mut bogofilter = Command::new("bogofilter");
        bogofilter.arg(kind).arg("-d").arg(&words).stdin(Stdio::piped());
        let mut child = bogofilter.spawn().unwrap();
        child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        assert!(child.wait().unwrap().success());
    }
    owned_by_nobody(&words);
    fs::write(dir.path().join("filter.py"), FILTER_PY.replace("DIR", path)).unwrap();
    let services = FILTER.replace("RETURN", &free_address().to_string());
    let addresses = ["anne@example.org", "nosuch@example.org"];
    let existing = Existing::start(dir, [MAILBOXES, &services], addresses, |existing, when| {
        let mail = existing.arrives(&format!("{when}@client.example"));
        assert!(mail.contains("\nX-Bogosity: "), "{mail}");
        let id = format!("{when}-sales@client.example");
        existing.postfix.smtp().send(&["sales@example.org"], &id);
        existing.arrives(&id);
        existing.postfix.smtp().send(&[&format!("{when}@backup.example")], &id);
        existing.postfix.logged(&[&format!("to=<{when}@backup.example>"), "relay=none", "status=sent"]);
        existing.stranger("x@rude.example").command("RCPT TO:<anne@example.org>", "554");
    });
    existing.takes_lists_too(true);
}

/// A Dovecot that delivers to mailboxes, stopped when this value is dropped.
struct Dovecot(Child);

impl Dovecot {
    fn start(dir: &Path) -> Self {
        let path = dir.to_str().unwrap();
        let config = dir.join("dovecot.conf");
        fs::write(&config, DOVECOT.replace("DIR", path)).unwrap();
        fs::write(dir.join("users"), "anne@example.org:{PLAIN}x::::::\n").unwrap();
        let program = if Path::new("/usr/sbin/dovecot").exists() { "/usr/sbin/dovecot" } else { "dovecot" };
        let child = Command::new(program).arg("-F").arg("-c").arg(config).spawn().unwrap();
        until("Dovecot listens", || dir.join("dovecot-lmtp").exists());
        Self(child)
    }
}

impl Drop for Dovecot {
    fn drop(&mut self) {
        // On SIGTERM it stops its own processes too.
        let _ = Command::new("kill").arg(self.0.id().to_string()).status();
        let _ = self.0.wait();
    }
}

#[test]
#[ignore = "needs postfix, dovecot"]
fn one_with_dovecot_by_lmtp() {
    for socketmap in [true, false] {
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), Permissions::from_mode(0o755)).unwrap();
        let dovecot = Dovecot::start(dir.path());
        let addresses = ["anne@example.org", "nosuch@example.org"];
        let existing = Existing::start(dir, [BY_DOVECOT, ""], addresses, |existing, when| {
            let mail = existing.arrives(&format!("{when}@client.example"));
            assert!(mail.contains("\nDelivered-To: anne@example.org\n"), "{mail}");
        });
        existing.takes_lists_too(socketmap);
        let limit = existing.configuration()[0].contains("lmtp_destination_recipient_limit = 1\n");
        assert!(limit, "Dovecot's limit stays");
        drop((existing, dovecot));
    }
}
