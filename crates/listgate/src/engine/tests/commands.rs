//! Commands by mail, as they change the store. What is decided is in the tables of the engine's crate; here is what
//! becomes of it.

use super::mail::AUTHENTICATED;
use super::rig::Rig;
use crate::limits;
use crate::model::MemberRole;
use std::sync::atomic::Ordering;

/// Settings, then steps, then the state: one line for each row that is left.
type Row = (&'static [&'static str], &'static [&'static str], &'static [&'static str]);

/// Does a step.
async fn step(rig: &Rig, step: &str) {
    let (what, whom) = step.split_once(' ').unwrap_or((step, ""));
    match what {
        "join" | "leave" => rig.command(what, whom, "").await,
        "surely-join" => rig.command("join", whom, AUTHENTICATED).await,
        "surely-leave" => rig.command("leave", whom, AUTHENTICATED).await,
        "leave-by-token" => rig.command(&format!("leave+{}", rig.leave_token().await), whom, "").await,
        "confirm" => {
            rig.wait(6);
            rig.confirm(whom).await;
        }
        "confirm-at-once" => rig.confirm(whom).await,
        "who" => rig.command("request", whom, "Subject: who\r\n").await,
        "help" => rig.command("request", whom, "Subject: help\r\n").await,
        "invite" => assert!(rig.invite(whom).await, "{whom} is not a member"),
        "ban" => rig.ban(whom).await,
        "wait-an-hour" => rig.wait(3600),
        "accept" | "reject" | "remove" => rig.operate(what).await,
        _ => panic!("{what} is not a step"),
    }
}

async fn check(rows: &[Row]) {
    let mut wrong = String::new();
    for (settings, steps, expected) in rows {
        let rig = Rig::new().await;
        rig.trust();
        rig.set(settings).await;
        for one in *steps {
            step(&rig, one).await;
        }
        assert_eq!(rig.count("entry"), "0", "{steps:?}");
        let state = rig.state();
        if state != *expected {
            wrong += &format!("(&{settings:?}, &{steps:?}, &{state:?}),\n");
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

/// Joining, by each policy.
const POLICIES: &[Row] = &[
    (
        &[],
        &["join Anne@Example.org"],
        &[
            "request to join of anne@example.org, asked 1, waits to confirm",
            "confirm-join to anne@example.org, counted, a request",
            r#"asked: ["anne@example.org has to confirm that they join"]"#,
        ],
    ),
    (
        &[],
        &["join Anne <Anne@Example.org>", "confirm eve@example.net"],
        &[
            "member Anne@Example.org verified (Anne)",
            "confirm-join to anne@example.org, counted, a request",
            "welcome to anne@example.org, a membership",
            r#"asked: ["anne@example.org has to confirm that they join"]"#,
            r#"done: ["anne@example.org joined"]"#,
        ],
    ),
    (
        &[],
        &["join anne@example.org", "confirm-at-once anne@example.org"],
        &[
            "request to join of anne@example.org, asked 1, waits to confirm, early",
            "confirm-join to anne@example.org, counted, a request",
            "confirm-again to anne@example.org, a request",
            r#"asked: ["anne@example.org has to confirm that they join"]"#,
            r#"asked: ["it confirms so soon that a program may have sent it, so it is asked again"]"#,
        ],
    ),
    (
        &[],
        &["join anne@example.org", "confirm-at-once anne@example.org", "confirm anne@example.org"],
        &[
            "member anne@example.org verified",
            "confirm-join to anne@example.org, counted, a request",
            "confirm-again to anne@example.org, a request",
            "welcome to anne@example.org, a membership",
            r#"asked: ["anne@example.org has to confirm that they join"]"#,
            r#"asked: ["it confirms so soon that a program may have sent it, so it is asked again"]"#,
            r#"done: ["anne@example.org joined"]"#,
        ],
    ),
    (
        &["send_welcome_message=no", "admin_notify_mchanges=yes"],
        &["join anne@example.org", "confirm anne@example.org"],
        &[
            "member anne@example.org verified",
            "confirm-join to anne@example.org, counted, a request",
            "owner-joined to owners",
            r#"asked: ["anne@example.org has to confirm that they join"]"#,
            r#"done: ["anne@example.org joined"]"#,
        ],
    ),
    (
        &["subscription_policy=open"],
        &["join anne@example.org"],
        &[
            "request to join of anne@example.org, asked 1, waits to confirm",
            "confirm-join to anne@example.org, counted, a request",
            r#"asked: ["anne@example.org has to confirm that they join"]"#,
        ],
    ),
    (
        &["subscription_policy=open"],
        &["join anne@example.org", "surely-join anne@example.org"],
        &[
            "member anne@example.org verified",
            "confirm-join to anne@example.org, counted, a request",
            "welcome to anne@example.org, a membership",
            r#"asked: ["anne@example.org has to confirm that they join"]"#,
            r#"done: ["anne@example.org joined"]"#,
        ],
    ),
    (
        &["subscription_policy=moderate"],
        &["surely-join anne@example.org"],
        &[
            "request to join of anne@example.org, asked 1, waits to moderate, confirmed",
            "owner-asks to owners, a request",
            "waiting to anne@example.org",
            r#"asked: ["a moderator has to accept anne@example.org"]"#,
        ],
    ),
    (
        &["subscription_policy=moderate"],
        &["surely-join anne@example.org", "accept"],
        &[
            "member anne@example.org verified",
            "owner-asks to owners, a request",
            "waiting to anne@example.org",
            "welcome to anne@example.org, a membership",
            r#"asked: ["a moderator has to accept anne@example.org"]"#,
        ],
    ),
    (
        &["subscription_policy=moderate"],
        &["join anne@example.org", "surely-join anne@example.org", "accept"],
        &[
            "member anne@example.org verified",
            "confirm-join to anne@example.org, counted, a request",
            "owner-asks to owners, a request",
            "waiting to anne@example.org",
            "welcome to anne@example.org, a membership",
            r#"asked: ["anne@example.org has to confirm that they join"]"#,
            r#"asked: ["a moderator has to accept anne@example.org"]"#,
        ],
    ),
    (
        &["subscription_policy=moderate", "admin_immed_notify=no"],
        &["surely-join anne@example.org", "reject"],
        &[
            "waiting to anne@example.org",
            "rejected to anne@example.org",
            r#"asked: ["a moderator has to accept anne@example.org"]"#,
        ],
    ),
    (
        &["subscription_policy=moderate"],
        &["surely-join anne@example.org", "remove"],
        &[
            "owner-asks to owners, a request",
            "waiting to anne@example.org",
            r#"asked: ["a moderator has to accept anne@example.org"]"#,
        ],
    ),
    (
        &["subscription_policy=confirm_then_moderate"],
        &["surely-join anne@example.org", "confirm anne@example.org", "join anne@example.org"],
        &[
            "request to join of anne@example.org, asked 1, waits to moderate, confirmed",
            "confirm-join to anne@example.org, counted, a request",
            "owner-asks to owners, a request",
            "waiting to anne@example.org",
            r#"asked: ["anne@example.org has to confirm that they join"]"#,
            r#"asked: ["a moderator has to accept anne@example.org"]"#,
            r#"ignored: ["the request of anne@example.org waits for a moderator"]"#,
        ],
    ),
    (
        &["subscription_policy=confirm_then_moderate"],
        &["join anne@example.org", "confirm anne@example.org", "accept", "confirm anne@example.org"],
        &[
            "member anne@example.org verified",
            "confirm-join to anne@example.org, counted, a request",
            "owner-asks to owners, a request",
            "waiting to anne@example.org",
            "welcome to anne@example.org, a membership",
            r#"asked: ["anne@example.org has to confirm that they join"]"#,
            r#"asked: ["a moderator has to accept anne@example.org"]"#,
            r#"ignored: ["anne@example.org is a member already"]"#,
        ],
    ),
    (
        &["subscription_policy=closed"],
        &["join anne@example.org"],
        &[
            "closed to anne@example.org, counted",
            r#"answered: ["nobody can join this list by mail (subscription_policy=closed)"]"#,
        ],
    ),
    (
        &["subscription_policy=closed"],
        &["invite Anne <anne@example.org>", "confirm anne@example.org"],
        &[
            "member anne@example.org verified (Anne)",
            "invite to anne@example.org, a request",
            "welcome to anne@example.org, a membership",
            r#"done: ["anne@example.org joined"]"#,
        ],
    ),
];

#[tokio::test]
async fn each_policy_leaves_its_rows() {
    check(POLICIES).await;
}

/// Leaving and coming back.
const LEAVING: &[Row] = &[
    (
        &["subscription_policy=open"],
        &["surely-join anne@example.org", "leave-by-token eve@example.net"],
        &[
            "former anne@example.org",
            "welcome to anne@example.org, a membership",
            "goodbye to anne@example.org, a membership",
            r#"done: ["anne@example.org joined"]"#,
            r#"done: ["anne@example.org left"]"#,
        ],
    ),
    (
        &["subscription_policy=open"],
        &["surely-join anne@example.org", "leave-by-token eve@example.net", "confirm anne@example.org"],
        &[
            "member anne@example.org verified",
            "welcome to anne@example.org, a membership",
            "goodbye to anne@example.org, a membership",
            "welcome to anne@example.org, a membership",
            r#"done: ["anne@example.org joined"]"#,
            r#"done: ["anne@example.org left"]"#,
            r#"done: ["anne@example.org is a member again"]"#,
        ],
    ),
    (
        &["subscription_policy=open"],
        &[
            "surely-join anne@example.org",
            "surely-leave anne@example.org",
            "confirm-at-once anne@example.org",
            "confirm anne@example.org",
        ],
        &[
            "member anne@example.org verified",
            "welcome to anne@example.org, a membership",
            "goodbye to anne@example.org, a membership",
            "welcome to anne@example.org, a membership",
            r#"done: ["anne@example.org joined"]"#,
            r#"done: ["anne@example.org left"]"#,
            r#"ignored: ["it undoes leaving so soon that a program may have sent it"]"#,
            r#"done: ["anne@example.org is a member again"]"#,
        ],
    ),
    (
        &["subscription_policy=open"],
        &["surely-join anne@example.org", "leave anne@example.org", "confirm bob@example.net"],
        &[
            "former anne@example.org",
            "welcome to anne@example.org, a membership",
            "confirm-leave to anne@example.org, counted, a request",
            "goodbye to anne@example.org, a membership",
            r#"done: ["anne@example.org joined"]"#,
            r#"asked: ["anne@example.org has to confirm that they leave"]"#,
            r#"done: ["anne@example.org left"]"#,
        ],
    ),
    (
        &["subscription_policy=open", "send_goodbye_message=no", "admin_notify_mchanges=yes"],
        &["surely-join anne@example.org", "surely-leave anne@example.org"],
        &[
            "former anne@example.org",
            "welcome to anne@example.org, a membership",
            "owner-joined to owners",
            "owner-left to owners",
            r#"done: ["anne@example.org joined"]"#,
            r#"done: ["anne@example.org left"]"#,
        ],
    ),
    (
        &["subscription_policy=open"],
        &[
            "surely-join anne@example.org",
            "leave-by-token anne@example.org",
            "ban anne@example.org",
            "confirm anne@example.org",
        ],
        &[
            "former anne@example.org",
            "welcome to anne@example.org, a membership",
            "goodbye to anne@example.org, a membership",
            r#"done: ["anne@example.org joined"]"#,
            r#"done: ["anne@example.org left"]"#,
            r#"ignored: ["anne@example.org is banned"]"#,
        ],
    ),
    (
        &[],
        &["leave anne@example.org"],
        &["not-member to anne@example.org, counted", r#"answered: ["anne@example.org is not a member"]"#],
    ),
];

#[tokio::test]
async fn leaving_and_coming_back_leave_their_rows() {
    check(LEAVING).await;
}

/// Other commands, and refusals.
const OTHERS: &[Row] = &[
    (
        &["member_roster_visibility=public"],
        &["invite anne@example.org", "confirm anne@example.org", "who bob@example.org"],
        &[
            "member anne@example.org verified",
            "invite to anne@example.org, a request",
            "welcome to anne@example.org, a membership",
            "roster to bob@example.org, counted",
            r#"done: ["anne@example.org joined"]"#,
            r#"answered: ["it asks who the members are"]"#,
        ],
    ),
    (
        &[],
        &["who bob@example.org", "help bob@example.org"],
        &[
            "no-roster to bob@example.org, counted",
            "help to bob@example.org, counted",
            r#"answered: ["the members are not shown to this address (member_roster_visibility)"]"#,
            r#"answered: ["it asks for help, or for nothing"]"#,
        ],
    ),
    (
        &[],
        &["ban @example.net", "join eve@example.net", "help eve@example.net"],
        &[r#"ignored: ["eve@example.net is banned"]"#, r#"ignored: ["eve@example.net is banned"]"#],
    ),
    (
        &[],
        &["join anne@example.org", "wait-an-hour", "join anne@example.org"],
        &[
            "request to join of anne@example.org, asked 2, waits to confirm",
            "confirm-join to anne@example.org, counted, a request",
            "confirm-join to anne@example.org, counted, a request",
            r#"asked: ["anne@example.org has to confirm that they join"]"#,
            r#"asked: ["anne@example.org has to confirm that they join"]"#,
        ],
    ),
    (
        &[],
        &["join anne@example.org", "ban anne@example.org", "confirm anne@example.org"],
        &[
            "confirm-join to anne@example.org, counted, a request",
            r#"asked: ["anne@example.org has to confirm that they join"]"#,
            r#"ignored: ["anne@example.org is banned"]"#,
        ],
    ),
];

#[tokio::test]
async fn other_commands_and_refusals_leave_their_rows() {
    check(OTHERS).await;
}

#[tokio::test]
async fn an_address_is_invited_again_under_the_same_request_unless_it_is_a_member() {
    let rig = Rig::new().await;
    assert!(rig.invite("Anne <anne@example.org>").await && rig.invite("anne@example.org").await);
    let state = [
        "request to invite of anne@example.org, asked 2, waits to confirm",
        "invite to anne@example.org, a request",
        "invite to anne@example.org, a request",
    ];
    assert_eq!(rig.state(), state);
    rig.wait(6);
    rig.confirm("anne@example.org").await;
    assert!(!rig.invite("ANNE@example.org").await, "she is a member");
    assert_eq!(rig.rows("SELECT address FROM member WHERE role = 'member'"), ["anne@example.org"]);
}

#[tokio::test]
async fn a_request_of_somebody_who_is_a_member_by_now_is_accepted_without_a_welcome() {
    let rig = Rig::new().await;
    rig.trust();
    rig.set(&["subscription_policy=moderate"]).await;
    rig.command("join", "anne@example.org", AUTHENTICATED).await;
    rig.join(MemberRole::Member, "anne@example.org", &[]).await;
    rig.operate("accept").await;
    assert_eq!(rig.count("request"), "0");
    assert_eq!(rig.rows("SELECT template FROM notice ORDER BY post"), ["owner-asks", "waiting"]);
}

#[tokio::test]
async fn two_identical_commands_at_once_make_one_request_and_one_mail() {
    let rig = Rig::new().await;
    for _ in 0..2 {
        rig.put_command("join", "anne@example.org", "anne@example.org", "").await;
    }
    rig.decide().await;
    assert_eq!(rig.store.outdated.load(Ordering::Relaxed), 1, "both were decided on the same facts");
    let state = [
        "request to join of anne@example.org, asked 2, waits to confirm",
        "confirm-join to anne@example.org, counted, a request",
        r#"asked: ["anne@example.org has to confirm that they join"]"#,
    ];
    assert_eq!(rig.state()[..3], state);
    let second = &rig.decisions()[1];
    assert!(second.contains("anne@example.org was asked already: at most 1 an hour and 3 a day"), "{second}");
}

#[tokio::test]
async fn two_identical_confirmations_at_once_make_one_member_and_one_welcome() {
    let rig = Rig::new().await;
    rig.command("join", "anne@example.org", "").await;
    rig.wait(6);
    let asked = rig.asked().await;
    for _ in 0..2 {
        let to = format!("confirm+{}", asked.token);
        rig.put_command(&to, "anne@example.org", "anne@example.org", &asked.reply).await;
    }
    rig.decide().await;
    assert_eq!(rig.store.outdated.load(Ordering::Relaxed), 1, "both were decided on the same facts");
    let state = [
        "member anne@example.org verified",
        "confirm-join to anne@example.org, counted, a request",
        "welcome to anne@example.org, a membership",
    ];
    let found = rig.state();
    assert_eq!(found[..3], state);
    assert_eq!(rig.count("notice"), "2", "the second one gets no answer: {found:?}");
}

#[tokio::test]
async fn a_command_that_comes_again_changes_nothing_more() {
    let rig = Rig::new().await;
    rig.command("join", "anne@example.org", "").await;
    rig.wait(6);
    let asked = rig.asked().await;
    let confirm = format!("confirm+{}", asked.token);
    rig.command(&confirm, "anne@example.org", &asked.reply).await;
    let leave = format!("leave+{}", rig.leave_token().await);
    rig.command(&confirm, "anne@example.org", &asked.reply).await;
    assert_eq!(rig.rows("SELECT count(*) FROM member WHERE role = 'member'"), ["1"]);
    for _ in 0..2 {
        rig.command(&leave, "anne@example.org", "").await;
    }
    assert_eq!([rig.count("former_member"), rig.count("request")], ["1", "0"]);
    let templates = rig.rows("SELECT template FROM notice ORDER BY post");
    assert_eq!(templates, ["confirm-join", "welcome", "goodbye", "not-member"]);
}

#[tokio::test]
async fn a_list_with_many_requests_to_join_takes_no_more() {
    let rig = Rig::new().await;
    rig.command("join", "anne@example.org", "").await;
    let one = "INSERT INTO request (list, kind, phase, address, confirmed, asked_at, forget_at)
               WITH RECURSIVE n (n) AS (SELECT 2 UNION ALL SELECT n + 1 FROM n WHERE n < ?1)
               SELECT list, kind, phase, n || address, 0, asked_at, forget_at FROM request, n";
    rig.execute(one, limits::REQUESTS);
    rig.command("join", "bob@example.org", "").await;
    assert_eq!([rig.count("request"), rig.count("notice")], [limits::REQUESTS.to_string(), "1".to_owned()]);
    let why = r#"ignored ["10000 requests to join the list wait already"]"#;
    assert!(rig.decisions()[1].starts_with(why), "{:?}", rig.decisions());
    assert!(rig.metrics().contains("outcome=\"ignored\",reason=\"too_many_requests\"} 1\n"));
    rig.wait(6);
    rig.confirm("anne@example.org").await;
    rig.command("join", "bob@example.org", "").await;
    assert_eq!(
        rig.rows("SELECT template FROM notice ORDER BY post"),
        ["confirm-join", "welcome", "confirm-join"]
    );
}
