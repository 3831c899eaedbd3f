//! Failures of a remote database, and how the intake deals with them.

use super::outbox::{REQUEST, claim, join, post, sent};
use super::{Mail, Rig, rigs};
use crate::backends::NotStored;
use crate::backends::memory::{Memory, Trouble};
use crate::model::{Advance, MemberRole};
use std::sync::Arc;

fn run(check: impl AsyncFnOnce(Rig, Arc<Memory>)) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (rig, memory) = rigs::memory_with_trouble();
    runtime.block_on(check(rig, memory));
}

#[test]
fn a_put_repeated_after_a_lost_answer_creates_no_second_entry() {
    run(async |rig, memory| {
        let mail = Mail::default();
        let (first, mut second) = (rig.delivery(&mail).await, rig.delivery(&mail).await);
        second.key = first.key;
        memory.expect([Trouble::LosesItsAnswer]);
        assert!(matches!(rig.backend.put(first).await, Err(NotStored::Store(why)) if !why.is_final()));
        assert_eq!(rig.backend.put(second).await.unwrap().len(), 1);
        assert_eq!(rig.entries().await, 1);
    });
}

#[test]
fn an_unavailable_database_stores_nothing_and_answers_the_next_time() {
    run(async |rig, memory| {
        memory.expect([Trouble::Away]);
        let delivery = rig.delivery(&Mail::default()).await;
        assert!(matches!(rig.backend.put(delivery).await, Err(NotStored::Store(why)) if !why.is_final()));
        assert_eq!(rig.entries().await, 0);
        rig.put(&Mail::default()).await;
        assert_eq!(rig.entries().await, 1);
    });
}

#[test]
fn a_result_repeated_after_a_lost_answer_counts_once() {
    run(async |rig, memory| {
        (rig.create)("a@example.com");
        join(&rig, MemberRole::Member, &["x@example.org".to_owned()]).await;
        post(&rig, |_| {}).await;
        let claimed = claim(&rig, REQUEST).await.remove(0);
        let advance = Advance { results: vec![sent(&claimed)], ..Advance::default() };
        for trouble in [Trouble::Away, Trouble::LosesItsAnswer] {
            memory.expect([trouble]);
            assert!(rig.engine().advance(advance.clone()).await.is_err_and(|why| !why.is_final()));
        }
        assert_eq!(rig.engine().advance(advance).await.unwrap(), []);
        assert_eq!(rig.outgoing().await.posts, 0);
    });
}
