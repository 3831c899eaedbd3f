//! Members whose addresses a real Postfix refuses.

use crate::distribution::{Distribution, delivered, each_gets_one, members, post};

#[test]
#[ignore = "needs postfix"]
fn forty_of_a_hundred_are_refused_and_the_others_get_it_once() {
    for personal in ["personal=always", "personal=never"] {
        let all = members(100);
        let distribution = Distribution::start(&all, &[personal]);
        // Four dead addresses in each ten.
        let (dead, alive): (Vec<_>, Vec<_>) =
            all.into_iter().enumerate().partition(|(place, _)| place % 10 >= 6);
        let alive: Vec<String> = alive.into_iter().map(|(_, address)| address).collect();
        let rows: Vec<String> = alive.iter().map(|address| format!("{{ {address} = x }}")).collect();
        let postfix = distribution.postfix(&format!(
            "virtual_mailbox_domains = members.example\nvirtual_mailbox_maps = inline:{{ {} }}\n\
             virtual_transport = discard\n",
            rows.join(", ")
        ));
        post(postfix.smtp(), "hello@members.example");
        distribution.has_left(1);
        each_gets_one(&alive, || delivered(&postfix));
        let refused = "SELECT count(*) FROM recipient WHERE state = 'refused' AND reply LIKE '550 5.1.1 %'";
        assert_eq!(distribution.stored(refused), dead.len() as u64);
        assert_eq!(distribution.stored("SELECT count(*) FROM recipient WHERE state <> 'done'"), 40);
        assert_eq!(distribution.stored("SELECT count(*) FROM way_out"), 0);
    }
}
