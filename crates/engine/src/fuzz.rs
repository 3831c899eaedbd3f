//! Properties that hold for any input, one function for each fuzz target (`fuzz/`). The fuzzer tries to break
//! them; the tests replay the inputs in its corpus.

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
        replay("token", super::token);
    }
}
