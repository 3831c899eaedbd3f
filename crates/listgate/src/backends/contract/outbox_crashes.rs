//! Tests that what is recorded of batches is durable before it is answered. Whenever the process is killed or the power
//! fails, a batch whose dot may have been sent counts as doubted, a batch whose reply was recorded is not sent again, nor
//! is a recipient whose refusal was recorded, and all others are sent.

use super::crashes::{DIR, Walk, kill_at_each_call};
use super::outbox::{REQUEST, address, claim, join, post, refusal};
use super::{Mail, Rig, rigs};
use crate::backends::sqlite::DataDir;
use crate::error_chain::Chain;
use crate::model::{Advance, BatchEnd, BatchResult, ClaimRequest, Claimed, Exception, MemberRole};
use std::env;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// The test that runs the walk, which a process of its own runs too.
const WALK: &str = "backends::contract::outbox_crashes::a_post_is_sent_in_two_batches";

/// What the walk reports, with the number of a batch.
const WORDS: [&str; 5] = ["posted", "dot ", "refused ", "recording ", "recorded "];

const MEMBERS: u64 = 120;

/// Reports the progress of the walk, each time in a single write.
fn report(what: &str) {
    io::stderr().write_all(format!("{what}\n").as_bytes()).unwrap();
}

async fn walk(rig: &Rig) {
    (rig.create)("a@example.com");
    let members: Vec<String> = (0..usize::try_from(MEMBERS).unwrap()).map(address).collect();
    join(rig, MemberRole::Member, &members).await;
    post(rig, |_| {}).await;
    report("posted");
    let mut claimed = claim(rig, REQUEST).await;
    for n in 1..=2 {
        let batch = claimed.remove(0);
        let sending = Advance { sending: vec![batch.batch], ..Advance::default() };
        rig.engine().advance(sending).await.unwrap();
        report(&format!("dot {n}"));
        let refused = vec![refusal(&batch, 0)];
        rig.engine().advance(Advance { refused, ..Advance::default() }).await.unwrap();
        report(&format!("refused {n}"));
        let beside = rig.delivery(&Mail { text: "beside", ..Mail::default() }).await;
        report(&format!("recording {n}"));
        let results = vec![all_but_the_first(&batch)];
        let record = Advance { results, claim: Some(REQUEST), ..Advance::default() };
        let (next, stored) = tokio::join!(rig.engine().advance(record), rig.backend.put(beside));
        stored.unwrap();
        claimed = next.unwrap();
        report(&format!("recorded {n}"));
    }
    assert_eq!(claimed, []);
}

/// Returns the result of a batch whose first recipient was refused.
fn all_but_the_first(batch: &Claimed) -> BatchResult {
    let refusal = refusal(batch, 0);
    let exceptions = vec![(refusal.recipient, Exception::Refused { reply: refusal.reply })];
    let end = BatchEnd::Done { sent: batch.recipients.len() as u64 - 1, reply: "250 ok".to_owned() };
    BatchResult { batch: batch.batch, exceptions, end }
}

#[test]
fn a_post_is_sent_in_two_batches() {
    let dir = tempfile::tempdir().unwrap();
    let dir = env::var_os(DIR).map_or_else(|| dir.path().to_owned(), PathBuf::from);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let rig = rigs::sqlite_at(&dir).unwrap();
    runtime.block_on(walk(&rig));
    drop(rig);
    let batches = [1, 2].map(|n| format!("dot {n}\nrefused {n}\nrecording {n}\nrecorded {n}\n"));
    check(&dir, &format!("posted\n{}", batches.concat())).unwrap();
}

/// Checks that what is in a directory is consistent with everything that was reported.
fn check(dir: &Path, reported: &str) -> Result<(), String> {
    if !dir.join("listgate.db").exists() {
        return if reported.is_empty() { Ok(()) } else { Err("the database does not exist".to_owned()) };
    }
    // Opens the directory as the next start would.
    let rig = rigs::sqlite_at(dir).map_err(|why| Chain(&why).to_string())?;
    let connection = DataDir::new(dir).open().map_err(|why| Chain(&why).to_string())?;
    let count = |what: &str| connection.query_row(&format!("SELECT {what}"), [], |row| row.get::<_, u64>(0));
    let count = |what: &str| count(what).map_err(|why| format!("{what}: {why}"));
    if count("count(*) FROM post")? == 0 {
        return if reported.is_empty() { Ok(()) } else { Err(format!("no post after {reported:?}")) };
    }
    let (done, doubted) = (count("sent FROM post")?, count("doubted FROM post")?);
    let refused = count("refused FROM post")?;
    let everything = ClaimRequest { batches: 9, ..REQUEST };
    let left = pollster::block_on(claim_all(&rig, everything)).map_err(|why| Chain(&why).to_string())?;
    let left: u64 = left.iter().map(|claimed| claimed.recipients.len() as u64).sum();
    let found =
        format!("{done} sent, {refused} refused, {left} left and {doubted} doubted after {reported:?}");
    let was = |what: &str| reported.contains(what);
    // Of each batch, one is refused.
    let settled = [(was("recorded 1"), 99), (was("recorded 2"), 19)];
    let settled: u64 = settled.iter().map(|(was, recipients)| u64::from(*was) * recipients).sum();
    let uncertain = if was("dot 2") && !was("recorded 2") {
        19
    } else if was("dot 1") && !was("recorded 1") {
        99
    } else {
        0
    };
    let least = u64::from(was("refused 1")) + u64::from(was("refused 2"));
    let is_recorded = done == settled + uncertain && uncertain > 0 && was("recording");
    match () {
        () if done + refused + left != MEMBERS => Err(format!("not everybody: {found}")),
        () if refused < least => Err(format!("a refusal is lost: {found}")),
        () if done != settled && !is_recorded => Err(format!("wrongly recorded: {found}")),
        () if uncertain > 0 && !is_recorded && doubted < uncertain => Err(format!("no doubt: {found}")),
        () => Ok(()),
    }
}

async fn claim_all(rig: &Rig, claim: ClaimRequest) -> Result<Vec<Claimed>, crate::model::StoreError> {
    rig.engine().advance(Advance { claim: Some(claim), ..Advance::default() }).await
}

#[test]
#[ignore = "needs strace"]
fn batches_survive_a_kill_between_any_two_system_calls() {
    let kills = kill_at_each_call(WALK, &WORDS, 1, check);
    assert!(kills > 60, "only {kills}: the walk makes more calls");
}

#[test]
#[ignore = "needs strace"]
fn batches_survive_a_power_loss_between_any_two_system_calls() {
    let walk = Walk::record(WALK);
    let wrong = walk.lose_power(&WORDS, 1, &|_| false, check);
    assert!(wrong.is_empty(), "{} wrong: {wrong:#?}", wrong.len());
    // The same checks notice what is lost when syncs of the log are ignored.
    let lost = walk.lose_power(&WORDS, 1, &|of| of == "listgate.db-wal", check);
    assert!(!lost.is_empty(), "nothing is lost without syncs of the log");
}
