//! Properties that hold for any input, one function for each fuzz target (`fuzz/`). The fuzzer tries to break
//! them; the tests replay the inputs in its corpus.

mod bounce;
mod command_words;
mod commands;
mod distribution;
mod engine;
mod notice;

pub use bounce::bounce;
pub use command_words::command_words;
pub use commands::commands;
pub use distribution::distribution;
pub use engine::engine;
pub use notice::notice;

use crate::automatic::{self, Sign};
use crate::ban::{Ban, Bans};
use crate::posting::{self, Action, Answer, Facts, Outcome, Question, Reason, Rule, Settings, Standing};
use crate::splice::{Splice, Splices, reference};
use crate::token::{Check, Day, Key, KeyRing};
use crate::view::{Field, View};
use listgate_lmtp::ReversePath;

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
        // The test signs only with the newest key, so only a fault makes a token of another key valid.
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

/// Checks that the header of a message ends where [`header_lines`] says, that each field is where the view says, and
/// that a field can be removed without a trace.
pub fn view(message: &[u8]) {
    let view = View::whole(message);
    let lines = header_lines(message);
    assert_eq!(view.header_end(), lines.concat().len() as u64);
    let is_field = |line: &&&[u8]| kind(line) == Kind::Field;
    assert_eq!(view.fields().count(), lines.iter().filter(is_field).count());
    let mut end = 0;
    for field in view.fields() {
        assert!(end <= field.octets.start, "fields do not overlap");
        end = field.octets.end;
        let octets = &message[field.octets.start as usize..end as usize];
        assert!(octets.starts_with(field.name) && octets.ends_with(field.value));
        assert!(end <= view.header_end() && octets.len() > field.name.len() + field.value.len());
        assert!(!field.decoded().contains(char::is_control), "a decoded value is one line");
        for address in view.addresses(&String::from_utf8_lossy(field.name)) {
            assert!(!address.name.contains(char::is_control), "and so is a name");
        }
    }
    assert!(end == view.header_end() || lines.last().is_some_and(|line| kind(line) != Kind::Field));
    let rest = &message[view.header_end() as usize..];
    assert!(rest.ends_with(view.body_start()) && rest.len() - view.body_start().len() <= 2);
    assert!(view.body_start().ends_with(view.body_end()), "an input is smaller than the limits");
    check_edit(message, &view);
}

/// Checks that a message whose first field is replaced, with all others of that name, has the other fields and its
/// body.
fn check_edit(message: &[u8], view: &View<'_>) {
    const ADDED: &str = "Added";
    let name = view.fields().next().map(|field| String::from_utf8_lossy(field.name).into_owned());
    let name = name.unwrap_or_default();
    let is_unwanted = |field: &Field<'_>| field.is(&name) || field.is(ADDED);
    let splices = view.edit(is_unwanted, "Added: first\r\n", "Added: last\r\n");
    let splices = Splices::new(splices).expect("runs of fields do not overlap");
    let changed = splices.apply(message);
    let changed = View::whole(&changed);
    let shown = |view: &View<'_>| -> Vec<(Vec<u8>, String)> {
        let others = view.fields().filter(|field| !is_unwanted(field));
        others.map(|field| (field.name.to_vec(), field.unfolded())).collect()
    };
    assert_eq!(shown(&changed), shown(view));
    let added: Vec<_> = changed.fields().filter(is_unwanted).map(|field| field.unfolded()).collect();
    assert_eq!(added, ["first", "last"]);
    assert_eq!(changed.fields().next().map(|field| field.unfolded()), Some("first".to_owned()));
    assert_eq!(changed.fields().last().map(|field| field.unfolded()), Some("last".to_owned()));
    assert_eq!(changed.body_start(), view.body_start());
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Field,
    Continuation,
    From,
    Empty,
    Body,
}

fn kind(line: &[u8]) -> Kind {
    let name = line.split(|&octet| octet == b':').next().unwrap_or_default();
    let name = name.trim_ascii_end();
    match line {
        [b'\r' | b'\n', ..] => Kind::Empty,
        [b' ' | b'\t', ..] => Kind::Continuation,
        _ if line.contains(&b':') && name.iter().all(u8::is_ascii_graphic) && !has_line_end(line, name) => {
            Kind::Field
        }
        _ if line.starts_with(b"From ") => Kind::From,
        _ => Kind::Body,
    }
}

/// Returns whether the name of a field is followed by something other than a blank or a colon.
fn has_line_end(line: &[u8], name: &[u8]) -> bool {
    let blanks = line[name.len()..].iter().take_while(|&&octet| octet != b':');
    blanks.into_iter().any(|octet| !matches!(octet, b' ' | b'\t'))
}

/// Returns the lines of the header, with their line ends.
fn header_lines(message: &[u8]) -> Vec<&[u8]> {
    let mut lines = Vec::new();
    let mut rest = message;
    while !rest.is_empty() {
        let text = rest.iter().take_while(|octet| !matches!(octet, b'\r' | b'\n')).count();
        let end = if rest[text..].starts_with(b"\r\n") { text + 2 } else { rest.len().min(text + 1) };
        let (line, after) = rest.split_at(end);
        if matches!(kind(line), Kind::Empty | Kind::Body) {
            break;
        }
        lines.push(line);
        rest = after;
    }
    if lines.len() > 1 && lines.last().is_some_and(|line| kind(line) == Kind::From) {
        lines.pop();
    }
    lines
}

/// Checks that a post which is held as a program's reply gives no command either, and that one sign is enough,
/// whatever else a header has.
pub fn automatic(message: &[u8]) {
    let sender = ReversePath::Mailbox("ann@example.org".parse().expect("an address"));
    let view = View::whole(message);
    let (post, command) = (automatic::of_post(&sender, &view), automatic::of_command(&sender, &view));
    assert!(post.is_none() || post == command);
    assert_eq!(automatic::of_post(&ReversePath::Null, &view), Some(Sign::NullSender));
    for (field, in_post) in [("Auto-Submitted: auto-replied", true), ("Precedence: bulk", false)] {
        let message = with_first_field(message, &format!("{field}\r\n"));
        let view = View::whole(&message);
        assert!(automatic::of_command(&sender, &view).is_some());
        assert_eq!(automatic::of_post(&sender, &view).is_some(), in_post || post.is_some());
    }
}

/// Returns the message with this field before all others, and one that means nothing after them.
fn with_first_field(message: &[u8], field: &str) -> Vec<u8> {
    let splices = View::whole(message).edit(|_| false, field, "Last: x\r\n");
    Splices::new(splices).expect("insertions do not overlap").apply(message)
}

/// Checks that a post is decided after one round of questions, and that a loop or a ban ends it whatever else is
/// known. The first octet of the input chooses the answers.
pub fn posting(input: &[u8]) {
    let Some((&choice, message)) = input.split_first() else { return };
    let view = View::whole(message);
    let list = "mylist@example.com".parse().expect("an address");
    let settings = Settings::new("mylist.example.com", list);
    let mut facts = Facts::new(ReversePath::Null);
    let Answer::Needs(questions) = posting::decide(&settings, &facts, &view) else { return };
    assert!(questions.len() <= posting::SENDERS + 1);
    let mut sender = None;
    for question in questions {
        match question {
            Question::Duplicate(_) => facts.is_duplicate = Some(choice & 1 == 1),
            Question::Standing(address) => {
                sender.get_or_insert(address.clone());
                let standing =
                    [Standing::Unknown, Standing::Member(None), Standing::Nonmember(Some(Action::Accept))];
                facts.standings.insert(address, standing[usize::from(choice >> 1) % standing.len()]);
            }
        }
    }
    let decide = |settings: &Settings, view: &View<'_>| match posting::decide(settings, &facts, view) {
        Answer::Decided(decided) => decided,
        Answer::Needs(questions) => panic!("asked again: {questions:?}"),
    };
    let decided = decide(&settings, &view);
    assert!(decided.outcome == Outcome::Accept || !decided.reasons.is_empty());
    if let Some(sender) = sender.filter(|_| facts.is_duplicate != Some(true)) {
        let banned = Settings { bans: Bans::from_iter([Ban::Address(sender.clone())]), ..settings.clone() };
        assert_eq!(decide(&banned, &view).reasons, [Reason::Banned(sender)]);
    }
    let message = with_first_field(message, "X-BeenThere: mylist.example.com\r\n");
    let looped = decide(&settings, &View::whole(&message));
    assert_eq!((looped.outcome, looped.last), (Outcome::Discard, Rule::Loop));
}

#[cfg(test)]
#[path = "../../../fuzz/replay.rs"]
mod replay;

#[cfg(test)]
mod tests {
    use super::replay::replay;

    #[test]
    fn the_corpora_pass() {
        replay("automatic", super::automatic);
        replay("bounce", super::bounce);
        replay("command_words", super::command_words);
        replay("commands", super::commands);
        replay("distribution", super::distribution);
        replay("engine", super::engine);
        replay("notice", super::notice);
        replay("posting", super::posting);
        replay("splice", super::splice);
        replay("token", super::token);
        replay("view", super::view);
    }
}
