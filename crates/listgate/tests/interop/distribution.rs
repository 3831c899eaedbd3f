//! A list whose posts leave through a real mail server, which is configured only by pasting.

use crate::exim::Exim;
use crate::exim_pasted::pieces;
use crate::mta::{Postfix, Smtp};
use crate::support::{Server, Site, free_address};
use rusqlite::{Connection, OpenFlags};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// The longest that a distribution takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(600);

/// The list `mylist@example.com`, with members, and a `listgate serve` for it.
pub(crate) struct Distribution {
    pub(crate) site: Site,
    server: Option<Server>,
}

impl Distribution {
    /// Starts a Listgate whose posts leave to a free port of this machine. `settings` are the list's.
    pub(crate) fn start(members: &[String], settings: &[&str]) -> Self {
        let site = Site::new();
        // The mail server runs as a user of its own, which needs access.
        fs::set_permissions(site.data(), Permissions::from_mode(0o755)).unwrap();
        let toml = format!(
            "[storage]\nmin_free = \"0B\"\n[server]\nlisten = [\"{}\"]\n[socketmap]\nlisten = [\"{}\"]\n\
             [outgoing]\nto = \"smtp:{}\"\n",
            free_address(),
            free_address(),
            free_address(),
        );
        fs::write(site.data().join("listgate.toml"), toml).unwrap();
        site.stdout(&["list", "create", "mylist@example.com", "--owner", "olga@example.org"]);
        let file = site.data().join("members");
        fs::write(&file, members.join("\n")).unwrap();
        site.stdout(&["member", "import", "mylist@example.com", file.to_str().unwrap()]);
        if !settings.is_empty() {
            site.stdout(&[&["list", "set", "mylist@example.com"], settings].concat());
        }
        let mut distribution = Self { site, server: None };
        distribution.serve();
        distribution
    }

    fn config(&self) -> PathBuf {
        self.site.data().join("listgate.toml")
    }

    fn serve(&mut self) {
        let log = File::options().create(true).append(true).open(self.site.data().join("log")).unwrap();
        let mut command = self.site.command();
        command.args(["serve", "--config"]).arg(self.config()).stderr(log);
        self.server = Some(Server::start(command));
    }

    /// Stops Listgate, runs `meanwhile`, and starts it again.
    pub(crate) fn stopped(&mut self, meanwhile: impl FnOnce(&Self)) {
        let mut server = self.server.take().unwrap();
        server.signal("TERM");
        assert_eq!(server.wait(), Some(0));
        meanwhile(self);
        self.serve();
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.site.data().join("log")).unwrap()
    }

    /// Returns what `listgate mta postfix` prints for a Postfix.
    pub(crate) fn printed(&self, postfix: &Postfix) -> String {
        let mut command = self.site.command();
        command.arg("--config").arg(self.config()).args(["mta", "postfix"]);
        let output = command.env("MAIL_CONFIG", postfix.conf()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Returns what `listgate mta exim` prints.
    pub(crate) fn printed_for_exim(&self) -> String {
        self.site.stdout(&["--config", self.config().to_str().unwrap(), "mta", "exim"])
    }

    /// Returns what the doctor finds, with these options.
    pub(crate) fn doctor(&self, options: &[&str]) -> Vec<Value> {
        let mut command = self.site.command();
        command.arg("--config").arg(self.config()).args(["doctor", "--json"]).args(options);
        let output = command.output().unwrap();
        let printed = String::from_utf8(output.stdout).unwrap();
        printed.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Starts a Postfix with these lines in main.cf, and pastes what is printed for it.
    pub(crate) fn postfix(&self, lines: &str) -> Postfix {
        let postfix = Postfix::with(lines);
        postfix.paste(&self.printed(&postfix));
        postfix
    }

    /// Starts an Exim with what is printed for it, that relays for this machine. It delivers mail as these routers and
    /// transports say, and all other mail by dropping it.
    pub(crate) fn exim(&self, routers: &str, transports: &str) -> Exim {
        let printed = self.printed_for_exim();
        let [main, acl, router, transport] = pieces(&printed);
        let port = self.way_out().rsplit_once(':').unwrap().1.to_owned();
        Exim::listening_on(port.parse().unwrap(), |_| {
            format!(
                "hostlist relay_from_hosts = 127.0.0.1\n{main}\nbegin acl\nacl_check_rcpt:\n{acl}\n  \
                 accept hosts = +relay_from_hosts\n  require message = relay not permitted\n    \
                 domains = +listgate_domains\nbegin routers\n{router}\n{routers}\ndropped:\n  driver = redirect\n  \
                 data = :blackhole:\nbegin transports\n{transport}\n{transports}\n"
            )
        })
    }

    /// Returns the address to which posts leave.
    pub(crate) fn way_out(&self) -> String {
        let toml = fs::read_to_string(self.config()).unwrap();
        toml.split_once("\"smtp:").unwrap().1.split('"').next().unwrap().to_owned()
    }

    /// Returns a number that is stored, such as a count.
    pub(crate) fn stored(&self, sql: &str) -> u64 {
        let file = self.site.data().join("listgate.db");
        let connection = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
        connection.busy_timeout(Duration::from_secs(10)).unwrap();
        connection.query_row(sql, [], |row| row.get(0)).unwrap()
    }

    /// Waits until a stored number is this one.
    #[track_caller]
    pub(crate) fn until_stored(&self, sql: &str, number: u64) {
        let what = format!("{sql} is {number}");
        until_in_time(&what, &|| self.log(), || self.stored(sql) == number);
    }

    /// Waits until nothing of any post is left to send.
    #[track_caller]
    pub(crate) fn has_left(&self, posts: u64) {
        self.until_stored("SELECT count(*) FROM post WHERE finished_at IS NOT NULL", posts);
    }
}

/// Returns `mN@members.example` for numbers up to `last`.
pub(crate) fn members(last: u32) -> Vec<String> {
    (1..=last).map(|number| format!("m{number}@members.example")).collect()
}

/// Sends a post by the first member to the list.
pub(crate) fn post(mut smtp: Smtp, id: &str) {
    let header = "From: m1@members.example\r\nTo: mylist@example.com\r\nSubject: Hello\r\n";
    let message = format!("{header}Message-ID: <{id}>\r\n\r\nHello, all\r\n");
    smtp.deliver("m1@members.example", &["mylist@example.com"], &message);
}

/// Asserts that the mail server delivers one copy to each of these addresses, and none to others. `delivered` returns
/// the address of each copy that it has delivered.
#[track_caller]
pub(crate) fn each_gets_one(addresses: &[String], delivered: impl Fn() -> Vec<String>) {
    let copies = || {
        let mut copies = BTreeMap::new();
        delivered().into_iter().for_each(|address| *copies.entry(address).or_insert(0) += 1);
        copies
    };
    until_in_time("all copies", &|| format!("{} delivered", copies().len()), || {
        copies().len() >= addresses.len()
    });
    let expected: BTreeMap<String, u32> = addresses.iter().map(|address| (address.clone(), 1)).collect();
    assert!(copies() == expected, "{:?}", copies());
}

/// Returns the addresses to which Postfix has delivered copies: those to which its transport `discard` has.
pub(crate) fn delivered(postfix: &Postfix) -> Vec<String> {
    let log = postfix.log();
    let lines = log.lines().filter(|line| line.contains("/discard[") && line.contains("status=sent"));
    lines.map(|line| line.split_once(" to=<").unwrap().1.split_once('>').unwrap().0.to_owned()).collect()
}

/// Waits longer than other tests do, since there is much to deliver.
#[track_caller]
fn until_in_time(what: &str, now: &dyn Fn() -> String, so: impl Fn() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !so() {
        assert!(Instant::now() < end, "{what}: not in time: {}", now());
        std::thread::sleep(Duration::from_millis(100));
    }
}
