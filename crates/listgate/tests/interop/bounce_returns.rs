//! A copy that bounces comes back through a real Postfix.

use crate::distribution::{Distribution, delivered, each_gets_one, members, post};
use crate::support::free_address;
use std::process::{Child, Command};

/// A server that refuses each recipient for good, stopped when this value is dropped.
struct Refusing(Child);

impl Drop for Refusing {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
#[ignore = "needs postfix"]
fn it_is_evidence_about_the_member() {
    let all = members(20);
    let distribution = Distribution::start(&all, &[]);
    let at = free_address();
    let _refusing = Refusing(
        Command::new("smtp-sink")
            .args(["-u", "nobody", "-L", "-f", "rcpt", &at.to_string(), "10"])
            .spawn()
            .unwrap(),
    );
    let postfix = distribution.postfix(&format!(
        "mynetworks = 192.0.2.1\ntransport_maps = inline:{{ {{ m7@members.example = lmtp:inet:{at} }} }}\n"
    ));
    post(postfix.smtp(), "hello@members.example");
    let alive: Vec<String> = all.into_iter().filter(|address| address != "m7@members.example").collect();
    each_gets_one(&alive, || delivered(&postfix));
    distribution.has_left(1);
    distribution.until_stored("SELECT count(*) FROM bounce", 1);
    let about = "SELECT count(*) FROM bounce JOIN member ON member.seq = bounce.subject \
                 WHERE bounce.purpose = 'member' AND bounce.class = 'permanent' AND bounce.status LIKE '5.%' \
                 AND member.address = 'm7@members.example'";
    assert_eq!(distribution.stored(about), 1);
    postfix.logged(&["from=<mylist-bounces+"]);
    assert_eq!(
        distribution.stored("SELECT count(*) FROM recipient WHERE state <> 'done'"),
        0,
        "Postfix had accepted the copy"
    );
}
