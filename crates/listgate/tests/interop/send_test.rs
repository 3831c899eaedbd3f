//! `doctor --send-test` through a real Postfix.

use crate::distribution::{Distribution, members};
use serde_json::Value;

#[test]
#[ignore = "needs postfix"]
fn a_test_message_leaves_and_comes_back_unchanged() {
    let distribution = Distribution::start(&members(1), &[]);
    let postfix = distribution.postfix("mynetworks = 192.0.2.1\n");
    let findings = distribution.doctor(&["--send-test", "example.com"]);
    let verdict = |check: &str| {
        let finding = findings.iter().find(|finding| finding["check"] == check);
        finding.unwrap_or_else(|| panic!("{check}: {findings:?}\n{}", postfix.log()))["verdict"].clone()
    };
    for check in ["test message", "test returned", "test unchanged"] {
        assert_eq!(verdict(check), "ok", "{findings:?}\n{}", postfix.log());
    }
    assert_eq!(verdict("test signature"), "note", "this Postfix has no signer");
    // No list got it.
    assert_eq!(distribution.stored("SELECT count(*) FROM post"), 0);
    assert_eq!(distribution.stored("SELECT count(*) FROM held_post"), 0);
    let other = distribution.doctor(&["--send-test", "example.net"]);
    let last: &Value = other.last().unwrap();
    assert_eq!(last["found"], "example.net has no list, so no mail to it comes here");
}
