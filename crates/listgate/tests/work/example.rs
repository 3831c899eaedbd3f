//! The library's example does what it says.

use crate::deliver;
use crate::support::Site;
use std::process::Command;

#[test]
fn the_example_consumes_a_queue() {
    let site = Site::with_list();
    deliver(&site, &["mylist-request@example.com", "mylist-join@example.com", "mylist@example.com"]);
    // Cargo builds the examples with all tests of a package; for this test alone it is to be told so.
    let test = std::env::current_exe().unwrap();
    let example = test.parent().unwrap().with_file_name("examples").join("consume");
    assert!(example.exists(), "not built: cargo build --package listgate --examples");
    let output = Command::new(example).arg(site.data()).arg("command").output().unwrap();
    assert_eq!(
        String::from_utf8(output.stdout).unwrap(),
        "1-1 anne@example.org -> mylist-request@example.com: Subject: 0\n\
         2-1 anne@example.org -> mylist-join@example.com: Subject: 1\n",
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert_eq!((site.ids("command").len(), site.ids("in").len()), (0, 1));
}
