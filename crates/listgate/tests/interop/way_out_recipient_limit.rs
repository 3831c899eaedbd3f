//! A real Postfix that takes fewer recipients than a batch has.

use crate::distribution::{Distribution, delivered, each_gets_one, members, post};

#[test]
#[ignore = "needs postfix"]
fn all_get_a_post_once_with_30_recipients_for_a_message() {
    let all = members(250);
    let distribution = Distribution::start(&all, &["personal=never"]);
    let postfix = distribution.postfix("mynetworks = 192.0.2.1\n");
    let at = distribution.way_out();
    postfix.paste(&format!("postconf -P '{at}/inet/smtpd_recipient_limit=30'\npostfix reload\n"));
    post(postfix.smtp(), "hello@members.example");
    distribution.has_left(1);
    each_gets_one(&all, || delivered(&postfix));
    assert_eq!(distribution.stored("SELECT count(*) FROM recipient WHERE state <> 'done'"), 0);
    assert!(postfix.log().contains(", nrcpt=30 "), "the limit was met");
}
