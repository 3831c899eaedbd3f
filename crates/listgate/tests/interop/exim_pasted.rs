//! An Exim configured by pasting what `listgate mta exim` prints.
//!
//! Exim is the one that LISTGATE_EXIM names, or the system's, or else the one that xtask unpacks in
//! `peers/exim` below the target directory that this test was built into.

use crate::mta::Smtp;
use crate::support::{Site, free_address, tcp, until};
use std::fs::{self, File, Permissions};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use tempfile::TempDir;

fn program() -> PathBuf {
    std::env::var_os("LISTGATE_EXIM").map(PathBuf::from).unwrap_or_else(|| {
        let system = Path::new("/usr/sbin/exim4");
        let test = std::env::current_exe().unwrap();
        let unpacked = test.ancestors().nth(3).unwrap().join("peers/exim/usr/sbin/exim4");
        if system.exists() { system.to_owned() } else { unpacked }
    })
}

struct Exim {
    dir: TempDir,
    child: Child,
    smtp: SocketAddr,
}

impl Exim {
    /// Starts an Exim that has a mailbox for any address @mx.example.net, with the four pieces in their places.
    fn with(printed: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), Permissions::from_mode(0o755)).unwrap();
        let spool = dir.path().join("spool");
        fs::create_dir(&spool).unwrap();
        assert!(Command::new("chown").arg("Debian-exim").arg(&spool).status().unwrap().success());
        let smtp = free_address();
        let [main, acl, router, transport] = pieces(printed);
        let configuration = format!(
            "exim_path = {exim}\nkeep_environment =\nprimary_hostname = mx.example.net\n\
             spool_directory = {spool}\nlog_file_path = {spool}/%slog\npid_file_path = {spool}/pid\n\
             local_interfaces = 127.0.0.1\ndaemon_smtp_ports = {port}\ntls_advertise_hosts =\n\
             acl_smtp_rcpt = acl_check_rcpt\n{main}\nbegin acl\nacl_check_rcpt:\n{acl}\n  \
             accept domains = mx.example.net\n  \
             require message = relay not permitted\n    domains = +listgate_domains\n\
             begin routers\n{router}\nlocal:\n  driver = accept\n  domains = mx.example.net\n  \
             transport = mailbox\nbegin transports\n{transport}\nmailbox:\n  driver = appendfile\n  \
             file = {spool}/mailbox\n  user = Debian-exim\n",
            exim = program().display(),
            spool = spool.display(),
            port = smtp.port(),
        );
        let file = dir.path().join("exim.conf");
        fs::write(&file, configuration).unwrap();
        let output = File::create(dir.path().join("output")).unwrap();
        let mut command = Command::new(program());
        command.arg("-C").arg(&file).arg("-bdf").stdout(output.try_clone().unwrap()).stderr(output);
        let exim = Self { child: command.spawn().unwrap(), dir, smtp };
        until("Exim listens", || TcpStream::connect(smtp).is_ok());
        exim
    }

    fn mailbox(&self) -> String {
        fs::read_to_string(self.dir.path().join("spool/mailbox")).unwrap_or_default()
    }

    fn log(&self) -> String {
        let files = ["spool/mainlog", "spool/paniclog", "output"].map(|file| self.dir.path().join(file));
        files.map(|file| fs::read_to_string(file).unwrap_or_default()).concat()
    }
}

impl Drop for Exim {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("{}", self.log());
        }
    }
}

/// Splits the printed text at its numbers.
fn pieces(printed: &str) -> [&str; 4] {
    let mut rest = printed;
    let mut cut = |number: u8| {
        let (piece, after) = rest.split_once(&format!("\n# {number}. ")).unwrap();
        // The rest of this line is the comment that began with the number.
        rest = after.split_once('\n').unwrap().1;
        piece
    };
    let [_, main, acl, router] = [1, 2, 3, 4].map(&mut cut);
    [main, acl, router, rest]
}

#[test]
#[ignore = "needs exim4"]
fn recipients_are_checked_at_smtp_time() {
    let site = Site::with_list();
    let gate = site.gate(site.config());
    let exim = Exim::with(&site.stdout(&["mta", "exim", "--listen", &tcp(&gate).to_string()]));
    let mut smtp = Smtp::connect(exim.smtp);
    smtp.command("MAIL FROM:<anne@example.org>", "250");
    let refused = smtp.command("RCPT TO:<nobody@example.com>", "550");
    assert!(refused.contains("5.1.1 Requested action not taken: mailbox unavailable"), "{refused}");
    smtp.command("RCPT TO:<new@example.com>", "550");
    smtp.command("RCPT TO:<mylist@example.org>", "550 relay not permitted");
    // Refused a moment ago, the address is valid now: Exim caches no refusal.
    site.create("new@example.com");
    smtp.command("RSET", "250");
    smtp.send(
        &["new@example.com", "NEW-join@example.com", "mylist-confirm+token@example.com"],
        "new@example.org",
    );
    until("the mail arrives", || site.json(&["queue", "ls", "--message-id", "<new@example.org>"]).len() == 3);
    gate.stop().unwrap();
    let mut smtp = Smtp::connect(exim.smtp);
    smtp.command("MAIL FROM:<anne@example.org>", "250");
    for address in ["new@example.com", "mylist@example.com", "nobody@example.com"] {
        smtp.command(&format!("RCPT TO:<{address}>"), "451");
    }
}

#[test]
#[ignore = "needs exim4"]
fn other_mail_arrives_while_the_gate_is_stopped() {
    let site = Site::with_list();
    let gate = site.gate(site.config());
    let exim = Exim::with(&site.stdout(&["mta", "exim", "--listen", &tcp(&gate).to_string()]));
    gate.stop().unwrap();
    let mut smtp = Smtp::connect(exim.smtp);
    for (to, id) in [
        ("anne@mx.example.net", "anne@client.example"),
        ("Postmaster@example.com", "postmaster@client.example"),
        ("abuse@EXAMPLE.com", "abuse@client.example"),
    ] {
        smtp.send(&[to], id);
        until("the mail arrives", || exim.mailbox().contains(&format!("Message-ID: <{id}>")));
    }
    smtp.command("MAIL FROM:<anne@example.org>", "250");
    smtp.command("RCPT TO:<mylist@example.com>", "451");
}

#[test]
#[ignore = "needs exim4"]
fn only_mail_to_lists_has_the_size_limit_of_the_gate() {
    let site = Site::with_list();
    let file = site.data().join("listgate.toml");
    fs::write(&file, "[lmtp]\nmax_message_size = \"1MiB\"\n").unwrap();
    let gate = site.gate(site.config());
    let [file, at] = [file.to_str().unwrap(), &tcp(&gate).to_string()];
    let exim = Exim::with(&site.stdout(&["--config", file, "mta", "exim", "--listen", at]));
    let mut smtp = Smtp::connect(exim.smtp);
    smtp.command("MAIL FROM:<anne@example.org> SIZE=2000000", "250");
    smtp.command("RCPT TO:<mylist@example.com>", "550 the message is too large");
    smtp.command("RCPT TO:<anne@mx.example.net>", "250");
    smtp.command("RSET", "250");
    smtp.command("MAIL FROM:<anne@example.org> SIZE=1000000", "250");
    smtp.command("RCPT TO:<mylist@example.com>", "250");
    gate.stop().unwrap();
}

#[test]
#[ignore = "needs exim4"]
fn a_paused_list_defers_mail_at_smtp_time() {
    let site = Site::with_list();
    let gate = site.gate(site.config());
    let exim = Exim::with(&site.stdout(&["mta", "exim", "--listen", &tcp(&gate).to_string()]));
    site.stdout(&["list", "pause", "mylist@example.com"]);
    let mut smtp = Smtp::connect(exim.smtp);
    smtp.command("MAIL FROM:<anne@example.org>", "250");
    smtp.command("RCPT TO:<mylist@example.com>", "45");
    smtp.command("RCPT TO:<mylist-owner@example.com>", "250");
    gate.stop().unwrap();
}
