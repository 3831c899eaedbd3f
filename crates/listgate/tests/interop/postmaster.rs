//! Mail to postmaster@ and abuse@ of a list's domain goes in and out through a real Postfix.

use crate::distribution::{Distribution, delivered, each_gets_one, members};
use std::fs;

#[test]
#[ignore = "needs postfix"]
fn it_reaches_the_postmaster_of_the_site() {
    let mut distribution = Distribution::start(&members(1), &[]);
    distribution.stopped(|distribution| {
        let file = distribution.site.data().join("listgate.toml");
        let toml = fs::read_to_string(&file).unwrap();
        fs::write(&file, format!("{toml}[site]\npostmaster = \"pia@members.example\"\n")).unwrap();
    });
    let postfix = distribution.postfix("mynetworks = 192.0.2.1\n");
    postfix.smtp().send(&["Postmaster@example.com"], "help@example.org");
    each_gets_one(&["pia@members.example".to_owned()], || delivered(&postfix));
    postfix.smtp().send(&["abuse@example.com", "mailer-daemon@example.com"], "more@example.org");
    distribution.has_left(3);
    for local in ["postmaster", "abuse", "mailer-daemon"] {
        postfix.logged(&[&format!("from=<{local}-bounces+"), "@example.com>"]);
    }
}
