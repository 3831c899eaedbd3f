//! Joins, leaves, claims, results and restarts in random order: nobody who stays a member is missed, and nobody gets two
//! copies except in doubt.

use super::Rig;
use super::model::Chance;
use super::outbox::{address, again, claim, join, leave, message_of, post, report, sent};
use crate::model::{
    Advance, BatchEnd, BatchResult, ClaimRequest, Claimed, Exception, MemberRole, MessageId, Pause, Personal,
    Refusal,
};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Returns the number of actions in the walk; `cargo xtask deep` takes more.
fn steps() -> u64 {
    std::env::var("LISTGATE_ROUNDS").map_or(400, |rounds| rounds.parse::<u64>().unwrap() * 40)
}

/// Addresses that join and leave.
const ADDRESSES: usize = 12;

/// Posts that may be open at the same time.
const POSTS: usize = 4;

/// A post, and who must get it.
#[derive(Default)]
struct Open {
    /// The members at its acceptance who have not left since.
    must: BTreeSet<String>,
    /// The members at its acceptance.
    may: BTreeSet<String>,
    /// The copies that the mail server has accepted, as its replies say. What is in doubt is not among them.
    got: BTreeMap<String, u32>,
    refused: BTreeSet<String>,
}

struct World {
    members: BTreeSet<String>,
    posts: BTreeMap<i64, Open>,
    /// What is claimed, and whether it is marked as being sent.
    claimed: Vec<(Claimed, bool)>,
    /// Copies that may have arrived, although no reply says so.
    doubted: u64,
    chance: Chance,
}

pub(super) async fn everybody_gets_one_copy_except_in_doubt(mut rig: Rig) {
    (rig.create)("a@example.com");
    let (members, posts, claimed) = (BTreeSet::new(), BTreeMap::new(), Vec::new());
    let mut world = World { members, posts, claimed, doubted: 0, chance: Chance(1) };
    for _ in 0..steps() {
        match world.chance.below(17) {
            0..3 => world.join(&rig).await,
            3 => world.leave(&rig).await,
            4 if world.posts.len() < POSTS => world.post(&rig).await,
            5..9 => world.claim(&rig).await,
            9..13 => world.report(&rig).await,
            13 => world.mark(&rig).await,
            14 => rig.clock.advance(if world.chance.below(8) == 0 { -10_000 } else { 1800 }),
            15 => {
                rig = rig.restart();
                world.restarted(&rig).await;
            }
            16 => world.refuse(&rig).await,
            _ => {}
        }
        world.check();
        if world.chance.below(40) == 0 {
            world.finish(&rig).await;
        }
    }
    world.finish(&rig).await;
}

impl World {
    async fn join(&mut self, rig: &Rig) {
        let who = address(self.chance.below(ADDRESSES));
        join(rig, MemberRole::Member, std::slice::from_ref(&who)).await;
        self.members.insert(who);
    }

    async fn leave(&mut self, rig: &Rig) {
        let who = address(self.chance.below(ADDRESSES));
        if self.members.remove(&who) {
            leave(rig, MemberRole::Member, &who).await;
            for post in self.posts.values_mut() {
                post.must.remove(&who);
            }
        }
    }

    async fn post(&mut self, rig: &Rig) {
        let personal = [Personal::Always, Personal::Never][self.chance.below(2)];
        let MessageId(message) = post(rig, |post| post.personal = personal).await;
        let (must, may) = (self.members.clone(), self.members.clone());
        self.posts.insert(message, Open { must, may, ..Open::default() });
    }

    async fn claim(&mut self, rig: &Rig) {
        let request = ClaimRequest {
            batches: 1 + self.chance.below(2),
            bulk: 1 + self.chance.below(4),
            personal: 1 + self.chance.below(4),
        };
        for claimed in claim(rig, request).await {
            self.was_claimed(claimed, request);
        }
    }

    fn was_claimed(&mut self, claimed: Claimed, request: ClaimRequest) {
        let most = if claimed.personal { request.personal } else { request.bulk };
        assert!((1..=most).contains(&claimed.recipients.len()));
        let is_away = |who: &String| {
            let has = |(other, _): &(Claimed, bool)| {
                other.post == claimed.post
                    && other.recipients.iter().any(|recipient| recipient.address == *who)
            };
            self.claimed.iter().any(has)
        };
        let post = self.posts.get(&message_of(&claimed).0).expect("it is not finished");
        for recipient in &claimed.recipients {
            let who = &recipient.address;
            assert!(post.may.contains(who) && self.members.contains(who), "{who} is not a recipient");
            assert!(!is_away(who), "{who} is in another batch");
            assert!(!post.got.contains_key(who) && !post.refused.contains(who), "{who} is settled");
        }
        self.claimed.push((claimed, false));
    }

    async fn mark(&mut self, rig: &Rig) {
        let sending = self.claimed.iter().map(|(claimed, _)| claimed.batch).collect();
        rig.engine().advance(Advance { sending, ..Advance::default() }).await.unwrap();
        self.claimed.iter_mut().for_each(|(_, sending)| *sending = true);
    }

    /// Refuses a recipient of a batch that is not over.
    async fn refuse(&mut self, rig: &Rig) {
        if self.claimed.is_empty() {
            return;
        }
        let (claimed, _) = &self.claimed[self.chance.below(self.claimed.len())];
        let recipient = claimed.recipients[self.chance.below(claimed.recipients.len())].clone();
        let post = self.posts.get_mut(&message_of(claimed).0).unwrap();
        post.refused.insert(recipient.address.clone());
        let refused = vec![Refusal { batch: claimed.batch, recipient, reply: "why".to_owned() }];
        rig.engine().advance(Advance { refused, ..Advance::default() }).await.unwrap();
    }

    async fn report(&mut self, rig: &Rig) {
        if self.claimed.is_empty() {
            return;
        }
        let (claimed, _) = self.claimed.remove(self.chance.below(self.claimed.len()));
        let result = self.result(&claimed);
        let mut results = vec![result];
        if self.chance.below(3) == 0 {
            results.push(results[0].clone());
        }
        report(rig, results).await;
    }

    /// Makes up what became of a batch.
    fn result(&mut self, claimed: &Claimed) -> BatchResult {
        let pause =
            [Pause::AtOnce, Pause::Free(Duration::from_secs(600)), Pause::Deferred(Duration::from_secs(600))]
                [self.chance.below(3)];
        let post = self.posts.get_mut(&message_of(claimed).0).unwrap();
        let mut exceptions = Vec::new();
        let mut left = Vec::new();
        for recipient in &claimed.recipients {
            let reply = "why".to_owned();
            let was_refused = post.refused.contains(&recipient.address);
            match self.chance.below(8) {
                _ if was_refused => exceptions.push((recipient.clone(), Exception::Refused { reply })),
                0 => {
                    post.refused.insert(recipient.address.clone());
                    exceptions.push((recipient.clone(), Exception::Refused { reply }));
                }
                1 | 2 => exceptions.push((recipient.clone(), Exception::Deferred { reply, pause })),
                _ => left.push(recipient.clone()),
            }
        }
        let mut result = BatchResult { exceptions, ..again(claimed, pause) };
        match self.chance.below(4) {
            0 => {}
            1 => {
                let BatchEnd::Again { doubted, .. } = &mut result.end else { unreachable!() };
                *doubted = left.len() as u64;
                self.doubted += *doubted;
            }
            2 if claimed.personal && !left.is_empty() => {
                let first = self.chance.below(left.len());
                let BatchEnd::Again { settled, sent, .. } = &mut result.end else { unreachable!() };
                (*settled, *sent) = (Some(left[first].seq), first as u64 + 1);
                left[..=first].iter().for_each(|recipient| post.deliver(&recipient.address));
            }
            _ => {
                left.iter().for_each(|recipient| post.deliver(&recipient.address));
                result.end = sent(claimed).end;
            }
        }
        result
    }

    /// What was claimed is free, and what was marked is in doubt.
    async fn restarted(&mut self, rig: &Rig) {
        let claimed = std::mem::take(&mut self.claimed);
        for (claimed, _) in claimed.iter().filter(|(_, sending)| *sending) {
            let refused = &self.posts[&message_of(claimed).0].refused;
            let doubted = claimed.recipients.iter().filter(|one| !refused.contains(&one.address));
            self.doubted += doubted.count() as u64;
        }
        assert_eq!(rig.outgoing().await.doubted, self.doubted);
    }

    fn check(&self) {
        for post in self.posts.values() {
            assert!(post.got.values().all(|copies| *copies == 1), "{:?}", post.got);
        }
    }

    /// Sends everything that is left, and checks that each post has reached everybody.
    async fn finish(&mut self, rig: &Rig) {
        let everything = ClaimRequest { batches: 100, bulk: 3, personal: 2 };
        for (claimed, _) in std::mem::take(&mut self.claimed) {
            report(rig, vec![again(&claimed, Pause::AtOnce)]).await;
        }
        for _ in 0..3 {
            rig.clock.advance(1800);
            for claimed in claim(rig, everything).await {
                self.was_claimed(claimed, everything);
            }
            for (claimed, _) in std::mem::take(&mut self.claimed) {
                let post = self.posts.get_mut(&message_of(&claimed).0).unwrap();
                claimed.recipients.iter().for_each(|recipient| post.deliver(&recipient.address));
                report(rig, vec![sent(&claimed)]).await;
            }
        }
        self.check();
        assert_eq!(rig.outgoing().await.posts, 0);
        for (message, post) in std::mem::take(&mut self.posts) {
            let missed: Vec<_> = post
                .must
                .iter()
                .filter(|who| !post.got.contains_key(*who) && !post.refused.contains(*who))
                .collect();
            assert!(missed.is_empty(), "{missed:?}");
            assert_eq!(rig.engine().read(MessageId(message), 0, 1).await.unwrap(), None);
        }
    }
}

impl Open {
    fn deliver(&mut self, who: &str) {
        *self.got.entry(who.to_owned()).or_default() += 1;
    }
}
