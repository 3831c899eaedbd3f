//! Leases and settles entries in random order, and compares the results with a model.

use super::{LONG, Mail, Rig};
use crate::backends::{LeaseRequest, Leased};
use crate::error_chain::Chain;
use crate::limits;
use crate::model::{Lease, LeaseId, Name, NotStepped, Role, Stale, Step, Verdict};
use std::collections::{BTreeMap, BTreeSet};

/// Returns the number of actions in the walk; `cargo xtask deep` takes more.
fn steps() -> u64 {
    std::env::var("LISTGATE_ROUNDS").map_or(400, |rounds| rounds.parse::<u64>().unwrap() * 40)
}

const LISTS: [&str; 4] = ["l0", "l1", "l2", "l3"];

#[derive(Clone, Copy, PartialEq, Debug)]
enum State {
    Waiting,
    /// Leased with the lease at this index.
    Leased(usize),
    Later,
    Shunted,
}

#[derive(Clone, Copy)]
struct Entry {
    list: usize,
    state: State,
    attempts: u32,
}

struct World {
    rig: Rig,
    ordered: bool,
    turn: String,
    put: usize,
    /// The entries by the number of their delivery, which is the order of arrival.
    entries: BTreeMap<i64, Entry>,
    /// Every lease that was ever granted, including those that are settled.
    leases: Vec<LeaseId>,
}

/// A pseudo-random number generator that returns the same numbers on each run (SplitMix64).
pub(super) struct Chance(pub(super) u64);

impl Chance {
    pub(super) fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % bound as u64).unwrap()
    }
}

pub(super) async fn leases_and_settles_agree_with_the_model(rig: Rig) {
    let (turn, entries, leases) = (String::new(), BTreeMap::new(), Vec::new());
    let mut world = World { rig, ordered: false, turn, put: 0, entries, leases };
    let mut chance = Chance(1);
    for step in 0..steps() {
        world.ordered = step / 50 % 2 == 1;
        match chance.below(14) {
            // With more entries due than this, a lease may look at only some of them.
            0..4 if world.entries.len() < limits::WOKEN_AT_ONCE => world.put(chance.below(LISTS.len())).await,
            4..8 => world.lease(1 + chance.below(5)).await,
            8 if !world.leases.is_empty() => world.extend(chance.below(world.leases.len())).await,
            9..13 if !world.leases.is_empty() => {
                world.settle(chance.below(world.leases.len()), chance.below(5)).await;
            }
            13 => world.time_passes().await,
            _ => {}
        }
    }
    assert_eq!(world.rig.entries().await, world.entries.len() as u64);
}

impl World {
    async fn put(&mut self, list: usize) {
        self.put += 1;
        let text = format!("{}-", self.put);
        let mail = Mail { to: &[(LISTS[list], Role::Post)], octets: 5, text: &text };
        let (queued, _) = self.rig.put(&mail).await;
        let number = i64::from_str_radix(&queued[0].delivery(), 16).unwrap();
        self.entries.insert(number, Entry { list, state: State::Waiting, attempts: 0 });
    }

    /// Returns the entries that may be leased now.
    fn ready(&self) -> Vec<i64> {
        let busy = |list| {
            let away = |entry: &Entry| matches!(entry.state, State::Leased(_) | State::Later);
            self.ordered && self.entries.values().any(|entry| entry.list == list && away(entry))
        };
        let waiting = self.entries.iter().filter(|(_, entry)| entry.state == State::Waiting);
        waiting.filter(|(_, entry)| !busy(entry.list)).map(|(id, _)| *id).collect()
    }

    async fn lease(&mut self, max: usize) {
        let ready = self.ready();
        let (ordered, turn) = (self.ordered, self.turn.clone());
        let request = LeaseRequest { queue: Name::In, ordered, max, hold: LONG, turn };
        let Leased { leases, turn } = self.rig.leases().lease(request).await.unwrap();
        self.turn = turn;
        assert!(leases.len() <= max);
        assert_eq!(leases.is_empty(), ready.is_empty());
        let lists: BTreeSet<usize> = ready.iter().map(|id| self.entries[id].list).collect();
        assert!(leases.len() >= lists.len().min(max), "each list that has something gets its share");
        leases.iter().for_each(|lease| self.was_leased(lease, &ready));
    }

    fn was_leased(&mut self, lease: &Lease, ready: &[i64]) {
        let id = lease.id().entry.delivery;
        assert!(ready.contains(&id), "{id} was not to be leased");
        let list = self.entries[&id].list;
        let before = |other: &&i64| self.entries[*other].list == list && **other < id;
        let skipped = ready.iter().filter(before).any(|other| self.entries[other].state == State::Waiting);
        assert!(!skipped, "{id} was leased before an older one of its list");
        let entry = self.entries.get_mut(&id).unwrap();
        entry.state = State::Leased(self.leases.len());
        entry.attempts += 1;
        assert_eq!(lease.entry.attempts, entry.attempts);
        self.leases.push(lease.id());
    }

    fn holds(&self, which: usize) -> bool {
        let id = self.leases[which].entry.delivery;
        self.entries.get(&id).is_some_and(|entry| entry.state == State::Leased(which))
    }

    async fn extend(&mut self, which: usize) {
        let expected = if self.holds(which) { Ok(()) } else { Err(Stale) };
        assert_eq!(self.rig.leases().extend(vec![self.leases[which]], LONG).await.unwrap(), [expected]);
    }

    async fn settle(&mut self, which: usize, verdict: usize) {
        let held = self.holds(which);
        let why = "why".to_owned();
        let (verdict, state) = match verdict {
            0 | 1 => (Verdict::Done, None),
            2 => (Verdict::Retry { after: LONG, why }, Some(State::Later)),
            3 => (Verdict::Shunt { why }, Some(State::Shunted)),
            _ => (Verdict::Release, Some(State::Waiting)),
        };
        let released = verdict == Verdict::Release;
        let lease = self.leases[which];
        match self.rig.step(Step::settling(lease, verdict)).await {
            Ok(_) => assert!(held),
            Err(NotStepped::Stale) => assert!(!held),
            Err(why) => panic!("{}", Chain(&why)),
        }
        match (held, state) {
            (false, _) => {}
            (true, None) => drop(self.entries.remove(&lease.entry.delivery)),
            (true, Some(state)) => {
                let entry = self.entries.get_mut(&lease.entry.delivery).unwrap();
                entry.state = state;
                entry.attempts -= u32::from(released);
            }
        }
    }

    async fn time_passes(&mut self) {
        self.rig.clock.advance(3601);
        for entry in self.entries.values_mut() {
            if matches!(entry.state, State::Leased(_) | State::Later) {
                entry.state = State::Waiting;
            }
        }
        // An entry whose lease lapsed but that was not leased again could still be settled, so lease them all.
        let lapsed = self.entries.len();
        self.lease(lapsed.min(64)).await;
    }
}
