//! Mail to postmaster@ and abuse@ of a list's domain goes in and out through a real mail server.

use crate::distribution::{Distribution, delivered, each_gets_one, members};
use crate::mta::Smtp;
use crate::support::until;
use std::fs;

const PIA: &str = "pia@members.example";

/// Starts a Listgate whose postmaster is Pia. What `listgate mta` then prints takes these addresses.
fn with_a_postmaster() -> Distribution {
    let mut distribution = Distribution::start(&members(1), &[]);
    distribution.stopped(|distribution| {
        let file = distribution.site.data().join("listgate.toml");
        let toml = fs::read_to_string(&file).unwrap();
        fs::write(&file, format!("{toml}[site]\npostmaster = \"{PIA}\"\n")).unwrap();
    });
    distribution
}

/// Sends mail to the three addresses. `delivered` returns the recipient of each mail that the mail server has
/// delivered, and `has_sent` waits until it has got mail with an envelope sender that begins so.
fn it_reaches_the_postmaster_of_the_site(
    distribution: &Distribution,
    smtp: impl Fn() -> Smtp,
    delivered: impl Fn() -> Vec<String>,
    has_sent: impl Fn(&str),
) {
    smtp().send(&["Postmaster@example.com"], "help@example.org");
    each_gets_one(&[PIA.to_owned()], delivered);
    smtp().send(&["abuse@example.com", "mailer-daemon@example.com"], "more@example.org");
    distribution.has_left(3);
    for local in ["postmaster", "abuse", "mailer-daemon"] {
        has_sent(&format!("{local}-bounces+"));
    }
}

#[test]
#[ignore = "needs postfix"]
fn through_postfix() {
    let distribution = with_a_postmaster();
    let postfix = distribution.postfix("mynetworks = 192.0.2.1\n");
    let has_sent = |start: &str| {
        postfix.logged(&[&format!("from=<{start}"), "@example.com>"]);
    };
    it_reaches_the_postmaster_of_the_site(&distribution, || postfix.smtp(), || delivered(&postfix), has_sent);
}

#[test]
#[ignore = "needs exim4"]
fn through_exim() {
    let distribution = with_a_postmaster();
    let exim = distribution.exim("", "");
    let has_sent = |start: &str| {
        until("Exim has got the mail", || exim.in_spool("mainlog").contains(&format!(" <= {start}")));
    };
    it_reaches_the_postmaster_of_the_site(&distribution, || exim.smtp(), || exim.dropped(), has_sent);
}
