//! Kinds of values: how a value is read from TOML and shown, and which values are accepted.

use super::error::ValueError;
use super::target::Target;
use crate::model::{Redelivery, ascii_domain, size};
use crate::net::{ListenAddress, Networks};
use bytesize::ByteSize;
use listgate_lmtp::{BareNewline, Mailbox, is_domain_name};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::Duration;
use toml::de::DeValue;

/// The stage at which an address that does not belong to a list is refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RefuseAt {
    /// In the reply to RCPT, so that a mail server can verify addresses with us.
    Rcpt,
    /// In the recipient's reply after the data; every address is then accepted at RCPT.
    Data,
}

/// Whether the connection to the mail server uses STARTTLS (RFC 3207).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OutgoingTls {
    /// Never.
    Off,
    /// If the mail server offers it. Its certificate is not verified.
    Opportunistic,
    /// Always, and the certificate is verified.
    Required,
}

/// A value as the file writes it.
pub(crate) struct Written<'f> {
    pub(super) value: &'f DeValue<'f>,
    /// The folder of the file, to which paths are relative.
    pub(super) base: &'f Path,
    /// An example of a value that the key may have.
    pub(super) example: String,
}

impl Written<'_> {
    /// Returns the value as one of this kind, if it is accepted.
    pub(super) fn read<T>(&self, kind: &Kind<T>) -> Result<T, ValueError> {
        let value = (kind.read)(self)?;
        (kind.accept)(&value)?;
        Ok(value)
    }

    /// Returns the error for a value that has the wrong type or does not exist.
    pub(super) fn expected(&self, expected: &'static str) -> ValueError {
        ValueError::Expected { expected, example: self.example.clone() }
    }

    fn text(&self, expected: &'static str) -> Result<&str, ValueError> {
        self.value.as_str().ok_or_else(|| self.expected(expected))
    }

    fn number<N: TryFrom<u64>>(&self) -> Result<N, ValueError> {
        number(self.value).ok_or_else(|| self.expected("a whole number without quotes"))
    }

    /// Returns the value as a size in octets.
    fn size(&self) -> Result<u64, ValueError> {
        let size = match self.value {
            DeValue::String(text) => text.parse::<ByteSize>().ok().map(|size| size.as_u64()),
            value => number(value),
        };
        size.ok_or_else(|| self.expected("a size"))
    }

    fn time(&self) -> Result<Duration, ValueError> {
        let text = self.text("a time in quotes")?;
        let example = self.example.clone();
        humantime::parse_duration(text).map_err(|source| ValueError::Time { example, source })
    }

    fn texts(&self) -> Result<Vec<&str>, ValueError> {
        let items = self.value.as_array().map(|items| items.iter().map(|item| item.get_ref().as_str()));
        items.and_then(Iterator::collect).ok_or_else(|| self.expected("a list of texts in brackets"))
    }

    fn addresses(&self) -> Result<Vec<ListenAddress>, ValueError> {
        let texts = self.texts()?;
        let parse = |text: &&str| {
            let address = text.parse().map_err(|why| of_item(text, texts.len(), ValueError::Address(why)))?;
            Ok(match address {
                ListenAddress::Unix(path) => ListenAddress::Unix(self.base.join(path)),
                tcp @ ListenAddress::Tcp(_) => tcp,
            })
        };
        texts.iter().map(parse).collect()
    }

    /// Returns the value that has the name in the file.
    fn one_of<T: Copy>(&self, names: &[(&str, T)], expected: &'static str) -> Result<T, ValueError> {
        let text = self.value.as_str();
        let found = names.iter().find(|(name, _)| text == Some(name));
        found.map(|(_, value)| *value).ok_or_else(|| self.expected(expected))
    }

    fn flag(&self) -> Result<bool, ValueError> {
        self.value.as_bool().ok_or_else(|| self.expected("true or false without quotes"))
    }
}

/// Returns the name of a value.
fn name_of<T: PartialEq>(names: &[(&str, T)], value: T) -> Value {
    let (name, _) = names.iter().find(|(_, named)| *named == value).expect("each value has a name");
    (*name).into()
}

/// Returns the error for an item, which is named unless it is the only one.
fn of_item(item: &str, items: usize, why: ValueError) -> ValueError {
    match items {
        1 => why,
        _ => ValueError::Item { item: format!("{item:?}"), source: Box::new(why) },
    }
}

fn number<N: TryFrom<u64>>(value: &DeValue<'_>) -> Option<N> {
    let integer = value.as_integer()?;
    u64::from_str_radix(integer.as_str(), integer.radix()).ok()?.try_into().ok()
}

/// A kind of value.
pub(super) struct Kind<T> {
    pub(super) read: fn(&Written<'_>) -> Result<T, ValueError>,
    /// Returns the value as JSON; null if it is not set.
    pub(super) show: fn(&T) -> Value,
    /// Checks whether the value is allowed.
    pub(super) accept: fn(&T) -> Result<(), ValueError>,
}

pub(super) const MAILBOX: Kind<String> = Kind {
    read: |written| mailbox(written.text("an address in quotes")?).map(|mailbox| mailbox.to_string()),
    show: |address| json!(address),
    accept: |_| Ok(()),
};

pub(super) fn mailbox(text: &str) -> Result<Mailbox, ValueError> {
    text.parse().map_err(ValueError::Mailbox)
}

pub(super) const MAILBOX_OR_NONE: Kind<Option<Mailbox>> = Kind {
    read: |written| mailbox(written.text("an address in quotes")?).map(Some),
    show: |address| json!(address.as_ref().map(Mailbox::to_string)),
    accept: |_| Ok(()),
};

pub(super) const HOSTNAME: Kind<String> = Kind {
    // Replies and Message-IDs are ASCII.
    read: |written| {
        let name = written.text("a host name in quotes")?;
        Ok(ascii_domain(name).filter(|_| !name.is_ascii()).unwrap_or_else(|| name.to_owned()))
    },
    show: |name| json!(name),
    accept: |name| match name.is_ascii() && is_domain_name(name) {
        true => Ok(()),
        false => Err(expected("a host name in quotes", "\"lists.example.com\"")),
    },
};

pub(super) const LISTEN: Kind<Vec<ListenAddress>> = Kind {
    accept: |addresses| match addresses.is_empty() {
        false => Ok(()),
        true => Err(ValueError::TooLittle { least: "one address, such as [\"127.0.0.1:8024\"]" }),
    },
    ..ADDRESSES
};

pub(super) const ADDRESSES: Kind<Vec<ListenAddress>> = Kind {
    read: |written| written.addresses(),
    show: |addresses| addresses.iter().map(ToString::to_string).collect(),
    accept: |_| Ok(()),
};

pub(super) const TCP_ADDRESS: Kind<Option<SocketAddr>> = Kind {
    read: |written| {
        let expected = "a TCP address in quotes";
        written.text(expected)?.parse().map(Some).map_err(|_| written.expected(expected))
    },
    show: |address| json!(address),
    accept: |_| Ok(()),
};

pub(super) const NETWORKS: Kind<Networks> = Kind {
    read: |written| {
        let texts = written.texts()?;
        Networks::new(&texts).map_err(ValueError::Network)
    },
    show: |peers| json!(peers.words()),
    accept: |_| Ok(()),
};

pub(super) const UIDS: Kind<Option<Vec<u32>>> = Kind {
    read: |written| {
        let uids = written.value.as_array().map(|items| items.iter().map(|item| number(item.get_ref())));
        let uids = uids.and_then(Iterator::collect);
        uids.map(Some).ok_or_else(|| written.expected("a list of user ids in brackets, without quotes"))
    },
    show: |uids| json!(uids),
    accept: |_| Ok(()),
};

pub(super) const MODE: Kind<u32> = Kind {
    read: |written| {
        let octal = written.value.as_str().and_then(|text| u32::from_str_radix(text, 8).ok());
        octal.ok_or_else(|| written.expected("permissions in octal and in quotes"))
    },
    show: |mode| format!("{mode:04o}").into(),
    accept: |mode| match *mode <= 0o777 {
        true => Ok(()),
        false => Err(expected("permissions in octal and in quotes", "\"0660\"")),
    },
};

pub(super) const COUNT: Kind<usize> = Kind {
    read: |written| written.number(),
    show: |count| json!(count),
    accept: |count| at_least_one(*count > 0),
};

pub(super) const COUNT_OR_NONE: Kind<Option<usize>> = Kind {
    read: |written| written.number().map(Some),
    show: |count| json!(count),
    accept: |count| at_least_one(*count != Some(0)),
};

/// A count without which no mail could leave.
pub(super) const OUTGOING_COUNT: Kind<usize> = Kind {
    accept: |count| match *count > 0 {
        true => Ok(()),
        false => Err(ValueError::TooLittleLeaves { least: "1" }),
    },
    ..COUNT
};

/// So many a second.
pub(super) const RATE_OR_NONE: Kind<Option<u32>> = Kind {
    read: |written| written.number().map(Some),
    show: |rate| json!(rate),
    accept: |rate| match *rate != Some(0) {
        true => Ok(()),
        false => Err(ValueError::TooLittleLeaves { least: "1, or remove the line for no limit" }),
    },
};

pub(super) const ENTRIES: Kind<u64> = Kind {
    read: |written| written.number(),
    show: |count| json!(count),
    accept: |count| at_least_one(*count > 0),
};

pub(super) const SIZE: Kind<u64> =
    Kind { read: |written| written.size(), show: |octets| size(*octets).into(), accept: |_| Ok(()) };

pub(super) const SIZE_FROM_1: Kind<u64> = Kind { accept: |octets| at_least_one_octet(*octets > 0), ..SIZE };

pub(super) const SIZE_OR_NONE: Kind<Option<u64>> = Kind {
    read: |written| written.size().map(Some),
    show: |octets| octets.map_or(Value::Null, |octets| size(octets).into()),
    accept: |octets| at_least_one_octet(*octets != Some(0)),
};

pub(super) const TIME: Kind<Duration> = Kind {
    read: |written| written.time(),
    show: |time| humantime::format_duration(*time).to_string().into(),
    accept: |_| Ok(()),
};

/// A time after which a session ends.
pub(super) const TIMEOUT: Kind<Duration> = Kind {
    accept: |time| match *time >= Duration::from_secs(1) {
        true => Ok(()),
        false => Err(ValueError::TooLittle { least: "\"1s\"" }),
    },
    ..TIME
};

/// A time after which a connection to the mail server is given up.
pub(super) const OUTGOING_TIMEOUT: Kind<Duration> = Kind {
    accept: |time| match *time >= Duration::from_secs(1) {
        true => Ok(()),
        false => Err(ValueError::TooLittleLeaves { least: "\"1s\"" }),
    },
    ..TIME
};

/// A time after which a message is sent again.
pub(super) const FINAL_TIMEOUT: Kind<Duration> = Kind {
    accept: |time| match *time >= Duration::from_secs(60) {
        true => Ok(()),
        false => Err(ValueError::SentTwice { least: "\"1m\"" }),
    },
    ..TIME
};

pub(super) const FLAG: Kind<bool> =
    Kind { read: |written| written.flag(), show: |flag| json!(flag), accept: |_| Ok(()) };

pub(super) const FLAG_OR_NONE: Kind<Option<bool>> =
    Kind { read: |written| written.flag().map(Some), show: |flag| json!(flag), accept: |_| Ok(()) };

pub(super) const DELIMITER: Kind<char> = Kind {
    read: |written| {
        let mut characters = written.value.as_str().unwrap_or_default().chars();
        match (characters.next(), characters.next()) {
            (Some(delimiter), None) => Ok(delimiter),
            _ => Err(written.expected("one character in quotes")),
        }
    },
    show: |delimiter| json!(delimiter),
    accept: |delimiter| {
        let can_be_in_a_name = matches!(delimiter, '-' | '@' | '.' | '"' | '\\');
        match delimiter.is_ascii_punctuation() && !can_be_in_a_name {
            true => Ok(()),
            false => Err(expected("a character that no list has in its name", "\"+\"")),
        }
    },
};

pub(super) const TARGET: Kind<Target> = Kind {
    read: |written| {
        let target: Target = written.text("a target in quotes")?.parse().map_err(ValueError::Target)?;
        Ok(match target {
            Target::Directory(path) => Target::Directory(written.base.join(path)),
            server @ Target::Smtp(_) => server,
        })
    },
    show: |target| target.to_string().into(),
    accept: |_| Ok(()),
};

const OUTGOING_TLSES: [(&str, OutgoingTls); 3] = [
    ("off", OutgoingTls::Off),
    ("opportunistic", OutgoingTls::Opportunistic),
    ("required", OutgoingTls::Required),
];

pub(super) const OUTGOING_TLS: Kind<OutgoingTls> = Kind {
    read: |written| written.one_of(&OUTGOING_TLSES, "\"off\", \"opportunistic\" or \"required\""),
    show: |tls| name_of(&OUTGOING_TLSES, *tls),
    accept: |_| Ok(()),
};

pub(super) const TEXT_OR_NONE: Kind<Option<String>> = Kind {
    read: |written| written.text("a text in quotes").map(|text| Some(text.to_owned())),
    show: |text| json!(text),
    accept: |_| Ok(()),
};

const REFUSE_ATS: [(&str, RefuseAt); 2] = [("rcpt", RefuseAt::Rcpt), ("data", RefuseAt::Data)];

pub(super) const REFUSE_AT: Kind<RefuseAt> = Kind {
    read: |written| written.one_of(&REFUSE_ATS, "\"rcpt\" or \"data\""),
    show: |at| name_of(&REFUSE_ATS, *at),
    accept: |_| Ok(()),
};

const BARE_NEWLINES: [(&str, BareNewline); 2] =
    [("keep", BareNewline::Keep), ("reject", BareNewline::Reject)];

pub(super) const BARE_NEWLINE: Kind<BareNewline> = Kind {
    read: |written| written.one_of(&BARE_NEWLINES, "\"keep\" or \"reject\""),
    show: |bare_newline| name_of(&BARE_NEWLINES, *bare_newline),
    accept: |_| Ok(()),
};

const REDELIVERIES: [(&str, Redelivery); 3] =
    [("suppress", Redelivery::Suppress), ("mark", Redelivery::Mark), ("off", Redelivery::Off)];

pub(super) const REDELIVERY: Kind<Redelivery> = Kind {
    read: |written| written.one_of(&REDELIVERIES, "\"suppress\", \"mark\" or \"off\""),
    show: |redelivery| name_of(&REDELIVERIES, *redelivery),
    accept: |_| Ok(()),
};

pub(super) const PATH: Kind<PathBuf> = Kind {
    read: |written| written.text("a path in quotes").map(|path| written.base.join(path)),
    show: |path| json!(path.to_string_lossy()),
    accept: |_| Ok(()),
};

pub(super) const PATH_OR_NONE: Kind<Option<PathBuf>> = Kind {
    read: |written| (PATH.read)(written).map(Some),
    show: |path| json!(path.as_ref().map(|path| path.to_string_lossy())),
    accept: |_| Ok(()),
};

fn expected(expected: &'static str, example: &str) -> ValueError {
    ValueError::Expected { expected, example: example.to_owned() }
}

fn at_least_one(is: bool) -> Result<(), ValueError> {
    if is { Ok(()) } else { Err(ValueError::TooLittle { least: "1" }) }
}

fn at_least_one_octet(is: bool) -> Result<(), ValueError> {
    if is { Ok(()) } else { Err(ValueError::TooLittle { least: "\"1B\", which is one octet" }) }
}

/// Returns the name of this machine, which is looked up once.
pub(super) fn machine_name() -> String {
    static NAME: LazyLock<String> = LazyLock::new(|| {
        let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
        if name.is_ascii() && is_domain_name(&name) { name } else { "localhost".to_owned() }
    });
    NAME.clone()
}
