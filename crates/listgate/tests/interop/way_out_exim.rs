//! Posts through a real Exim, in and out.

use crate::distribution::{Distribution, each_gets_one, members, post};

fn two_thousand_members_get_a_post(personal: &str) {
    let all = members(2000);
    let distribution = Distribution::start(&all, &[personal]);
    let exim = distribution.exim("", "");
    post(exim.smtp(), "hello@members.example");
    distribution.has_left(1);
    each_gets_one(&all, || exim.dropped());
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
