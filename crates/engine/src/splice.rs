//! Changes of a message, as splices over the octets that are stored. This is the only way in which a message
//! changes: a header field removed or added, a subject prefix, a footer. All other octets stay as they are.

use std::fmt;
use std::ops::Range;

/// One change: at an offset, remove some octets and insert others in their place.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Splice {
    /// The offset in the stored message, in octets.
    pub at: u64,
    /// How many octets to remove there.
    pub remove: u64,
    /// The octets to insert before those that follow.
    pub insert: Vec<u8>,
}

impl Splice {
    /// Returns a splice that removes a range of octets.
    pub fn remove(range: Range<u64>) -> Self {
        Self { at: range.start, remove: range.end.saturating_sub(range.start), insert: Vec::new() }
    }

    /// Returns a splice that inserts octets before the octet at this offset.
    pub fn insert(at: u64, octets: impl Into<Vec<u8>>) -> Self {
        Self { at, remove: 0, insert: octets.into() }
    }

    /// Returns the offset after the last octet that is removed. [`Splices::new`] checks that it exists.
    fn end(&self) -> u64 {
        self.at + self.remove
    }

    fn changes_nothing(&self) -> bool {
        self.remove == 0 && self.insert.is_empty()
    }
}

/// All changes of one message: sorted, and no two of them concern the same octet.
///
/// ```
/// use listgate_engine::splice::{Splice, Splices};
///
/// let message = b"Subject: hello\r\nBcc: secret@example.org\r\n\r\nHello.\r\n";
/// let splices = Splices::new(vec![
///     Splice::remove(16..41),
///     Splice::insert(9, "[list] "),
/// ]).unwrap();
/// assert_eq!(splices.apply(message), b"Subject: [list] hello\r\n\r\nHello.\r\n");
/// assert_eq!(splices.size_after(message.len() as u64), Some(33));
/// ```
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct Splices(Vec<Splice>);

impl Splices {
    /// Sorts the splices and checks that they fit together. Of several at the same offset, insertions come before a
    /// removal, in the order given.
    ///
    /// # Errors
    /// Returns what does not fit together.
    pub fn new(mut splices: Vec<Splice>) -> Result<Self, InvalidSplices> {
        splices.retain(|splice| !splice.changes_nothing());
        splices.sort_by_key(|splice| (splice.at, splice.remove > 0));
        let mut end = 0;
        for splice in &splices {
            if splice.at < end {
                return Err(InvalidSplices::Overlap { at: splice.at });
            }
            end = splice.at.checked_add(splice.remove).ok_or(InvalidSplices::TooFar { at: splice.at })?;
        }
        Ok(Self(splices))
    }

    /// Returns the splices in their order.
    pub fn iter(&self) -> impl Iterator<Item = &Splice> {
        self.0.iter()
    }

    /// Returns whether the message stays as it is.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the size, in octets, that a message of `size` octets has after these changes, or `None` if they
    /// concern octets that it does not have.
    pub fn size_after(&self, size: u64) -> Option<u64> {
        if self.0.last().is_some_and(|last| last.end() > size) {
            return None;
        }
        let removed: u64 = self.0.iter().map(|splice| splice.remove).sum();
        let inserted: u64 = self.0.iter().map(|splice| splice.insert.len() as u64).sum();
        (size - removed).checked_add(inserted)
    }

    /// Returns the pieces that take the place of one chunk of the message. The chunk begins at `offset`; `is_last`
    /// says that the message ends with it. Nothing is copied.
    ///
    /// The pieces of all chunks in turn are the changed message, in whatever chunks it is read. A chunk can be read
    /// again, and any chunk can be the first. What is inserted between two chunks comes with the second one.
    pub fn pieces<'a>(&'a self, offset: u64, chunk: &'a [u8], is_last: bool) -> Pieces<'a> {
        let is_over = |splice: &Splice| splice.at < offset && splice.end() <= offset;
        let rest = &self.0[self.0.partition_point(is_over)..];
        Pieces { rest, offset, chunk, is_last, insert: None }
    }

    /// Returns a whole message with the changes. Splices after its end change nothing; [`size_after`](Self::size_after)
    /// reports them.
    pub fn apply(&self, message: &[u8]) -> Vec<u8> {
        self.pieces(0, message, true).collect::<Vec<_>>().concat()
    }
}

/// The pieces of a changed message that stand for one chunk of it. Made by [`Splices::pieces`].
#[derive(Clone, Debug)]
pub struct Pieces<'a> {
    /// The splices that are not yet done.
    rest: &'a [Splice],
    /// The offset of `chunk`.
    offset: u64,
    /// What has not been returned.
    chunk: &'a [u8],
    is_last: bool,
    /// What the current splice inserts, after the octets before it were returned.
    insert: Option<&'a [u8]>,
}

impl<'a> Iterator for Pieces<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        loop {
            let piece = match self.insert.take() {
                Some(insert) => insert,
                None => self.up_to_next_splice()?,
            };
            if !piece.is_empty() {
                return Some(piece);
            }
        }
    }
}

impl<'a> Pieces<'a> {
    /// Takes the octets before the next splice of this chunk, and starts that splice. Without such a splice, takes
    /// all that is left. Returns `None` if there is nothing to do.
    fn up_to_next_splice(&mut self) -> Option<&'a [u8]> {
        let end = self.offset + self.chunk.len() as u64;
        match self.rest.split_first() {
            Some((splice, rest)) if splice.at < end || self.is_last && splice.at == end => {
                self.rest = rest;
                // A splice that began in an earlier chunk was inserted there, and removes octets here.
                self.insert = (splice.at >= self.offset).then_some(&splice.insert);
                let before = self.take(splice.at.saturating_sub(self.offset));
                self.take(splice.end().saturating_sub(self.offset));
                Some(before)
            }
            _ if self.chunk.is_empty() => None,
            _ => Some(self.take(u64::MAX)),
        }
    }

    /// Takes up to `count` octets from the front of the chunk.
    fn take(&mut self, count: u64) -> &'a [u8] {
        let len = usize::try_from(count).unwrap_or(usize::MAX).min(self.chunk.len());
        let (taken, rest) = self.chunk.split_at(len);
        self.chunk = rest;
        self.offset += len as u64;
        taken
    }
}

/// The reason why splices do not fit together.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum InvalidSplices {
    /// An octet at or after this offset would be removed twice, or octets would be inserted among removed ones.
    Overlap {
        /// The offset of the second splice.
        at: u64,
    },
    /// A splice ends after the highest offset there is.
    TooFar {
        /// Its offset.
        at: u64,
    },
}

impl fmt::Display for InvalidSplices {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Overlap { at } => write!(f, "two splices overlap at offset {at}"),
            Self::TooFar { at } => write!(f, "the splice at offset {at} removes too much"),
        }
    }
}

impl std::error::Error for InvalidSplices {}

/// What the tests and the fuzzer compare with.
#[cfg(any(test, fuzzing))]
pub(crate) mod reference {
    use super::Splice;
    use std::ops::Range;

    /// Changes a message octet by octet: each octet is kept or not, and something may be inserted before it. Returns
    /// `None` if two splices concern the same octet, or octets that the message does not have.
    pub(crate) fn apply(message: &[u8], splices: &[Splice]) -> Option<Vec<u8>> {
        let mut kept = vec![true; message.len()];
        let mut inserts = vec![Vec::new(); message.len() + 1];
        let (removals, insertions): (Vec<_>, Vec<_>) = splices.iter().partition(|splice| splice.remove > 0);
        for removal in &removals {
            for kept in kept.get_mut(range(removal)?)? {
                if !std::mem::replace(kept, false) {
                    return None;
                }
            }
        }
        for insertion in insertions.iter().filter(|splice| !splice.insert.is_empty()) {
            let is_inside = |other: &&Splice| {
                range(other)
                    .is_some_and(|range| (range.start + 1..range.end).contains(&(insertion.at as usize)))
            };
            if removals.iter().any(is_inside) {
                return None;
            }
            inserts.get_mut(usize::try_from(insertion.at).ok()?)?.extend_from_slice(&insertion.insert);
        }
        for removal in removals {
            inserts[range(removal)?.start].extend_from_slice(&removal.insert);
        }
        let mut changed = Vec::new();
        for (at, insert) in inserts.iter().enumerate() {
            changed.extend_from_slice(insert);
            if kept.get(at) == Some(&true) {
                changed.push(message[at]);
            }
        }
        Some(changed)
    }

    fn range(splice: &Splice) -> Option<Range<usize>> {
        let start = usize::try_from(splice.at).ok()?;
        Some(start..start.checked_add(usize::try_from(splice.remove).ok()?)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MESSAGE: &[u8] = b"0123456789";

    fn splice(at: u64, remove: u64, insert: &str) -> Splice {
        Splice { at, remove, insert: insert.into() }
    }

    #[test]
    fn octets_are_removed_inserted_and_replaced() {
        for (splices, expected) in [
            (vec![], "0123456789"),
            (vec![splice(0, 0, "a")], "a0123456789"),
            (vec![splice(10, 0, "a")], "0123456789a"),
            (vec![splice(3, 2, "")], "01256789"),
            (vec![splice(3, 2, "abc")], "012abc56789"),
            (vec![splice(0, 10, "")], ""),
            (vec![splice(0, 10, "x"), splice(10, 0, "y")], "xy"),
            (vec![splice(5, 1, ""), splice(4, 1, "")], "01236789"),
            (vec![splice(4, 2, "x"), splice(4, 0, "a"), splice(4, 0, "b")], "0123abx6789"),
            (vec![splice(4, 2, ""), splice(6, 0, "a")], "0123a6789"),
            (vec![splice(9, 0, ""), splice(u64::MAX, 0, "")], "0123456789"),
        ] {
            let sorted = Splices::new(splices.clone()).unwrap();
            assert_eq!(String::from_utf8(sorted.apply(MESSAGE)).unwrap(), expected, "{splices:?}");
            assert_eq!(sorted.size_after(10), Some(expected.len() as u64), "{splices:?}");
        }
    }

    #[test]
    fn splices_that_overlap_or_end_nowhere_are_refused() {
        for (splices, error) in [
            (vec![splice(3, 2, ""), splice(4, 1, "")], InvalidSplices::Overlap { at: 4 }),
            (vec![splice(4, 0, "x"), splice(3, 2, "")], InvalidSplices::Overlap { at: 4 }),
            (vec![splice(3, 2, ""), splice(3, 1, "")], InvalidSplices::Overlap { at: 3 }),
            (vec![splice(u64::MAX, 1, "")], InvalidSplices::TooFar { at: u64::MAX }),
        ] {
            assert_eq!(Splices::new(splices.clone()), Err(error), "{splices:?}");
        }
    }

    #[test]
    fn splices_beyond_the_message_have_no_size() {
        for (splices, size) in [
            (vec![splice(10, 0, "x")], Some(11)),
            (vec![splice(11, 0, "x")], None),
            (vec![splice(9, 2, "")], None),
        ] {
            assert_eq!(Splices::new(splices.clone()).unwrap().size_after(10), size, "{splices:?}");
        }
        assert_eq!(Splices::new(vec![splice(0, 0, "x")]).unwrap().size_after(u64::MAX), None);
    }

    #[test]
    fn what_is_inserted_between_two_chunks_comes_with_the_second() {
        let splices = Splices::new(vec![splice(5, 0, "x"), splice(10, 0, "y")]).unwrap();
        let pieces =
            |offset, chunk, is_last| -> Vec<&[u8]> { splices.pieces(offset, chunk, is_last).collect() };
        assert_eq!(pieces(0, b"01234", false), [b"01234"]);
        assert_eq!(pieces(5, b"56789", false), [b"x".as_slice(), b"56789"]);
        assert_eq!(pieces(5, b"56789", true), [b"x".as_slice(), b"56789", b"y"]);
        assert_eq!(pieces(10, b"", true), [b"y"]);
        assert_eq!(pieces(10, b"", false).len(), 0);
    }

    fn any_splices() -> impl Strategy<Value = Vec<Splice>> {
        let one = (0..20_u64, 0..6_u64, prop::collection::vec(any::<u8>(), 0..4));
        let one = one.prop_map(|(at, remove, insert)| Splice { at, remove, insert });
        prop::collection::vec(one, 0..6)
    }

    proptest! {
        #[test]
        fn a_message_changes_as_in_the_reference_in_any_chunks(
            splices in any_splices(),
            message in prop::collection::vec(any::<u8>(), 0..20),
            size in 1..8_usize,
        ) {
            crate::fuzz::check_splices(&message, splices, size);
        }
    }
}
