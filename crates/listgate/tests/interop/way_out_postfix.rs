//! Posts through a real Postfix, in and out.

use crate::distribution::{Distribution, delivered, each_gets_one, members, post};

#[test]
#[ignore = "needs postfix"]
fn a_thousand_members_get_a_post_of_one_of_them() {
    let all = members(1000);
    let distribution = Distribution::start(&all, &[]);
    let postfix = distribution.postfix("mynetworks = 192.0.2.1\n");
    post(postfix.smtp(), "first@members.example");
    distribution.has_left(1);
    each_gets_one(&all, || delivered(&postfix));
    let before = delivered(&postfix).len();
    distribution.site.stdout(&["member", "set", "mylist@example.com", &all[0], "own_posts=no"]);
    post(postfix.smtp(), "second@members.example");
    distribution.has_left(2);
    each_gets_one(&all[1..], || delivered(&postfix).split_off(before));
    assert_eq!(distribution.stored("SELECT count(*) FROM recipient WHERE state <> 'done'"), 0);
}
