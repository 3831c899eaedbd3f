//! Tests of decisions: from a message to the rows that it leaves.

mod commands;
mod forgery;
mod held;
mod mail;
mod of_one_list;
mod old_tokens;
mod postmaster;
mod rig;

use super::{Engine, QUEUES};
use crate::backends::{EngineStore, LeaseRequest, LeaseStore};
use crate::limits;
use crate::model::{Clock, MemberRole, Name, Role};
use crate::texts::Texts;
use listgate_engine::token::{Claim, Day, KeyRing, Purpose, Subject};
use listgate_engine::view::{END, START};
use rig::{LIST, LIST_ID, PANICS, Rig, settings, until};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Returns a post with this Message-ID.
fn post(from: &str, id: &str) -> String {
    format!(
        "From: {from}\r\nTo: {LIST}\r\nSubject: Hello\r\nMessage-ID: <{id}@example.org>\r\n\r\nHello.\r\n"
    )
}

#[tokio::test]
async fn each_outcome_leaves_its_rows() {
    for (from, message, decision, rows) in [
        ("anne@example.org", post("Anne <anne@example.org>", "1"), "accepted []", ["1", "0", "1"]),
        (
            "bob@example.org",
            post("bob@example.org", "2"),
            r#"held ["bob@example.org is not a member, and its posts are held","asked to decide: olga@example.org","its author was not notified: bob@example.org is not a member, and not verified by the mail server"]"#,
            ["1", "1", "1"],
        ),
        (
            "<>",
            post("anne@example.org", "3"),
            r#"held ["it is automatic: its envelope sender is <>, as in bounces","asked to decide: olga@example.org","its author was not notified: it is automatic: its envelope sender is <>, as in bounces"]"#,
            ["1", "1", "1"],
        ),
        (
            "spam@example.net",
            post("spam@example.net", "4"),
            r#"discarded ["spam@example.net is banned"]"#,
            ["0", "0", "0"],
        ),
        (
            "anne@example.org",
            format!("X-BeenThere: {LIST_ID}\r\n{}", post("anne@example.org", "5")),
            r#"discarded ["it comes from this list (X-BeenThere)"]"#,
            ["0", "0", "0"],
        ),
        (
            "anne@example.org",
            "X: x\r\n".repeat(200_000) + &post("anne@example.org", "6"),
            r#"rejected ["its header has more than 1 MiB","its author was not notified: its header has more than 1 MiB"]"#,
            ["0", "0", "0"],
        ),
    ] {
        let rig = Rig::new().await;
        rig.join(MemberRole::Member, "anne@example.org", &[]).await;
        rig.ban("@example.net").await;
        rig.post(from, &message).await;
        rig.decide().await;
        assert_eq!(rig.decisions(), [decision]);
        assert_eq!(["post", "held_post", "posted"].map(|table| rig.count(table)), rows, "{decision}");
        assert_eq!(rig.count("entry"), "0", "{decision}");
        let kept = if rows[0] == "1" || rows[1] == "1" { "1" } else { "0" };
        assert_eq!((rig.count("kept"), rig.count("delivery")), (kept.to_owned(), kept.to_owned()));
    }
}

#[tokio::test]
async fn an_accepted_post_is_stored_with_what_its_distribution_needs() {
    let rig = Rig::new().await;
    rig.join(MemberRole::Member, "Anne@Example.org", &["own_posts=no"]).await;
    rig.join(MemberRole::Member, "bob@example.org", &[]).await;
    rig.post("anne@example.org", &post("Anne <anne@example.org>", "1")).await;
    rig.post("bob@example.org", &post("bob@example.org", "2")).await;
    rig.decide().await;
    let sql = "SELECT kind, message_id, settings, skipped, cutoff FROM post ORDER BY id";
    assert_eq!(rig.rows(sql), ["post|<1@example.org>|{}|2|3", "post|<2@example.org>|{}|-|3"]);
    let metrics = rig.metrics();
    let counted = "listgate_decisions_total{endpoint=\"post\",outcome=\"accepted\",reason=\"none\"} 2\n";
    assert!(metrics.contains(counted), "{metrics}");
}

#[tokio::test]
async fn a_held_post_keeps_what_moderators_need() {
    let rig = Rig::new().await;
    let subject = format!("Subject: =?utf-8?q?caf=C3=A9?= {}\r\n", "x".repeat(5000));
    let message = format!("From: Bob <bob@example.org>, x@y\r\n{subject}Message-ID: <1@x>\r\n\r\nHello.\r\n");
    rig.post("bounces@example.org", &message).await;
    rig.decide().await;
    let subject = format!("caf\u{e9} {}", "x".repeat(limits::HELD_SUBJECT - 5));
    let reasons =
        r#"["bob@example.org is not a member, and its posts are held","neither To nor Cc names the list"]"#;
    let expected = format!("bounces@example.org|<1@x>|bob@example.org|{subject}|{reasons}");
    assert_eq!(rig.rows("SELECT mail_from, message_id, author, subject, reasons FROM held_post"), [expected]);
}

#[tokio::test]
async fn the_same_message_id_again_is_discarded_even_beside_the_first() {
    let rig = Rig::new().await;
    rig.join(MemberRole::Member, "anne@example.org", &[]).await;
    for _ in 0..3 {
        rig.post("anne@example.org", &post("anne@example.org", "1")).await;
    }
    rig.decide().await;
    rig.post("anne@example.org", &post("anne@example.org", "1")).await;
    rig.decide().await;
    assert_eq!(rig.count("post"), "1");
    let duplicate =
        r#"discarded ["the list has received a post with this Message-ID in the last seven days"]"#
            .to_owned();
    assert_eq!(rig.decisions().iter().filter(|decision| **decision == duplicate).count(), 3);
}

#[tokio::test]
async fn a_list_that_has_changed_is_looked_up_again() {
    let rig = Rig::new().await;
    rig.join(MemberRole::Member, "anne@example.org", &[]).await;
    rig.post("anne@example.org", &post("anne@example.org", "1")).await;
    rig.decide().await;
    rig.ban("anne@example.org").await;
    rig.post("anne@example.org", &post("anne@example.org", "2")).await;
    rig.decide().await;
    assert_eq!(rig.decisions(), ["accepted []", r#"discarded ["anne@example.org is banned"]"#]);
    let metrics = rig.metrics();
    let counted = "{endpoint=\"post\",outcome=\"accepted\",reason=\"none\"} 1\n";
    assert!(metrics.contains(counted), "an outdated decision does not count: {metrics}");
}

#[tokio::test]
async fn mail_for_a_removed_list_is_shunted_but_its_bounces_are_done() {
    let rig = Rig::new().await;
    rig.post("anne@example.org", &post("anne@example.org", "1")).await;
    rig.put(Role::Owner, None, "anne@example.org", post("anne@example.org", "2").as_bytes()).await;
    rig.put(Role::Bounces, None, "<>", b"Subject: failed\r\n\r\n").await;
    rig.remove_list().await;
    rig.decide().await;
    let why = "the list does not exist any more; remove the entry with `listgate queue remove`";
    let shunted = format!("in|shunted|{why}");
    assert_eq!(rig.rows("SELECT queue, state, reason FROM entry"), [shunted.clone(), shunted]);
}

#[tokio::test]
async fn a_full_store_of_held_posts_takes_no_more() {
    let rig = Rig::new().await;
    rig.post("bob@example.org", &post("bob@example.org", "1")).await;
    rig.decide().await;
    let one = "INSERT INTO held_post (list, kept, mail_from, message_id, author, subject, reasons, held_at)
               WITH RECURSIVE n (n) AS (SELECT 2 UNION ALL SELECT n + 1 FROM n WHERE n < ?1)
               SELECT list, 0, '', '', '', '', '[]', 0 FROM held_post, n";
    rig.execute(one, limits::HELD_POSTS);
    rig.post("bob@example.org", &post("bob@example.org", "2")).await;
    rig.decide().await;
    let decisions = rig.decisions();
    let full = r#"discarded ["10000 posts wait for the list's moderators already","#;
    assert!(decisions.len() == 2 && decisions[1].starts_with(full), "{decisions:?}");
    assert_eq!((rig.count("held_post"), rig.count("posted")), ("10000".to_owned(), "1".to_owned()));
}

#[tokio::test]
async fn mail_to_the_owners_goes_to_them_once() {
    let rig = Rig::new().await;
    rig.put(Role::Owner, None, "<>", b"From: x@y\r\n\r\nHelp.\r\n").await;
    rig.put(Role::Owner, None, "x@y", b"X-Loop: MyList-owner@example.com\r\n\r\nHelp.\r\n").await;
    rig.put(Role::Owner, None, "x@y", b"X-Loop: other-owner@example.com\r\n\r\nHelp.\r\n").await;
    rig.decide().await;
    assert_eq!(rig.rows("SELECT kind, personal FROM post"), ["owner|1", "owner|1"]);
    let mut decisions = rig.decisions();
    decisions.sort();
    let looped = r#"discarded ["it comes from the list's -owner address (X-Loop)"]"#;
    assert_eq!(decisions, ["accepted []", "accepted []", looped]);
    assert_eq!((rig.count("recipient"), rig.count("posted")), ("0".to_owned(), "0".to_owned()));
}

#[tokio::test]
async fn mail_to_the_owners_of_a_list_without_any_goes_to_the_sites_owner() {
    let rig = Rig::new().await;
    rig.execute("DELETE FROM member WHERE 0 < ?1", 1);
    rig.put(Role::Owner, None, "x@y", b"From: x@y\r\n\r\nHelp.\r\n").await;
    rig.decide().await;
    assert_eq!(rig.rows("SELECT seq, state, address FROM recipient"), ["0|deferred|site@example.org"]);
}

fn today() -> Day {
    Day::of_seconds(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs())
}

fn token(keys: &KeyRing, list_id: &str, purpose: Purpose, today: Day) -> String {
    keys.sign(list_id, Claim::new(purpose, Subject::new(42).unwrap(), today)).to_string()
}

#[tokio::test]
async fn a_bounce_is_evidence_only_with_a_token_for_bounces_of_this_list() {
    let rig = Rig::new().await;
    let keys = crate::backends::Posts::keys(&*rig.store).await.unwrap();
    let of = |purpose| token(&keys, LIST_ID, purpose, today());
    let long_ago = Day::of_seconds(1_000_000_000);
    for (detail, expected) in [
        (Some(of(Purpose::MemberBounce)), "member|42|-"),
        (Some(of(Purpose::BatchBounce).to_uppercase()), "batch|42|-"),
        (Some(of(Purpose::NoticeBounce)), "notice|42|-"),
        (Some(of(Purpose::Test)), "test|42|Subject: failed\r\n\r\nIt failed.\r\n"),
        (Some(of(Purpose::Leave)), "-|-|Subject: failed\r\n"),
        (Some(token(&keys, "other.example.com", Purpose::MemberBounce, today())), "-|-|Subject: failed\r\n"),
        (Some(token(&keys, LIST_ID, Purpose::MemberBounce, long_ago)), "-|-|Subject: failed\r\n"),
        (Some("anne=example.org".to_owned()), "-|-|Subject: failed\r\n"),
        (None, "-|-|Subject: failed\r\n"),
    ] {
        rig.put(Role::Bounces, detail.as_deref(), "<>", b"Subject: failed\r\n\r\nIt failed.\r\n").await;
        rig.decide().await;
        let last =
            rig.rows("SELECT purpose, subject, header FROM bounce ORDER BY rowid DESC LIMIT 1").remove(0);
        let (purpose, subject) = (last.split('|').next(), last.split('|').nth(1));
        assert_eq!(
            (purpose, subject),
            (expected.split('|').next(), expected.split('|').nth(1)),
            "{detail:?}"
        );
        assert_eq!(last.ends_with("|-"), expected.ends_with("|-"), "{detail:?} {last}");
    }
    assert_eq!(rig.rows("SELECT unsigned_bounces FROM roster"), ["5"]);
    assert_eq!((rig.count("entry"), rig.count("delivery")), ("0".to_owned(), "0".to_owned()));
}

#[tokio::test]
async fn little_is_kept_of_a_bounce_without_a_token() {
    let rig = Rig::new().await;
    let header = "X: xxxxxxxxxx\r\n".repeat(10_000);
    rig.put(Role::Bounces, None, "<>", format!("{header}\r\nIt failed.\r\n").as_bytes()).await;
    rig.decide().await;
    assert_eq!(rig.rows("SELECT length(header) FROM bounce"), [limits::BOUNCE_HEADER.to_string()]);
}

#[tokio::test]
async fn a_panic_defers_its_entry_alone() {
    let rig = Rig::new().await;
    rig.join(MemberRole::Member, "anne@example.org", &[]).await;
    rig.post(PANICS, &post(PANICS, "1")).await;
    rig.post("anne@example.org", &post("anne@example.org", "2")).await;
    rig.decide().await;
    assert_eq!(rig.decisions(), ["accepted []"]);
    let left = rig.rows("SELECT state, attempts, reason FROM entry");
    assert!(left.len() == 1 && left[0].starts_with("later|1|"), "{left:?}");
    assert!(left[0].contains("injected by a test"), "{left:?}");
    rig.execute("UPDATE entry SET available_at = 0, attempts = ?1", 19);
    rig.decide().await;
    let left = rig.rows("SELECT state, attempts, reason FROM entry");
    assert!(left[0].starts_with("shunted|20|given up after 20 attempts: "), "{left:?}");
}

/// Leases everything in the queue of posts and ends, as an engine that is killed does, this many times.
async fn is_killed(rig: &Rig, times: u32) {
    for _ in 0..times {
        let request = LeaseRequest {
            queue: Name::In,
            ordered: false,
            max: limits::ENGINE_JOBS,
            hold: limits::ENGINE_LEASE,
            turn: String::new(),
        };
        assert_eq!(rig.store.lease(request).await.unwrap().leases.len(), 1);
        rig.store.free_leases(&QUEUES).await.unwrap();
    }
}

#[tokio::test]
async fn a_server_that_is_killed_again_and_again_shunts_nothing() {
    let rig = Rig::new().await;
    rig.join(MemberRole::Member, "anne@example.org", &[]).await;
    rig.post("anne@example.org", &post("anne@example.org", "1")).await;
    is_killed(&rig, 3 * limits::ENGINE_ATTEMPTS).await;
    let sql = "SELECT state, attempts, fence, reason FROM entry";
    assert_eq!(rig.rows(sql), ["waiting|0|60|Listgate ended before it was decided"]);
    rig.decide().await;
    assert_eq!(rig.decisions(), ["accepted []"]);
}

#[tokio::test]
async fn a_message_that_always_ends_the_server_is_shunted_in_the_end() {
    let rig = Rig::new().await;
    rig.post("anne@example.org", &post("anne@example.org", "1")).await;
    is_killed(&rig, 1).await;
    rig.execute("UPDATE entry SET fence = ?1", usize::try_from(limits::LEASES_WITHOUT_BLAME).unwrap());
    is_killed(&rig, limits::ENGINE_ATTEMPTS).await;
    rig.decide().await;
    let why = "given up after 20 attempts: Listgate ended before it was decided";
    assert_eq!(rig.rows("SELECT state, reason FROM entry"), [format!("shunted|{why}")]);
}

#[tokio::test]
async fn only_the_ends_of_a_large_post_are_read() {
    let rig = Rig::new().await;
    rig.join(MemberRole::Member, "anne@example.org", &[]).await;
    let message = [post("anne@example.org", "1").into_bytes(), vec![b'x'; 40 << 20]].concat();
    rig.put(Role::Post, None, "anne@example.org", &message).await;
    rig.decide().await;
    let reason = r#"held ["it has 40.0 MiB, more than the list takes","asked to decide: olga@example.org","its author was notified: anne@example.org"]"#;
    assert_eq!(rig.decisions(), [reason]);
    assert_eq!(rig.store.octets.load(Ordering::Relaxed), (START + END) as u64);
}

#[tokio::test]
async fn a_running_engine_decides_as_soon_as_mail_is_stored_and_stops() {
    let rig = Rig::new().await;
    rig.join(MemberRole::Member, "anne@example.org", &[]).await;
    let engine = Engine::start(
        rig.store.clone(),
        (settings(), Texts::default()),
        rig.metrics.clone(),
        Clock::default(),
    )
    .unwrap();
    let mut waits = Vec::new();
    for n in 1..=9 {
        rig.post("anne@example.org", &post("anne@example.org", &n.to_string())).await;
        let stored = Instant::now();
        until("a post", || rig.count("post") == n.to_string()).await.unwrap();
        waits.push(stored.elapsed());
    }
    waits.sort();
    // If it was not woken, nearly all would wait for the next poll.
    assert!(waits[2] < limits::SLOW_POLL / 2, "the worker was woken: {waits:?}");
    // A header that takes long to read does not keep it from stopping, or others from storing mail.
    let many = "a@b,\r\n ".repeat(140_000);
    rig.post("anne@example.org", &format!("Cc: {many}c@d\r\n{}", post("anne@example.org", "10"))).await;
    rig.post("anne@example.org", &post("anne@example.org", "11")).await;
    until("all posts", || rig.count("entry") == "0").await.unwrap();
    let stopping = Instant::now();
    engine.stop();
    assert!(stopping.elapsed() < Duration::from_secs(5), "{:?}", stopping.elapsed());
    rig.post("anne@example.org", &post("anne@example.org", "12")).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(rig.count("entry"), "1", "nobody decides any more");
    assert_eq!(Arc::strong_count(&rig.store), 2, "the rig and its own decisions have it");
}
