//! Posts through a real Exim, in and out.

use crate::distribution::{Distribution, each_gets_one, members, post};
use crate::exim::Exim;
use crate::exim_pasted::pieces;

/// Starts an Exim that relays for this machine, and delivers all other mail by dropping it.
fn pasted(distribution: &Distribution) -> Exim {
    let printed = distribution.printed_for_exim();
    let [main, acl, router, transport] = pieces(&printed);
    let port = distribution.way_out().rsplit_once(':').unwrap().1.to_owned();
    Exim::listening_on(port.parse().unwrap(), |_| {
        format!(
            "hostlist relay_from_hosts = 127.0.0.1\n{main}\nbegin acl\nacl_check_rcpt:\n{acl}\n  \
             accept hosts = +relay_from_hosts\n  require message = relay not permitted\n    \
             domains = +listgate_domains\nbegin routers\n{router}\ndropped:\n  driver = redirect\n  \
             data = :blackhole:\nbegin transports\n{transport}\n"
        )
    })
}

fn delivered(exim: &Exim) -> Vec<String> {
    let log = exim.in_spool("mainlog");
    let dropped = log.lines().filter_map(|line| line.split_once(" => :blackhole: <"));
    dropped.map(|(_, rest)| rest.split_once('>').unwrap().0.to_owned()).collect()
}

fn two_thousand_members_get_a_post(personal: &str) {
    let all = members(2000);
    let distribution = Distribution::start(&all, &[personal]);
    let exim = pasted(&distribution);
    post(exim.smtp(), "hello@members.example");
    distribution.has_left(1);
    each_gets_one(&all, || delivered(&exim));
    assert_eq!(distribution.stored("SELECT count(*) FROM recipient WHERE state <> 'done'"), 0);
    assert!(!exim.log().contains("no immediate delivery"), "Exim delivers at once");
}

#[test]
#[ignore = "needs exim4"]
fn two_thousand_members_in_bulk() {
    two_thousand_members_get_a_post("personal=never");
}

#[test]
#[ignore = "needs exim4"]
fn two_thousand_members_each_with_a_copy_of_their_own() {
    two_thousand_members_get_a_post("personal=always");
}
