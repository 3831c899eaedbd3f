//! What all parts of the benchmark share: how much to measure, and with what.

use super::floor::Floor;
use crate::server::{Gate, Scratch};
use std::cell::Cell;
use std::path::PathBuf;
use xtask::run::{self, Outcome, command};

/// How much to measure.
#[derive(Debug, PartialEq)]
pub(crate) struct Plan {
    /// The number of rounds, and the seconds of a server's turn.
    pub(crate) rounds: usize,
    pub(crate) seconds: f64,
    /// The same for the closest comparison: many waiting entries.
    pub(crate) long_rounds: usize,
    pub(crate) long_seconds: f64,
    /// The numbers that stand for many lists and many waiting entries.
    pub(crate) lists: usize,
    pub(crate) entries: usize,
    /// Messages in a run of smtp-source.
    pub(crate) messages: usize,
}

impl Plan {
    /// Takes about 25 minutes.
    pub(crate) const FULL: Self = Self {
        rounds: 5,
        seconds: 1.5,
        long_rounds: 11,
        long_seconds: 10.0,
        lists: 1_000_000,
        entries: 1_000_000,
        messages: 20_000,
    };

    /// Takes about three minutes, to see that everything works. Its figures are coarse.
    pub(crate) const QUICK: Self = Self {
        rounds: 1,
        seconds: 0.4,
        long_rounds: 3,
        long_seconds: 1.0,
        lists: 100_000,
        entries: 50_000,
        messages: 5_000,
    };
}

/// What the parts use to measure.
pub(super) struct Bench<'p> {
    pub(super) plan: &'p Plan,
    pub(super) gate: Gate,
    pub(super) floor: Floor,
    scratch: Scratch,
    folders: Cell<usize>,
}

impl<'p> Bench<'p> {
    pub(super) fn new(plan: &'p Plan, gate: Gate, floor: Floor, scratch: Scratch) -> Self {
        Self { plan, gate, floor, scratch, folders: Cell::new(0) }
    }

    /// Returns the path of a unique folder, which does not exist yet.
    pub(super) fn folder(&self) -> PathBuf {
        let number = self.folders.get() + 1;
        self.folders.set(number);
        self.scratch.join(&number.to_string())
    }
}

/// Waits until earlier writes are on the disk, so that they are not charged to the next server.
pub(super) fn settle() -> Outcome {
    run::succeed(&mut command("sync"))
}
