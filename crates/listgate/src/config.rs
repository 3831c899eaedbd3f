//! The configuration: as it is written in TOML, and as it is resolved. Two types, because a file may
//! leave everything out and the program wants everything.

use crate::backends::mailman;
use crate::capacity::Bounds;
use crate::model::ListAddress;
pub use crate::model::Redelivery;
use crate::net::{ListenAddress, Peers};
use bytesize::ByteSize;
use listgate_lmtp::{BareNewline, Limits, Mailbox};
use serde::{Deserialize, Serialize};
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::Duration;

/// Everything a gate is told. [`Config::new`] has the defaults.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where lists and queues live.
    pub data_dir: PathBuf,
    /// Whose lists and queues they are.
    pub backend: BackendKind,
    /// Where LMTP is served.
    pub listen: Vec<ListenAddress>,
    /// Our name in the greeting. Default: the machine's.
    pub hostname: String,
    /// Envelope sender of mail to a list's owners.
    pub owner: String,
    /// The list whose owners are the postmasters.
    pub postmaster: Option<String>,
    /// Sessions at the same time; above, connections wait to be accepted.
    pub max_connections: usize,
    /// Connections of one peer (an address, or a user of a Unix socket) at the same time; the next
    /// gets 421. `None`: half of all, and at least 100.
    pub max_connections_per_peer: Option<usize>,
    /// Octets of all messages between MAIL and their outcome; above, MAIL gets 452.
    pub max_in_flight: u64,
    /// Who may connect by TCP.
    pub allow: Peers,
    /// Whose programs may connect by a Unix socket; `None`: everybody's.
    pub allow_uids: Option<Vec<u32>>,
    /// Permissions of a Unix socket.
    pub socket_mode: u32,
    /// How long a stop waits for transactions in flight.
    pub shutdown_grace: Duration,
    /// Where an address that is no endpoint is refused.
    pub refuse_at: RefuseAt,
    /// What to do with a message that has a bare CR or LF.
    pub bare_newline: BareNewline,
    /// Octets of a message.
    pub max_message_size: u64,
    /// Recipients of a transaction.
    pub max_recipients: usize,
    /// The longest wait for a command, and for a peer that does not read.
    pub command_timeout: Duration,
    /// The longest silence within a message.
    pub data_timeout: Duration,
    /// The longest time from MAIL to the final dot.
    pub transaction_timeout: Duration,
    /// Begins the detail of a local part.
    pub verp_delimiter: char,
    /// Octets of the file system that mail leaves free.
    pub min_free: u64,
    /// Whether a Received line is added.
    pub add_received: bool,
    /// Where metrics and health are served by HTTP; `None`: nowhere.
    pub admin: Option<SocketAddr>,
    /// Where Postfix may ask which addresses there are, by socketmap; empty: nowhere.
    pub socketmap: Vec<ListenAddress>,
    /// Whether the log has addresses in part only.
    pub mask_addresses: bool,
    /// What to do with mail that came before.
    pub redelivery: Redelivery,
    /// Entries of one queue; above, RCPT gets 452.
    pub max_entries: u64,
    /// Octets of one queue; above, RCPT gets 452. `None`: half of the space it could have.
    pub max_octets: Option<u64>,
}

/// Where lists and queues live.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum BackendKind {
    /// In the data directory.
    Sqlite,
    /// In a GNU Mailman 3 site.
    Mailman {
        /// Its mailman.cfg; `None`: where Mailman would look for it.
        config: Option<PathBuf>,
    },
}

/// A backend as the file names it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum BackendName {
    Sqlite,
    Mailman,
}

/// Where an address that is no endpoint is refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RefuseAt {
    /// In the reply to RCPT, so that a mail server can verify addresses with us.
    Rcpt,
    /// In the recipient's reply after the data; every address is then accepted at RCPT.
    Data,
}

impl Config {
    /// The defaults, with everything kept in `data_dir`.
    pub fn new(data_dir: impl Into<PathBuf>) -> Self {
        let limits = Limits::default();
        Self {
            data_dir: data_dir.into(),
            backend: BackendKind::Sqlite,
            listen: vec![ListenAddress::Tcp(SocketAddr::from(([127, 0, 0, 1], 8024)))],
            hostname: machine_name(),
            owner: "changeme@example.com".to_owned(),
            postmaster: None,
            max_connections: 1000,
            max_connections_per_peer: None,
            max_in_flight: 1 << 30,
            allow: Peers::default(),
            allow_uids: None,
            // Like a TCP port of this machine, it is open to whoever can reach its directory.
            socket_mode: 0o666,
            shutdown_grace: Duration::from_secs(30),
            refuse_at: RefuseAt::Rcpt,
            bare_newline: BareNewline::Keep,
            max_message_size: limits.message_size,
            max_recipients: limits.recipients,
            command_timeout: limits.command_timeout,
            data_timeout: limits.data_timeout,
            transaction_timeout: limits.transaction_timeout,
            verp_delimiter: '+',
            min_free: 256 << 20,
            add_received: false,
            admin: None,
            socketmap: Vec::new(),
            mask_addresses: false,
            redelivery: Redelivery::Suppress,
            max_entries: 10_000_000,
            max_octets: None,
        }
    }

    /// The defaults and what the file at `path` says instead.
    ///
    /// # Errors
    /// The file cannot be read, or says what no configuration says: the error names file, line, key
    /// and the mend.
    pub fn read(path: &Path, data_dir: impl Into<PathBuf>) -> Result<Self, ConfigError> {
        let mut config = Self::new(data_dir);
        config.apply(path)?;
        Ok(config)
    }

    /// What a Mailman site's own configuration says: where it expects mail, how it reads addresses, and
    /// whom it names as its owner.
    ///
    /// # Errors
    /// Mailman could not use it either, or it names what we do not know: file, section and key are named.
    pub fn follow_mailman(&mut self, cfg: Option<&Path>) -> Result<(), ConfigError> {
        let site = mailman::cfg::Site::read(cfg).map_err(|why| ConfigError::Mailman(why.to_string()))?;
        let addresses = site.lmtp_addresses().map_err(ConfigError::Mailman)?;
        self.listen = addresses.into_iter().map(ListenAddress::Tcp).collect();
        self.owner = site.site_owner;
        self.verp_delimiter = site.verp_delimiter;
        self.backend = BackendKind::Mailman { config: site.cfg };
        Ok(())
    }

    /// What the file at `path` says instead of what was said before.
    ///
    /// # Errors
    /// As for [`read`](Self::read).
    pub fn apply(&mut self, path: &Path) -> Result<(), ConfigError> {
        let text =
            fs::read_to_string(path).map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
        let written: Written = toml::from_str(&text)
            .map_err(|why| ConfigError::Toml { path: path.to_owned(), why: explained(&why) })?;
        let wrong = |why| ConfigError::Value { path: path.to_owned(), why };
        if written.is_of_mailman().map_err(wrong)? && self.backend == BackendKind::Sqlite {
            self.follow_mailman(written.mailman.config.as_deref())?;
        }
        let listens = written.server.listen.is_some();
        written.apply(self).and_then(|()| self.agrees(listens)).map_err(wrong)
    }

    /// What is right for each key alone may not be together. `listens`: the file has server.listen, which
    /// is else a default that the command line may replace.
    fn agrees(&self, listens: bool) -> Result<(), String> {
        if !listgate_lmtp::is_domain_name(&self.hostname) {
            let name = &self.hostname;
            return Err(format!(
                "server.hostname = {name:?} is no host name: write one such as \"lists.example.com\""
            ));
        }
        let delimiter = self.verp_delimiter;
        if !delimiter.is_ascii_punctuation() || matches!(delimiter, '-' | '@' | '.' | '"' | '\\') {
            return Err(format!(
                "addresses.verp_delimiter = {delimiter:?} cannot begin a detail: write a sign such as \"+\""
            ));
        }
        if self.max_in_flight < self.max_message_size {
            return Err(format!(
                "server.max_in_flight = {} is below lmtp.max_message_size = {}: no message of that size \
                 could ever come in",
                self.max_in_flight, self.max_message_size
            ));
        }
        self.agrees_on_addresses(listens)
    }

    /// Nobody listens twice on one address; a port of 0 is another each time.
    fn agrees_on_addresses(&self, listens: bool) -> Result<(), String> {
        if self.listen.is_empty() {
            return Err("server.listen = [] would take no mail: write an address such as \"127.0.0.1:8024\""
                .to_owned());
        }
        let admin = self.admin.map(ListenAddress::Tcp);
        let listen = self.listen.iter().filter(|_| listens).map(|address| ("server.listen", address));
        let socketmap = self.socketmap.iter().map(|address| ("socketmap.listen", address));
        let all = listen.chain(socketmap).chain(admin.iter().map(|address| ("admin.listen", address)));
        let mut taken: Vec<(&str, &ListenAddress)> = Vec::new();
        for (key, address) in all.filter(|(_, address)| !address.is_any_port()) {
            if let Some((first, _)) = taken.iter().find(|(_, taken)| *taken == address) {
                return Err(format!(
                    "{address} is in {first} and again in {key}: write another, or leave it out"
                ));
            }
            taken.push((key, address));
        }
        Ok(())
    }

    pub(crate) fn bounds(&self) -> Bounds {
        Bounds {
            min_free: self.min_free,
            max_in_flight: self.max_in_flight,
            max_entries: self.max_entries,
            max_octets: self.max_octets,
        }
    }

    /// Connections that one caller may have: what one mail server may well need, and no more than half of all.
    pub(crate) fn max_connections_per_caller(&self) -> usize {
        // Postfix has no more than a hundred processes by default.
        self.max_connections_per_peer.unwrap_or((self.max_connections / 2).max(100))
    }

    pub(crate) fn limits(&self) -> Limits {
        let defaults = Limits::default();
        // Whoever allows more recipients allows the commands that name them.
        let commands = u32::try_from(self.max_recipients).unwrap_or(u32::MAX).saturating_mul(10);
        Limits {
            commands: commands.max(defaults.commands),
            message_size: self.max_message_size,
            recipients: self.max_recipients,
            command_timeout: self.command_timeout,
            data_timeout: self.data_timeout,
            transaction_timeout: self.transaction_timeout,
            ..defaults
        }
    }
}

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// It is no TOML, or has a key or a type that no configuration has.
    #[error("{}: {why}", path.display())]
    Toml {
        /// The file.
        path: PathBuf,
        /// Where and why.
        why: String,
    },
    /// A Mailman site's configuration cannot be used.
    #[error("{0}")]
    Mailman(
        /// File, section, key and why.
        String,
    ),
    /// A value cannot be.
    #[error("{}: {why}", path.display())]
    Value {
        /// The file.
        path: PathBuf,
        /// Which and why.
        why: String,
    },
}

/// The file as it is written: every table and key may be missing, and no other may be there.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Written {
    site: Site,
    server: Server,
    lmtp: Lmtp,
    addresses: Addresses,
    storage: Storage,
    lists: Lists,
    mailman: Mailman,
    queue: Queue,
    admin: Admin,
    socketmap: Socketmap,
    log: Log,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Site {
    owner: Option<String>,
    postmaster: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Server {
    listen: Option<Vec<String>>,
    hostname: Option<String>,
    max_connections: Option<usize>,
    max_connections_per_peer: Option<usize>,
    max_in_flight: Option<Size>,
    allow: Option<Vec<String>>,
    allow_uids: Option<Vec<u32>>,
    socket_mode: Option<String>,
    shutdown_grace: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Lmtp {
    refuse_at: Option<RefuseAt>,
    max_message_size: Option<Size>,
    max_recipients: Option<usize>,
    command_timeout: Option<String>,
    data_timeout: Option<String>,
    transaction_timeout: Option<String>,
    bare_newline: Option<WrittenBareNewline>,
    add_received: Option<bool>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum WrittenBareNewline {
    Keep,
    Reject,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Addresses {
    verp_delimiter: Option<char>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Storage {
    min_free: Option<Size>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Admin {
    listen: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Socketmap {
    listen: Option<Vec<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Log {
    mask_addresses: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Lists {
    source: Option<BackendName>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Mailman {
    config: Option<PathBuf>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Queue {
    backend: Option<BackendName>,
    redelivery: Option<Redelivery>,
    max_entries: Option<u64>,
    max_size: Option<Size>,
}

/// In octets.
#[derive(Clone, Copy, PartialEq, Default, Debug, Deserialize)]
#[serde(try_from = "WrittenSize")]
struct Size(u64);

#[derive(Deserialize)]
#[serde(untagged, expecting = "expected a size such as \"50MiB\"")]
enum WrittenSize {
    Octets(u64),
    Text(String),
}

impl TryFrom<WrittenSize> for Size {
    type Error = String;

    fn try_from(written: WrittenSize) -> Result<Self, String> {
        match written {
            WrittenSize::Octets(octets) => Ok(Self(octets)),
            WrittenSize::Text(text) => match text.parse::<ByteSize>() {
                Ok(size) => Ok(Self(size.as_u64())),
                Err(_) => Err(format!("{text:?} is no size: write one such as \"50MiB\"")),
            },
        }
    }
}

impl Written {
    /// Whether lists and queues are a Mailman site's.
    fn is_of_mailman(&self) -> Result<bool, String> {
        match (self.lists.source, self.queue.backend) {
            (Some(lists), Some(queue)) if lists != queue => {
                Err("lists.source and queue.backend name different backends: lists and queues live together"
                    .to_owned())
            }
            (lists, queue) => {
                Ok(lists.or(queue) == Some(BackendName::Mailman) || self.mailman.config.is_some())
            }
        }
    }

    fn apply(self, config: &mut Config) -> Result<(), String> {
        if let Some(owner) = self.site.owner {
            let address: Mailbox = owner.parse().map_err(|why| {
                format!("site.owner = {owner:?} is no address such as \"anne@example.com\": {why}")
            })?;
            config.owner = address.to_string();
        }
        if let Some(postmaster) = self.site.postmaster {
            let list: ListAddress = postmaster.parse().map_err(|why| format!("site.postmaster: {why}"))?;
            config.postmaster = Some(list.to_string());
        }
        self.server.apply(config)?;
        self.lmtp.apply(config)?;
        set(&mut config.verp_delimiter, self.addresses.verp_delimiter);
        if let Some(listen) = self.admin.listen {
            let address = listen.parse().map_err(|_| {
                format!("admin.listen = {listen:?} is no address: write one such as \"127.0.0.1:8025\"")
            })?;
            config.admin = Some(address);
        }
        set(&mut config.socketmap, addresses("socketmap.listen", self.socketmap.listen)?);
        set(&mut config.mask_addresses, self.log.mask_addresses);
        set(&mut config.redelivery, self.queue.redelivery);
        set(&mut config.max_entries, at_least_one("queue.max_entries", self.queue.max_entries)?);
        let max_size = at_least_one("queue.max_size", self.queue.max_size)?;
        config.max_octets = max_size.map(|size| size.0).or(config.max_octets);
        set_size(&mut config.min_free, self.storage.min_free);
        Ok(())
    }
}

impl Server {
    fn apply(self, config: &mut Config) -> Result<(), String> {
        set(&mut config.listen, addresses("server.listen", self.listen)?);
        set(&mut config.hostname, self.hostname);
        set(&mut config.max_connections, at_least_one("server.max_connections", self.max_connections)?);
        let per_peer = at_least_one("server.max_connections_per_peer", self.max_connections_per_peer)?;
        config.max_connections_per_peer = per_peer.or(config.max_connections_per_peer);
        set_size(&mut config.max_in_flight, self.max_in_flight);
        if let Some(allow) = self.allow {
            config.allow = Peers::new(&allow).map_err(|why| format!("server.allow: {why}"))?;
        }
        config.allow_uids = self.allow_uids.or(config.allow_uids.take());
        if let Some(mode) = self.socket_mode {
            let octal = u32::from_str_radix(&mode, 8).ok().filter(|mode| *mode <= 0o777);
            config.socket_mode = octal.ok_or_else(|| {
                format!("server.socket_mode = {mode:?}: write permissions in octal such as \"0660\"")
            })?;
        }
        set_time(&mut config.shutdown_grace, "server.shutdown_grace", self.shutdown_grace)
    }
}

impl Lmtp {
    fn apply(self, config: &mut Config) -> Result<(), String> {
        set(&mut config.refuse_at, self.refuse_at);
        set_size(&mut config.max_message_size, at_least_one("lmtp.max_message_size", self.max_message_size)?);
        set(&mut config.max_recipients, at_least_one("lmtp.max_recipients", self.max_recipients)?);
        set_timeout(&mut config.command_timeout, "lmtp.command_timeout", self.command_timeout)?;
        set_timeout(&mut config.data_timeout, "lmtp.data_timeout", self.data_timeout)?;
        set_timeout(&mut config.transaction_timeout, "lmtp.transaction_timeout", self.transaction_timeout)?;
        set(
            &mut config.bare_newline,
            self.bare_newline.map(|written| match written {
                WrittenBareNewline::Keep => BareNewline::Keep,
                WrittenBareNewline::Reject => BareNewline::Reject,
            }),
        );
        set(&mut config.add_received, self.add_received);
        Ok(())
    }
}

fn set<T>(place: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *place = value;
    }
}

fn addresses(key: &str, value: Option<Vec<String>>) -> Result<Option<Vec<ListenAddress>>, String> {
    let parse = |listen: Vec<String>| listen.iter().map(|address| address.parse()).collect();
    value.map(parse).transpose().map_err(|why: String| format!("{key}: {why}"))
}

fn set_size(place: &mut u64, value: Option<Size>) {
    set(place, value.map(|size| size.0));
}

fn set_time(place: &mut Duration, key: &str, value: Option<String>) -> Result<(), String> {
    if let Some(text) = value {
        *place = humantime::parse_duration(&text)
            .map_err(|why| format!("{key} = {text:?}: {why}; write a time such as \"30s\" or \"5m\""))?;
    }
    Ok(())
}

/// A time after which a session is over.
fn set_timeout(place: &mut Duration, key: &str, value: Option<String>) -> Result<(), String> {
    set_time(place, key, value)?;
    if *place < Duration::from_secs(1) {
        return Err(format!("{key} is too short to take mail: write at least \"1s\""));
    }
    Ok(())
}

fn at_least_one<T: Default + PartialEq>(key: &str, value: Option<T>) -> Result<Option<T>, String> {
    if value == Some(T::default()) {
        return Err(format!("{key} = 0 would take no mail: write at least 1"));
    }
    Ok(value)
}

/// What is meant by types of which TOML's own words come from a programming language.
const EXAMPLES: [(&str, &str); 9] = [
    ("expected a sequence", "a list in brackets, such as [\"127.0.0.1:8024\"] or [0, 102]"),
    ("expected u32", "a whole number without quotes, such as 100"),
    ("expected u64", "a whole number without quotes, such as 100"),
    ("expected usize", "a whole number without quotes, such as 100"),
    ("expected a boolean", "true or false, without quotes"),
    ("expected a string", "text in quotes, such as \"30s\" or \"0660\""),
    ("expected path string", "a path in quotes, such as \"/etc/mailman3/mailman.cfg\""),
    ("expected a character", "one sign in quotes, such as \"+\""),
    ("expected struct", "keys of this table, such as server.hostname = \"lists.example.com\""),
];

/// TOML's own words, the nearest key where one was unknown, and an example where a type was wrong.
fn explained(why: &toml::de::Error) -> String {
    let mut words = why.to_string().trim_end().to_owned();
    let mut quoted = why.message().split('`').skip(1).step_by(2);
    if why.message().starts_with("unknown field")
        && let Some(unknown) = quoted.next()
        && let Some(nearest) = quoted.min_by_key(|known| strsim::damerau_levenshtein(unknown, known))
    {
        words.push_str(&format!("\nDid you mean `{nearest}`?"));
    }
    if let Some((_, example)) = EXAMPLES.iter().find(|(expected, _)| why.message().contains(expected)) {
        words.push_str(&format!("\nWrite {example}"));
    }
    words
}

/// The name of this machine, looked up once.
fn machine_name() -> String {
    static NAME: LazyLock<String> = LazyLock::new(|| {
        let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
        if listgate_lmtp::is_domain_name(&name) { name } else { "localhost".to_owned() }
    });
    NAME.clone()
}
