//! What tokens do after a database was restored, a clock set back, keys rotated or a list renamed.
//!
//! | what happened | confirmation of a request | leaving | coming back |
//! |---|---|---|---|
//! | nothing | works | works | works |
//! | a backup from later than the token was restored | works | works | works |
//! | a backup from before was restored | "ask again" | as `-leave` without a token | "ask again" |
//! | the clock was set back by up to a minute | works | works | works |
//! | the clock was set back further | "ask again" | works | "ask again" |
//! | the keys were rotated up to three times | works | works | works |
//! | they were rotated a fourth time | "ask again" | as `-leave` without a token | "ask again" |
//! | all keys were ended | "ask again" | as `-leave` without a token | "ask again" |
//! | the list was renamed | works | works | works |
//!
//! A request and a former member that seem to wait for longer than they can have count as gone, so that a clock that was
//! wrong does not keep them forever. They are there again once the clock is right, unless the sweeper has come.

use super::mail::AUTHENTICATED;
use super::rig::{LIST, Rig};
use crate::backends::{KeyAdmin, ListAdmin};
use crate::model::Rotation;
use listgate_engine::token::KEYS;

/// Tokens that three people have got, with what a reply to their mail has.
struct Tokens {
    confirm: String,
    confirm_reply: String,
    leave: String,
    rejoin: String,
    rejoin_reply: String,
}

/// Lets anne become a member, bob ask to join, and carl leave.
async fn prepare(rig: &Rig) -> Tokens {
    rig.trust();
    rig.set(&["subscription_policy=open"]).await;
    rig.command("join", "carl@example.org", AUTHENTICATED).await;
    rig.command("leave", "carl@example.org", AUTHENTICATED).await;
    let rejoin = rig.asked().await;
    rig.command("join", "anne@example.org", AUTHENTICATED).await;
    let leave = rig.leave_token().await;
    rig.command("join", "bob@example.org", "").await;
    let confirm = rig.asked().await;
    rig.wait(6);
    Tokens {
        confirm: confirm.token,
        confirm_reply: confirm.reply,
        leave,
        rejoin: rejoin.token,
        rejoin_reply: rejoin.reply,
    }
}

/// Uses each of the tokens, and returns what became of it.
async fn used(rig: &Rig, tokens: &Tokens) -> [String; 3] {
    let last = || {
        let sql = "SELECT (SELECT outcome FROM decision ORDER BY id DESC LIMIT 1) || ', ' || template || ' to ' || address
                   FROM notice ORDER BY post DESC LIMIT 1";
        rig.rows(sql).remove(0)
    };
    let Tokens { confirm, confirm_reply, leave, rejoin, rejoin_reply } = tokens;
    rig.command(&format!("confirm+{confirm}"), "bob@example.org", confirm_reply).await;
    let confirmed = last();
    rig.command(&format!("leave+{leave}"), "anne@example.org", "").await;
    let left = last();
    rig.command(&format!("confirm+{rejoin}"), "carl@example.org", rejoin_reply).await;
    [confirmed, left, last()]
}

const CONFIRMED: &str = "done, welcome to bob@example.org";
const LEFT: &str = "done, goodbye to anne@example.org";
const BACK: &str = "done, welcome to carl@example.org";
const WORKS: [&str; 3] = [CONFIRMED, LEFT, BACK];

const BOB_ASKS_AGAIN: &str = "answered, ask-again to bob@example.org";
const CARL_ASKS_AGAIN: &str = "answered, ask-again to carl@example.org";
/// As without a token: anne is a member, or not.
const LEAVE_ASKED: &str = "asked, confirm-leave to anne@example.org";
const NO_MEMBER: &str = "answered, not-member to anne@example.org";

async fn check(rig: &Rig, tokens: &Tokens, expected: [&str; 3], what: &str) {
    assert_eq!(used(rig, tokens).await, expected, "{what}");
}

#[tokio::test]
async fn tokens_from_before_a_backup_work_after_it_was_restored() {
    let rig = Rig::new().await;
    let tokens = prepare(&rig).await;
    let rig = rig.restored_after(async |_| ()).await;
    check(&rig, &tokens, WORKS, "restored").await;
}

#[tokio::test]
async fn tokens_from_after_a_backup_ask_again_or_are_a_plain_leave() {
    let rig = Rig::new().await;
    let mut tokens = None;
    let rig = rig.restored_after(async |rig| tokens = Some(prepare(rig).await)).await;
    check(&rig, &tokens.unwrap(), [BOB_ASKS_AGAIN, NO_MEMBER, CARL_ASKS_AGAIN], "restored").await;
    assert_eq!([rig.count("request"), rig.count("former_member")], ["0", "0"]);
}

/// The numbers of a backup go on behind those that the lost database can have given.
#[tokio::test]
async fn a_token_from_after_a_backup_is_never_about_somebody_else() {
    let rig = Rig::new().await;
    let mut tokens = None;
    let rig = rig.restored_after(async |rig| tokens = Some(prepare(rig).await)).await;
    let others = prepare(&rig).await;
    let before = rig.rows("SELECT * FROM member ORDER BY seq");
    let Tokens { confirm, confirm_reply, rejoin, rejoin_reply, leave } = tokens.unwrap();
    rig.command(&format!("confirm+{confirm}"), "eve@example.net", &confirm_reply).await;
    rig.command(&format!("confirm+{rejoin}"), "eve@example.net", &rejoin_reply).await;
    rig.command(&format!("leave+{leave}"), "eve@example.net", "").await;
    assert_eq!(rig.rows("SELECT * FROM member ORDER BY seq"), before);
    assert_eq!([rig.count("request"), rig.count("former_member")], ["1", "1"]);
    check(&rig, &others, WORKS, "their own tokens").await;
}

#[tokio::test]
async fn a_leave_token_of_a_lost_membership_asks_the_member_who_is_there() {
    let rig = Rig::new().await;
    rig.trust();
    rig.set(&["subscription_policy=open"]).await;
    rig.command("join", "anne@example.org", AUTHENTICATED).await;
    let mut token = String::new();
    let again = async |rig: &Rig| {
        rig.command("leave", "anne@example.org", AUTHENTICATED).await;
        rig.command("join", "anne@example.org", AUTHENTICATED).await;
        token = rig.leave_token().await;
    };
    let rig = rig.restored_after(again).await;
    rig.command(&format!("leave+{token}"), "anne@example.org", "").await;
    let asked = "confirm-leave to anne@example.org, counted, a request".to_owned();
    assert!(rig.state().contains(&asked), "{:?}", rig.state());
    rig.wait(6);
    rig.confirm("anne@example.org").await;
    assert_eq!(rig.rows("SELECT count(*) FROM member WHERE role = 'member'"), ["0"]);
}

#[tokio::test]
async fn a_clock_set_back_ends_what_seems_to_wait_for_too_long() {
    for (seconds, expected) in [(0, WORKS), (-60, WORKS), (-86_400, [BOB_ASKS_AGAIN, LEFT, CARL_ASKS_AGAIN])]
    {
        let rig = Rig::new().await;
        let tokens = prepare(&rig).await;
        rig.wait(seconds);
        check(&rig, &tokens, expected, &format!("set back by {seconds}")).await;
    }
    let rig = Rig::new().await;
    let tokens = prepare(&rig).await;
    rig.wait(-86_400);
    rig.command(&format!("confirm+{}", tokens.confirm), "bob@example.org", &tokens.confirm_reply).await;
    rig.wait(86_400);
    check(&rig, &tokens, WORKS, "set right again").await;
}

/// The time of a confirmation and of coming back is limited; a member can always leave.
#[tokio::test]
async fn tokens_expire() {
    for (days, expected) in
        [(2, WORKS), (5, [BOB_ASKS_AGAIN, LEFT, BACK]), (8, [BOB_ASKS_AGAIN, LEFT, CARL_ASKS_AGAIN])]
    {
        let rig = Rig::new().await;
        let tokens = prepare(&rig).await;
        rig.wait(days * 86_400);
        check(&rig, &tokens, expected, &format!("after {days} days")).await;
    }
}

#[tokio::test]
async fn three_rotations_of_the_keys_keep_all_tokens_and_a_fourth_ends_them() {
    for (rotations, expected) in [(1, WORKS), (3, WORKS), (4, [BOB_ASKS_AGAIN, LEAVE_ASKED, CARL_ASKS_AGAIN])]
    {
        let rig = Rig::new().await;
        let tokens = prepare(&rig).await;
        for _ in 0..rotations {
            rotate(&rig, KEYS - 1).await;
        }
        assert_ne!(rig.leave_token().await, tokens.leave, "another key signs");
        check(&rig, &tokens, expected, &format!("{rotations} rotations")).await;
    }
}

async fn rotate(rig: &Rig, kept: usize) {
    let signing = rig.console.site_keys().await.unwrap()[0].number;
    assert!(rig.console.rotate_keys(&Rotation { signing, kept }).await.unwrap());
}

#[tokio::test]
async fn a_rotation_that_ends_all_keys_ends_all_tokens() {
    let rig = Rig::new().await;
    let tokens = prepare(&rig).await;
    rotate(&rig, 0).await;
    check(&rig, &tokens, [BOB_ASKS_AGAIN, LEAVE_ASKED, CARL_ASKS_AGAIN], "all ended").await;
}

/// What a restored backup lacks includes the newest keys.
#[tokio::test]
async fn tokens_of_a_key_from_after_a_backup_are_not_valid() {
    let rig = Rig::new().await;
    rig.trust();
    rig.set(&["subscription_policy=open"]).await;
    rig.command("join", "anne@example.org", AUTHENTICATED).await;
    let mut token = String::new();
    let after = async |rig: &Rig| {
        rotate(rig, KEYS - 1).await;
        token = rig.leave_token().await;
    };
    let rig = rig.restored_after(after).await;
    for rotations in 0..=KEYS {
        rig.command(&format!("leave+{token}"), "anne@example.org", "").await;
        assert_eq!(rig.rows("SELECT count(*) FROM member WHERE role = 'member'"), ["1"], "{rotations}");
        rotate(&rig, KEYS - 1).await;
    }
}

#[tokio::test]
async fn a_renamed_list_keeps_its_tokens() {
    let rig = Rig::new().await;
    let tokens = prepare(&rig).await;
    rig.console.rename(&LIST.parse().unwrap(), &"news@example.net".parse().unwrap()).await.unwrap();
    check(&rig, &tokens, WORKS, "renamed").await;
}
