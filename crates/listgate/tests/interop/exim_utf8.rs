//! UTF-8 and unusual dots through a real Exim, with SMTPUTF8 and without.

use crate::exim::Exim;
use crate::support::tcp;
use crate::utf8::{
    all, assert_all_queued, assert_unknown_are_refused, site, submit, submit_without_smtputf8,
};

/// Exim needs both forms of a domain.
const DOMAINS: &str = "example.com : bücher.example : xn--bcher-kva.example";

#[test]
#[ignore = "needs exim4"]
fn with_smtputf8() {
    let site = site();
    let gate = site.gate(site.config());
    let exim = Exim::in_front_of(tcp(&gate), DOMAINS, "smtputf8_advertise_hosts = *\n", "");
    let mut smtp = exim.smtp();
    all().for_each(|mail| submit(&mut smtp, mail));
    assert_unknown_are_refused(&mut smtp, true);
    assert_all_queued(&site, all());
    gate.stop().unwrap();
}

#[test]
#[ignore = "needs exim4"]
fn without_smtputf8() {
    let site = site();
    let gate = site.gate(site.config());
    let exim = Exim::in_front_of(tcp(&gate), DOMAINS, "smtputf8_advertise_hosts =\n", "");
    let mut smtp = exim.smtp();
    let refusals = ["501 SMTPUTF8 used when not advertised", "501 <jürgen@", "501 <leser"];
    let taken = submit_without_smtputf8(&mut smtp, refusals);
    assert_unknown_are_refused(&mut smtp, false);
    assert_all_queued(&site, taken);
    gate.stop().unwrap();
}
