//! Tests that a membership made by mail is all or nothing, from the request to the return, also if a reply comes too soon or
//! a moderator has to accept. Whenever the process is killed or the power fails, a mail that was taken either still has its
//! entry, or has done all that it does, with the notice about it; a notice goes out, and one whose dot may have been sent
//! counts as doubted if it is sent again.

use super::crashes::{DIR, Walk, kill_at_each_call};
use super::outbox::{REQUEST, claim, sent};
use super::posts::number;
use super::requests::{anne, new_member, new_request};
use super::{Mail, Rig, rigs};
use crate::backends::sqlite::DataDir;
use crate::error_chain::Chain;
use crate::model::{
    About, Advance, ClaimRequest, Effect, Expect, ListNumber, Name, NewNotice, NoticeTo, RequestKind,
    RequestPhase, Role, Seq, Step, Verdict,
};
use rusqlite::Connection;
use std::env;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// The test that runs the walk, which a process of its own runs too.
const WALK: &str = "backends::contract::join_crashes::somebody_asks_joins_leaves_asks_again_and_comes_back";

/// A mail of the walk.
struct Command {
    /// The text in its Message-ID.
    text: &'static str,
    /// Where it is sent.
    role: Role,
    /// The template of the notice that it causes.
    template: &'static str,
}

/// The mails of the walk, in order. A program answers the first one too soon. After the member has left, the list has
/// `confirm_then_moderate`, so the second reply waits for a moderator.
const MAILS: [Command; 7] = [
    Command { text: "ask", role: Role::Join, template: "confirm-join" },
    Command { text: "early", role: Role::Confirm, template: "confirm-again" },
    Command { text: "reply", role: Role::Confirm, template: "welcome" },
    Command { text: "leave", role: Role::Leave, template: "goodbye" },
    Command { text: "again", role: Role::Join, template: "confirm-join" },
    Command { text: "agree", role: Role::Confirm, template: "owner-asks" },
    Command { text: "undo", role: Role::Confirm, template: "welcome" },
];

/// What the walk reports, with the number of a mail.
const WORDS: [&str; 6] = ["put ", "stepping ", "stepped ", "marking ", "dot ", "recorded "];

/// Reports the progress of the walk, each time in a single write.
fn report(what: &str, mail: usize) {
    io::stderr().write_all(report_line(what, mail).as_bytes()).unwrap();
}

fn report_line(what: &str, mail: usize) -> String {
    format!("{what} {mail}\n")
}

async fn walk(rig: &Rig) {
    (rig.create)("a@example.com");
    let list = number(rig).await;
    for (n, mail) in MAILS.iter().enumerate() {
        rig.put(&Mail { text: mail.text, to: &[("a", mail.role)], ..Mail::default() }).await;
        report("put", n);
        let lease = rig.lease_from(Name::Command, 1).await.remove(0).id();
        let step = decide(rig, list, n, Step::settling(lease, Verdict::Done)).await;
        report("stepping", n);
        rig.step(step).await.unwrap();
        report("stepped", n);
        let claimed = claim(rig, REQUEST).await.remove(0);
        report("marking", n);
        let sending = Advance { sending: vec![claimed.batch], ..Advance::default() };
        rig.engine().advance(sending).await.unwrap();
        report("dot", n);
        super::outbox::report(rig, vec![sent(&claimed)]).await;
        report("recorded", n);
    }
}

/// Adds to a step what is decided about a mail of the walk.
async fn decide(rig: &Rig, list: ListNumber, mail: usize, step: Step) -> Step {
    let request = rig.engine().request_of(list, &anne(), RequestKind::Join).await.unwrap();
    let waits = || {
        let request = request.as_ref().unwrap();
        (request.id, Expect::Request(request.id, request.version))
    };
    let (expect, effects, about) = match MAILS[mail].text {
        "ask" | "again" => {
            let new = new_request(list, RequestKind::Join, RequestPhase::Confirm);
            let expect = Expect::NoRequest(list, anne(), RequestKind::Join);
            (expect, vec![Effect::Ask(Box::new(new))], About::Asked)
        }
        "early" => {
            let (id, waits) = waits();
            (waits, vec![Effect::MarkEarly(id)], About::Request(id))
        }
        "reply" => {
            let (id, waits) = waits();
            let join = Effect::Join(list, new_member(Vec::new()));
            (waits, vec![Effect::EndRequest(id), join], About::Joined)
        }
        "agree" => {
            let (id, waits) = waits();
            (waits, vec![Effect::ToModerator(id)], About::Request(id))
        }
        "leave" => {
            let seq = rig.engine().roster(list, 1).await.unwrap()[0].seq;
            (Expect::Member(list, seq), vec![Effect::Leave(list, seq)], About::Former(seq))
        }
        // The first membership of the database.
        _ => (Expect::Former(list, Seq(1)), vec![Effect::Rejoin(list, Seq(1))], About::Joined),
    };
    let to = match MAILS[mail].text {
        // The list has no owner.
        "agree" => NoticeTo::Owners { instead: Some("site@example.org".to_owned()) },
        _ => NoticeTo::Address(anne()),
    };
    let notice = NewNotice {
        list,
        to,
        about,
        counted: false,
        template: MAILS[mail].template,
        content: "{}".to_owned(),
    };
    let effects = effects.into_iter().chain([Effect::Notify(Box::new(notice))]);
    effects.fold(step.expecting(expect).unwrap(), |step, effect| step.with(effect).unwrap())
}

#[test]
fn somebody_asks_joins_leaves_asks_again_and_comes_back() {
    let dir = tempfile::tempdir().unwrap();
    let dir = env::var_os(DIR).map_or_else(|| dir.path().to_owned(), PathBuf::from);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let rig = rigs::sqlite_at(&dir).unwrap();
    runtime.block_on(walk(&rig));
    drop(rig);
    let all = (0..MAILS.len()).flat_map(|n| WORDS.map(|what| report_line(what.trim_end(), n)));
    check(&dir, &all.collect::<String>()).unwrap();
}

/// What is stored of the walk.
#[derive(PartialEq, Eq, Debug)]
struct Found {
    /// The templates of the notices, in order.
    notices: Vec<String>,
    /// The requests, whether a reply to each came too soon, and what it waits for.
    requests: Vec<String>,
    members: u64,
    former: u64,
}

/// Returns what has to be stored when so many mails have done what they do.
fn expected(done: usize) -> Found {
    let (request, members, former) = [
        (None, 0, 0),
        (Some("0 confirm"), 0, 0),
        (Some("1 confirm"), 0, 0),
        (None, 1, 0),
        (None, 0, 1),
        (Some("0 confirm"), 0, 1),
        (Some("0 moderate"), 0, 1),
        (Some("0 moderate"), 1, 0),
    ][done];
    let notices = MAILS[..done].iter().map(|mail| mail.template.to_owned()).collect();
    Found { notices, requests: request.map(str::to_owned).into_iter().collect(), members, former }
}

/// Checks that what is in a directory is consistent with everything that was reported.
fn check(dir: &Path, reported: &str) -> Result<(), String> {
    if !dir.join("listgate.db").exists() {
        return if reported.is_empty() { Ok(()) } else { Err("the database does not exist".to_owned()) };
    }
    // Opens the directory as the next start would.
    let rig = rigs::sqlite_at(dir).map_err(|why| Chain(&why).to_string())?;
    let connection = DataDir::new(dir).open().map_err(|why| Chain(&why).to_string())?;
    let found = look(&connection).map_err(|why| why.to_string())?;
    let done = found.notices.len();
    if found != expected(done) {
        return Err(format!("a step is there in part after {reported:?}: {found:?}"));
    }
    let left = pollster::block_on(claim(&rig, ClaimRequest { batches: 9, ..REQUEST }));
    let left: Vec<i64> = left.iter().map(|claimed| claimed.post.0).collect();
    (0..MAILS.len()).try_for_each(|n| {
        let result = check_mail(&connection, n, (done, &left), reported).map_err(|why| why.to_string());
        result.and_then(|wrong| {
            wrong.map_or(Ok(()), |wrong| Err(format!("mail {n} {wrong} after {reported:?}")))
        })
    })
}

fn look(connection: &Connection) -> rusqlite::Result<Found> {
    let count = |what: &str| connection.query_row(&format!("SELECT {what}"), [], |row| row.get(0));
    let all = |sql: &str| -> rusqlite::Result<Vec<String>> {
        connection.prepare(sql)?.query_map([], |row| row.get(0))?.collect()
    };
    Ok(Found {
        notices: all("SELECT template FROM notice ORDER BY post")?,
        requests: all("SELECT early || ' ' || phase FROM request")?,
        members: count("count(*) FROM member WHERE role = 'member'")?,
        former: count("count(*) FROM former_member")?,
    })
}

/// Returns what is wrong with a mail, and the notice that it causes. `done` is how many mails have done what they do, and
/// `left` the posts that are still to be sent.
fn check_mail(
    connection: &Connection,
    n: usize,
    (done, left): (usize, &[i64]),
    reported: &str,
) -> rusqlite::Result<Option<&'static str>> {
    let was = |what| reported.contains(&report_line(what, n));
    let sql =
        "SELECT count(*) FROM entry JOIN delivery ON delivery.id = entry.delivery WHERE message_id = ?1";
    let id = format!("<{}100@x>", MAILS[n].text);
    let entries: u64 = connection.query_row(sql, [id], |row| row.get(0))?;
    if n >= done {
        return Ok(match () {
            () if was("stepped") => Some("has not done what was reported"),
            () if was("put") && entries == 0 => Some("is lost"),
            () => None,
        });
    }
    // The notice of each mail is a post, and there are no others.
    let post = i64::try_from(n).unwrap() + 1;
    let sql = "SELECT sent, doubted, finished_at IS NOT NULL FROM post WHERE id = ?1";
    let read = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
    let (sent, doubted, is_finished): (u64, u64, bool) = connection.query_row(sql, [post], read)?;
    Ok(match () {
        () if entries > 0 => Some("would be handled again"),
        () if is_finished == left.contains(&post) => Some("has a notice that is neither sent nor waiting"),
        () if sent != u64::from(is_finished) => Some("has a notice that was finished without being sent"),
        () if is_finished && !was("dot") => Some("has a notice that was never sent"),
        () if !is_finished && was("recorded") => Some("has a notice that is sent again"),
        () if !is_finished && was("dot") && doubted == 0 => Some("has a notice that is sent twice uncounted"),
        () if doubted > 0 && (is_finished || !was("marking")) => Some("has a notice that was not in doubt"),
        () => None,
    })
}

/// Returns at which system calls the walk ends: at each one if LISTGATE_EVERY_CALL is set, and else at one of thirteen, because
/// there are some 1,500.
fn every() -> u32 {
    if env::var_os("LISTGATE_EVERY_CALL").is_some() { 1 } else { 13 }
}

#[test]
#[ignore = "needs strace"]
fn a_join_survives_a_kill_between_any_two_system_calls() {
    let kills = kill_at_each_call(WALK, &WORDS, every(), check);
    assert!(kills > 100 / every(), "only {kills}: the walk makes more calls");
}

#[test]
#[ignore = "needs strace"]
fn a_join_survives_a_power_loss_between_any_two_system_calls() {
    let walk = Walk::record(WALK);
    let wrong = walk.lose_power(&WORDS, every(), &|_| false, check);
    assert!(wrong.is_empty(), "{} wrong: {wrong:#?}", wrong.len());
    // The same checks notice what is lost when syncs of the log are ignored.
    let lost = walk.lose_power(&WORDS, every(), &|of| of == "listgate.db-wal", check);
    assert!(!lost.is_empty(), "nothing is lost without syncs of the log");
}
