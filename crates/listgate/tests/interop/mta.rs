//! A real Postfix with its own configuration, queue and ports.

use crate::support::{PATIENCE, Site, free_address, until};
use std::collections::HashSet;
use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// The text of master.cf. The queue manager looks at the incoming queue each second instead of every five minutes. If it
/// retries a message while the process of the attempt before still has its file, it puts the message back there and
/// skips it for a minute.
const MASTER: &str = "\
smtpd-here inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 1 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
lmtp unix - - n - - lmtp
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
local unix - n n - - local
virtual unix - n n - - virtual
tlsmgr unix - - n 1000? 1 tlsmgr
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
";

pub(crate) struct Postfix {
    dir: TempDir,
    pub(crate) smtp: SocketAddr,
}

impl Postfix {
    /// Starts a Postfix that sends mail for example.com to `listgate` by LMTP.
    pub(crate) fn start(listgate: SocketAddr, more: &str) -> Self {
        Self::with(&format!(
            "mynetworks = 127.0.0.0/8\nrelay_domains = example.com\n\
             transport_maps = inline:{{ example.com=lmtp:inet:{listgate} }}\n{more}"
        ))
    }

    /// Starts a Postfix with the least main.cf that it needs here, and these lines.
    pub(crate) fn with(lines: &str) -> Self {
        Self::within(tempfile::tempdir().unwrap(), lines, "")
    }

    /// Starts a Postfix with its files in this directory, with these lines in main.cf, and more services in master.cf.
    pub(crate) fn within(dir: TempDir, lines: &str, services: &str) -> Self {
        let smtp = free_address();
        let [conf, queue, data] = ["conf", "queue", "data"].map(|name| {
            let path = dir.path().join(name);
            fs::create_dir(&path).unwrap();
            path
        });
        fs::set_permissions(dir.path(), Permissions::from_mode(0o755)).unwrap();
        let owned = Command::new("chown").arg("postfix").arg(&data).status().unwrap();
        assert!(owned.success());
        let master = MASTER.replace("smtpd-here", &smtp.to_string()) + services;
        fs::write(conf.join("master.cf"), master).unwrap();
        let main = format!(
            "compatibility_level = 3.6\nqueue_directory = {queue}\ndata_directory = {data}\n\
             maillog_file = {log}\nmaillog_file_prefixes = {dir}\ninet_interfaces = 127.0.0.1\n\
             inet_protocols = ipv4\nmyhostname = mx.example.net\nmydestination =\nalias_maps =\n\
             alias_database =\nlocal_recipient_maps =\n\
             default_transport = discard\nminimal_backoff_time = 1s\nqueue_run_delay = 1s\n\
             address_verify_map =\n",
            queue = queue.display(),
            data = data.display(),
            log = dir.path().join("log").display(),
            dir = dir.path().display(),
        );
        // Each process warns about a parameter that is set twice. So does postlogd, to the socket that it reads
        // itself; if the socket is full, postlogd waits for itself forever.
        let name = |line: &str| line.split('=').next().unwrap_or_default().trim().to_owned();
        let given: Vec<String> = lines.lines().map(name).collect();
        let ours = main.lines().filter(|line| !given.contains(&name(line)));
        let main: String = ours.chain(lines.lines()).flat_map(|line| [line, "\n"]).collect();
        fs::write(conf.join("main.cf"), main).unwrap();
        let postfix = Self { dir, smtp };
        postfix.command("start");
        let until = Instant::now() + PATIENCE;
        while TcpStream::connect(smtp).is_err() {
            assert!(Instant::now() < until, "Postfix does not start: {}", postfix.log());
            std::thread::sleep(Duration::from_millis(50));
        }
        postfix
    }

    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn conf(&self) -> PathBuf {
        self.dir.path().join("conf")
    }

    /// Runs what `listgate mta postfix` prints in a shell, as root would.
    pub(crate) fn paste(&self, commands: &str) {
        let reloads = || self.log().matches("reload -- version").count();
        let before = reloads();
        let path = format!("/usr/sbin:{}", std::env::var("PATH").unwrap_or_default());
        let mut shell = Command::new("sh");
        shell.args(["-eu", "-c", commands]).env("MAIL_CONFIG", self.conf()).env("PATH", path);
        let output = shell.output().unwrap();
        assert!(output.status.success(), "{}\n{commands}", String::from_utf8_lossy(&output.stderr));
        until("Postfix reloads", || reloads() > before);
        // The line comes just before the idle servers of the old configuration end.
        std::thread::sleep(Duration::from_millis(300));
    }

    pub(crate) fn command(&self, what: &str) {
        let program = if Path::new("/usr/sbin/postfix").exists() { "/usr/sbin/postfix" } else { "postfix" };
        let output = Command::new(program).arg("-c").arg(self.conf()).arg(what).output().unwrap();
        assert!(output.status.success(), "postfix {what}: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// Gives Postfix messages to mylist@example.com, each with its own Message-ID and in a session of its own.
    pub(crate) fn take(&self, messages: usize) {
        let sent = Command::new("smtp-source")
            .args(["-s", "10", "-m", &messages.to_string(), "-l", "2000", "-f", "anne@example.org"])
            .args(["-t", "mylist@example.com", &self.smtp.to_string()])
            .status();
        assert!(sent.unwrap().success());
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }

    /// Waits until the log has a line with all of `words`, and returns that line.
    pub(crate) fn logged(&self, words: &[&str]) -> String {
        let until = Instant::now() + PATIENCE;
        loop {
            let log = self.log();
            if let Some(line) = log.lines().find(|line| words.iter().all(|word| line.contains(word))) {
                return line.to_owned();
            }
            assert!(Instant::now() < until, "{words:?} is not in {log}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Returns whether no message is left in any of its queues.
    pub(crate) fn is_empty(&self) -> bool {
        self.queued().is_empty()
    }

    /// Returns the files of its queues, each with the time at which Postfix looks at it next.
    pub(crate) fn queued(&self) -> Vec<String> {
        // A message moves on from each to the next, and from the last back to "active".
        let queues = ["maildrop", "incoming", "deferred", "active", "deferred"];
        let mut find = Command::new("find");
        find.args(queues).args(["-type", "f", "-printf", "%p %t\\n"]);
        let listed = find.current_dir(self.dir.path().join("queue")).output().unwrap();
        String::from_utf8(listed.stdout).unwrap().lines().map(str::to_owned).collect()
    }

    pub(crate) fn smtp(&self) -> Smtp {
        Smtp::connect(self.smtp)
    }
}

impl Drop for Postfix {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.command("stop");
        } else {
            eprintln!("{}", self.log());
            let _ = Command::new("/usr/sbin/postfix").arg("-c").arg(self.conf()).arg("stop").status();
        }
    }
}

/// An SMTP client.
pub(crate) struct Smtp {
    stream: TcpStream,
    reader: BufReader<TcpStream>,
}

impl Smtp {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut smtp = Self { reader: BufReader::new(stream.try_clone().unwrap()), stream };
        smtp.expect("220");
        smtp.command("EHLO client.example", "250");
        smtp
    }

    fn expect(&mut self, code: &str) -> String {
        loop {
            let mut line = String::new();
            assert!(self.reader.read_line(&mut line).unwrap() > 0, "the mail server hung up");
            assert!(line.starts_with(code), "{line}");
            if line.as_bytes()[3] == b' ' {
                return line;
            }
        }
    }

    pub(crate) fn command(&mut self, line: &str, code: &str) -> String {
        self.stream.write_all(format!("{line}\r\n").as_bytes()).unwrap();
        self.expect(code)
    }

    pub(crate) fn send(&mut self, to: &[&str], id: &str) {
        let message = format!("From: anne@example.org\r\nMessage-ID: <{id}>\r\n\r\nHello\r\n");
        self.deliver("anne@example.org", to, &message);
    }

    /// Sends a message. Its lines end with CR LF, and none begins with a dot.
    pub(crate) fn deliver(&mut self, from: &str, to: &[&str], message: &str) {
        self.command(&format!("MAIL FROM:<{from}>"), "250");
        for recipient in to {
            self.command(&format!("RCPT TO:<{recipient}>"), "250");
        }
        self.command("DATA", "354");
        self.command(&format!("{message}."), "250");
    }
}

/// Asserts that so many messages are in the queue of posts, each of them once.
pub(crate) fn each_is_queued_once(site: &Site, messages: usize) {
    let entries = site.json(&["queue", "ls", "in"]);
    let ids: HashSet<&str> = entries.iter().map(|entry| entry["message_id"].as_str().unwrap()).collect();
    assert_eq!((entries.len(), ids.len()), (messages, messages));
}
