//! The library's example does what it says.

use crate::deliver;
use crate::support::{Site, until};
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

#[test]
fn the_example_consumes_a_queue() {
    let site = Site::with_list();
    deliver(&site, &["mylist-request@example.com", "mylist-join@example.com", "mylist@example.com"]);
    // Cargo builds the examples along with all tests of a package, but not with this test alone.
    let test = std::env::current_exe().unwrap();
    let example = test.parent().unwrap().with_file_name("examples").join("consume");
    assert!(example.exists(), "not built: cargo build --package listgate --examples");
    let mut command = Command::new(example);
    command.arg(site.data()).arg("command").stdout(Stdio::piped());
    let mut consumer = command.spawn().unwrap();
    let mut lines = BufReader::new(consumer.stdout.take().unwrap()).lines();
    let mut next = || lines.next().unwrap().unwrap();
    assert_eq!(next(), "1-1 anne@example.org -> mylist-request@example.com: Subject: 0");
    assert_eq!(next(), "2-1 anne@example.org -> mylist-join@example.com: Subject: 1");
    until("they are settled", || site.ids("command").is_empty());
    assert_eq!(site.ids("in").len(), 1);
    consumer.kill().unwrap();
    consumer.wait().unwrap();
}
