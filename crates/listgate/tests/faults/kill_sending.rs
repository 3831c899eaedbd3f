//! `kill -9` while a post is distributed.

use crate::distribution::{Copies, Distribution};
use crate::support::disk::Chance;
use crate::support::smtp_server::{Manner, SmtpServer};
use crate::tools::log;
use std::env;
use std::thread;
use std::time::{Duration, Instant};

const MEMBERS: usize = 1000;
const CONNECTIONS: usize = 4;

/// Distributes a post, kills the server meanwhile at random moments, and lets the next one finish it.
fn round(copies: Copies, manner: Manner, chance: &mut Chance, longest: &mut Duration) -> (usize, usize) {
    let distribution = Distribution::new(SmtpServer::start(manner), MEMBERS, copies);
    let mut server = distribution.serve();
    let since = Instant::now();
    distribution.post(&server, "post");
    let kills = 1 + chance.below(3);
    for _ in 0..kills {
        let life = chance.below(longest.as_micros().try_into().unwrap());
        thread::sleep(Duration::from_micros(life));
        server.signal("KILL");
        assert_eq!(server.wait(), None);
        server = distribution.serve();
    }
    distribution.finished(1);
    // As long as one takes, so that kills are spread over all of it.
    *longest = (*longest).max(since.elapsed() / 4).min(Duration::from_millis(400));
    let (extra, doubted) =
        distribution.check(1).unwrap_or_else(|why| panic!("{copies:?}: {why}: {}", log(&distribution.site)));
    let most = usize::try_from(kills).unwrap() * CONNECTIONS * copies.of_batch();
    assert!(doubted <= most, "{copies:?}: {doubted} in doubt after {kills} kills");
    server.signal("TERM");
    assert_eq!(server.wait(), Some(0));
    (extra, doubted)
}

#[test]
fn a_kill_at_any_moment_of_a_distribution_misses_nobody_and_counts_each_doubt() {
    let rounds: u64 = env::var("LISTGATE_ROUNDS").map_or(20, |rounds| rounds.parse().unwrap());
    let mut chance = Chance(rounds);
    let mut longest = Duration::from_millis(60);
    let (mut extra, mut doubted) = (0, 0);
    for n in 0..rounds {
        let copies = if n % 2 == 0 { Copies::Bulk } else { Copies::Personal };
        let manner = match n % 4 {
            0 | 1 => Manner::default(),
            2 => Manner::default().without("PIPELINING"),
            _ => Manner::default().delay(Duration::from_micros(200)),
        };
        let (more, some) = round(copies, manner, &mut chance, &mut longest);
        (extra, doubted) = (extra + more, doubted + some);
    }
    eprintln!("{rounds} rounds: {extra} copies too many, {doubted} in doubt");
    assert!(doubted > 0, "no kill came while something was sent");
}
