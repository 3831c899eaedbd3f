//! Limits on how much mail is accepted: by the free space on the disk, by the mail in flight, and by each queue. A
//! shortage is answered with 452 before the data is sent, or after it if more arrived than was declared, and is
//! logged.

use crate::limits;
use crate::model::NotTaken;
use crate::model::Space;
use crate::model::{Depth, Name};
use bytesize::ByteSize;
use listgate_lmtp::Refusal;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

const NO_SPACE: Refusal = Refusal::new(452, 3, 1, "Insufficient system storage, try again later");
const TOO_MUCH: Refusal = Refusal::new(452, 3, 2, "Too much mail at once, try again later");

/// The limits that the operator sets.
#[derive(Clone, Debug)]
pub(crate) struct Bounds {
    /// Octets of the file system that mail leaves free.
    pub(crate) min_free: u64,
    /// The maximum octets of all messages between MAIL and their outcome.
    pub(crate) max_in_flight: u64,
    /// The maximum entries of one queue.
    pub(crate) max_entries: u64,
    /// The maximum octets of one queue; `None` allows half of what it could have.
    pub(crate) max_octets: Option<u64>,
}

/// The fill level of a queue, as last reported in the log.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Debug, Default)]
enum Level {
    #[default]
    Low,
    High,
    Full,
}

pub(crate) struct Capacity {
    bounds: Bounds,
    in_flight: Arc<AtomicU64>,
    levels: Arc<Mutex<[Level; Name::ALL.len()]>>,
}

impl Capacity {
    pub(crate) fn new(bounds: Bounds) -> Self {
        Self { bounds, in_flight: Arc::default(), levels: Arc::default() }
    }

    /// Returns a copy with other limits that shares the count of mail in flight.
    pub(crate) fn with_bounds(&self, bounds: Bounds) -> Self {
        Self { bounds, in_flight: Arc::clone(&self.in_flight), levels: Arc::clone(&self.levels) }
    }

    /// Reserves room for a message of the declared size, until the returned value is dropped.
    ///
    /// # Errors
    /// The refusal to answer MAIL with.
    pub(crate) fn reserve(&self, declared: Option<u64>, space: Space) -> Result<Reservation, Refusal> {
        let mut room = Reservation { in_flight: Arc::clone(&self.in_flight), reserved: 0, arrived: 0 };
        self.extend(&mut room, declared.unwrap_or(0), space)?;
        Ok(room)
    }

    /// Reserves room for `more` additional octets.
    ///
    /// # Errors
    /// The refusal that MAIL would have been answered with.
    pub(crate) fn extend(&self, room: &mut Reservation, more: u64, space: Space) -> Result<(), Refusal> {
        let in_flight = self.in_flight.load(Ordering::Relaxed);
        // The octets of this message that have arrived are on the disk, and no longer counted as free.
        let others = in_flight.saturating_sub(room.reserved);
        let wanted = self.bounds.min_free.saturating_add(others).saturating_add(more);
        let there = space.for_message(room.reserved.saturating_add(more));
        if there < wanted {
            let (free, wanted) = (ByteSize(there), ByteSize(wanted));
            tracing::warn!("no room: {free} free, {wanted} wanted (storage.min_free and mail on its way)");
            return Err(NO_SPACE);
        }
        if !space.has_log_room() {
            let (there, reserve) = (ByteSize(space.log), ByteSize(limits::SETTLING_RESERVE));
            tracing::warn!(
                "no room: the database's log may grow by {there}, of which {reserve} are for consumers to finish"
            );
            return Err(NO_SPACE);
        }
        if space.inodes.is_some_and(|inodes| inodes < limits::MIN_INODES) {
            tracing::warn!("no room: the file system has no inodes left for spool files");
            return Err(NO_SPACE);
        }
        if in_flight.saturating_add(more) > self.bounds.max_in_flight {
            let (there, most) = (ByteSize(in_flight), ByteSize(self.bounds.max_in_flight));
            tracing::warn!("busy: {there} of mail is on its way in, server.max_in_flight is {most}");
            return Err(TOO_MUCH);
        }
        self.in_flight.fetch_add(more, Ordering::Relaxed);
        room.reserved += more;
        Ok(())
    }

    /// Returns whether a queue is at its cap.
    pub(crate) fn is_full(&self, depth: Depth, space: Space) -> bool {
        self.level(depth, space) == Level::Full
    }

    /// Checks that a queue takes another entry. Logs when it comes close to its cap and when it reaches it.
    ///
    /// # Errors
    /// The queue is full.
    pub(crate) fn admits(&self, queue: Name, depth: Depth, space: Space) -> Result<(), NotTaken> {
        let level = self.level(depth, space);
        self.log_level(queue, level, depth);
        if level == Level::Full { Err(NotTaken::QueueFull(queue)) } else { Ok(()) }
    }

    /// Returns the octets of mail in flight.
    pub(crate) fn in_flight(&self) -> u64 {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// Returns the fill level of a queue. A queue without a cap of its own may use half of what it could have, so
    /// that one that no consumer empties leaves as much to the others. If the disk is full, that does not make the
    /// queue full.
    fn level(&self, depth: Depth, space: Space) -> Level {
        let most = match (self.bounds.max_octets, space.octets().saturating_sub(self.bounds.min_free)) {
            (Some(most), _) => most,
            (None, 0) => u64::MAX,
            (None, spare) => (depth.octets + spare) / 2,
        };
        let part = |there: u64, most: u64| {
            if there >= most {
                Level::Full
            } else if there >= most / 5 * 4 {
                Level::High
            } else {
                Level::Low
            }
        };
        let (entries, octets) = (part(depth.entries, self.bounds.max_entries), part(depth.octets, most));
        if entries > octets { entries } else { octets }
    }

    fn log_level(&self, queue: Name, level: Level, depth: Depth) {
        let mut levels = self.levels.lock().unwrap_or_else(PoisonError::into_inner);
        let before = std::mem::replace(&mut levels[queue as usize], level);
        let Depth { entries, octets } = depth;
        let octets = ByteSize(octets);
        match level {
            Level::High if before == Level::Low => {
                tracing::warn!(
                    "the queue {queue} fills up: {entries} entries, {octets}; does anybody read it?"
                );
            }
            Level::Full if before != Level::Full => {
                tracing::error!(
                    "the queue {queue} is full: {entries} entries, {octets}; its mail is deferred"
                );
            }
            Level::Low if before == Level::Full => tracing::info!("the queue {queue} has room again"),
            _ => {}
        }
    }
}

/// The room that a transaction has reserved.
#[derive(Debug)]
pub(crate) struct Reservation {
    in_flight: Arc<AtomicU64>,
    reserved: u64,
    arrived: u64,
}

impl Reservation {
    /// Notes that octets of the message have arrived. Returns how many more octets it needs than were reserved for
    /// it.
    pub(crate) fn arrived(&mut self, octets: u64) -> u64 {
        self.arrived += octets;
        self.arrived.saturating_sub(self.reserved)
    }

    /// Releases all room reserved for the message.
    pub(crate) fn release(&mut self) {
        self.in_flight.fetch_sub(std::mem::take(&mut self.reserved), Ordering::Relaxed);
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.release();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPACE: Space = free(1000);

    const fn free(octets: u64) -> Space {
        Space { free: octets, unused: 0, log: u64::MAX, inodes: None }
    }

    fn arrive(capacity: &Capacity, room: &mut Reservation, octets: u64, space: Space) -> Result<(), Refusal> {
        match room.arrived(octets) {
            0 => Ok(()),
            more => capacity.extend(room, more, space),
        }
    }

    fn capacity() -> Capacity {
        Capacity::new(Bounds { min_free: 100, max_in_flight: 500, max_entries: 10, max_octets: None })
    }

    #[test]
    fn octets_in_flight_are_counted_until_they_are_dropped() {
        let capacity = capacity();
        let mut first = capacity.reserve(Some(300), SPACE).unwrap();
        assert_eq!(first.arrived(200), 0, "what was declared has its room");
        assert_eq!(capacity.in_flight(), 300);
        arrive(&capacity, &mut first, 150, SPACE).unwrap();
        assert_eq!(capacity.in_flight(), 350, "more than was declared");
        assert_eq!(capacity.reserve(Some(200), SPACE).unwrap_err(), TOO_MUCH);
        drop(first);
        assert_eq!(capacity.in_flight(), 0);
        drop(capacity.reserve(Some(500), SPACE).unwrap());
        assert_eq!(capacity.reserve(Some(500), free(599)).unwrap_err(), NO_SPACE);
        assert_eq!(capacity.reserve(None, Space { inodes: Some(0), ..SPACE }).unwrap_err(), NO_SPACE);
        let short = Space { log: limits::SETTLING_RESERVE, ..SPACE };
        assert_eq!(capacity.reserve(None, short).unwrap_err(), NO_SPACE);
    }

    #[test]
    fn undeclared_octets_are_refused_like_declared_ones() {
        let capacity = capacity();
        let mut room = capacity.reserve(Some(300), SPACE).unwrap();
        assert_eq!(arrive(&capacity, &mut room, 501, SPACE), Err(TOO_MUCH));
        assert_eq!(capacity.in_flight(), 300, "what was refused is not held");
        room.release();
        assert_eq!(capacity.in_flight(), 0);
        drop(room);
        assert_eq!(capacity.in_flight(), 0, "released once");
        let mut room = capacity.reserve(None, SPACE).unwrap();
        assert_eq!(arrive(&capacity, &mut room, 10, free(109)), Err(NO_SPACE));
        // A message's own octets are not counted twice: those that have arrived are no longer free.
        let mut room = capacity.reserve(None, SPACE).unwrap();
        for octets in [130, 120, 110] {
            arrive(&capacity, &mut room, 10, free(octets)).unwrap();
        }
        assert_eq!(arrive(&capacity, &mut room, 10, free(109)), Err(NO_SPACE));
    }

    #[test]
    fn free_space_within_the_database_is_for_small_messages_only() {
        let bounds = Bounds { min_free: 1000, max_in_flight: u64::MAX, max_entries: 10, max_octets: None };
        let capacity = Capacity::new(bounds);
        let space = Space { free: 1000, unused: 1 << 20, log: u64::MAX, inodes: None };
        let small = limits::BODY_IN_MEMORY as u64;
        let mut room = capacity.reserve(Some(small), space).unwrap();
        assert_eq!(arrive(&capacity, &mut room, small + 1, space), Err(NO_SPACE));
        drop(room);
        assert_eq!(capacity.reserve(Some(small + 1), space).unwrap_err(), NO_SPACE);
        drop(capacity.reserve(Some(small + 1), Space { free: 1000 + small + 1, ..space }).unwrap());
    }

    #[test]
    fn a_queue_without_a_cap_leaves_half_to_the_others() {
        let capacity = capacity();
        let depth = |octets| Depth { entries: 1, octets };
        let spare = |octets: u64| free(octets + 100);
        assert_eq!(capacity.level(depth(0), spare(1000)), Level::Low);
        assert_eq!(capacity.level(depth(450), spare(550)), Level::High);
        assert_eq!(capacity.level(depth(500), spare(500)), Level::Full);
        assert_eq!(capacity.level(Depth { entries: 10, octets: 0 }, spare(1000)), Level::Full);
        assert!(capacity.is_full(depth(500), spare(500)));
        let full = capacity.admits(Name::In, depth(500), spare(500)).unwrap_err();
        assert!(full.refusal().to_string().contains("The queue in is full"));
        capacity.admits(Name::In, depth(1), spare(500)).unwrap();
    }
}
