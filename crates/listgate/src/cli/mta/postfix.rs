//! The Postfix configuration: commands that add Listgate to the settings that Postfix has.

use super::gate::{AUTHORITIES, Gate, NO_EFFECT};
use super::postconf::{Existing, OWN, Place, Settings, merged, words};
use super::way_out::{self, WayOut};
use crate::cli::error::MtaError;
use crate::config::{Config, OutgoingTls, RefuseAt};
use crate::net::ListenAddress;
use crate::socketmap::{below_the_queue, destination, here};

/// The service in master.cf that delivers to Listgate. With a service of its own, Listgate's limits apply to no other
/// LMTP server.
const SERVICE: &str = "listgate";

/// Postfix's defaults: sessions with one destination, recipients of one delivery, octets of a message.
const SESSIONS: usize = 20;
const RECIPIENTS: usize = 50;
const MESSAGE: u64 = 10_240_000;

/// Postfix's default: recipients of a message that it takes.
const SMTPD_RECIPIENTS: usize = 1000;

const HEAD: &str = "\
# Commands that add Listgate to Postfix, printed by `listgate mta postfix`. Run
# them in a root shell. Listgate's values get settings of their own, named
# listgate_... The settings in main.cf keep their values, and also refer to
# these. A second run changes nothing. docs/mta.md explains the details.
";

const DOMAINS: &str = "
# These are the current domains of the lists. When you add or remove one, print
# this again. While Listgate is down, only mail to these domains waits.
";

const ASKED: &str = "
# Postfix asks Listgate for the domains. While Listgate is down, Postfix cannot
# find out which mail is for lists: ALL mail of this machine waits.
";

const LISTED: &str = "
# Postfix asks Listgate which addresses exist. It refuses an unknown address
# before it accepts the mail, and knows a list as soon as it is created.
";

const VERIFIED: &str = "
# Postfix tries each new address on Listgate, and refuses an unknown one before
# it accepts the mail.
";

const OTHER_RELAY_DOMAINS: &str = "\
# (It does not ask the socketmap, because relay_recipient_maps applies to all of
# relay_domains: mail to the others could be refused or delayed.)
";

const NO_SOCKETMAP: &str = "\
# Asking is quicker, and knows new lists at once. For that, add this to
# Listgate's configuration, and print these commands again:
#   [socketmap]
#   listen = [\"127.0.0.1:8026\"]
";

/// How Postfix remembers what it has tried: the setting, its value, and the reason.
const REMEMBERED: [(&str, &str, &str); 4] = [
    ("unverified_recipient_reject_code", "550", "An unknown address gets 550, not 450."),
    (
        "address_verify_negative_refresh_time",
        "10s",
        "A refusal is cached for seconds, not days, because the list may be created.",
    ),
    ("address_verify_negative_expire_time", "30s", ""),
    ("address_verify_poll_delay", "1s", "Check for the result every second, not every three."),
];

const VERIFIES_ELSEWHERE: &str = "\
# main.cf already uses reject_unverified_..., so the settings for it stay as they
# are: unverified_recipient_reject_code (450 by default),
# address_verify_negative_..._time and address_verify_poll_delay.
";

const TRANSPORT: &str = "
# Mail to the lists goes to Listgate by LMTP, through a service of its own in
# master.cf. So these limits apply to no other mail: no more concurrent
# sessions, and recipients per delivery, than Listgate accepts.
";

const TLS: &str = "\
# With TLS, because Listgate is on another machine. Its certificate must have
# the name server.hostname, and be signed by an authority in this file.
";

const CLIENT_CERTIFICATE: &str = "\
# If this machine is not in Listgate's server.allow, it needs a certificate:
#   postconf -P 'listgate/unix/lmtp_tls_cert_file=/etc/postfix/cert.pem'
#   postconf -P 'listgate/unix/lmtp_tls_key_file=/etc/postfix/key.pem'
";

const ALIASES: &str = "
# Mail to postmaster@ and abuse@ goes to the postmaster of this mail server
# (RFC 2142). Entries in your own maps take precedence. Listgate takes it if its
# engine is on and site.owner or site.postmaster is set, or if site.postmaster
# is a list: `listgate check` says why it does not.
";

const WAY_OUT: &str = "
# Posts to members leave through an smtpd of their own, which only this machine
# reaches. It does not rewrite headers such as From: anne, and does not delay or
# close a connection because many members' addresses are refused. It keeps
# smtpd_milters, so a DKIM signer sees the posts, but no content_filter.
";

const DKIM: &str = "\
# A DKIM signer should sign as the domain of the list, for any author:
#   rspamd, in dkim_signing.conf, because it does not sign by default if From
#   has another domain than the envelope sender:
#     use_domain = \"envelope\"; allow_hdrfrom_mismatch = true;
#   OpenDKIM, in opendkim.conf, because it chooses the key by From, and leaves
#   out List-Unsubscribe-Post:
#     SenderHeaders List-Post,From
#     SignHeaders *,+list-unsubscribe-post
";

/// The options of the smtpd for the way out that do not depend on the configuration.
const WAY_OUT_OPTIONS: [(&str, &str); 18] = [
    ("mynetworks", "127.0.0.0/8,[::1]/128"),
    ("smtpd_client_restrictions", "permit_mynetworks,reject"),
    ("smtpd_helo_restrictions", ""),
    ("smtpd_sender_restrictions", ""),
    ("smtpd_relay_restrictions", "permit_mynetworks,reject_unauth_destination"),
    ("smtpd_recipient_restrictions", "permit_mynetworks,reject"),
    ("smtpd_data_restrictions", ""),
    ("smtpd_end_of_data_restrictions", ""),
    ("smtpd_client_event_limit_exceptions", "$mynetworks"),
    ("smtpd_error_sleep_time", "0"),
    ("smtpd_soft_error_limit", "10000"),
    ("smtpd_hard_error_limit", "10001"),
    ("smtpd_junk_command_limit", "10000"),
    ("smtpd_discard_ehlo_keywords", ""),
    ("local_header_rewrite_clients", ""),
    ("content_filter", ""),
    ("smtpd_proxy_filter", ""),
    ("receive_override_options", ""),
];

/// How Postfix finds out which addresses of the lists' domains exist.
enum Recipients {
    /// It asks this map.
    Listed(String),
    /// It tries each address by LMTP.
    Verified { because_of_others: bool },
}

/// A setting of Listgate's, and the setting of Postfix that refers to it.
struct Part {
    /// The name after `listgate_`.
    own: &'static str,
    /// `None`: not wanted; what an earlier run has added is removed.
    value: Option<String>,
    shared: &'static str,
    place: Place,
}

/// Returns the commands.
pub(super) fn commands(gate: &Gate, existing: &Existing) -> Result<String, MtaError> {
    let lmtp = gate.config.listen.first().ok_or(MtaError::NoAddress)?;
    let fresh = Settings::fresh();
    let mut printer = match existing {
        Existing::Read(settings) => Printer { settings, is_known: true, text: HEAD.to_owned() },
        Existing::Unknown(why) => {
            let text = format!("{HEAD}{}", unknown(why));
            Printer { settings: &fresh, is_known: false, text }
        }
    };
    let (conflicts, domains) = printer.conflicts(gate);
    printer.text.push_str(&conflicts);
    if domains.is_empty() {
        return Ok(printer.text);
    }
    let is_kept = |address: &&String| domains.iter().any(|domain| address.ends_with(&format!("@{domain}")));
    let kept: Vec<&String> = gate.kept.iter().filter(is_kept).collect();
    let asked = if gate.asked { Some(reachable(gate.config)?) } else { None };
    let recipients = printer.recipients(gate, &domains);
    printer.proxy(&recipients);
    printer.text.push_str(if asked.is_some() { ASKED } else { DOMAINS });
    let names = asked.map_or_else(|| domains.join(" "), |at| map(at, "domains"));
    printer.part(Part { own: "domains", value: Some(names), shared: "relay_domains", place: Place::Last });
    let destination = format!("{SERVICE}:{}", destination(lmtp));
    let transport = match asked {
        // The gate answers with `lmtp:`; pipemap puts our service there.
        Some(at) => format!("pipemap:{{{},static:{destination}}}", map(at, "transport")),
        None => inline(domains.iter().map(|domain| (&**domain, &*destination))),
    };
    printer.transport(gate, transport);
    printer.restrictions(gate, recipients, &domains);
    printer.aliases(gate, &kept);
    printer.size(gate.config.max_message_size);
    printer.way_out(gate);
    printer.text.push_str("\npostfix reload\n");
    Ok(printer.text)
}

/// Returns the comment for settings that could not be read.
fn unknown(why: &str) -> String {
    format!(
        "#\n# Postfix's settings could not be read, so you have to merge what the comments say:\n# {why}\n\
         # Run this on the mail server, or save its `postconf -n` there and run\n\
         # `listgate mta postfix --from FILE`.\n"
    )
}

/// Returns the first socketmap address that a chrooted Postfix reaches. Within pipemap, it cannot ask through proxymap.
fn reachable(config: &Config) -> Result<&ListenAddress, MtaError> {
    let is_reachable = |address: &&ListenAddress| match address {
        ListenAddress::Tcp(_) => true,
        ListenAddress::Unix(path) => below_the_queue(path) != path,
    };
    config.socketmap.iter().find(is_reachable).ok_or(MtaError::NoSocketmap)
}

/// Returns the name of one of the gate's maps.
fn map(socketmap: &ListenAddress, name: &str) -> String {
    match socketmap {
        ListenAddress::Tcp(address) => format!("socketmap:inet:{}:{name}", here(*address)),
        ListenAddress::Unix(path) if below_the_queue(path) != path => {
            format!("socketmap:unix:{}:{name}", below_the_queue(path).display())
        }
        // Through proxymap, which is not chrooted.
        ListenAddress::Unix(path) => format!("proxy:socketmap:unix:{}:{name}", path.display()),
    }
}

/// Returns a table within a setting, with these keys and values.
fn inline<'a>(rows: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let rows: Vec<String> = rows.map(|(key, value)| format!("{{{key} = {value}}}")).collect();
    format!("inline:{{ {} }}", rows.join(" "))
}

/// Quotes a word for the shell.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

struct Printer<'a> {
    settings: &'a Settings,
    /// Whether these are the settings of the Postfix that the commands are for.
    is_known: bool,
    text: String,
}

impl Printer<'_> {
    fn line(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }

    fn set(&mut self, name: &str, value: &str) {
        self.line(&format!("postconf -e {}", quoted(&format!("{name} = {value}"))));
    }

    /// Prints a setting of Listgate's, and adds it to the setting that Postfix reads.
    fn part(&mut self, part: Part) {
        let own = format!("{OWN}{}", part.own);
        let shared = part.shared;
        let before = self.settings.in_effect(shared).to_owned();
        let place = part.value.is_some().then_some(part.place);
        let after = merged(&before, &own, place, |word| is_outdated(shared, word));
        if let Some(value) = &part.value {
            self.set(&own, value);
            if !self.is_known {
                return self.line(&format!("# In main.cf, add this to {shared}: ${own}"));
            }
        }
        let in_main_cf = self.settings.get(shared);
        if let Some(in_main_cf) = in_main_cf.filter(|value| *value != after) {
            self.line(&format!("# before: {shared} = {in_main_cf}"));
        }
        if part.value.is_some() {
            self.set(shared, &after);
        } else if in_main_cf.is_some_and(|value| value != after) {
            match &*after {
                "" => self.line(&format!("postconf -X {shared}")),
                _ => self.set(shared, &after),
            }
        }
        if part.value.is_none() && self.settings.get(&own).is_some() {
            self.line(&format!("postconf -X {own}"));
        }
    }

    /// Chooses how Postfix finds out which addresses exist.
    fn recipients(&self, gate: &Gate, domains: &[String]) -> Recipients {
        let is_other = |word: &String| {
            !is_outdated("relay_domains", word)
                && !domains.iter().any(|domain| domain.eq_ignore_ascii_case(word))
        };
        let has_others = self.settings.words("relay_domains").iter().any(is_other);
        match gate.config.socketmap.first() {
            Some(socketmap) if !has_others => Recipients::Listed(map(socketmap, "recipients")),
            socketmap => Recipients::Verified { because_of_others: socketmap.is_some() },
        }
    }

    fn restrictions(&mut self, gate: &Gate, recipients: Recipients, domains: &[String]) {
        let (listed, verified) = match recipients {
            Recipients::Listed(map) => {
                self.text.push_str(LISTED);
                (Some(map), None)
            }
            Recipients::Verified { because_of_others } => {
                self.text.push_str(VERIFIED);
                self.text.push_str(if because_of_others { OTHER_RELAY_DOMAINS } else { NO_SOCKETMAP });
                if gate.config.refuse_at == RefuseAt::Data {
                    self.text.push_str(NO_EFFECT);
                }
                let rows = domains.iter().map(|domain| (&**domain, "reject_unverified_recipient"));
                (None, Some(format!("check_recipient_access {}", inline(rows))))
            }
        };
        let is_verified = verified.is_some();
        self.part(Part {
            own: "recipient_maps",
            value: listed,
            shared: "relay_recipient_maps",
            place: Place::Last,
        });
        self.part(Part {
            own: "recipient_restrictions",
            value: verified,
            shared: "smtpd_recipient_restrictions",
            place: Place::First,
        });
        if is_verified {
            self.remembered();
        }
    }

    /// Sets how Postfix remembers what it has tried, unless main.cf already sets it.
    fn remembered(&mut self) {
        if self.settings.mentions("reject_unverified_") {
            return self.text.push_str(VERIFIES_ELSEWHERE);
        }
        for (name, value, why) in REMEMBERED {
            if !why.is_empty() {
                self.line(&format!("# {why}"));
            }
            match self.settings.get(name) {
                _ if !self.is_known => {
                    self.line(&format!("# Unless main.cf sets it: postconf -e '{name} = {value}'"));
                }
                Some(decided) if decided != value => {
                    self.line(&format!("# (main.cf has {name} = {decided}, which stays.)"));
                }
                _ => self.set(name, value),
            }
        }
    }

    fn transport(&mut self, gate: &Gate, table: String) {
        let config = gate.config;
        let per_peer = config.max_connections_per_peer.unwrap_or(config.max_connections);
        let sessions = SESSIONS.min(config.max_connections).min(per_peer);
        let recipients = RECIPIENTS.min(config.max_recipients);
        self.text.push_str(TRANSPORT);
        // Without a chroot, because the socket may be outside of it.
        self.line(&format!("postconf -M '{SERVICE}/unix={SERVICE} unix - - n - - lmtp'"));
        self.tls(gate);
        self.set(&format!("{SERVICE}_destination_concurrency_limit"), &sessions.to_string());
        self.set(&format!("{SERVICE}_destination_recipient_limit"), &recipients.to_string());
        let place = Place::First;
        self.part(Part { own: "transport_maps", value: Some(table), shared: "transport_maps", place });
    }

    /// Has the service use TLS if the gate is on another machine. The command before has removed earlier options.
    fn tls(&mut self, gate: &Gate) {
        let lmtp = gate.config.listen.first().and_then(ListenAddress::tcp);
        let Some(name) = lmtp.and_then(|lmtp| gate.tls_name(here(lmtp).ip())) else { return };
        self.text.push_str(TLS);
        for (option, value) in [
            ("lmtp_tls_security_level", "secure"),
            ("lmtp_tls_secure_cert_match", name),
            ("lmtp_tls_CAfile", AUTHORITIES),
        ] {
            self.line(&format!("postconf -P '{SERVICE}/unix/{option}={value}'"));
        }
        if gate.config.tls_client_ca.is_some() {
            self.text.push_str(CLIENT_CERTIFICATE);
        }
    }

    /// Lets proxymap ask the gate, if main.cf lists the maps that proxymap may use.
    fn proxy(&mut self, recipients: &Recipients) {
        let proxied = match recipients {
            Recipients::Listed(map) => Some(map).filter(|map| map.starts_with("proxy:")),
            Recipients::Verified { .. } => None,
        };
        if proxied.is_some() {
            self.text.push_str("\n# proxy: asks from outside the chroot that Debian runs Postfix in.\n");
        }
        // The default includes relay_recipient_maps.
        let value = proxied.filter(|_| self.settings.get("proxy_read_maps").is_some()).cloned();
        let part = Part { own: "proxy_read_maps", value, shared: "proxy_read_maps", place: Place::Last };
        self.part(part);
    }

    fn aliases(&mut self, gate: &Gate, kept: &[&String]) {
        match gate.takes_postmasters() {
            Some(taken) => self.text.push_str(&format!("\n{taken}")),
            None if !kept.is_empty() => self.text.push_str(ALIASES),
            None => {}
        }
        let postmaster = self.postmaster();
        let rows = kept.iter().map(|address| (address.as_str(), postmaster));
        let value = (!kept.is_empty()).then(|| inline(rows));
        let place = Place::Last;
        self.part(Part { own: "alias_maps", value, shared: "virtual_alias_maps", place });
    }

    /// Returns the address of the mail server's own postmaster. Postfix adds myorigin to a bare name, which may not be
    /// a domain of this machine.
    fn postmaster(&self) -> &'static str {
        let local = self.settings.words("mydestination");
        let origin_is_local = self.settings.words("myorigin").iter().any(|origin| local.contains(origin));
        let has_localhost = local.iter().any(|domain| domain == "localhost");
        if has_localhost && !origin_is_local { "postmaster@localhost" } else { "postmaster" }
    }

    /// Warns of messages that Postfix takes and Listgate does not.
    fn size(&mut self, max: u64) {
        let set = self.settings.get("message_size_limit").and_then(|size| size.parse().ok());
        let size = set.unwrap_or(MESSAGE);
        let says = match size {
            0 => "of any size",
            size if size > max => &format!("of up to {size} octets"),
            _ => return,
        };
        self.text.push_str(&format!(
            "\n# Postfix takes messages {says} (message_size_limit),\n\
             # and Listgate up to {max}: it bounces larger ones to a list.\n\
             # lmtp.max_message_size raises Listgate's limit.\n"
        ));
    }

    /// Adds the service that takes posts to members.
    fn way_out(&mut self, gate: &Gate) {
        let at = match WayOut::of(gate, |at| at.port() != 25, way_out::OF_POSTFIX) {
            WayOut::Closed => return,
            WayOut::Elsewhere(to) => return self.text.push_str(&way_out::elsewhere(to)),
            WayOut::Here(at) => at,
        };
        self.text.push_str(WAY_OUT);
        // The command removes the options that an earlier run has added.
        self.line(&format!("postconf -M '{at}/inet={at} inet n - n - - smtpd'"));
        let recipients = gate.config.outgoing_max_recipients.max(SMTPD_RECIPIENTS).to_string();
        let mut options = WAY_OUT_OPTIONS.to_vec();
        options.push(("smtpd_recipient_limit", &recipients));
        if gate.config.outgoing_tls == OutgoingTls::Off {
            options.push(("smtpd_tls_security_level", "none"));
        }
        for (option, value) in options {
            self.line(&format!("postconf -P '{at}/inet/{option}={value}'"));
        }
        self.text.push_str(&way_out::line(at));
        self.text.push_str(DKIM);
    }

    /// Returns comments on domains that are of another kind in Postfix, and the domains that are not.
    fn conflicts(&self, gate: &Gate) -> (String, Vec<String>) {
        let mut said = String::new();
        let mut free: Vec<String> = gate.domains.to_vec();
        let mut tables = Vec::new();
        for class in ["mydestination", "virtual_mailbox_domains", "virtual_alias_domains"] {
            let words = self.settings.words(class);
            for domain in
                gate.domains.iter().filter(|domain| words.iter().any(|it| it.eq_ignore_ascii_case(domain)))
            {
                free.retain(|other| other != domain);
                said.push_str(&conflict(domain, class));
            }
            tables.extend(words.into_iter().filter(|word| word.contains(':')).map(|table| (class, table)));
        }
        if let (Some(domain), false) = (free.first(), tables.is_empty()) {
            said.push_str(
                "\n# A domain must have one kind in Postfix. These should print nothing, for this\n\
                 # domain and the other ones of the lists:\n",
            );
            for (class, table) in tables {
                said.push_str(&format!("#   postmap -q {domain} {}  # {class}\n", quoted(&table)));
            }
        }
        (said, free)
    }
}

/// Returns the comment for a domain that is of another kind in Postfix.
fn conflict(domain: &str, class: &str) -> String {
    format!(
        "\n# CONFLICT: {domain} is in {class}.\n\
         # A domain is of one kind in Postfix, so nothing below is for this domain. If\n\
         # all its addresses are Listgate's, remove it from {class},\n\
         # and print this again. If it has mailboxes too, see \"A domain that also has\n\
         # mailboxes\" in docs/mta.md.\n"
    )
}

/// Returns whether a word is a map that earlier versions wrote directly into a shared setting. While it stays there, a
/// stopped gate defers all mail.
fn is_outdated(shared: &str, word: &str) -> bool {
    let name = match shared {
        "relay_domains" => ":domains",
        "relay_recipient_maps" => ":recipients",
        "transport_maps" => ":transport",
        _ => return false,
    };
    words(word).len() == 1
        && word.trim_start_matches("proxy:").starts_with("socketmap:")
        && word.ends_with(name)
}

#[cfg(test)]
mod tests;
