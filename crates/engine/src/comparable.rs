//! The forms in which addresses are compared: two addresses are the same if these forms are equal.

use idna::uts46::{AsciiDenyList, DnsLength, Hyphens, Uts46};
use listgate_lmtp::{Mailbox, is_domain_name};
use unicode_normalization::UnicodeNormalization;

/// An address in the form in which addresses are compared.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Comparable(String);

impl Comparable {
    /// Returns the form of an address in which it is compared.
    pub fn new(mailbox: &Mailbox) -> Self {
        let local = comparable_local(&mailbox.local().unquoted());
        Self(format!("{local}@{}", comparable_domain(mailbox.domain().as_str())))
    }

    /// Returns a form that was stored as its text.
    ///
    /// # Panics
    /// If the text has no `@`.
    pub fn stored(text: impl Into<String>) -> Self {
        let text = text.into();
        assert!(text.contains('@'), "an address has an @");
        Self(text)
    }

    /// Returns the text. It is not always a valid address, because it has no quotes.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the account: the address without the detail that some mail servers take after a `+`. All addresses of an
    /// account reach the same person.
    pub fn account(&self) -> String {
        let (local, domain) = self.0.rsplit_once('@').expect("an address has an @");
        let local = match local.split_once('+') {
            Some((account, _)) if !account.is_empty() => account,
            _ => local,
        };
        format!("{local}@{domain}")
    }

    /// Returns the domain, with the `@` before it.
    pub(crate) fn domain(&self) -> &str {
        let at = self.0.rfind('@').expect("an address has an @");
        &self.0[at..]
    }
}

/// Returns the form in which local parts are compared: without case (Unicode's full case folding), because Postfix asks
/// socketmap for folded addresses, with `ss` for `ß`; and in Unicode's normalization form C, because systems differ in
/// how they write an accent (RFC 6532 section 3.1).
pub fn comparable_local(local: &str) -> String {
    if local.is_ascii() {
        return local.to_ascii_lowercase();
    }
    let mut folded = String::with_capacity(local.len());
    local.nfc().for_each(|c| fold_case(c, &mut folded));
    // Folding can decompose a character.
    folded.nfc().collect()
}

/// Appends a character with its case folded. Its lower case is not enough: the last `σ` of a word is `ς`, and `ß` is `SS`
/// in upper case.
fn fold_case(c: char, folded: &mut String) {
    if c == 'ı' {
        // The dotless i, whose upper case is that of another letter.
        folded.push(c);
        return;
    }
    for lower in c.to_lowercase() {
        lower.to_uppercase().for_each(|upper| folded.extend(upper.to_lowercase()));
    }
}

/// Returns the form in which domains are compared: lower case, with U-labels as A-labels (RFC 5890 section 2.3.2.1).
/// A text that is not a domain name is not the same as any domain name.
pub fn comparable_domain(domain: &str) -> String {
    ascii_domain(domain).unwrap_or_else(|| comparable_local(domain))
}

/// Returns the ASCII form of a domain name, in lower case; `None` if it has none (RFC 5891, with the mapping of
/// UTS #46), or is an address literal in UTF-8.
pub fn ascii_domain(domain: &str) -> Option<String> {
    if domain.is_ascii() {
        return Some(domain.to_ascii_lowercase());
    }
    let labels = Uts46::new().to_ascii(
        domain.as_bytes(),
        AsciiDenyList::EMPTY,
        Hyphens::CheckFirstLast,
        DnsLength::Verify,
    );
    // The mapping can produce ASCII characters that no domain name has.
    labels.ok().map(Into::into).filter(|labels: &String| is_domain_name(labels))
}

/// Returns the form of a domain name with U-labels, which differs from its A-labels; `None` if it has none.
pub fn unicode_domain(ascii: &str) -> Option<String> {
    if !ascii.contains("xn--") {
        return None;
    }
    let (unicode, result) =
        Uts46::new().to_unicode(ascii.as_bytes(), AsciiDenyList::EMPTY, Hyphens::CheckFirstLast);
    let is_form = result.is_ok() && unicode != ascii && ascii_domain(&unicode).as_deref() == Some(ascii);
    is_form.then(|| unicode.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn local_parts_are_equal_in_any_case_and_normalization() {
        for (one, other) in [
            ("MyList", "mylist"),
            ("J\u{fc}rgen", "ju\u{308}rgen"),
            ("JU\u{308}RGEN", "j\u{fc}rgen"),
            ("ΟΔΟΣ", "οδος"),
            ("οδος", "οδοσ"),
            ("Grüße", "GRÜSSE"),
            ("GRÜẞE", "grüsse"),
            ("İ", "i\u{307}"),
            ("ﬁle", "FILE"),
            ("リスト", "リスト"),
            ("ガ", "カ\u{3099}"),
        ] {
            assert_eq!(comparable_local(one), comparable_local(other), "{one} {other}");
        }
        for (one, other) in
            [("jurgen", "j\u{fc}rgen"), ("ısı", "isi"), ("リスト", "りすと"), ("ﾘｽﾄ", "リスト")]
        {
            assert_ne!(comparable_local(one), comparable_local(other), "{one} {other}");
        }
    }

    #[test]
    fn a_domain_is_the_same_by_its_u_labels_and_a_labels() {
        for (one, other) in [
            ("Example.COM", "example.com"),
            ("bücher.example", "xn--bcher-kva.example"),
            ("BÜCHER.example", "XN--bcher-KVA.example"),
            ("bu\u{308}cher.example", "bücher.example"),
            ("例え。テスト", "xn--r8jz45g.xn--zckzah"),
            ("straße.example", "xn--strae-oqa.example"),
            ("host_name.bücher.example", "host_name.xn--bcher-kva.example"),
            ("[IPv6:::1]", "[ipv6:::1]"),
        ] {
            assert_eq!(comparable_domain(one), comparable_domain(other), "{one} {other}");
        }
        assert_ne!(comparable_domain("straße.example"), comparable_domain("strasse.example"), "IDNA 2008");
        for wrong in ["-ü.example", "ü..example", "a\u{200b}\u{fc}/b.example", "\u{fc}\u{ff20}x.example"] {
            assert_eq!(ascii_domain(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn people_read_a_domain_by_its_u_labels() {
        assert_eq!(unicode_domain("xn--bcher-kva.example").as_deref(), Some("bücher.example"));
        for none in ["example.com", "xn--a.example", "xn--.example", "a.xn--bcher-kva-.example"] {
            assert_eq!(unicode_domain(none), None, "{none}");
        }
    }

    proptest! {
        #[test]
        fn comparable_forms_compare_as_themselves(text in "\\PC{0,20}") {
            let (local, domain) = (comparable_local(&text), comparable_domain(&text));
            prop_assert_eq!(&comparable_local(&local), &local);
            prop_assert_eq!(&comparable_domain(&domain), &domain);
        }
    }
}
