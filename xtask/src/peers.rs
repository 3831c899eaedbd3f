//! Peers: third-party programs that a test or a benchmark runs against.
//!
//! A test lists the ones it needs: `#[ignore = "needs postfix, strace"]`.

use crate::debian;
use crate::dkimpy;
use crate::exim;
use crate::mailman;
use crate::mailman3;
use crate::run::{self, Outcome, command, report};
use crate::system::{self, is_root};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Stdio;

struct Peer {
    name: &'static str,
    source: Source,
    /// Returns why the peer cannot be used here although its program is installed.
    objection: fn(&Path) -> Option<&'static str>,
}

/// The source of a peer.
enum Source {
    /// The system; we do not install the peer.
    System,
    /// A Debian package.
    Package(&'static str),
    /// Something else, such as a folder below the target folder, which we fill.
    Other { program: fn() -> Option<PathBuf>, install: fn() },
}

use Source::{Other, Package, System};

const PEERS: &[Peer] = &[
    Peer { name: "postfix", source: Package("postfix"), objection: only_for_root },
    Peer { name: "curl", source: Package("curl"), objection: none },
    Peer { name: "swaks", source: Package("swaks"), objection: none },
    // What swaks needs for TLS.
    Peer { name: "perl-ssleay", source: Other { program: ssleay, install: install_ssleay }, objection: none },
    Peer { name: "strace", source: Package("strace"), objection: none },
    Peer { name: "systemd-analyze", source: Package("systemd"), objection: none },
    Peer { name: "mount", source: System, objection: only_for_root },
    Peer { name: "sqlite3", source: Package("sqlite3"), objection: none },
    Peer { name: "python3", source: Package("python3"), objection: without_lmtp },
    Peer { name: "dovecot", source: Package("dovecot-lmtpd"), objection: none },
    Peer { name: "bogofilter", source: Package("bogofilter"), objection: none },
    Peer { name: "aiosmtpd", source: Package("python3-aiosmtpd"), objection: none },
    Peer { name: "script", source: Package("bsdutils"), objection: none },
    Peer { name: "man", source: Package("man-db"), objection: none },
    Peer { name: "groff", source: Package("groff"), objection: none },
    Peer { name: "bash", source: System, objection: none },
    Peer { name: "zsh", source: Package("zsh"), objection: none },
    Peer { name: "fish", source: Package("fish"), objection: none },
    Peer { name: "dpkg-deb", source: System, objection: none },
    Peer { name: "lintian", source: Package("lintian"), objection: none },
    Peer { name: "rpmbuild", source: Package("rpm"), objection: none },
    Peer { name: "valgrind", source: Package("valgrind"), objection: none },
    Peer { name: "postgres", source: Package("postgresql"), objection: without_its_user },
    // From PyPI, in a known version.
    Peer {
        name: "mailman",
        source: Other { program: mailman::program, install: mailman::install },
        objection: in_part,
    },
    Peer {
        name: "dkimpy",
        source: Other { program: dkimpy::program, install: dkimpy::install },
        objection: without_its_modules,
    },
    // Debian's package.
    Peer {
        name: "mailman3",
        source: Other { program: mailman3::program, install: mailman3::install },
        objection: unpacked_in_part,
    },
    // A system of its own.
    Peer {
        name: "debian",
        source: Other { program: debian::program, install: debian::install },
        objection: only_for_root,
    },
    // Debian allows one mail server to be installed, which is Postfix. The other one is unpacked.
    Peer {
        name: "exim4",
        source: Other { program: exim::program, install: exim::install },
        objection: without_root_or_user,
    },
];

/// The peers that `cargo xtask test --install` installs if possible.
pub const OF_THE_TESTS: &[&str] = &[
    "postfix",
    "swaks",
    "perl-ssleay",
    "curl",
    "strace",
    "systemd-analyze",
    "sqlite3",
    "python3",
    "dovecot",
    "bogofilter",
    "aiosmtpd",
    "script",
    "man",
    "groff",
    "zsh",
    "fish",
    "lintian",
    "rpmbuild",
    "debian",
    "valgrind",
    "postgres",
    "mailman",
    "dkimpy",
    "mailman3",
    "exim4",
];

/// Returns why a test with this `#[ignore]` reason cannot run, or `None` if all its peers are available.
pub fn missing(reason: &str) -> Option<String> {
    let Some(names) = reason.strip_prefix("needs ") else { return Some(reason.to_owned()) };
    names.split(',').find_map(|name| objection(name.trim()))
}

fn objection(name: &str) -> Option<String> {
    let Some(peer) = PEERS.iter().find(|peer| peer.name == name) else {
        return Some(format!("needs {name}, of which xtask knows nothing"));
    };
    match program(name) {
        None => Some(format!("needs {name}, which is not installed")),
        Some(path) => (peer.objection)(&path).map(|why| format!("needs {name}, which {why}")),
    }
}

/// Returns the path of a peer's program: the system's, or one that we have put below the target folder. Any
/// other name is looked up in the system.
pub fn program(name: &str) -> Option<PathBuf> {
    match PEERS.iter().find(|peer| peer.name == name) {
        Some(Peer { source: Other { program, .. }, .. }) => program(),
        _ => system::program(name),
    }
}

/// Installs those of the named peers that are missing, if possible: packages need root and apt-get. A peer
/// that cannot be installed stays missing, which is not an error.
pub fn install(names: &[&str]) {
    let named: Vec<&Peer> = PEERS.iter().filter(|peer| names.contains(&peer.name)).collect();
    let package = |peer: &&Peer| match peer.source {
        Package(package) if program(peer.name).is_none() => Some(package),
        _ => None,
    };
    install_packages(&named.iter().filter_map(package).collect::<Vec<_>>());
    for peer in named {
        if let Other { install, .. } = peer.source {
            install();
        }
    }
}

fn install_packages(missing: &[&str]) {
    if missing.is_empty() || !system::can_install() {
        return;
    }
    println!("::: install {}", missing.join(", "));
    report(system::apt_get(&["update"]));
    for package in missing {
        if *package == "postfix" {
            report(keep_postfix_local());
        }
        if !report(system::install_package(package)) {
            println!("could not install {package}: what needs it is skipped");
        }
    }
    println!();
}

/// Preconfigures Postfix for local mail. Otherwise Debian's package starts it as an Internet site that
/// accepts connections from anywhere.
fn keep_postfix_local() -> Outcome {
    let failed = |error| format!("cannot run debconf-set-selections: {error}");
    let mut child = command("debconf-set-selections").stdin(Stdio::piped()).spawn().map_err(failed)?;
    if let Some(mut answers) = child.stdin.take() {
        answers.write_all(b"postfix postfix/main_mailer_type select Local only\n").map_err(failed)?;
    }
    child.wait().map(drop).map_err(failed)
}

fn none(_: &Path) -> Option<&'static str> {
    None
}

fn only_for_root(_: &Path) -> Option<&'static str> {
    (!is_root()).then_some("only root can run")
}

/// PostgreSQL refuses to run as root; Debian's package creates the user that it runs as.
fn without_its_user(_: &Path) -> Option<&'static str> {
    let user = || run::succeed(command("id").args(["-u", "postgres"]).stdout(Stdio::null()));
    (is_root() && user().is_err()).then_some("needs a user postgres when root runs the tests")
}

fn without_root_or_user(exim: &Path) -> Option<&'static str> {
    only_for_root(exim).or_else(|| (!exim::has_user()).then_some("needs a user Debian-exim"))
}

/// Returns Perl, if it has the module Net::SSLeay.
fn ssleay() -> Option<PathBuf> {
    let perl = system::program("perl")?;
    let mut uses = command(&perl);
    uses.args(["-MNet::SSLeay", "-e", "1"]).stderr(Stdio::null());
    run::succeed(&mut uses).is_ok().then_some(perl)
}

fn install_ssleay() {
    if ssleay().is_none() && system::can_install() {
        report(system::install_package("libnet-ssleay-perl"));
    }
}

fn in_part(_: &Path) -> Option<&'static str> {
    (!mailman::is_whole()).then_some("is here in part or in another version")
}

fn without_its_modules(_: &Path) -> Option<&'static str> {
    (!dkimpy::is_whole()).then_some("is here in part")
}

fn unpacked_in_part(_: &Path) -> Option<&'static str> {
    (!mailman3::is_whole()).then_some("is here in part or in another version")
}

fn without_lmtp(python: &Path) -> Option<&'static str> {
    let imports = run::succeed(command(python).args(["-c", "from smtplib import LMTP"]));
    imports.is_err().then_some("has no smtplib.LMTP here")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_is_found_or_the_reason_is_given() {
        assert_eq!(
            missing("needs nosuchpeer"),
            Some("needs nosuchpeer, of which xtask knows nothing".into())
        );
        assert_eq!(missing("takes an hour"), Some("takes an hour".into()));
        assert_eq!(missing("no reason given"), Some("no reason given".into()));
    }

    #[test]
    fn one_missing_peer_of_several_is_reported() {
        let both = missing("needs sqlite3, nosuchpeer");
        assert!(both.is_some_and(|why| why.starts_with("needs ")));
    }

    #[test]
    fn peers_of_the_tests_are_in_the_table_and_installable() {
        for name in OF_THE_TESTS {
            let peer = PEERS.iter().find(|peer| peer.name == *name);
            assert!(peer.is_some_and(|peer| !matches!(peer.source, System)), "{name}");
        }
    }
}
