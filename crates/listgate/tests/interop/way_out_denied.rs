//! A real Postfix that refuses to relay.

use crate::distribution::{Distribution, delivered, each_gets_one, members, post};

/// Nothing bounces, and after the fix each member gets the post once.
#[test]
#[ignore = "needs postfix"]
fn posts_wait_while_relaying_is_denied() {
    let all = members(100);
    let mut distribution = Distribution::start(&all, &[]);
    let postfix = distribution.postfix("mynetworks = 192.0.2.1\n");
    let at = distribution.way_out();
    // The mistake: this machine is a stranger to the service.
    postfix.paste(&format!(
        "postconf -P '{at}/inet/mynetworks=192.0.2.1' '{at}/inet/smtpd_client_restrictions='\npostfix reload\n"
    ));
    post(postfix.smtp(), "hello@members.example");
    distribution
        .until_stored("SELECT count(*) FROM way_out WHERE reason LIKE '554 5.7.1 %Relay access denied%'", 1);
    assert!(distribution.log().contains("the mail server refuses all mail, so it waits here: 554 5.7.1 "));
    assert_eq!(distribution.stored("SELECT count(*) FROM recipient WHERE state = 'refused'"), 0);
    assert_eq!(distribution.stored("SELECT count(*) FROM bounce"), 0);
    assert_eq!(delivered(&postfix), [""; 0]);

    distribution.stopped(|distribution| postfix.paste(&distribution.printed(&postfix)));
    distribution.has_left(1);
    each_gets_one(&all, || delivered(&postfix));
    assert_eq!(distribution.stored("SELECT count(*) FROM recipient WHERE state <> 'done'"), 0);
    distribution.until_stored("SELECT count(*) FROM way_out", 0);
}
