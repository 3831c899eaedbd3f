//! `listgate send` and `listgate bench` as their help has them.

use crate::support::Site;
use std::fs;

#[test]
fn what_the_usage_of_send_shows_works() {
    let site = Site::with_list();
    let server = site.serve(&[]);
    let help = site.stdout(&["send", "--help"]);
    let usage = help.lines().find_map(|line| line.strip_prefix("Usage: listgate ")).unwrap();
    let file = site.data().join("m.eml");
    fs::write(&file, "Subject: shown\n\n").unwrap();
    let shown = usage
        .replace("[OPTIONS]", &format!("--server {}", server.address))
        .replace("[FILE]", file.to_str().unwrap())
        .replace("<ADDRESS>...", "mylist@example.com mylist-join@example.com");
    let said = site.stdout(&shown.split(' ').collect::<Vec<_>>());
    assert_eq!(said.matches("queued as").count(), 2, "{shown}: {said}");
}
