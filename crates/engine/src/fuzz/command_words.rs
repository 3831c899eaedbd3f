//! Checks what is read from a mail with commands.

use crate::command::words::{Word, Words, read};
use crate::limits;
use crate::token;
use crate::view::View;

/// Checks that what is read has bounds and is in order, and that octets in a quote or below a signature, in plain text or
/// HTML, are never commands.
pub fn command_words(message: &[u8]) {
    check(&read(&View::whole(message)));
    let text = String::from_utf8_lossy(message);
    let lines = || text.split(['\n', '\r', '\u{85}', '\u{2028}', '\u{2029}']);
    let quoted: Vec<_> = lines().map(|line| format!("> {line}")).collect();
    let html = text.replace("</", "< /");
    for (kind, body) in [
        ("plain", format!("join\n{}\nwho\n", quoted.join("\n"))),
        ("html", format!("join<blockquote>{html}</blockquote>who")),
    ] {
        let commands = commands(kind, &body);
        // An unfinished comment or tag of HTML has no end.
        assert!(commands == [Word::Join, Word::Who] || kind == "html" && commands == [Word::Join], "{body}");
    }
    for (kind, body) in [
        ("plain", format!("join\n-- \n{text}")),
        ("plain", format!("join\nFrom: My List\n{text}")),
        ("html", format!("join<blockquote>{html}")),
        ("html", format!("join<br>-- <br>{html}")),
        ("html", format!("join<div id=divRplyFwdMsg></div>{text}")),
    ] {
        assert_eq!(commands(kind, &body), [Word::Join], "{body}");
    }
}

fn check(words: &Words) {
    let Words { commands, unknown } = words;
    assert!(commands.len() <= limits::COMMANDS);
    for (at, word) in commands.iter().enumerate() {
        assert!(!commands[..at].contains(word));
        assert!(*word != Word::Stop || at + 1 == commands.len());
        if let Word::Confirm(text) = word {
            assert_eq!(text.len(), token::CHARACTERS);
            assert!(text.bytes().all(|octet| matches!(octet, b'a'..=b'z' | b'2'..=b'7')));
        }
    }
    // The subject is one more line.
    assert!(unknown.len() <= limits::COMMAND_LINES + 1);
    for word in unknown {
        assert!((1..=limits::UNKNOWN_WORD).contains(&word.chars().count()));
        assert!(word.chars().all(char::is_alphanumeric));
    }
}

/// Returns the commands in a text of this kind.
fn commands(kind: &str, body: &str) -> Vec<Word> {
    let message = format!("Content-Type: text/{kind}; charset=utf-8\n\n{body}");
    read(&View::whole(message.as_bytes())).commands
}
