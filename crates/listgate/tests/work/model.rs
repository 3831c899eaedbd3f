//! Leases and settles in any order, against a model of what they mean.

use crate::support::Site;
use crate::{LONG, let_time_pass, open};
use listgate::queue::{Lease, Name, Queue, Stale, Verdict};
use proptest::prelude::*;
use std::collections::BTreeMap;

#[derive(Clone, Debug)]
enum Step {
    Put { list: u8 },
    Lease { max: usize },
    Extend { which: usize },
    Settle { which: usize, verdict: u8 },
    TimePasses,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..4u8).prop_map(|list| Step::Put { list }),
        4 => (1..6usize).prop_map(|max| Step::Lease { max }),
        1 => any::<usize>().prop_map(|which| Step::Extend { which }),
        4 => (any::<usize>(), 0..5u8).prop_map(|(which, verdict)| Step::Settle { which, verdict }),
        1 => Just(Step::TimePasses),
    ]
}

#[derive(Clone, Copy, PartialEq, Debug)]
enum State {
    Waiting,
    /// By the lease of this number.
    Leased(usize),
    Later,
    Shunted,
}

#[derive(Clone, Copy)]
struct Entry {
    list: u8,
    state: State,
    attempts: u32,
}

/// Of its delivery.
fn number(lease: &Lease) -> i64 {
    i64::from_str_radix(lease.entry.id.to_string().strip_suffix("-1").unwrap(), 16).unwrap()
}

struct World {
    site: Site,
    queue: Queue,
    ordered: bool,
    put: i64,
    /// By the number of their delivery, which is the order of arrival.
    entries: BTreeMap<i64, Entry>,
    /// Every lease that was ever given, and none is forgotten when it is settled.
    leases: Vec<Lease>,
}

impl World {
    fn new(ordered: bool) -> Self {
        let site = Site::new();
        site.create("l0@example.com");
        let queue = open(&site, Name::In);
        let queue = if ordered { queue.ordered() } else { queue };
        Self { site, queue, ordered, put: 0, entries: BTreeMap::new(), leases: Vec::new() }
    }

    fn database(&self) -> rusqlite::Connection {
        rusqlite::Connection::open(self.site.data().join("listgate.db")).unwrap()
    }

    fn put(&mut self, list: u8) {
        self.put += 1;
        self.database()
            .execute_batch(&format!(
                "INSERT INTO delivery VALUES ({0}, 0, '<>', '<x@y>', 'p', 'l', 'LMTP', 3, 5, NULL, X'61');
                 INSERT INTO entry (delivery, n, queue, available_at, received_at, list_id, recipient, msgdata)
                 VALUES ({0}, 1, 'in', 0, 0, 'l{list}', 'l{list}@example.com', '{{}}');
                 UPDATE queue_size SET entries = entries + 1, octets = octets + 5 WHERE queue = 'in';",
                self.put
            ))
            .unwrap();
        let entry = Entry { list, state: State::Waiting, attempts: 0 };
        self.entries.insert(self.put, entry);
    }

    /// What may be leased now.
    fn ready(&self) -> Vec<i64> {
        let busy = |list| {
            let away = |entry: &Entry| matches!(entry.state, State::Leased(_) | State::Later);
            self.ordered && self.entries.values().any(|entry| entry.list == list && away(entry))
        };
        let waiting = self.entries.iter().filter(|(_, entry)| entry.state == State::Waiting);
        waiting.filter(|(_, entry)| !busy(entry.list)).map(|(id, _)| *id).collect()
    }

    fn lease(&mut self, max: usize) {
        let ready = self.ready();
        let leases = self.queue.lease(max, LONG).unwrap();
        assert!(leases.len() <= max);
        assert_eq!(leases.is_empty(), ready.is_empty());
        let lists: std::collections::HashSet<u8> = ready.iter().map(|id| self.entries[id].list).collect();
        assert!(leases.len() >= lists.len().min(max), "each list that has something gets its share");
        for lease in leases {
            let id = number(&lease);
            assert!(ready.contains(&id), "{id} was not to be leased");
            let which = self.leases.len();
            let list = self.entries[&id].list;
            let before = |other: &&i64| self.entries[*other].list == list && **other < id;
            let skipped =
                ready.iter().filter(before).any(|other| self.entries[other].state == State::Waiting);
            assert!(!skipped, "{id} was leased before an older one of its list");
            let entry = self.entries.get_mut(&id).unwrap();
            entry.state = State::Leased(which);
            entry.attempts += 1;
            assert_eq!(lease.entry.attempts, entry.attempts);
            self.leases.push(lease);
        }
    }

    fn holds(&self, which: usize) -> bool {
        let id = number(&self.leases[which]);
        self.entries.get(&id).is_some_and(|entry| entry.state == State::Leased(which))
    }

    fn settle(&mut self, which: usize, verdict: u8) {
        let held = self.holds(which);
        let why = "why".to_owned();
        let (verdict, state) = match verdict {
            0 | 1 => (Verdict::Done, None),
            2 => (Verdict::Retry { after: LONG, why }, Some(State::Later)),
            3 => (Verdict::Shunt { why }, Some(State::Shunted)),
            _ => (Verdict::Release, Some(State::Waiting)),
        };
        let released = verdict == Verdict::Release;
        let id = number(&self.leases[which]);
        let settled = [(self.leases.remove(which), verdict)];
        assert_eq!(self.queue.settle(&settled).unwrap(), [if held { Ok(()) } else { Err(Stale) }]);
        let [(lease, _)] = settled;
        self.leases.insert(which, lease);
        match (held, state) {
            (false, _) => {}
            (true, None) => drop(self.entries.remove(&id)),
            (true, Some(state)) => {
                let entry = self.entries.get_mut(&id).unwrap();
                entry.state = state;
                entry.attempts -= u32::from(released);
            }
        }
    }

    fn time_passes(&mut self) {
        let_time_pass(&self.site);
        for entry in self.entries.values_mut() {
            if matches!(entry.state, State::Leased(_) | State::Later) {
                entry.state = State::Waiting;
            }
        }
    }

    fn run(&mut self, step: Step) {
        match step {
            Step::Put { list } => self.put(list),
            Step::Lease { max } => self.lease(max),
            Step::TimePasses => {
                self.time_passes();
                // What lapsed but was not leased again could still be settled: nobody else had it.
                self.lease(1);
            }
            Step::Extend { which } if !self.leases.is_empty() => {
                let which = which % self.leases.len();
                let expected = if self.holds(which) { Ok(()) } else { Err(Stale) };
                assert_eq!(self.queue.extend(&[&self.leases[which]], LONG).unwrap(), [expected]);
            }
            Step::Settle { which, verdict } if !self.leases.is_empty() => {
                self.settle(which % self.leases.len(), verdict);
            }
            Step::Extend { .. } | Step::Settle { .. } => {}
        }
    }

    /// That the size of the queue, as the triggers count it, is what is there.
    fn check(&self) {
        let sql = "SELECT entries, octets FROM queue_size WHERE queue = 'in'";
        let size = self.database().query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
        let entries = self.entries.len() as i64;
        assert_eq!(size, (entries, 5 * entries));
        assert_eq!(self.site.ids("in").len(), self.entries.len());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn leases_and_settles_are_as_the_model_has_it(
        ordered in any::<bool>(),
        steps in proptest::collection::vec(step(), 1..60),
    ) {
        let mut world = World::new(ordered);
        steps.into_iter().for_each(|step| world.run(step));
        world.check();
    }
}
