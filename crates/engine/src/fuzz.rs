//! Properties that hold for any input, one function for each fuzz target (`fuzz/`). The fuzzer tries to break
//! them; the tests replay the inputs in its corpus.

use crate::splice::{Splice, Splices, reference};
use crate::token::{Check, Day, Key, KeyRing};

/// Checks that only what a key ring signs is valid, and that the case of a token does not matter.
pub fn token(input: &[u8]) {
    const LIST: &str = "mylist.example.com";
    let ring = KeyRing::new(0, Key::new([1; 32]), [Some(Key::new([2; 32])), None, None]);
    let check = |text: &[u8]| ring.check(LIST, text, Day::of_seconds(0));
    let checked = check(input);
    assert_eq!(checked, check(&input.to_ascii_uppercase()));
    assert_eq!(checked, check(&input.to_ascii_lowercase()));
    match checked {
        Check::Valid { claim, key_age: 0 } | Check::Expired { claim, key_age: 0 } => {
            let again = ring.sign(LIST, claim).to_string();
            assert_eq!(again.as_bytes(), input.to_ascii_lowercase());
            assert_eq!(ring.check("other.example.com", input, Day::of_seconds(0)), Check::Forged);
        }
        // The older key has signed nothing, and there is no other.
        Check::Valid { .. } | Check::Expired { .. } | Check::UnknownPurpose => panic!("{checked:?}"),
        Check::Forged | Check::UnknownKey => assert_eq!(input.len(), crate::token::CHARACTERS),
        Check::NotAToken => {}
    }
}

/// Checks splices against a reference, with the message in chunks of any size. The input is the size of a chunk, the
/// number of splices, three octets for each (offset, octets removed, octets inserted), and the message.
pub fn splice(input: &[u8]) {
    let Some((&[size, count], rest)) = input.split_first_chunk() else { return };
    let (splices, message) = rest.split_at((usize::from(count) * 3).min(rest.len()));
    let (splices, _) = splices.as_chunks::<3>();
    let splices = splices.iter().map(|&[at, remove, insert]| Splice {
        at: at.into(),
        remove: remove.into(),
        insert: vec![b'a'.wrapping_add(at); insert.into()],
    });
    check_splices(message, splices.collect(), usize::from(size).max(1));
}

/// Checks that splices change a message as [`reference::apply`] does, as a whole and in chunks of `size` octets.
pub(crate) fn check_splices(message: &[u8], splices: Vec<Splice>, size: usize) {
    let expected = reference::apply(message, &splices);
    let Ok(splices) = Splices::new(splices) else { return assert_eq!(expected, None) };
    let len = splices.size_after(message.len() as u64);
    let Some(expected) = expected else { return assert_eq!(len, None) };
    assert_eq!(len, Some(expected.len() as u64));
    assert_eq!(splices.apply(message).escape_ascii().to_string(), expected.escape_ascii().to_string());
    let mut pieces = Vec::new();
    let mut offset = 0;
    for chunk in message.chunks(size) {
        pieces.extend(splices.pieces(offset as u64, chunk, false));
        offset += chunk.len();
    }
    // The end may become known only after the last octet.
    pieces.extend(splices.pieces(offset as u64, b"", true));
    assert!(pieces.iter().all(|piece| !piece.is_empty()));
    assert_eq!(pieces.concat().escape_ascii().to_string(), expected.escape_ascii().to_string());
    assert_eq!(splices == Splices::default(), splices.is_empty());
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    /// Checks every input in the corpus of `target`, including those that once failed.
    fn replay(target: &str, holds: fn(&[u8])) {
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
        let inputs = fs::read_dir(&corpus).unwrap();
        let mut count = 0;
        for input in inputs {
            let path = input.unwrap().path();
            eprintln!("{}", path.display());
            holds(&fs::read(path).unwrap());
            count += 1;
        }
        assert!(count > 0, "{} is empty", corpus.display());
    }

    #[test]
    fn the_corpora_pass() {
        replay("splice", super::splice);
        replay("token", super::token);
    }
}
