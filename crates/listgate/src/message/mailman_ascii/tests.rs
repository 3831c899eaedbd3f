use super::*;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;

/// Returns the field in ASCII, and checks what holds for every field.
fn ascii(field: &[u8]) -> String {
    let ascii = ascii_field(field);
    assert_eq!(ascii_field(&ascii), ascii, "it stays as it is now");
    let text = String::from_utf8(ascii.into_owned()).unwrap();
    assert!(text.is_ascii(), "{text:?}");
    assert!(starts_one_field(text.as_bytes()) || !starts_one_field(field), "{text:?}");
    for word in
        text.split([' ', '\t', '\r', '\n', '(', ')', ',']).filter(|word| word.starts_with("=?utf-8?b?"))
    {
        // What follows without a blank, such as the `:` of a group, is not part of it.
        let end = word["=?utf-8?b?".len()..].find("?=").expect("an encoded word ends");
        assert!("=?utf-8?b?".len() + end + "?=".len() <= 75, "{word}");
    }
    text
}

/// Returns whether each line after the first begins with a blank.
fn starts_one_field(field: &[u8]) -> bool {
    let field = field.trim_ascii_end();
    let begins = |(at, &octet): (usize, &u8)| {
        let is_crlf = || octet == b'\r' && field[at + 1] == b'\n';
        b"\r\n".contains(&octet) && !is_crlf() && !b" \t".contains(&field[at + 1])
    };
    !field.iter().enumerate().any(begins)
}

/// Returns the value of a field as people read it: without folds, and with its encoded words decoded.
fn read(field: &[u8]) -> Vec<u8> {
    let colon = field.iter().position(|&octet| octet == b':').unwrap();
    let value: Vec<u8> =
        field[colon + 1..].iter().copied().filter(|octet| !b"\r\n".contains(octet)).collect();
    let (mut out, mut space, mut after_encoded) = (Vec::new(), Vec::new(), false);
    for word in value.split_inclusive(|octet| b" \t".contains(octet)) {
        let (word, blank) = word.split_at(word.len() - usize::from(b" \t".contains(word.last().unwrap())));
        let text = std::str::from_utf8(word).ok();
        let text = text.and_then(|word| word.strip_prefix("=?")?.strip_suffix("?=")?.split_once("?b?"));
        match text {
            Some((_, digits)) => {
                if !after_encoded {
                    out.append(&mut space);
                }
                space.clear();
                out.extend(STANDARD.decode(digits).unwrap());
            }
            None if word.is_empty() => {}
            None => {
                out.append(&mut space);
                out.extend(word);
            }
        }
        after_encoded = text.is_some() || word.is_empty() && after_encoded;
        space.extend(blank);
    }
    out.trim_ascii().to_owned()
}

#[test]
fn ascii_stays_octet_for_octet() {
    for field in
        ["Subject: \t a  b\r\n  c \r\n", "To: \"unclosed <a@b\n", "From: =?utf-8?q?=C3?= <a@b>\r", "A:", ""]
    {
        assert!(matches!(ascii_field(field.as_bytes()), Cow::Borrowed(same) if same == field.as_bytes()));
    }
}

#[test]
fn text_becomes_encoded_words() {
    for (field, expected) in [
        ("Subject: Grüße\r\n", "Subject: =?utf-8?b?R3LDvMOfZQ==?=\r\n"),
        ("Subject:Grüße", "Subject: =?utf-8?b?R3LDvMOfZQ==?="),
        ("Subject: a  grün  blau\tb \n", "Subject: a  =?utf-8?b?Z3LDvG4=?=  blau\tb \n"),
        // The blanks between encoded words are not part of the text.
        ("Comments: ü ü x", "Comments: =?utf-8?b?w7wgw7w=?= x"),
        ("Comments: ü\r\n\tü", "Comments: =?utf-8?b?w7wJw7w=?="),
        ("Comments: =?utf-8?b?w7w=?= ü", "Comments: =?utf-8?b?w7w=?= =?utf-8?b?IMO8?="),
        ("Comments: ü =?utf-8?b?w7w=?=", "Comments: =?utf-8?b?w7wg?= =?utf-8?b?w7w=?="),
        ("List-Id: Große <a.example.com>", "List-Id: =?utf-8?b?R3Jvw59l?= <a.example.com>"),
        ("Content-Description: ü", "Content-Description: =?utf-8?b?w7w=?="),
    ] {
        assert_eq!(ascii(field.as_bytes()), expected);
    }
    assert_eq!(ascii(b"Subject: Gr\xfc\xdfe x\r\n"), "Subject: =?unknown-8bit?b?R3L832U=?= x\r\n");
}

#[test]
fn addresses_keep_their_structure() {
    for (field, expected) in [
        ("From: Jürgen <dirk@example.net>\r\n", "From: =?utf-8?b?SsO8cmdlbg==?= <dirk@example.net>\r\n"),
        ("From: Jürgen<dirk@example.net>", "From: =?utf-8?b?SsO8cmdlbg==?= <dirk@example.net>"),
        ("From: \"Müller, J\\\"ürgen\" M <a@b>", "From: =?utf-8?b?TcO8bGxlciwgSiLDvHJnZW4=?= M <a@b>"),
        ("From: jürgen@müller.example", "From: j=C3=BCrgen@xn--mller-kva.example"),
        ("From: <jürgen@example.net>", "From: <j=C3=BCrgen@example.net>"),
        ("From: dirk@MÜLLER.example (Büro)", "From: dirk@xn--mller-kva.example (=?utf-8?b?QsO8cm8=?=)"),
        ("From: \"jür gen\"@müller.example", "From: j=C3=BCr=20gen@xn--mller-kva.example"),
        ("From: \"a b\"@müller.example", "From: \"a b\"@xn--mller-kva.example"),
        ("From: jürgen@müller.example <a@b>", "From: =?utf-8?b?asO8cmdlbkBtw7xsbGVyLmV4YW1wbGU=?= <a@b>"),
        ("Resent-Cc: Ü <a@b>,<ü@c> ,  d@e", "Resent-Cc: =?utf-8?b?w5w=?= <a@b>,<=C3=BC@c> ,  d@e"),
        ("To: Größen: ü@b, \"x\" <c@d>;", "To: =?utf-8?b?R3LDtsOfZW4=?=: =C3=BC@b, \"x\" <c@d>;"),
        ("To: acc-confirm+tökén@example.com", "To: acc-confirm+t=C3=B6k=C3=A9n@example.com"),
        (
            "To: acc-bounces+jürgen=müller.example@example.com",
            "To: acc-bounces+j=C3=BCrgen=3Dm=C3=BCller.example@example.com",
        ),
        ("Cc: a@b (x (Ü\\)y) z)", "Cc: a@b (x (=?utf-8?b?w5wpeQ==?=) z)"),
        ("Cc: Jürgen", "Cc: =?utf-8?b?SsO8cmdlbg==?="),
        ("Cc: Jürgen, <jürgen>", "Cc: =?utf-8?b?SsO8cmdlbg==?=, <j=C3=BCrgen>"),
        ("Sender: a@ü..example", "Sender: a@=C3=BC..example"),
        ("Sender: a@[ü]", "Sender: a@=5B=C3=BC=5D"),
        ("To: ü =?utf-8?b?w7w=?= <a@b>", "To: =?utf-8?b?w7wg?= =?utf-8?b?w7w=?= <a@b>"),
    ] {
        assert_eq!(ascii(field.as_bytes()), expected);
    }
    assert_eq!(ascii(b"From: J\xfcrgen <\xfc@\xfc>"), "From: =?unknown-8bit?b?SvxyZ2Vu?= <=FC@=FC>");
}

#[test]
fn malformed_addresses_are_text() {
    for (field, expected) in [
        ("From: \"Jürgen <dirk@example.net>", "From: =?utf-8?b?IkrDvHJnZW4=?= <dirk@example.net>"),
        ("From: <a@b>, Ü <dirk@example.net", "From: <a@b>, =?utf-8?b?w5w=?= <dirk@example.net"),
        ("From: Ü (a (b) <a@b>", "From: =?utf-8?b?w5w=?= (a (b) <a@b>"),
        ("From: Ü [a <a@b>", "From: =?utf-8?b?w5w=?= [a <a@b>"),
        ("From: Ü <<a@b>>", "From: =?utf-8?b?w5w=?= <<a@b>>"),
        ("From: Ü ) ] > <a@b> \\", "From: =?utf-8?b?w5w=?= ) ] > <a@b> \\"),
        ("From: ,;:\u{fc}", "From: ,;: =?utf-8?b?w7w=?="),
    ] {
        assert_eq!(ascii(field.as_bytes()), expected);
    }
}

#[test]
fn ids_dates_and_parameters_get_question_marks() {
    for (field, expected) in [
        ("Message-ID: <ü@müller.example>\r\n", "Message-ID: <??@m??ller.example>\r\n"),
        ("References: <ü@b>\r\n <c@d>\r\n", "References: <??@b>\r\n <c@d>\r\n"),
        ("in-reply-to: ü", "in-reply-to: ??"),
        ("Date: Größe", "Date: Gr????e"),
        ("Resent-Date: ü", "Resent-Date: ??"),
        ("Content-Disposition: x; filename=\"ü\"", "Content-Disposition: x; filename=\"??\""),
    ] {
        assert_eq!(ascii(field.as_bytes()), expected);
    }
}

#[test]
fn senders_in_utf8_stay_different() {
    let ascii = ["ü@b", "u\u{308}@b", "=C3=BCü@b", "\"=C3=BC\u{fc}\"@c", "üü@b", "ü@ü", "\"ü ü\"@b"]
        .map(|address| ascii_address(address.as_bytes()));
    for (at, one) in ascii.iter().enumerate() {
        assert!(!ascii[..at].contains(one), "{one}");
    }
    assert_eq!(ascii_address("\"jürgen\"@b".as_bytes()), ascii_address("jürgen@b".as_bytes()));
    let long = ascii_address(format!("{}@b", "ü".repeat(200)).as_bytes());
    assert_eq!(long, format!("{}@b", "?".repeat(400)), "a line has 998 octets");
}

/// Returns a word that is not an encoded word.
fn word() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        "[!-<>-~]{1,20}".prop_map(String::into_bytes),
        "\\PC{1,60}".prop_map(|text| text.split_whitespace().collect::<String>().into_bytes()),
        proptest::collection::vec(0x80_u8.., 1..60),
    ]
}

fn text() -> impl Strategy<Value = Vec<u8>> {
    let space = prop_oneof![Just(" "), Just("  "), Just("\t"), Just("\r\n "), Just("\n\t")];
    let words = proptest::collection::vec((word(), space), 0..20);
    words.prop_map(|words| {
        let octets: Vec<u8> =
            words.into_iter().flat_map(|(word, space)| [&*word, space.as_bytes()].concat()).collect();
        octets.trim_ascii().to_owned()
    })
}

/// Returns something that looks like a list of addresses.
fn addresses() -> impl Strategy<Value = Vec<u8>> {
    let special = "[\"()<>\\[\\],;:@\\\\. ]{1,2}".prop_map(String::into_bytes);
    let blank = prop_oneof![Just(b" ".to_vec()), Just(b"\r\n ".to_vec())];
    let word = prop_oneof!["[a-z]{1,9}", "[äß一]{1,9}"].prop_map(String::into_bytes);
    let octets = proptest::collection::vec(0x80_u8.., 1..3);
    let pieces = proptest::collection::vec(prop_oneof![special, blank, word, octets], 0..40);
    pieces.prop_map(|pieces| pieces.concat().trim_ascii().to_owned())
}

proptest! {
    #[test]
    fn a_text_reads_the_same(text in text()) {
        let field = [b"Subject: ", &*text, b"\r\n"].concat();
        let written = ascii(&field);
        prop_assert_eq!(read(written.as_bytes()).escape_ascii().to_string(), read(&field).escape_ascii().to_string());
        if !text.is_ascii() {
            for line in written.lines() {
                prop_assert!(line.len() <= 76, "{line}");
            }
        }
    }

    #[test]
    fn a_list_of_addresses_becomes_ascii(addresses in addresses(), name in "(To|X|Content-X)") {
        let field = [name.as_bytes(), b": ", &addresses, b"\r\n"].concat();
        for line in ascii(&field).split(['\r', '\n']) {
            prop_assert!(line.len() <= 998, "{line}");
        }
    }

    #[test]
    fn any_octets_become_ascii(field in proptest::collection::vec(any::<u8>(), 0..50)) {
        ascii(&field);
    }

    #[test]
    fn a_well_formed_address_is_found_again(
        name in "[a-zäß一,\"]{1,80}", local in "[a-zäß一]{1,20}", domain in "[a-zä]{1,20}",
    ) {
        let quoted = name.replace('"', "\\\"");
        let field = format!("To: \"{quoted}\" <{local}@{domain}.example>, x@y");
        let written = ascii(field.as_bytes());
        let address = ascii_address(format!("{local}@{domain}.example").as_bytes());
        prop_assert!(address.is_ascii());
        let name = if name.is_ascii() { format!("\"{quoted}\"") } else { name };
        prop_assert_eq!(String::from_utf8(read(written.as_bytes())).unwrap(), format!("{name} <{address}>, x@y"));
    }
}
