//! Mail to the postmasters of a domain, and the bounces of it.

use super::rig::{Rig, settings};
use super::{today, token};
use crate::engine::EngineSettings;
use crate::model::{List, Role};
use listgate_engine::token::Purpose;

fn postmaster(address: &str) -> List {
    List::of_postmaster(address.parse().unwrap())
}

async fn put(rig: &Rig, address: &str, message: &str) {
    rig.put_for(postmaster(address), Role::Owner, None, "x@y", message.as_bytes()).await;
}

#[tokio::test]
async fn it_goes_to_the_postmaster_of_the_site_and_needs_no_list() {
    let rig = Rig::new().await;
    for address in ["postmaster@example.com", "abuse@example.com", "mailer-daemon@alias.example"] {
        put(&rig, address, "From: x@y\r\n\r\nHelp.\r\n").await;
    }
    rig.remove_list().await;
    rig.decide().await;
    let posts = rig.rows("SELECT list, kind, settings FROM post ORDER BY settings");
    let expected = ["abuse@example.com", "mailer-daemon@alias.example", "postmaster@example.com"];
    assert_eq!(posts, expected.map(|address| format!("0|owner|\"{address}\"")));
    let recipients = rig.rows("SELECT DISTINCT seq, state, address FROM recipient");
    assert_eq!(recipients, ["0|deferred|Post.Master@example.org"]);
    assert_eq!((rig.count("entry"), rig.decisions()), ("0".to_owned(), vec!["accepted []".to_owned(); 3]));
    let metrics = rig.metrics();
    let counted = "listgate_decisions_total{endpoint=\"owner\",outcome=\"accepted\",reason=\"none\"} 3\n";
    assert!(metrics.contains(counted), "{metrics}");
}

#[tokio::test]
async fn what_comes_back_to_any_of_the_addresses_is_discarded() {
    let rig = Rig::new().await;
    for (to, mark) in [
        ("postmaster", "postmaster-owner@example.com"),
        ("postmaster", "Abuse-owner@Example.COM"),
        ("abuse", "mailer-daemon-owner@example.com"),
        ("postmaster", "mylist-owner@example.com"),
        ("postmaster", "postmaster-owner@example.org"),
    ] {
        put(&rig, &format!("{to}@example.com"), &format!("X-Loop: {mark}\r\n\r\nHelp.\r\n")).await;
    }
    rig.decide().await;
    let mut decisions = rig.decisions();
    decisions.sort();
    let looped = r#"discarded ["it went to the postmaster before, and has come back (X-Loop)"]"#;
    assert_eq!(decisions, ["accepted []", "accepted []", looped, looped, looped]);
    assert_eq!((rig.count("post"), rig.count("entry")), ("2".to_owned(), "0".to_owned()));
}

#[tokio::test]
async fn it_is_shunted_if_nobody_can_get_it_any_more() {
    let nobody = EngineSettings { postmaster: None, ..settings() };
    let here = Some("Staff@Example.com".parse().unwrap());
    let here = EngineSettings { postmaster: here, ..settings() };
    for (settings, why) in [
        (nobody, "neither site.postmaster nor site.owner is set any more"),
        (
            here,
            "Staff@Example.com would get it, which is in a domain of this site: the mail would come back \
             (site.postmaster)",
        ),
    ] {
        let rig = Rig::new().await;
        put(&rig, "postmaster@example.com", "From: x@y\r\n\r\nHelp.\r\n").await;
        rig.settings.send_replace(settings);
        rig.decide().await;
        assert_eq!(rig.rows("SELECT queue, state, reason FROM entry"), [format!("in|shunted|{why}")]);
        assert_eq!((rig.count("post"), rig.decisions()), ("0".to_owned(), Vec::new()));
    }
}

/// A bounce for good.
const BOUNCE: &[u8] = b"MIME-Version: 1.0\r\n\
    Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n\
    --b\r\n\r\nIt did not arrive.\r\n--b\r\nContent-Type: message/delivery-status\r\n\r\n\
    Reporting-MTA: dns; mx.example.org\r\n\r\n\
    Final-Recipient: rfc822; post.master@example.org\r\nAction: failed\r\nStatus: 5.1.1\r\n\r\n--b--\r\n";

#[tokio::test]
async fn its_bounces_are_recorded_and_not_answered() {
    let rig = Rig::new().await;
    let keys = crate::backends::Posts::keys(&*rig.store).await.unwrap();
    let of = |list_id| token(&keys, list_id, Purpose::NoticeBounce, today());
    for (detail, expected) in [
        (Some(of("abuse@example.com")), "0|notice|42|permanent"),
        (Some(of("postmaster@example.com")), "0|-|-|permanent"),
        (None, "0|-|-|permanent"),
    ] {
        let list = postmaster("abuse@example.com");
        rig.put_for(list, Role::Bounces, detail.as_deref(), "<>", BOUNCE).await;
        rig.decide().await;
        let last = rig.rows("SELECT list, purpose, subject, class FROM bounce ORDER BY rowid DESC LIMIT 1");
        assert_eq!(last, [expected], "{detail:?}");
    }
    assert_eq!((rig.count("entry"), rig.count("post")), ("0".to_owned(), "0".to_owned()));
    assert_eq!(rig.rows("SELECT sum(unsigned_bounces) FROM roster"), ["0"]);
}
