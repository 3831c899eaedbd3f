//! Held and rejected posts: who is notified, and what moderators decide by mail.

use super::mail::AUTHENTICATED;
use super::post;
use super::rig::{LIST, Rig};
use crate::backends::{Members, PostAdmin, Posts};
use crate::engine::{accept, discard, reject};
use crate::limits;
use crate::model::{HeldId, MemberRole};
use listgate_engine::token::Purpose;

const MIA: &str = "mia@example.org";
const BOB: &str = "bob@example.org";

impl Rig {
    /// Returns a token of the moderator with this address for the last held post that was offered to them.
    async fn ruling(&self, purpose: Purpose, moderator: &str) -> String {
        let sql = format!("SELECT max(subject) FROM notice WHERE held > 0 AND address = '{moderator}'");
        self.token(purpose, self.rows(&sql).remove(0).parse().unwrap()).await
    }

    /// Decides about mail of a moderator with a token. `more` are further fields.
    async fn rule(&self, purpose: Purpose, moderator: &str, more: &str) {
        let token = self.ruling(purpose, moderator).await;
        let more = format!("Message-ID: <of-{moderator}>\r\n{more}");
        self.command(&format!("confirm+{token}"), moderator, &more).await;
    }

    /// Returns each notice: its template, its recipient, and whether it counts.
    fn notices(&self) -> Vec<String> {
        let sql = "SELECT template || ' to ' || coalesce(address, 'owners') || iif(counted, ', counted', '')
                   FROM notice ORDER BY post";
        self.rows(sql)
    }

    /// Returns how many posts wait, and how many were accepted.
    fn posts(&self) -> [String; 2] {
        let one = |sql: &str| self.rows(sql).remove(0);
        [one("SELECT count(*) FROM held_post"), one("SELECT count(*) FROM post WHERE kind = 'post'")]
    }

    /// Returns the decisions about the mail with this Message-ID.
    fn decisions_about(&self, id: &str) -> Vec<String> {
        let sql = "SELECT outcome || ' ' || reasons FROM decision WHERE message_id = '<ID>' ORDER BY rowid";
        self.rows(&sql.replace("ID", id))
    }
}

/// A list with the moderators mia and max, where the post 1 of bob is held.
async fn held() -> Rig {
    let rig = Rig::new().await;
    rig.join(MemberRole::Member, "anne@example.org", &[]).await;
    for moderator in [MIA, "max@example.org"] {
        rig.join(MemberRole::Moderator, moderator, &[]).await;
    }
    rig.post(BOB, &post(BOB, "1@x")).await;
    rig.decide().await;
    rig
}

#[tokio::test]
async fn each_moderator_gets_a_notice_of_their_own_and_a_stranger_none() {
    let rig = held().await;
    assert_eq!(rig.notices(), ["owner-held to mia@example.org", "owner-held to max@example.org"]);
    assert_eq!(rig.rows("SELECT notified FROM held_post"), [r#"["mia@example.org","max@example.org"]"#]);
    let content = rig.rows("SELECT settings FROM post ORDER BY id").remove(0);
    let content: serde_json::Value = serde_json::from_str(&content).unwrap();
    for (name, value) in [
        ("author", BOB),
        ("subject", "Hello"),
        ("reasons", "bob@example.org is not a member, and its posts are held"),
        ("waiting", "1"),
        ("limit", "10"),
    ] {
        assert_eq!(content["values"][name], value, "{name}");
    }
    assert_eq!(content["values"]["size"], rig.rows("SELECT size FROM delivery").remove(0));
}

#[tokio::test]
async fn a_moderator_accepts_by_mail_from_any_address() {
    let rig = held().await;
    let token = rig.ruling(Purpose::Accept, MIA).await;
    rig.command(&format!("confirm+{token}"), "mia@elsewhere.example", "").await;
    assert_eq!(rig.posts(), ["0", "1"]);
    let decided = rig.decisions_about("1@x@example.org");
    assert_eq!(decided[1..], [r#"accepted ["the moderator mia@example.org accepted the held post"]"#]);
    assert_eq!(
        rig.decisions_about("1@example.org"),
        [r#"done ["mia@example.org accepted the held post 1"]"#]
    );
    // The other one is too late, and so is the first.
    rig.rule(Purpose::Reject, "max@example.org", "").await;
    rig.rule(Purpose::Accept, MIA, "").await;
    assert_eq!(rig.posts(), ["0", "1"]);
    let too_late = r#"answered ["the held post 1 was accepted before"]"#;
    assert_eq!(rig.decisions_about("of-max@example.org"), [too_late]);
    assert_eq!(rig.decisions_about("of-mia@example.org"), [too_late]);
    let answers = ["owner-ruled to max@example.org, counted", "owner-ruled to mia@example.org, counted"];
    assert_eq!(rig.notices()[2..], answers);
}

#[tokio::test]
async fn two_moderators_at_a_time_do_not_both_decide() {
    let rig = held().await;
    let (accept, reject) =
        (rig.ruling(Purpose::Accept, MIA).await, rig.ruling(Purpose::Reject, "max@example.org").await);
    rig.put_command(&format!("confirm+{accept}"), MIA, MIA, "").await;
    rig.put_command(&format!("confirm+{reject}"), "max@example.org", "max@example.org", "").await;
    rig.decide().await;
    let outcomes =
        rig.rows("SELECT outcome FROM decision WHERE outcome IN ('done', 'answered') ORDER BY outcome");
    assert_eq!(outcomes, ["answered", "done"]);
    assert_eq!((rig.posts()[0].as_str(), rig.count("entry").as_str()), ("0", "0"));
    let metrics = rig.metrics();
    assert!(metrics.contains("outcome=\"answered\",reason=\"decided_post\"} 1\n"), "{metrics}");
}

#[tokio::test]
async fn programs_and_former_moderators_decide_nothing() {
    let rig = held().await;
    rig.rule(Purpose::Accept, MIA, "Auto-Submitted: auto-replied\r\n").await;
    rig.rule(Purpose::Accept, MIA, "Subject: Out of Office: A post waits\r\n").await;
    let token = rig.ruling(Purpose::Accept, MIA).await;
    rig.put_command(&format!("confirm+{token}"), MIA, "<>", "").await;
    rig.decide().await;
    assert_eq!(rig.posts(), ["1", "0"]);
    rig.console.remove("mylist.example.com", MemberRole::Moderator, &[MIA.parse().unwrap()]).await.unwrap();
    rig.rule(Purpose::Accept, MIA, "").await;
    assert_eq!((rig.posts(), rig.notices().len()), (["1".to_owned(), "0".to_owned()], 2));
    let ignored =
        r#"ignored ["its token for the held post 1 belongs to somebody who is not a moderator any more"]"#;
    assert_eq!(rig.decisions_about("of-mia@example.org")[2..], [ignored]);
    rig.rule(Purpose::Accept, "max@example.org", "").await;
    assert_eq!(rig.posts(), ["0", "1"]);
}

#[tokio::test]
async fn moderators_hear_of_ten_posts_in_an_hour() {
    let rig = Rig::new().await;
    for n in 0..12 {
        rig.post(BOB, &post(BOB, &n.to_string())).await;
    }
    rig.decide().await;
    assert_eq!(rig.notices(), vec!["owner-held to olga@example.org"; limits::HELD_NOTICES]);
    let kept_back = r#""no moderator is asked: they were asked about 10 posts in an hour already""#;
    assert_eq!(rig.decisions().iter().filter(|decision| decision.contains(kept_back)).count(), 2);
    rig.wait(3600);
    rig.post(BOB, &post(BOB, "12")).await;
    rig.decide().await;
    let next = rig.rows("SELECT settings FROM post ORDER BY id").pop().unwrap();
    assert!(next.contains(r#""waiting":"13""#), "{next}");
}

#[tokio::test]
async fn without_moderators_the_owner_of_the_site_gets_a_notice_without_tokens() {
    for (settings, owner, asked, notices) in [
        (&[][..], true, "asked to decide: site@example.org", &["owner-held to owners"][..]),
        (
            &[],
            false,
            "no moderator is asked: no moderator or owner gets mail, and site.owner is not set",
            &[],
        ),
        (&["admin_immed_notify=no"], true, "no moderator is asked (admin_immed_notify=no)", &[]),
    ] {
        let rig = Rig::new().await;
        rig.execute("DELETE FROM member WHERE 0 < ?1", 1);
        rig.set(settings).await;
        if !owner {
            rig.settings.send_modify(|settings| settings.site_owner = None);
        }
        rig.post(BOB, &post(BOB, "1")).await;
        rig.decide().await;
        assert_eq!(rig.notices(), notices);
        assert!(rig.decisions()[0].contains(&format!("\"{asked}\"")), "{:?}", rig.decisions());
        let has_token = "SELECT count(*) FROM notice WHERE subject IS NOT NULL";
        assert_eq!(rig.rows(has_token), ["0"]);
    }
}

/// Why Bob is not notified if the list does not know him.
const STRANGER: &str =
    "its author was not notified: bob@example.org is not a member, and not verified by the mail server";

/// Settings, the author, further fields, whether the author is notified, and the notice.
type Row = (&'static [&'static str], &'static str, &'static str, &'static str, Option<&'static str>);

/// Whether authors are notified of held and rejected posts.
const HEARD: &[Row] = &[
    (
        &["emergency=yes"],
        "anne@example.org",
        "",
        "its author was notified: anne@example.org",
        Some("post-held to anne@example.org, counted"),
    ),
    (&[], BOB, "", STRANGER, None),
    (
        &[],
        BOB,
        AUTHENTICATED,
        "its author was notified: bob@example.org",
        Some("post-held to bob@example.org, counted"),
    ),
    (
        &["respond_to_post_requests=no"],
        BOB,
        AUTHENTICATED,
        "its author was not notified (respond_to_post_requests=no)",
        None,
    ),
    (
        &[],
        BOB,
        "Authentication-Results: mx.example.com; dmarc=pass header.from=example.org\r\nPrecedence: bulk\r\n",
        "its author was not notified: it is automatic (Precedence)",
        None,
    ),
    (&["default_nonmember_action=reject"], BOB, "", STRANGER, None),
    (
        &["default_nonmember_action=reject", "respond_to_post_requests=no"],
        BOB,
        AUTHENTICATED,
        "its author was notified: bob@example.org",
        Some("post-rejected to bob@example.org, counted"),
    ),
    (
        &["default_member_action=reject"],
        "anne@example.org",
        "",
        "its author was notified: anne@example.org",
        Some("post-rejected to anne@example.org, counted"),
    ),
];

#[tokio::test]
async fn members_and_verified_authors_hear_of_their_posts_and_others_do_not() {
    for (settings, from, more, told, notice) in HEARD {
        let rig = Rig::new().await;
        rig.trust();
        rig.join(MemberRole::Member, "anne@example.org", &[]).await;
        rig.set(settings).await;
        rig.post(from, &format!("{more}{}", post(from, "1"))).await;
        rig.decide().await;
        let decision = rig.decisions().remove(0);
        assert!(decision.ends_with(&format!(",\"{told}\"]")), "{decision}");
        let heard: Vec<String> =
            rig.notices().into_iter().filter(|notice| notice.starts_with("post-")).collect();
        assert_eq!(
            heard,
            notice.map(ToOwned::to_owned).into_iter().collect::<Vec<_>>(),
            "{settings:?} {more}"
        );
    }
}

#[tokio::test]
async fn an_author_gets_as_much_mail_as_any_address() {
    let rig = Rig::new().await;
    rig.join(MemberRole::Member, "anne@example.org", &[]).await;
    rig.set(&["emergency=yes"]).await;
    for n in 0..12 {
        rig.post("anne@example.org", &post("anne@example.org", &n.to_string())).await;
    }
    rig.decide().await;
    let told = rig.notices().iter().filter(|notice| notice.starts_with("post-held")).count();
    assert_eq!(told, 10);
    let over = "its author was not notified: anne@example.org has got 10 such mails in a day already";
    assert_eq!(rig.decisions().iter().filter(|decision| decision.contains(over)).count(), 2);
}

/// The subject of someone else must not be sent to a member, nor what another address is to the list.
#[tokio::test]
async fn an_author_sees_nothing_of_others() {
    // The notice is the same whether the other sender is a member or not.
    let [with_anne, with_carl] =
        ["anne", "carl"].map(|other| format!("{AUTHENTICATED}Reply-To: {other}@example.org\r\n"));
    for (from, more, subject, reasons) in [
        ("anne@example.org", "", "", "neither To nor Cc names the list"),
        (BOB, &with_anne, "Hello", "neither To nor Cc names the list"),
        (BOB, &with_carl, "Hello", "neither To nor Cc names the list"),
        ("anne@example.org", AUTHENTICATED, "Hello", "neither To nor Cc names the list"),
        ("carl@example.org", AUTHENTICATED, "Hello", "neither To nor Cc names the list"),
        (
            BOB,
            AUTHENTICATED,
            "Hello",
            "bob@example.org is not a member, and its posts are held\nneither To nor Cc names the list",
        ),
    ] {
        let rig = Rig::new().await;
        rig.trust();
        rig.join(MemberRole::Member, "anne@example.org", &[]).await;
        rig.set(&[if from == "carl@example.org" { "default_member_action=hold" } else { "emergency=no" }])
            .await;
        let others = if from == "carl@example.org" { "Reply-To: anne@example.org\r\n" } else { "" };
        let message = format!("{more}{others}{}", post(from, "1").replace(LIST, "x@example.net"));
        rig.post(from, &message).await;
        rig.decide().await;
        let content =
            rig.rows("SELECT settings FROM post JOIN notice ON post = id WHERE template = 'post-held'");
        let content: serde_json::Value = serde_json::from_str(&content[0]).unwrap();
        assert_eq!(
            (&content["values"]["subject"], &content["values"]["reasons"]),
            (&subject.into(), &reasons.into())
        );
        assert_eq!(content["in_reply_to"], "<1@example.org>");
    }
}

#[tokio::test]
async fn an_author_is_notified_that_a_moderator_has_rejected_a_post() {
    for (by_mail, words, reasons) in [
        (true, None, "A moderator of the list has rejected it."),
        (false, None, "A moderator of the list has rejected it."),
        (false, Some("Please write to the other list."), "Please write to the other list."),
    ] {
        let rig = Rig::new().await;
        rig.join(MemberRole::Member, "anne@example.org", &[]).await;
        rig.set(&["emergency=yes", "respond_to_post_requests=no"]).await;
        rig.post("anne@example.org", &post("anne@example.org", "1@x")).await;
        rig.decide().await;
        if by_mail {
            let token = rig.ruling(Purpose::Reject, "olga@example.org").await;
            rig.put_command(&format!("confirm+{token}"), "x@example.net", "x@example.net", "").await;
            rig.decide().await;
        } else {
            let held = Posts::held_post(&rig.console, HeldId(1)).await.unwrap().unwrap();
            let step = reject(&rig.console, &held, words, None).await.unwrap().unwrap();
            rig.console.take(&step).await.unwrap();
        }
        assert_eq!(rig.posts(), ["0", "0"]);
        assert_eq!(rig.notices()[1..], ["post-rejected to anne@example.org, counted"]);
        let content = rig.rows("SELECT settings FROM post ORDER BY id").pop().unwrap();
        assert!(content.contains(reasons), "{content}");
        let by = if by_mail { "the moderator olga@example.org" } else { "an operator" };
        let decided = format!(
            r#"rejected ["{by} rejected the held post","its author was notified: anne@example.org"]"#
        );
        assert_eq!(rig.decisions_about("1@x@example.org")[1..], [decided]);
        assert_eq!(
            (rig.count("kept"), rig.rows("SELECT outcome FROM offer")),
            ("0".to_owned(), vec!["rejected".to_owned()])
        );
    }
}

#[tokio::test]
async fn a_command_that_decides_ends_the_tokens() {
    for accepts in [true, false] {
        let rig = held().await;
        let held = Posts::held_post(&rig.console, HeldId(1)).await.unwrap().unwrap();
        let step = match accepts {
            true => accept(&rig.console, &held).await,
            false => discard(&rig.console, &held).await,
        };
        rig.console.take(&step.unwrap().unwrap()).await.unwrap();
        rig.rule(Purpose::Accept, MIA, "").await;
        let was = if accepts { "accepted" } else { "discarded" };
        let too_late = format!(r#"answered ["the held post 1 was {was} before"]"#);
        assert_eq!(rig.decisions_about("of-mia@example.org"), [too_late]);
        assert_eq!(rig.posts(), ["0", if accepts { "1" } else { "0" }]);
        assert_eq!(rig.notices()[2..], ["owner-ruled to mia@example.org, counted"]);
        // After 30 days, nobody knows of it any more.
        rig.execute("DELETE FROM offer WHERE 0 < ?1", 1);
        rig.command(&format!("confirm+{}", rig.ruling(Purpose::Accept, MIA).await), MIA, "").await;
        assert_eq!(rig.notices()[3..], ["ask-again to mia@example.org, counted"]);
    }
}
