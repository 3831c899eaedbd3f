//! The Postfix configuration: lines for main.cf.

use crate::cli::error::{CliError, MtaError};
use crate::config::{Config, RefuseAt};
use crate::net::ListenAddress;
use crate::socketmap::{below_the_queue, here, nexthop};

/// Postfix's defaults: sessions with one destination, recipients of one delivery, octets of a mailbox.
const SESSIONS: usize = 20;
const RECIPIENTS: usize = 50;
const MAILBOX: u64 = 51_200_000;

const HEAD: &str = "\
# Settings for Listgate in Postfix's main.cf, printed by `listgate mta postfix`.
# Use these domains only for lists: leave them out of mydestination and of the
# virtual domains. If main.cf already has one of these settings, put both values
# into one line. docs/mta.md explains the details.
";

const ASKED: &str = "
# Postfix asks Listgate (socketmap) which domains and addresses exist: a list is
# valid as soon as it is created, and an unknown address is refused before its
# mail is accepted. While Listgate is down, Postfix defers mail.
";

const WRITTEN_DOWN: &str = "
# These are the current domains. When you add or remove one, print this again.
# You avoid that if Postfix asks Listgate. In Listgate's configuration:
#   [socketmap]
#   listen = [\"127.0.0.1:8026\"]
";

const VERIFIED: &str = "
# An unknown address is refused before its mail is accepted: Postfix first tries
# each address on Listgate. Put this before any other restrictions.
";

const REMEMBERED: &str = "\
# Without this, Postfix replies 450 to an unknown address.
unverified_recipient_reject_code = 550
# A refusal is cached for seconds instead of three days, because the list may be
# created. It must be cached for longer than Postfix waits for the result:
# without the cache, each refusal would be a 450.
address_verify_negative_refresh_time = 10s
address_verify_negative_expire_time = 30s
# The first mail to an address waits for the result: check every second, not
# every three.
address_verify_poll_delay = 1s
";

const CHROOT: &str = "\
# Debian runs lmtp in a chroot without this path. Let Listgate listen
# below /var/spool/postfix, or run `postconf -F lmtp/unix/chroot=n`.
";

const NO_POSTMASTER: &str = "
# Mail to postmaster@ these domains is refused, against RFC 5321 (4.5.1). To
# accept it, set site.postmaster in Listgate's configuration, or add an alias
# here.
";

/// Returns the lines for main.cf. Calls `domains` only if the lines have to list the domains.
pub(super) fn main_cf(
    config: &Config,
    domains: impl FnOnce() -> Result<Vec<String>, CliError>,
) -> Result<String, CliError> {
    let lmtp = config.listen.first();
    let lmtp = lmtp.ok_or(MtaError::NoAddress)?;
    let (names, postmaster_of) = match config.socketmap.first() {
        Some(socketmap) => (settings_with_socketmap(socketmap), "lists.example.com".to_owned()),
        None => {
            let domains = domains()?;
            (written_down(config, lmtp, &domains), domains[0].clone())
        }
    };
    Ok([HEAD.to_owned(), names, chroot(lmtp), limits(config), postmaster(config, &postmaster_of)].concat())
}

fn settings_with_socketmap(socketmap: &ListenAddress) -> String {
    let map = |name| match socketmap {
        ListenAddress::Tcp(address) => format!("socketmap:inet:{}:{name}", here(*address)),
        ListenAddress::Unix(path) if below_the_queue(path) != path => {
            format!("socketmap:unix:{}:{name}", below_the_queue(path).display())
        }
        ListenAddress::Unix(path) => format!("proxy:socketmap:unix:{}:{name}", path.display()),
    };
    let proxy = match socketmap {
        ListenAddress::Unix(path) if below_the_queue(path) == path => {
            "# proxy: connects from outside the chroot in which Debian runs Postfix.\n"
        }
        _ => "",
    };
    format!(
        "{ASKED}{proxy}relay_domains = {}\nrelay_recipient_maps = {}\n\
         # Mail for lists goes to Listgate by LMTP.\ntransport_maps = {}\n",
        map("domains"),
        map("recipients"),
        map("transport")
    )
}

fn written_down(config: &Config, lmtp: &ListenAddress, domains: &[String]) -> String {
    let each = |value: &str| -> String {
        domains.iter().map(|domain| format!("\n    {{ {domain} = {value} }}")).collect()
    };
    let no_effect = match config.refuse_at {
        RefuseAt::Rcpt => "",
        RefuseAt::Data => "# No effect while lmtp.refuse_at is \"data\": every address is accepted then.\n",
    };
    format!(
        "{WRITTEN_DOWN}relay_domains = {}\n# Mail for these domains goes to Listgate by LMTP.\n\
         transport_maps = inline:{{{}\n    }}\n{VERIFIED}{no_effect}\
         smtpd_recipient_restrictions = check_recipient_access inline:{{{}\n    }}\n{REMEMBERED}",
        domains.join("\n    "),
        each(&nexthop(lmtp)),
        each("reject_unverified_recipient")
    )
}

fn chroot(lmtp: &ListenAddress) -> String {
    match lmtp {
        ListenAddress::Unix(path) if below_the_queue(path) == path => CHROOT.to_owned(),
        _ => String::new(),
    }
}

fn limits(config: &Config) -> String {
    let per_peer = config.max_connections_per_peer.unwrap_or(config.max_connections);
    let sessions = SESSIONS.min(config.max_connections).min(per_peer);
    let recipients = RECIPIENTS.min(config.max_recipients);
    let size = MAILBOX.min(config.max_message_size);
    let larger = if config.max_message_size > MAILBOX {
        format!(
            "# Listgate accepts {}, but Postfix does not allow this to be above\n\
             # mailbox_size_limit or virtual_mailbox_limit: {MAILBOX} by default.\n",
            config.max_message_size
        )
    } else {
        String::new()
    };
    format!(
        "\n# No more concurrent sessions, and recipients per delivery, than Listgate takes.\n\
         lmtp_destination_concurrency_limit = {sessions}\n\
         lmtp_destination_recipient_limit = {recipients}\n\
         # Postfix itself refuses mail that is too large for Listgate.\n{larger}\
         message_size_limit = {size}\n"
    )
}

fn postmaster(config: &Config, domain: &str) -> String {
    match &config.postmaster {
        Some(list) => format!("\n# postmaster@ these domains reaches the owners of {list}.\n"),
        None => {
            format!("{NO_POSTMASTER}# virtual_alias_maps = inline:{{ {{ postmaster@{domain} = root }} }}\n")
        }
    }
}
