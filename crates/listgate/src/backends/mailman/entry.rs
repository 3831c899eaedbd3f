//! The operators' view of a queue file: the message and the metadata.

use super::read_pickle::{Id, Node, Pickle, PickleError};
use crate::limits;
use crate::model::Msgdata;
use serde_json::Value;

/// The contents of a queue file.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) message: Message,
    pub(crate) metadata: Msgdata,
}

/// A message, as far as a queue file contains it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Message {
    /// The octets as they were stored.
    Octets(Vec<u8>),
    /// One of Mailman's message objects, in one part: its header and its body, as they were parsed.
    OnePart(Vec<u8>),
    /// One of Mailman's message objects, in several parts: its header, and how many parts it has.
    Parts { header: Vec<u8>, parts: usize },
    /// Something else: the name of its class.
    Other(String),
}

impl Entry {
    /// Reads a queue file.
    pub(crate) fn read(file: &[u8]) -> Result<Self, PickleError> {
        let message = Pickle::read(file)?;
        let rest = message.len;
        let metadata = Pickle::read(&file[rest..]).map_err(|why| why.behind(rest))?;
        Ok(Self { message: message_of(&message), metadata: metadata_of(&metadata) })
    }
}

fn message_of(pickle: &Pickle<'_>) -> Message {
    let result = pickle.result();
    if let Node::Text(text) = pickle.node(result) {
        return Message::Octets(octets_of(text));
    }
    let class = pickle.class(result).unwrap_or_default();
    if class == "email.message_from_bytes"
        && let Some(&octets) = pickle.args(result).first()
        && let Node::Octets(octets) = pickle.node(octets)
    {
        return Message::Octets(octets.to_vec());
    }
    object(pickle, result).unwrap_or(Message::Other(class))
}

/// Reads a message from the attributes of an `email.message.Message`.
fn object(pickle: &Pickle<'_>, id: Id) -> Option<Message> {
    let Node::Object { state: Some(state), .. } = pickle.node(id) else { return None };
    let Node::List(headers) = pickle.node(pickle.get(*state, "_headers")?) else { return None };
    let mut out = Vec::new();
    for header in headers {
        let Node::Tuple(pair) = pickle.node(*header) else { return None };
        let [name, value] = pair[..] else { return None };
        let Node::Text(name) = pickle.node(name) else { return None };
        out.extend(octets_of(name));
        out.extend(b": ");
        match pickle.node(value) {
            Node::Text(value) => out.extend(octets_of(value)),
            _ => out.extend(format!("({})", pickle.class(value)?).bytes()),
        }
        out.extend(b"\r\n");
        // A few values that are referenced over and over are not a message.
        if out.len() > 2 * pickle.len {
            return None;
        }
    }
    out.extend(b"\r\n");
    match pickle.node(pickle.get(*state, "_payload")?) {
        Node::Text(text) => out.extend(octets_of(text)),
        Node::List(parts) => return Some(Message::Parts { header: out, parts: parts.len() }),
        Node::None => {}
        _ => return None,
    }
    Some(Message::OnePart(out))
}

/// Returns the octets that Python decoded into text. Python writes an octet that is not UTF-8 as a lone surrogate,
/// U+DC80 to U+DCFF.
fn octets_of(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [first, after @ ..] = rest {
        match rest {
            [0xed, second @ (0xb2 | 0xb3), third @ 0x80..=0xbf, after @ ..] => {
                out.push((second - 0xb2) * 0x40 + third);
                rest = after;
            }
            _ => {
                out.push(*first);
                rest = after;
            }
        }
    }
    out
}

fn metadata_of(pickle: &Pickle<'_>) -> Msgdata {
    let mut shown = Shown { pickle, room: limits::SHOWN_METADATA };
    match shown.json(pickle.result(), limits::SHOWN_DEPTH) {
        Value::Object(items) => items.into_iter().collect(),
        _ => Msgdata::new(),
    }
}

/// Values that are being converted to JSON. A small file can refer to one value very often, so `room` limits the
/// octets of the result.
struct Shown<'p, 'f> {
    pickle: &'p Pickle<'f>,
    room: usize,
}

impl Shown<'_, '_> {
    /// Converts a value to JSON. A value that JSON cannot represent is named in angle brackets.
    fn json(&mut self, id: Id, depth: usize) -> Value {
        let node = self.pickle.node(id);
        let size = match node {
            Node::Text(octets) | Node::Octets(octets) => octets.len() + 1,
            _ => 1,
        };
        if depth == 0 || self.room < size {
            self.room = 0;
            return "<more>".into();
        }
        self.room -= size;
        match node {
            Node::None => Value::Null,
            Node::Bool(truth) => (*truth).into(),
            Node::Int(integer) => {
                i64::try_from(*integer).map_or_else(|_| integer.to_string().into(), Value::from)
            }
            Node::Float(float) => (*float).into(),
            Node::Text(text) => String::from_utf8_lossy(&octets_of(text)).into(),
            Node::Octets(octets) => String::from_utf8_lossy(octets).into(),
            Node::List(ids) | Node::Tuple(ids) => self.list(ids, depth),
            Node::Dict(items) => self.dict(items, depth),
            Node::Global { .. } | Node::Object { .. } => match datetime(self.pickle, id) {
                Some(text) => text.into(),
                None => format!("<{}>", self.pickle.class(id).unwrap_or_default()).into(),
            },
        }
    }

    fn list(&mut self, ids: &[Id], depth: usize) -> Value {
        let mut values = Vec::new();
        for id in ids {
            values.push(self.json(*id, depth - 1));
            if self.room == 0 {
                break;
            }
        }
        values.into()
    }

    fn dict(&mut self, items: &[(Id, Id)], depth: usize) -> Value {
        let mut values = serde_json::Map::new();
        for (key, value) in items {
            let key = match self.json(*key, depth - 1) {
                Value::String(text) => text,
                other => other.to_string(),
            };
            values.insert(key, self.json(*value, depth - 1));
            if self.room == 0 {
                break;
            }
        }
        values.into()
    }
}

/// Returns a `datetime` in the format of RFC 3339. Mailman's have no time zone and are in UTC.
fn datetime(pickle: &Pickle<'_>, id: Id) -> Option<String> {
    if pickle.class(id)? != "datetime.datetime" {
        return None;
    }
    let argument = *pickle.args(id).first()?;
    let octets = match pickle.node(argument) {
        Node::Octets(octets) => octets.to_vec(),
        // Protocols 1 and 2 cannot write octets directly; they use `_codecs.encode("…", "latin1")`.
        _ => match pickle.node(*pickle.args(argument).first()?) {
            Node::Text(text) => {
                let text = std::str::from_utf8(text).ok()?;
                text.chars().map(|c| u8::try_from(u32::from(c)).ok()).collect::<Option<Vec<u8>>>()?
            }
            _ => return None,
        },
    };
    let [y1, y2, month, day, hour, minute, second, u1, u2, u3] = octets[..] else { return None };
    let (year, micros) = (u16::from_be_bytes([y1, y2]), u32::from_be_bytes([0, u1, u2, u3]));
    Some(format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{micros:06}Z"))
}
