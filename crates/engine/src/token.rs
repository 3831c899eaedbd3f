//! Tokens: signed, stateless proofs that anyone who has one may do one thing, such as leave a list.
//!
//! A token has 130 bits, from the most significant one:
//!
//! | bits | what |
//! |---|---|
//! | 2 | the slot of the key that signed it |
//! | 4 | the [`Purpose`] |
//! | 16 | the [`Day`] on which it expires; 0 if it does not |
//! | 44 | the [`Subject`] |
//! | 64 | the MAC over all of this and the list_id |
//!
//! It is written as 26 characters of base32 (the alphabet of RFC 4648 section 6, without padding), in lower case. It
//! is read in any case, because some mail programs change the case of a local part.

use std::fmt;
use std::num::NonZeroU16;

/// Characters of a token.
pub const CHARACTERS: usize = 26;

/// Keys in a [`KeyRing`]: one signs, all verify.
pub const KEYS: usize = 4;

const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
const SUBJECT_BITS: u32 = 44;
const SECONDS_OF_A_DAY: u64 = 24 * 60 * 60;

/// Separates the MACs of tokens from anything else that a key of the site may ever sign.
const CONTEXT: &[u8] = b"listgate token 1";

/// What the bearer of a token may do, or what mail to its address means. The numbers are part of the tokens that
/// are in circulation: never use one again for something else.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Purpose {
    /// Ends a membership. The subject is the membership.
    Leave = 0,
    /// Takes bounces of mail to one member, owner or moderator. The subject is the membership.
    MemberBounce = 1,
    /// Takes bounces of a copy that had many recipients. The subject is the batch.
    BatchBounce = 2,
    /// Takes bounces of generated mail. The subject is the notice.
    NoticeBounce = 3,
    /// Confirms a request. The subject is the pending request.
    Confirm = 4,
    /// Accepts a held post. The subject is the post, as it was offered to one moderator.
    Accept = 5,
    /// Rejects a held post. The subject is the same as that of [`Purpose::Accept`].
    Reject = 6,
    /// Joins again after leaving. The subject is the membership that ended.
    Rejoin = 7,
    /// Takes back a test message. The subject is the message.
    Test = 8,
}

impl Purpose {
    /// All purposes.
    pub const ALL: [Self; 9] = [
        Self::Leave,
        Self::MemberBounce,
        Self::BatchBounce,
        Self::NoticeBounce,
        Self::Confirm,
        Self::Accept,
        Self::Reject,
        Self::Rejoin,
        Self::Test,
    ];

    /// Returns for how many days a token is valid, or `None` if it is valid for as long as its subject exists.
    pub fn days(self) -> Option<u16> {
        match self {
            Self::Leave | Self::Accept | Self::Reject => None,
            Self::MemberBounce | Self::BatchBounce | Self::NoticeBounce => Some(14),
            Self::Confirm => Some(3),
            Self::Rejoin => Some(7),
            Self::Test => Some(1),
        }
    }

    fn of_bits(bits: u128) -> Option<Self> {
        Self::ALL.into_iter().find(|purpose| *purpose as u128 == bits)
    }
}

/// A day in UTC, as the number of days since 1970-01-01. The last one is 2149-06-06. There is no day 0, which stands
/// for "never" in a token.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Day(NonZeroU16);

impl Day {
    /// Returns the day of a time, in seconds since 1970-01-01 in UTC. A time outside the range of days becomes the
    /// first or last one.
    pub fn of_seconds(seconds: u64) -> Self {
        let day = u16::try_from(seconds / SECONDS_OF_A_DAY).unwrap_or(u16::MAX);
        Self(NonZeroU16::new(day).unwrap_or(NonZeroU16::MIN))
    }

    /// Returns the day that is `days` later, or the last one.
    #[must_use]
    pub fn plus(self, days: u16) -> Self {
        Self(self.0.saturating_add(days))
    }

    /// Returns the number of the day; 1 is 1970-01-02.
    pub fn number(self) -> u16 {
        self.0.get()
    }
}

/// The id of what a token is about: a membership, batch, notice, pending request or held post. The [`Purpose`] says
/// which. It has 44 bits and must never be used again.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Subject(u64);

impl Subject {
    /// The highest id.
    pub const MAX: Self = Self((1 << SUBJECT_BITS) - 1);

    /// Returns the subject with this id, or `None` if the id has more than 44 bits.
    pub fn new(id: u64) -> Option<Self> {
        (id <= Self::MAX.0).then_some(Self(id))
    }

    /// Returns the id.
    pub fn id(self) -> u64 {
        self.0
    }
}

/// What a token says.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Claim {
    /// What its bearer may do.
    pub purpose: Purpose,
    /// What it is about.
    pub subject: Subject,
    /// The last day on which it is valid, or `None` if it does not expire.
    pub expires: Option<Day>,
}

impl Claim {
    /// Returns a claim that is valid from `today` for as long as its purpose allows ([`Purpose::days`]).
    pub fn new(purpose: Purpose, subject: Subject, today: Day) -> Self {
        Self { purpose, subject, expires: purpose.days().map(|days| today.plus(days)) }
    }
}

/// A token: a claim with its MAC. Anyone who has its text may do what it says, so [`Debug`](fmt::Debug) leaves out the
/// MAC.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Token {
    /// The 66 bits before the MAC.
    claim: u128,
    mac: u64,
}

impl Token {
    fn parse(text: &[u8]) -> Option<Self> {
        let (high, low) = text.split_at_checked(CHARACTERS / 2)?;
        if low.len() != CHARACTERS / 2 {
            return None;
        }
        let bits = |half: &[u8]| {
            half.iter().try_fold(0_u128, |bits, octet| {
                let octet = octet.to_ascii_lowercase();
                let value = match octet {
                    b'a'..=b'z' => octet - b'a',
                    b'2'..=b'7' => octet - b'2' + 26,
                    _ => return None,
                };
                Some(bits << 5 | u128::from(value))
            })
        };
        // Each half has 65 bits: the first bit of the second half is the last one of the claim.
        let (high, low) = (bits(high)?, bits(low)?);
        Some(Self { claim: high << 1 | low >> 64, mac: low as u64 })
    }

    fn key(self) -> usize {
        (self.claim >> 64) as usize
    }

    fn purpose(self) -> Option<Purpose> {
        Purpose::of_bits(self.claim >> 60 & 0xf)
    }

    fn expires(self) -> Option<Day> {
        NonZeroU16::new((self.claim >> SUBJECT_BITS) as u16).map(Day)
    }

    fn subject(self) -> Subject {
        Subject(self.claim as u64 & Subject::MAX.0)
    }
}

impl fmt::Display for Token {
    /// Writes the 26 characters.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let halves = [self.claim >> 1, (self.claim & 1) << 64 | u128::from(self.mac)];
        let mut text = String::with_capacity(CHARACTERS);
        for half in halves {
            for at in (0..CHARACTERS / 2).rev() {
                text.push(ALPHABET[(half >> (5 * at)) as usize & 31].into());
            }
        }
        f.write_str(&text)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token")
            .field("key", &self.key())
            .field("purpose", &self.purpose())
            .field("expires", &self.expires())
            .field("subject", &self.subject())
            .finish_non_exhaustive()
    }
}

/// A secret key: 32 random octets. [`Debug`](fmt::Debug) does not show them.
#[derive(Clone)]
pub struct Key([u8; blake3::KEY_LEN]);

impl Key {
    /// Makes a key of 32 octets, which must come from the system's source of random numbers.
    pub fn new(octets: [u8; 32]) -> Self {
        Self(octets)
    }

    /// Returns the MAC of a claim: the first 64 bits of a keyed hash. Only the list_id has no fixed length, and it
    /// comes last, so no two inputs are the same octets.
    fn mac(&self, list_id: &str, claim: u128) -> u64 {
        let mut hash = blake3::Hasher::new_keyed(&self.0);
        hash.update(CONTEXT).update(&claim.to_be_bytes()).update(list_id.to_ascii_lowercase().as_bytes());
        let hash = hash.finalize();
        let (mac, _) = hash.as_bytes().split_first_chunk().expect("a hash has 32 octets");
        u64::from_be_bytes(*mac)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(…)")
    }
}

/// Up to [`KEYS`] keys. The newest signs, and all verify.
///
/// ```
/// use listgate_engine::token::{Check, Claim, Day, Key, KeyRing, Purpose, Subject};
///
/// let ring = KeyRing::new(0, Key::new([7; 32]), [None, None, None]);
/// let today = Day::of_seconds(1_700_000_000);
/// let claim = Claim::new(Purpose::Leave, Subject::new(42).unwrap(), today);
/// let text = ring.sign("mylist.example.com", claim).to_string();
/// assert_eq!(text.len(), 26);
/// let checked = ring.check("mylist.example.com", text.to_uppercase().as_bytes(), today);
/// assert_eq!(checked, Check::Valid { claim, key_age: 0 });
/// assert_eq!(ring.check("other.example.com", text.as_bytes(), today), Check::Forged);
/// ```
#[derive(Clone, Debug)]
pub struct KeyRing {
    /// Where the newest key is in the numbering of slots.
    slot: usize,
    newest: Key,
    /// From newest to oldest.
    older: [Option<Key>; KEYS - 1],
}

impl KeyRing {
    /// Makes a key ring. `serial` is the number of keys that the site had before the newest one; it says which slot
    /// the tokens of each key name. `older` has the keys before it, from newest to oldest.
    pub fn new(serial: u64, newest: Key, older: [Option<Key>; KEYS - 1]) -> Self {
        Self { slot: (serial % KEYS as u64) as usize, newest, older }
    }

    /// Signs with `newest` from now on. The fourth key is dropped, and so are all tokens that it signed.
    #[must_use]
    pub fn rotate(self, newest: Key) -> Self {
        let [second, third, _] = self.older;
        Self { slot: (self.slot + 1) % KEYS, newest, older: [Some(self.newest), second, third] }
    }

    /// Returns a token for the list with this list_id. The case of the list_id does not matter.
    pub fn sign(&self, list_id: &str, claim: Claim) -> Token {
        let expires = claim.expires.map_or(0, Day::number);
        let claim = (self.slot as u128) << 64
            | (claim.purpose as u128) << 60
            | u128::from(expires) << SUBJECT_BITS
            | u128::from(claim.subject.0);
        Token { claim, mac: self.newest.mac(list_id, claim) }
    }

    /// Checks a text that may be a token of the list with this list_id.
    pub fn check(&self, list_id: &str, text: &[u8], today: Day) -> Check {
        let Some(token) = Token::parse(text) else { return Check::NotAToken };
        let key_age = (self.slot + KEYS - token.key()) % KEYS;
        let Some(key) = self.key(key_age) else { return Check::UnknownKey };
        // Both are one machine word, so that the comparison takes the same time whatever they are.
        if key.mac(list_id, token.claim) != token.mac {
            return Check::Forged;
        }
        let Some(purpose) = token.purpose() else { return Check::UnknownPurpose };
        let claim = Claim { purpose, subject: token.subject(), expires: token.expires() };
        match claim.expires {
            Some(last) if last < today => Check::Expired { claim, key_age },
            _ => Check::Valid { claim, key_age },
        }
    }

    fn key(&self, age: usize) -> Option<&Key> {
        match age {
            0 => Some(&self.newest),
            _ => self.older.get(age - 1)?.as_ref(),
        }
    }
}

/// What a text is, if it is read as a token of one list.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Check {
    /// We signed it for this list, and it has not expired.
    Valid {
        /// What it says.
        claim: Claim,
        /// How many newer keys there are than the one that signed it: 0 to 3. A leave token whose key has the age 3
        /// ends with the next rotation.
        key_age: usize,
    },
    /// We signed it for this list, and it has expired.
    Expired {
        /// What it said.
        claim: Claim,
        /// As in [`Check::Valid`].
        key_age: usize,
    },
    /// We signed it for this list, but its purpose is unknown to this version.
    UnknownPurpose,
    /// It has the form of a token, but we did not sign it for this list, or the key is no longer in the ring.
    Forged,
    /// It has the form of a token and names a key that is not in the ring.
    UnknownKey,
    /// It does not have the form of a token.
    NotAToken,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use proptest::sample::select;

    const LIST: &str = "mylist.example.com";

    fn key(seed: u8) -> Key {
        Key::new([seed; 32])
    }

    fn ring() -> KeyRing {
        KeyRing::new(0, key(1), [None, None, None])
    }

    fn day(number: u64) -> Day {
        Day::of_seconds(number * SECONDS_OF_A_DAY)
    }

    fn claims() -> impl Strategy<Value = Claim> {
        let expires = prop::option::of(any::<NonZeroU16>().prop_map(Day));
        let subject = (0..=Subject::MAX.0).prop_map(Subject);
        (select(&Purpose::ALL), subject, expires).prop_map(|(purpose, subject, expires)| Claim {
            purpose,
            subject,
            expires,
        })
    }

    /// Returns the 130 bits of a token, most significant first.
    fn bits(text: &str) -> Vec<bool> {
        let value = |c: u8| ALPHABET.iter().position(|&letter| letter == c).unwrap();
        text.bytes().flat_map(|c| (0..5).rev().map(move |at| value(c) >> at & 1 == 1)).collect()
    }

    fn of_bits(bits: &[bool]) -> String {
        let value = |five: &[bool]| five.iter().fold(0, |value, &bit| value << 1 | usize::from(bit));
        bits.chunks(5).map(|five| char::from(ALPHABET[value(five)])).collect()
    }

    fn number(bits: &[bool]) -> u64 {
        bits.iter().fold(0, |value, &bit| value << 1 | u64::from(bit))
    }

    #[test]
    fn debug_shows_neither_a_key_nor_a_mac() {
        assert_eq!(format!("{:?}", key(7)), "Key(\u{2026})");
        let claim = Claim { purpose: Purpose::Reject, subject: Subject(5), expires: None };
        let shown = format!("{:?}", ring().sign(LIST, claim));
        assert_eq!(shown, "Token { key: 0, purpose: Some(Reject), expires: None, subject: Subject(5), .. }");
    }

    #[test]
    fn each_part_has_its_place() {
        let claim =
            Claim { purpose: Purpose::Reject, subject: Subject(0xabc_dead_beef), expires: Some(day(20_785)) };
        let ring = KeyRing::new(6, key(1), [None, None, None]);
        let text = ring.sign(LIST, claim).to_string();
        let bits = bits(&text);
        assert_eq!(bits.len(), 130);
        let (key, rest) = bits.split_at(2);
        let (purpose, rest) = rest.split_at(4);
        let (expires, rest) = rest.split_at(16);
        let (subject, mac) = rest.split_at(44);
        assert_eq!((number(key), number(purpose), number(expires)), (2, 6, 20_785));
        assert_eq!((number(subject), mac.len()), (0xabc_dead_beef, 64));
        // The MAC, as the documentation describes it.
        let head = 2_u128 << 64 | 6 << 60 | 20_785 << 44 | 0xabc_dead_beef;
        let signed = [b"listgate token 1".as_slice(), &head.to_be_bytes(), LIST.as_bytes()].concat();
        let hash = blake3::keyed_hash(&[1; 32], &signed);
        assert_eq!(number(mac).to_be_bytes(), hash.as_bytes()[..8]);
    }

    #[test]
    fn tokens_in_circulation_stay_valid() {
        let claim = Claim::new(Purpose::Confirm, Subject(1), day(20_000));
        assert_eq!(ring().sign(LIST, claim).to_string(), "ce4iyaaaaaaaatmlr2r4yp2hfe");
    }

    #[test]
    fn numbers_of_purposes_fit_and_differ() {
        let numbers = Purpose::ALL.map(|purpose| purpose as u8);
        assert_eq!(numbers, [0, 1, 2, 3, 4, 5, 6, 7, 8]);
        for (at, purpose) in Purpose::ALL.into_iter().enumerate() {
            assert_eq!(Purpose::of_bits(at as u128), Some(purpose));
        }
        assert_eq!(Purpose::of_bits(9), None);
    }

    #[test]
    fn a_purpose_of_a_later_version_is_reported() {
        let claim = 9 << 60 | 1;
        let token = Token { claim, mac: key(1).mac(LIST, claim) };
        assert_eq!(ring().check(LIST, token.to_string().as_bytes(), day(1)), Check::UnknownPurpose);
    }

    #[test]
    fn it_expires_after_its_last_day() {
        for (purpose, days) in [
            (Purpose::Leave, None),
            (Purpose::MemberBounce, Some(14)),
            (Purpose::BatchBounce, Some(14)),
            (Purpose::NoticeBounce, Some(14)),
            (Purpose::Confirm, Some(3)),
            (Purpose::Accept, None),
            (Purpose::Reject, None),
            (Purpose::Rejoin, Some(7)),
        ] {
            let claim = Claim::new(purpose, Subject(7), day(100));
            let text = ring().sign(LIST, claim).to_string();
            let check = |number| ring().check(LIST, text.as_bytes(), day(number));
            let valid = Check::Valid { claim, key_age: 0 };
            assert_eq!(check(1), valid, "a clock that was set back changes nothing");
            assert_eq!(check(100 + days.unwrap_or(60_000)), valid, "{purpose:?}");
            if let Some(days) = days {
                assert_eq!(check(101 + days), Check::Expired { claim, key_age: 0 }, "{purpose:?}");
            }
        }
    }

    #[test]
    fn days_stay_in_their_range() {
        for (seconds, number) in
            [(0, 1), (86_399, 1), (2 * 86_400, 2), (3 * 86_400 - 1, 2), (u64::MAX, u16::MAX)]
        {
            assert_eq!(Day::of_seconds(seconds).number(), number, "{seconds}");
        }
        assert_eq!(Day::of_seconds(u64::MAX).plus(1).number(), u16::MAX);
        assert_eq!((Subject::new(1 << 44), Subject::new((1 << 44) - 1)), (None, Some(Subject::MAX)));
        assert_eq!(Subject::MAX.id(), 0xfff_ffff_ffff);
    }

    #[test]
    fn other_texts_are_not_tokens() {
        let token = ring().sign(LIST, Claim::new(Purpose::Leave, Subject(7), day(100))).to_string();
        for text in [
            "",
            "a",
            &token[1..],
            &format!("{token}a"),
            &format!(" {token}"),
            &token.replace(|_| true, "1"),
            &format!("{}0", &token[1..]),
            &format!("{}8", &token[1..]),
            &format!("{}=", &token[1..]),
            &format!("{}\u{e4}", &token[2..]),
        ] {
            assert_eq!(ring().check(LIST, text.as_bytes(), day(100)), Check::NotAToken, "{text:?}");
        }
    }

    #[test]
    fn a_key_verifies_until_the_fourth_rotation() {
        let claim = Claim::new(Purpose::Leave, Subject(7), day(100));
        for serial in 0..5 {
            let mut ring = KeyRing::new(serial, key(1), [None, None, None]);
            let text = ring.sign(LIST, claim).to_string();
            for age in 0..KEYS {
                assert_eq!(ring.check(LIST, text.as_bytes(), day(100)), Check::Valid { claim, key_age: age });
                // The same keys, as they are stored.
                let [second, third, fourth] = ring.older.clone();
                let again = KeyRing::new(serial + age as u64, ring.newest.clone(), [second, third, fourth]);
                assert_eq!(again.sign(LIST, claim), ring.sign(LIST, claim));
                ring = ring.rotate(key(10 + age as u8));
            }
            assert_eq!(ring.check(LIST, text.as_bytes(), day(100)), Check::Forged);
        }
    }

    #[test]
    fn a_key_that_is_not_there_is_reported() {
        let claim = Claim::new(Purpose::Leave, Subject(7), day(100));
        let text = KeyRing::new(1, key(1), [None, None, None]).sign(LIST, claim).to_string();
        assert_eq!(ring().check(LIST, text.as_bytes(), day(100)), Check::UnknownKey);
    }

    #[test]
    fn debug_output_has_no_secrets() {
        let token = ring().sign(LIST, Claim::new(Purpose::Leave, Subject(7), day(100)));
        let text = format!("{token:?} {:?}", ring());
        assert!(!text.contains(&token.mac.to_string()) && !text.contains("1, 1"), "{text}");
    }

    proptest! {
        #[test]
        fn a_token_reads_back_in_any_case(
            claim in claims(),
            serial in any::<u64>(),
            upper in prop::collection::vec(any::<bool>(), CHARACTERS),
        ) {
            let ring = KeyRing::new(serial, key(1), [None, None, None]);
            let token = ring.sign(LIST, claim);
            let text: String = token.to_string();
            prop_assert_eq!(Token::parse(text.as_bytes()), Some(token));
            let case = |(c, upper): (char, bool)| if upper { c.to_ascii_uppercase() } else { c };
            let text: String = text.chars().zip(upper).map(case).collect();
            prop_assert_eq!(
                ring.check(&LIST.to_uppercase(), text.as_bytes(), day(1)),
                Check::Valid { claim, key_age: 0 }
            );
        }

        #[test]
        fn a_change_of_any_bit_is_noticed(claim in claims(), serial in 0..4_u64) {
            let full = KeyRing::new(serial, key(1), [Some(key(2)), Some(key(3)), Some(key(4))]);
            let bits = bits(&full.sign(LIST, claim).to_string());
            for at in 0..bits.len() {
                let mut changed = bits.clone();
                changed[at] = !changed[at];
                prop_assert_eq!(full.check(LIST, of_bits(&changed).as_bytes(), day(1)), Check::Forged, "bit {}", at);
            }
        }

        #[test]
        fn no_other_purpose_list_subject_day_or_key_is_signed(claim in claims(), other in claims(), list in "[a-z.]{0,30}") {
            let text = ring().sign(LIST, claim).to_string();
            let mac = &bits(&text)[66..];
            let moved = |claim| [&bits(&ring().sign(LIST, claim).to_string())[..66], mac].concat();
            for swapped in Purpose::ALL
                .map(|purpose| Claim { purpose, ..claim })
                .into_iter()
                .chain([other, Claim { subject: other.subject, ..claim }, Claim { expires: other.expires, ..claim }])
                .filter(|swapped| *swapped != claim)
            {
                let text = of_bits(&moved(swapped));
                prop_assert_eq!(ring().check(LIST, text.as_bytes(), day(1)), Check::Forged);
            }
            prop_assert_eq!(ring().check(&list, text.as_bytes(), day(1)), Check::Forged);
            let other_site = KeyRing::new(0, key(9), [None, None, None]);
            prop_assert_eq!(other_site.check(LIST, text.as_bytes(), day(1)), Check::Forged);
        }

        #[test]
        fn any_other_text_is_refused(text in "[a-zA-Z2-7]{26}") {
            let full = KeyRing::new(0, key(1), [Some(key(2)), Some(key(3)), Some(key(4))]);
            prop_assert_eq!(full.check(LIST, text.as_bytes(), day(1)), Check::Forged);
        }
    }
}
