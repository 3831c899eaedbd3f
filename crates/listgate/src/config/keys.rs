//! The table of keys. A row has a key's documentation, field, default, kind and example, and says when a change
//! of it applies. The type [`Config`], the file reader, `listgate config` and the README's block are made from
//! the table: a new key is a new row.

use super::backend::{BackendKind, Choice, FoundSite};
use super::error::{ConfigError, ValueError};
use super::kind::{self, OutgoingTls, RefuseAt, Written};
use super::target::Target;
use crate::limits;
use crate::model::Redelivery;
use crate::net::{ListenAddress, Networks};
use listgate_lmtp::{BareNewline, Limits, Mailbox};
use serde_json::Value;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// The site's owner where none was chosen, as in GNU Mailman.
pub(super) const NO_OWNER: &str = "changeme@example.com";

const fn first(examples: &[&'static str]) -> Option<&'static str> {
    match examples {
        [first, ..] => Some(first),
        [] => None,
    }
}

// A macro, because a function cannot generate the fields of a type.
macro_rules! keys {
    ($(
        $(#[doc = $doc:literal])+
        $name:literal $field:ident: $type:ty = $default:expr, $kind:ident, $applies:ident $(, $example:literal)?;
    )+) => {
        /// The configuration of a gate. [`Config::new`] returns the defaults.
        #[derive(Clone, Debug)]
        pub struct Config {
            /// Where lists and queues are stored: `storage.backend`, and `mailman.config` for a Mailman site.
            pub backend: BackendKind,
            $(
                $(#[doc = $doc])+
                ///
                #[doc = concat!("The key is `", $name, "`.")]
                pub $field: $type,
            )+
        }

        impl Default for Config {
            fn default() -> Self {
                Self { backend: BackendKind::Sqlite, $($field: $default,)+ }
            }
        }

        /// The keys that have a field of their own.
        static FIELDS: &[Key] = &[$(
            Key {
                name: $name,
                doc: concat!($($doc, "\n"),+),
                example: first(&[$($example)?]),
                applies: Applies::$applies,
                set: |config, written| {
                    config.$field = written.read(&kind::$kind)?;
                    Ok(())
                },
                show: |config| (kind::$kind.show)(&config.$field),
                copy: |config, other| config.$field = other.$field.clone(),
                accept: |config| (kind::$kind.accept)(&config.$field),
            },
        )+];
    };
}

keys! {
    /// Envelope sender of mail to -owner.
    ///
    /// Who runs the site: an address that people can write to.
    "site.owner" owner: String = NO_OWNER.to_owned(), MAILBOX, Restart;
    /// Gets postmaster@, abuse@; default: owner.
    ///
    /// The address that gets mail to postmaster@, abuse@ and mailer-daemon@ of all domains, unless a list has the name.
    /// If it is the address of a list, the owners of the list get this mail. Other addresses get it only if the engine
    /// runs.
    "site.postmaster" postmaster: Option<Mailbox> = None, MAILBOX_OR_NONE, Reload, r#""staff@example.com""#;

    /// Also "unix:/path", and several.
    ///
    /// The addresses where LMTP is served; port 25 is not allowed (RFC 2033 section 5).
    "server.listen" listen: Vec<ListenAddress> = vec![ListenAddress::Tcp(SocketAddr::from(([127, 0, 0, 1], 8024)))],
        LISTEN, Restart;
    /// In the greeting; default: the machine's.
    ///
    /// The name of the gate, in the greeting, and in Message-ID and Received lines that the gate adds.
    "server.hostname" hostname: String = kind::machine_name(), HOSTNAME, Reload, r#""lists.example.com""#;
    /// Above, connections wait to be accepted.
    ///
    /// How many connections there can be at a time.
    "server.max_connections" max_connections: usize = 1000, COUNT, Restart;
    /// Above, 421; default: half, at least 100.
    ///
    /// How many connections one caller may have at a time. A caller is an address, or a user of a Unix socket.
    /// `None`: half of `server.max_connections`, but at least 100.
    "server.max_connections_per_peer" max_connections_per_peer: Option<usize> = None, COUNT_OR_NONE, Reload, "500";
    /// Of all mail in flight; above, 452.
    ///
    /// The total octets of all messages between MAIL and their outcome.
    "server.max_in_flight" max_in_flight: u64 = 1 << 30, SIZE, Reload;
    /// By TCP; also "all", "192.0.2.0/24".
    ///
    /// The networks that may connect by TCP.
    "server.allow" allow: Networks = Networks::default(), NETWORKS, Reload;
    /// By Unix sockets; default: every user.
    ///
    /// The users whose programs may connect by a Unix socket.
    "server.allow_uids" allow_uids: Option<Vec<u32>> = None, UIDS, Reload, "[0, 102]";
    /// Permissions of Unix sockets.
    ///
    /// Who may connect by a Unix socket: the permissions of its file.
    // Like a TCP port of this machine, a socket is open to every user who can reach its directory.
    "server.socket_mode" socket_mode: u32 = 0o666, MODE, Restart;
    /// How long a stop waits for mail in flight.
    "server.shutdown_grace" shutdown_grace: Duration = Duration::from_secs(30), TIME, Reload;

    /// Or "data": 550 in the reply after the data.
    ///
    /// The stage at which an address that does not belong to a list is refused.
    "lmtp.refuse_at" refuse_at: RefuseAt = RefuseAt::Rcpt, REFUSE_AT, Reload;
    /// The largest message.
    ///
    /// The size in octets of the largest message that is taken.
    "lmtp.max_message_size" max_message_size: u64 = Limits::default().message_size, SIZE_FROM_1, Reload;
    /// Of a transaction.
    ///
    /// How many recipients a transaction may have; the others are deferred with 452.
    "lmtp.max_recipients" max_recipients: usize = Limits::default().recipients, COUNT, Reload;
    /// Silence between commands.
    ///
    /// How long a peer may be silent between commands, and the longest wait for one that does not read its replies.
    "lmtp.command_timeout" command_timeout: Duration = Limits::default().command_timeout, TIMEOUT, Reload;
    /// Silence within the data.
    ///
    /// How long a peer may be silent while it sends a message.
    "lmtp.data_timeout" data_timeout: Duration = Limits::default().data_timeout, TIMEOUT, Reload;
    /// From MAIL to the final dot.
    ///
    /// How long a transaction may take.
    "lmtp.transaction_timeout" transaction_timeout: Duration = Limits::default().transaction_timeout, TIMEOUT, Reload;
    /// Or "reject": 554 for each recipient.
    ///
    /// What to do with a message that has a bare CR or LF.
    "lmtp.bare_newline" bare_newline: BareNewline = BareNewline::Keep, BARE_NEWLINE, Reload;
    /// Whether to add a Received line.
    "lmtp.add_received" add_received: bool = false, FLAG, Reload;

    /// In PEM, for STARTTLS by TCP.
    ///
    /// The certificate, followed by those of the authorities between it and a root. `None`: STARTTLS is not offered.
    "tls.certificate" tls_certificate: Option<PathBuf> = None, PATH_OR_NONE, Reload, r#""/etc/tls/cert.pem""#;
    /// The private key of the certificate.
    "tls.key" tls_key: Option<PathBuf> = None, PATH_OR_NONE, Reload, r#""/etc/tls/key.pem""#;
    /// Also admit any peer it has certified.
    ///
    /// The authorities, in PEM, whose certificates admit mail servers that are not in `server.allow`.
    "tls.client_ca" tls_client_ca: Option<PathBuf> = None, PATH_OR_NONE, Reload, r#""/etc/tls/ca.pem""#;

    /// Begins the detail: list-confirm+TOKEN@.
    ///
    /// The character between an address and the detail that follows it. The gate reads addresses with it, and the
    /// way out writes them, so both change at a restart.
    "addresses.verp_delimiter" verp_delimiter: char = '+', DELIMITER, Restart;

    /// Relative to this file; --data-dir wins.
    ///
    /// Where lists and queues are stored, unless they are a Mailman site's.
    "storage.data_dir" data_dir: PathBuf = PathBuf::from("./var"), PATH, Restart;
    /// Mail is deferred if less would be left.
    ///
    /// The free octets of the file system that mail must leave.
    "storage.min_free" min_free: u64 = 256 << 20, SIZE, Restart;

    /// Mail sent again; also "mark", "off".
    ///
    /// What to do with mail that is sent again, for example because its reply was lost. "suppress": mail with a Received
    /// line is not queued again, and other mail is, with the first entry named in its msgdata. "mark": all of it is queued
    /// again in this way. "off": nothing is remembered.
    "queue.redelivery" redelivery: Redelivery = Redelivery::Suppress, REDELIVERY, Restart;
    /// Of one queue; above, its mail is deferred.
    ///
    /// How many entries a queue may have.
    "queue.max_entries" max_entries: u64 = 10_000_000, ENTRIES, Reload;
    /// Of one queue; default: half of the space.
    ///
    /// The octets of one queue above which its mail is deferred. `None`: half of the space that the queue could
    /// have.
    "queue.max_size" max_octets: Option<u64> = None, SIZE_OR_NONE, Reload, r#""10GiB""#;

    /// Default: true in a new data directory.
    ///
    /// Whether `listgate serve` runs the engine, which works all queues, sends posts to members, and answers commands.
    /// `None`: it runs if the data directory was created by a version that has an engine.
    "engine.enabled" engine: Option<bool> = None, FLAG_OR_NONE, Restart, "true";
    /// Whose Authentication-Results are true.
    ///
    /// The name under which the site's mail server writes Authentication-Results (RFC 8601); it must remove those of this
    /// name that come from outside. People whose mail passes there join and leave without a confirmation, where the
    /// list allows it. `None`: everybody has to confirm.
    "engine.authserv_id" authserv_id: Option<String> = None, TEXT_OR_NONE, Reload, r#""mx.example.com""#;
    /// True: mail of its own is sent from <>.
    ///
    /// Whether mail that Listgate writes has the null envelope sender, so that nothing answers it. Its bounces are then
    /// not known, and some mail servers refuse it or fail it under DMARC.
    "engine.null_sender" null_sender: bool = false, FLAG, Restart;
    /// A folder: texts of generated mail.
    ///
    /// A folder with the site's own texts: `NAME.txt` in it replaces the text of a mail that Listgate writes. `None`: all
    /// texts are the default ones.
    "engine.texts" texts: Option<PathBuf> = None, PATH_OR_NONE, Restart, r#""/etc/listgate/texts""#;

    /// Also "dir:./outbox", for a first try.
    ///
    /// Where posts leave to: the site's mail server, or a directory that gets a file for each transaction.
    "outgoing.to" outgoing_to: Target = Target::default(), TARGET, Restart;
    /// To the mail server, at a time.
    ///
    /// How many connections to the mail server there can be at a time.
    "outgoing.connections" outgoing_connections: usize = 4, OUTGOING_COUNT, Restart;
    /// Of a transaction.
    ///
    /// How many recipients a transaction has at most.
    "outgoing.max_recipients" outgoing_max_recipients: usize = limits::BULK_BATCH, OUTGOING_COUNT, Restart;
    /// Recipients a second; default: no limit.
    ///
    /// The maximum number of recipients that all connections together offer to the mail server in a second, those who
    /// are offered again included. `None`: no limit.
    "outgoing.max_rate" outgoing_max_rate: Option<u32> = None, RATE_OR_NONE, Restart, "100";
    /// For a connection, and for TLS on it.
    ///
    /// How long to wait for a connection to the mail server, and for TLS on it.
    "outgoing.connect_timeout" outgoing_connect_timeout: Duration = limits::OUTGOING_CONNECT, OUTGOING_TIMEOUT, Restart;
    /// For the greeting, and each reply.
    ///
    /// How long to wait for the mail server's greeting, for its reply to a command, and for it to read on.
    "outgoing.command_timeout" outgoing_command_timeout: Duration = limits::OUTGOING_COMMAND, OUTGOING_TIMEOUT, Restart;
    /// For the reply to a message.
    ///
    /// How long to wait for the reply after the final dot. Then the recipients are in doubt: they are sent the message
    /// again, and may get it twice.
    "outgoing.final_timeout" outgoing_final_timeout: Duration = limits::OUTGOING_FINAL, FINAL_TIMEOUT, Restart;
    /// Or "opportunistic", "required".
    ///
    /// Whether the connection to the mail server uses STARTTLS.
    "outgoing.tls" outgoing_tls: OutgoingTls = OutgoingTls::Off, OUTGOING_TLS, Restart;
    /// In PEM, for tls = "required".
    ///
    /// The authorities that certify the mail server.
    "outgoing.ca" outgoing_ca: Option<PathBuf> = None, PATH_OR_NONE, Restart, r#""/etc/tls/ca.pem""#;
    /// For AUTH at the mail server.
    ///
    /// The user name with which Listgate logs in at the mail server. `None`: it does not log in.
    "outgoing.user" outgoing_user: Option<String> = None, TEXT_OR_NONE, Restart, r#""listgate""#;
    /// Has the password of the user.
    ///
    /// The file with the password of the user.
    "outgoing.password_file" outgoing_password_file: Option<PathBuf> = None, PATH_OR_NONE, Restart,
        r#""/etc/listgate/password""#;

    /// /metrics, /health, /ready over HTTP.
    ///
    /// The address where metrics, health and readiness are served over HTTP. `None`: they are not served.
    "admin.listen" admin: Option<SocketAddr> = None, TCP_ADDRESS, Restart, r#""127.0.0.1:8025""#;

    /// Where Postfix looks up addresses.
    ///
    /// The addresses where socketmap is served; empty: nowhere.
    "socketmap.listen" socketmap: Vec<ListenAddress> = Vec::new(), ADDRESSES, Restart, r#"["127.0.0.1:8026"]"#;

    /// True: a***@example.org.
    ///
    /// Whether the log shows only part of each address.
    "log.mask_addresses" mask_addresses: bool = false, FLAG, Reload;
}

/// The keys that choose the backend. Both set the same field.
static BACKEND: &[Key] = &[
    Key {
        name: "storage.backend",
        doc: "Or \"mailman\": a GNU Mailman 3 site's\n\nWhere lists and queues are stored: in Listgate's own data \
              directory, or by GNU Mailman 3.",
        example: None,
        applies: Applies::Restart,
        set: |config, written| {
            config.choose(config.backend.by_name(written)?);
            Ok(())
        },
        show: |config| config.backend.name(),
        copy: |config, other| config.backend = other.backend.clone(),
        accept: |_| Ok(()),
    },
    Key {
        name: "mailman.config",
        doc: "Default: where Mailman looks for it\n\nThe configuration of the Mailman site, mailman.cfg.",
        example: Some("\"/etc/mailman3/mailman.cfg\""),
        applies: Applies::Restart,
        set: |config, written| {
            config.choose(config.backend.by_cfg(written)?);
            Ok(())
        },
        show: |config| config.backend.cfg(),
        copy: |config, other| config.backend = other.backend.clone(),
        accept: |_| Ok(()),
    },
];

/// Returns every key.
pub(crate) fn keys() -> impl Iterator<Item = &'static Key> + Clone {
    BACKEND.iter().chain(FIELDS)
}

impl Config {
    /// Returns the defaults, with everything stored in `data_dir`.
    pub fn new(data_dir: impl Into<PathBuf>) -> Self {
        Self { data_dir: data_dir.into(), ..Self::default() }
    }
    /// Uses a Mailman site, and follows the site's own configuration: where it expects mail, how it reads
    /// addresses, and who its owner is. `cfg` is its mailman.cfg; `None`: the one that Mailman would find.
    ///
    /// # Errors
    /// Mailman could not use the site either, or its database is not supported: the error names the file, the
    /// section and the key.
    pub fn follow_mailman(&mut self, cfg: Option<&Path>) -> Result<(), ConfigError> {
        let site = FoundSite::read(cfg).map_err(|why| ConfigError::Mailman(why.into()))?;
        self.choose(Choice::Mailman(Box::new(site)));
        Ok(())
    }

    fn choose(&mut self, choice: Choice) {
        match choice {
            Choice::Kept => {}
            Choice::Sqlite => self.backend = BackendKind::Sqlite,
            Choice::Mailman(found) => {
                let FoundSite { site, addresses } = *found;
                self.listen = addresses.into_iter().map(ListenAddress::Tcp).collect();
                self.owner.clone_from(&site.site_owner);
                self.verp_delimiter = site.verp_delimiter;
                self.backend = BackendKind::Mailman(Arc::new(site));
            }
        }
    }
}

/// When a change of a key applies to a running gate.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Applies {
    /// At SIGHUP, to connections from then on.
    Reload,
    /// At the next start.
    Restart,
}

/// A key of the configuration, and the field of [`Config`] that it sets.
pub(crate) struct Key {
    /// `table.key`
    pub(crate) name: &'static str,
    /// The description; its first line is the comment beside the key in the reference.
    pub(crate) doc: &'static str,
    /// An example for the reference, if the key has no default or a different one on each machine.
    pub(crate) example: Option<&'static str>,
    pub(crate) applies: Applies,
    pub(crate) set: fn(&mut Config, &Written<'_>) -> Result<(), ValueError>,
    /// Returns the value as JSON, which writes strings, numbers and lists of them as TOML does; null if it is not
    /// set.
    pub(crate) show: fn(&Config) -> Value,
    /// Copies the value from another configuration.
    pub(crate) copy: fn(&mut Config, &Config),
    /// Checks whether the value is allowed, wherever it came from.
    pub(crate) accept: fn(&Config) -> Result<(), ValueError>,
}

impl Key {
    /// Returns the table, and the key within it.
    pub(crate) fn parts(&self) -> (&'static str, &'static str) {
        self.name.split_once('.').expect("a key is in a table")
    }

    /// Returns a value that the key may have, as TOML.
    pub(crate) fn example(&self) -> String {
        match self.example {
            Some(example) => example.to_owned(),
            None => (self.show)(&Config::default()).to_string(),
        }
    }
}
