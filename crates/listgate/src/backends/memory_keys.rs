//! The keys that sign tokens, in the backend for tests.

use crate::model::{KeyNumber, Rotation, SiteKey, time_at};
use listgate_engine::token::{KEYS, Key, KeyRing};

/// The numbers of the valid keys, and when they were made, in milliseconds since 1970; the newest one is the last. A key is
/// a function of its number.
#[derive(Clone)]
pub(super) struct KeyTable(Vec<(i64, i64)>);

impl Default for KeyTable {
    /// Makes the first key, as if at the start of 1970.
    fn default() -> Self {
        Self(vec![(1, 0)])
    }
}

impl KeyTable {
    fn newest(&self) -> i64 {
        self.0.last().expect("there is always a key").0
    }

    pub(super) fn ring(&self) -> KeyRing {
        let key = |number: i64| Key::new([u8::try_from(number).expect("a test has few keys"); 32]);
        let mut older = self.0.iter().rev().skip(1).map(|(number, _)| key(*number));
        let older: [_; KEYS - 1] = std::array::from_fn(|_| older.next());
        KeyRing::new(self.newest().unsigned_abs(), key(self.newest()), older)
    }

    pub(super) fn all(&self) -> Vec<SiteKey> {
        let mut newer = None;
        let shown = self.0.iter().rev().map(|(number, made_at)| {
            let made_at = time_at(*made_at);
            SiteKey { number: KeyNumber(*number), made_at, replaced_at: newer.replace(made_at) }
        });
        shown.collect()
    }

    pub(super) fn rotate(&mut self, rotation: &Rotation, now: i64) -> bool {
        if rotation.signing != KeyNumber(self.newest()) {
            return false;
        }
        self.0.push((self.newest() + 1, now));
        let ended = self.0.len().saturating_sub(rotation.kept + 1);
        self.0.drain(..ended);
        true
    }
}
