//! Whatever a message contains, deciding about it changes rows of its own list alone.

use super::rig::{LIST_ID, Rig};
use super::{today, token};
use crate::backends::{ListAdmin, Members, Posts};
use crate::model::{MemberRole, NewMember, Role};
use listgate_engine::token::Purpose;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use tokio::runtime::Builder;

const OTHER: &str = "other@example.com";
const OTHER_ID: &str = "other.example.com";

/// Lines of messages that name the other list and its members, as recipients or senders.
const LINES: &[&str] = &[
    "From: anne@example.org",
    "From: bob@example.org",
    "From: other@example.com",
    "Sender: bob@example.org",
    "To: mylist@example.com",
    "To: other@example.com, bob@example.org",
    "Cc: other-owner@example.com",
    "Bcc: bob@example.org",
    "List-Id: <other.example.com>",
    "List-Post: <mailto:other@example.com>",
    "X-BeenThere: other.example.com",
    "X-BeenThere: mylist.example.com",
    "X-Loop: mylist-owner@example.com",
    "X-Loop: other-owner@example.com",
    "Approved: x",
    "X-Failed-Recipients: bob@example.org",
    "Resent-To: other@example.com",
    "Message-ID: <1@x>",
    "Message-ID: <2@x>",
    "Content-Type: multipart/report; boundary=b",
    "",
    "--b",
    "Content-Type: message/delivery-status",
    "Final-Recipient: rfc822; bob@example.org",
    "Status: 5.1.1",
    "550 5.1.1 <bob@example.org>: unknown",
];

/// Returns all rows of the other list, and those that say who is a member of any list and how lists are set.
fn untouchable(rig: &Rig) -> Vec<String> {
    let of_other = ["post", "held_post", "posted", "decision", "bounce", "roster"];
    let of_other = of_other.map(|table| {
        format!("SELECT * FROM {table} WHERE list = (SELECT list FROM roster WHERE list_id = '{OTHER_ID}')")
    });
    let of_all = ["member", "ban", "list", "list_setting"].map(|table| format!("SELECT * FROM {table}"));
    of_other.iter().chain(&of_all).flat_map(|sql| rig.rows(sql)).collect()
}

#[test]
fn a_decision_changes_rows_of_its_own_list_alone() {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let (rig, details) = runtime.block_on(async {
        let rig = Rig::new().await;
        rig.join(MemberRole::Member, "anne@example.org", &[]).await;
        rig.console.create(&[OTHER.parse().unwrap()], &[]).await.unwrap();
        for role in [MemberRole::Member, MemberRole::Owner] {
            let new = NewMember { named: "bob@example.org".parse().unwrap(), changes: Vec::new() };
            rig.console.add(OTHER_ID, role, &[new]).await.unwrap();
        }
        let keys = Posts::keys(&*rig.store).await.unwrap();
        let tokens = [LIST_ID, OTHER_ID].into_iter().flat_map(|list_id| {
            [Purpose::MemberBounce, Purpose::BatchBounce, Purpose::Leave].map(|purpose| (list_id, purpose))
        });
        let tokens = tokens.map(|(list_id, purpose)| Some(token(&keys, list_id, purpose, today())));
        let details: Vec<Option<String>> = tokens.chain([None, Some("bob=example.org".to_owned())]).collect();
        (rig, details)
    });
    let own = details[0].clone();
    let before = untouchable(&rig);
    assert!(before.iter().filter(|row| row.contains("bob@example.org")).count() == 2, "{before:?}");
    let message = (
        prop::sample::select(vec![Role::Post, Role::Owner, Role::Bounces]),
        prop::sample::select(details),
        prop::sample::select(vec!["<>", "anne@example.org", "bob@example.org", OTHER]),
        prop::collection::vec(prop::sample::select(LINES), 0..12),
    );
    // Rows pile up in one store, so that a Message-ID is met again.
    let decide = |role, detail: Option<&str>, from, lines: &[&str]| {
        let text = lines.join("\r\n") + "\r\n";
        runtime.block_on(async {
            rig.put(role, detail, from, text.as_bytes()).await;
            rig.decide().await;
        });
        assert_eq!(rig.count("entry"), "0");
        assert_eq!(untouchable(&rig), before);
        // Members are found when batches are made: nobody is stored with a post. Notices of held posts go to the owner, and
        // to authors who are members.
        let others =
            "SELECT address FROM recipient WHERE address NOT IN ('olga@example.org', 'anne@example.org')";
        assert_eq!(rig.rows(others), [""; 0]);
    };
    for from in ["anne@example.org", "bob@example.org"] {
        decide(
            Role::Post,
            None,
            from,
            &["To: mylist@example.com, other@example.com", "Bcc: bob@example.org"],
        );
    }
    decide(Role::Post, None, "anne@example.org", &["X-BeenThere: mylist.example.com"]);
    decide(Role::Bounces, own.as_deref(), "<>", &["Subject: failed"]);
    let decided = rig.rows("SELECT DISTINCT outcome FROM decision ORDER BY outcome");
    assert_eq!(decided, ["accepted", "discarded", "held"]);
    assert_eq!(rig.rows("SELECT purpose FROM bounce"), ["member"]);
    let config = Config::default();
    // Each case is several synced commits.
    let config = Config { cases: config.cases / 4, failure_persistence: None, ..config };
    let result = TestRunner::new(config).run(&message, |(role, detail, from, lines)| {
        decide(role, detail.as_deref(), from, &lines);
        Ok(())
    });
    result.unwrap();
}
