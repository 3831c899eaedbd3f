//! Tests that Python reads what we write, and that we read what Python writes. Of Mailman, this Python has only the
//! message class.

use super::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use std::io::Write;
use std::process::{Command, Stdio};

/// Runs Python with as much of Mailman's module as the pickles need.
fn python(script: &str, input: &[u8]) -> Vec<u8> {
    let stub = "
import datetime, email, email.message, io, pickle, sys, types
class Message(email.message.Message):
    def __setstate__(self, values):
        self.__dict__ = values
Message.__module__ = 'mailman.email.message'
for name in ['mailman', 'mailman.email', 'mailman.email.message']:
    sys.modules[name] = types.ModuleType(name)
sys.modules['mailman.email.message'].Message = Message
def same(one, other):
    left, right = dict(one.__dict__), dict(other.__dict__)
    for part in ['_payload', 'policy']:
        a, b = left.pop(part), right.pop(part)
        assert type(a) == type(b), (a, b)
        if isinstance(a, list):
            assert len(a) == len(b)
            for x, y in zip(a, b): same(x, y)
        elif part == '_payload':
            assert a == b, (a, b)
    left['defects'], right['defects'] = map(repr, left['defects']), map(repr, right['defects'])
    left['defects'], right['defects'] = list(left['defects']), list(right['defects'])
    assert left == right, (left, right)
";
    let mut child = Command::new("python3")
        .args(["-c", &format!("{stub}{script}")])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(input).unwrap();
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    output.stdout
}

const MESSAGES: [&[u8]; 9] = [
    b"A: b\r\n\r\nbody\r\n",
    b"",
    b"From x\r\nA: b\r\n c\r\n\r\nbody\r\n",
    b"A: \xe4\r\nMessage-ID: <[x@y]>\r\n\r\n\xff\xfe\0\r\n",
    b"A: b\nX-MailFrom: evil\n\nbare\nLF\rCR",
    b"Message-ID:\r\n <folded@x>\r\n\r\n",
    b"Message-ID: <x@y> \r\nmessage-id-HASH: x\r\n\ty\r\n\r\n",
    b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\none\r\n--b\r\nA: b\r\n\r\ntwo\r\n--b--\r\nend",
    b"Subject: \xc3\xa9\xf0\x9f\x93\xab\r\nMessage-ID: [a@b]\r\n\r\n",
];

#[test]
#[ignore = "needs python3"]
fn python_unpickles_the_message_that_its_parser_makes() {
    let spool = tempfile::tempdir().unwrap();
    let (large, large_octets) = spooled(spool.path());
    let mut bodies: Vec<(Body, Vec<u8>)> = vec![(large, large_octets)];
    for message in MESSAGES {
        let edited = crate::fuzz::edited_at_once(Style::Mailman, message);
        bodies.push((Body::Memory(edited.clone()), edited));
    }
    for (body, octets) in bodies {
        // Python is slow to start, so one message is tested with all roles, and the others with one role each.
        let roles = if octets.starts_with(MESSAGES[0].split_at(6).0) { &ROLES[..] } else { &ROLES[..1] };
        let sizes = [5, 0, 1 << 31, u64::from(u32::MAX), 1 << 33, 1, 255];
        for (role, size) in roles.iter().copied().zip(sizes) {
            let site = Site::new();
            let queues = site.queues();
            let metadata = Metadata { original_size: size, list_id: "li\u{e4}\u{1f4eb}.x", ..to(role) };
            let mail =
                Mail { body: &body, original_size: size, mail_from: "\u{e9}\u{1f4eb}@b", to: &[metadata] };
            let written = queues.write(&mail).unwrap();
            publish(&queues, written).unwrap();
            let file = fs::read(&site.files()[0]).unwrap();
            let extra = match role {
                Role::Post => "'to_list': True".to_owned(),
                Role::Request => "'subaddress': 'request', 'to_request': True".to_owned(),
                Role::Owner => {
                    "'subaddress': 'owner', 'to_owner': True, 'envsender': 'owner@example.com'".to_owned()
                }
                _ => format!("'subaddress': '{}'", role.name()),
            };
            let script = format!(
                "
data = sys.stdin.buffer.read()
cut = {cut}
file, octets = io.BytesIO(data[:cut]), data[cut:]
message, metadata = pickle.load(file), pickle.load(file)
assert not file.read()
wanted = email.message_from_bytes(octets, Message)
wanted.original_size = {size}
wanted._unixfrom = '\u{e9}\u{1f4eb}@b'
assert type(message) is Message
same(message, wanted)
time = datetime.datetime(2023, 11, 14, 22, 13, 20, 42)
dictionary = {{'listid': 'li\u{e4}\u{1f4eb}.x', 'original_size': {size}, 'received_time': time, {extra}, 'version': 3, '_parsemsg': False}}
assert metadata == dictionary and list(metadata) == list(dictionary), metadata
",
                cut = file.len()
            );
            python(&script, &[file, octets.clone()].concat());
        }
    }
}

#[test]
#[ignore = "needs python3"]
fn pickles_of_each_protocol_that_mailman_uses_are_read() {
    for message in MESSAGES {
        // Mailman queues with protocol 5. It rewrites metadata with protocol 1 after a runner died with the file.
        let protocols = [(5, 1), (5, 5), (4, 4), (2, 2), (1, 1)];
        let protocols = if message == MESSAGES[0] { &protocols[..] } else { &protocols[..1] };
        for (protocol, later) in protocols {
            let script = format!(
                "
message = email.message_from_bytes(sys.stdin.buffer.read(), Message)
message.original_size = 2**31
time = datetime.datetime(2023, 11, 14, 22, 13, 20, 42)
metadata = dict(listid='a\u{e4}', original_size=2**31, received_time=time, to_list=True, version=3, _parsemsg=False,
    less=-1, more=2**70, float=1.5, none=None, recipients={{'a'}}, tuple=(1, 2, 3, 4), octets=b'x', size=300)
sys.stdout.buffer.write(pickle.dumps(message, {protocol}) + pickle.dumps(metadata, {later}))
"
            );
            let Entry { message: read, metadata } = Entry::read(&python(&script, message)).unwrap();
            let is_multipart = message.starts_with(b"Content-Type");
            match read {
                Message::OnePart(octets) => {
                    assert!(!is_multipart);
                    let (_, body) = split(&octets);
                    assert_eq!(body, split(message).1, "{}", message.escape_ascii());
                }
                Message::Parts { header, parts } => {
                    assert!(is_multipart && header.starts_with(b"Content-Type: multipart") && parts == 2);
                }
                other => panic!("{other:?}"),
            }
            assert_eq!(metadata["received_time"], "2023-11-14T22:13:20.000042Z");
            assert_eq!(metadata["original_size"], 1_u64 << 31);
            assert_eq!(metadata["more"], "1180591620717411303424");
            assert_eq!((&metadata["less"], &metadata["float"]), (&(-1).into(), &1.5.into()));
            assert_eq!(metadata["to_list"], true);
            assert_eq!(metadata["_parsemsg"], false);
            assert_eq!(metadata["tuple"], serde_json::json!([1, 2, 3, 4]));
            assert_eq!(metadata["listid"], "a\u{e4}");
            assert_eq!((&metadata["size"], &metadata["none"]), (&300.into(), &serde_json::Value::Null));
        }
    }
}

/// Returns header and body.
fn split(message: &[u8]) -> (&[u8], &[u8]) {
    for blank in [&b"\r\n\r\n"[..], b"\n\n"] {
        if let Some(at) = message.windows(blank.len()).position(|octets| octets == blank) {
            return (&message[..at], &message[at + blank.len()..]);
        }
    }
    (message, b"")
}

/// A script that does what Mailman's LMTP runner does with a message that it accepts, with one documented
/// difference: an X-MailFrom that the message already has is removed. If a header ends in a `From ` line, Python
/// makes a body that begins with that line, and loses the blank line in between. Listgate keeps the blank line, so
/// such messages are not compared. Neither are ids folded after the colon, if this version of Python removes such
/// folds, nor fields that are not ASCII, which Listgate writes in ASCII.
const AS_MAILMAN: &str = r"
import base64, hashlib, re
takes_off_folds = email.message_from_bytes(b'A:\r\n b')['A'] == 'b'
def as_mailman(octets):
    if takes_off_folds and re.search(rb'(?i)message-id:[ \t]*[\r\n]', octets):
        return None
    message = email.message_from_bytes(octets, Message)
    given = message.get('Message-ID')
    if given is None:
        given = message['Message-ID'] = '<' + '0' * 32 + '@host>'
    if not isinstance(given, str) or message.defects or str(message._payload).startswith('From '):
        return None
    corrected = re.sub(r'^<?\[(.*)\]>?', r'<\1>', given)
    if corrected != given:
        message.replace_header('Message-ID', corrected)
    bracketed = corrected.startswith('<') and corrected.endswith('>')
    bare = corrected[1:-1] if bracketed else corrected.strip()
    digest = base64.b32encode(hashlib.sha1(bare.encode()).digest()).decode()
    for name in 'Message-ID-Hash', 'X-Message-ID-Hash':
        del message[name]
        message[name] = digest
    del message['X-MailFrom']
    message['X-MailFrom'] = 'anne@example.com'
    return message
data = sys.stdin.buffer
compared = 0
while size := data.read(8):
    raw = data.read(int(size))
    edited = data.read(int(data.read(8)))
    wanted = as_mailman(raw)
    if wanted is not None:
        compared += 1
        message = email.message_from_bytes(edited, Message)
        for name in {name for name, value in wanted._headers if not value.isascii()}:
            del wanted[name], message[name]
        try:
            same(message, wanted)
        except AssertionError:
            print(raw, edited, file=sys.stderr)
            raise
print(compared)
";

#[test]
#[ignore = "needs python3"]
fn the_edited_octets_are_the_message_that_mailman_would_queue() {
    let mut runner = TestRunner::deterministic();
    let mut input = Vec::new();
    let mut add = |message: &[u8]| {
        let (edited, _) = crate::fuzz::edited_in_pieces(Style::Mailman, message, 7);
        for octets in [message, &edited] {
            input.extend(format!("{:08}", octets.len()).bytes());
            input.extend(octets);
        }
    };
    MESSAGES.into_iter().for_each(&mut add);
    let message = proptest::collection::vec(prop::sample::select(&WORDS[..]), 0..12);
    for _ in 0..5000 {
        add(&message.new_tree(&mut runner).unwrap().current().concat());
    }
    let compared: u32 = String::from_utf8(python(AS_MAILMAN, &input)).unwrap().trim().parse().unwrap();
    assert!(compared > 1000, "most of what was made up has defects: {compared}");
}

/// The pieces that headers are generated from.
const WORDS: [&[u8]; 26] = [
    b"Message-ID: <a@b>",
    b"message-id:",
    b"MESSAGE-ID: [a@b]",
    b"Message-ID:<[a@b]>",
    b"Message-ID: \t[a]]> x",
    b"Message-ID-Hash: x",
    b"x-message-id-hash: y",
    b"X-MailFrom: evil",
    b"Subject: \xe4",
    b"A: b\r\n",
    b"From x",
    b"\r\n",
    b"\r\n",
    b"\r\n",
    b"\r\n ",
    b"\r\n\t",
    b"\n",
    b"\r",
    b"\n ",
    b" ",
    b"\t",
    b"]",
    b">",
    b"\x1f",
    b"\x0b",
    b"body\r\n\r\nX-MailFrom: body",
];
