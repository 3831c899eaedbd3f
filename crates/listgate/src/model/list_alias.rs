//! Short aliases of lists. An address with a token, such as `mylist-confirm+TOKEN@example.com`, has at most 64 octets
//! before the `@` (RFC 5321 section 4.5.3.1.1), and some mail servers refuse more. If the name of a list leaves no room
//! for the token, its alias stands in its place.
//!
//! An alias is the beginning of the name, two dashes and the number of the list: `the-association-of-t--17`. It is
//! ASCII, and the number makes it the alias of one list only.

use super::endpoint::Role;
use crate::limits;

/// Returns the aliases that a list with this name and number can have, the best first. The iterator is endless, so one of
/// them is free.
pub(crate) fn aliases(local: &str, number: i64) -> impl Iterator<Item = String> {
    let number = format!("--{number}");
    let begin = beginning(local, limits::LIST_NAME - number.len());
    let best = format!("{begin}{number}");
    let others = (2_u32..).map(move |n| format!("{NAMELESS}{number}--{n}"));
    std::iter::once(best).chain(others)
}

/// What an alias begins with if nothing of the name can be in it.
const NAMELESS: &str = "list";

/// Returns the first `most` octets of a name as letters, digits and single dashes.
fn beginning(local: &str, most: usize) -> String {
    let mut begin = String::new();
    for c in local.chars() {
        match c.is_ascii_alphanumeric() {
            true => begin.push(c),
            false if begin.is_empty() || begin.ends_with('-') => {}
            false => begin.push('-'),
        }
    }
    begin.truncate(most);
    match begin.trim_end_matches('-') {
        "" => NAMELESS.to_owned(),
        begin => begin.to_owned(),
    }
}

/// Returns the alias that a local part could be, or could be a sub-address of. Only a lookup can say whether it is.
pub(crate) fn alias_in(local: &str) -> Option<&str> {
    if is_like_one(local) {
        return Some(local);
    }
    let (base, suffix) = local.rsplit_once('-')?;
    (is_like_one(base) && Role::of_subaddress(suffix).is_some()).then_some(base)
}

fn is_like_one(local: &str) -> bool {
    let number = local.rsplit_once("--").filter(|(begin, _)| !begin.is_empty()).map(|(_, number)| number);
    number.is_some_and(|number| !number.is_empty() && number.bytes().all(|octet| octet.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn best(local: &str, number: i64) -> String {
        aliases(local, number).next().unwrap()
    }

    #[test]
    fn an_alias_is_short_and_like_the_name() {
        for (local, number, alias) in [
            ("the-association-of-very-long-names", 17, "the-association-of-very-l--17"),
            ("the-association-of-very-lo-ng-names", 1, "the-association-of-very-lo--1"),
            ("the-association-of-very-lo--ng-names", 1, "the-association-of-very-lo--1"),
            ("the.association_of.dots", 2, "the-association-of-dots--2"),
            ("größere-namen-als-andere-listen", 3, "gr-ere-namen-als-andere-li--3"),
            ("とても長いメーリングリスト", 4, "list--4"),
            ("--", 5, "list--5"),
            ("the-association-of-very-long-names", i64::MAX, "the-asso--9223372036854775807"),
        ] {
            let made = best(local, number);
            assert!(made.len() <= limits::LIST_NAME && made.is_ascii(), "{made}");
            assert_eq!(made, alias, "{local}");
            assert_eq!(alias_in(&made), Some(made.as_str()));
        }
    }

    #[test]
    fn there_is_always_another_alias() {
        let all: Vec<String> = aliases("the-association-of-very-long-names", 17).take(3).collect();
        assert_eq!(all, ["the-association-of-very-l--17", "list--17--2", "list--17--3"]);
        let longest = aliases("x", i64::MAX).nth(9).unwrap();
        assert!(longest.len() <= limits::LIST_NAME, "{longest}");
        assert_eq!(alias_in(&longest), Some(longest.as_str()));
    }

    #[test]
    fn an_alias_is_recognized_with_and_without_a_sub_address() {
        for (local, alias) in [
            ("mylist--17", Some("mylist--17")),
            ("mylist--17-confirm", Some("mylist--17")),
            ("mylist--17-bogus", None),
            ("list--17--2-bounces", Some("list--17--2")),
            ("mylist-17", None),
            ("mylist--", None),
            ("--17", None),
            ("mylist--1a", None),
            ("mylist--join", None),
            ("mylist", None),
        ] {
            assert_eq!(alias_in(local), alias, "{local}");
        }
    }
}
