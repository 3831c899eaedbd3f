//! The kinds of values that settings of a list have, and how each is read from its text and written.

use super::post::Personal;
use super::size::size;
use super::yes_or_no::yes_or_no;
use crate::limits;
use bytesize::ByteSize;
use listgate_engine::command::{RosterVisibility, SubscriptionPolicy};
use listgate_engine::comparable::ascii_domain;
use listgate_engine::distribution::Munge;
use listgate_engine::posting::Action;
use listgate_lmtp::{InvalidAddress, Mailbox};

/// How a setting that has no value is written.
pub(super) const NONE: &str = "none";

/// Where replies to posts go, as `reply_goes_to_list` names it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum ReplyMode {
    NoMunging,
    PointToList,
    ExplicitHeader,
    ExplicitHeaderOnly,
}

const ACTIONS: &[(&str, Action)] = &[
    ("accept", Action::Accept),
    ("hold", Action::Hold),
    ("reject", Action::Reject),
    ("discard", Action::Discard),
    ("defer", Action::Defer),
];

const REPLY_MODES: &[(&str, ReplyMode)] = &[
    ("no_munging", ReplyMode::NoMunging),
    ("point_to_list", ReplyMode::PointToList),
    ("explicit_header", ReplyMode::ExplicitHeader),
    ("explicit_header_only", ReplyMode::ExplicitHeaderOnly),
];

const POLICIES: &[(&str, SubscriptionPolicy)] = &[
    ("open", SubscriptionPolicy::Open),
    ("confirm", SubscriptionPolicy::Confirm),
    ("moderate", SubscriptionPolicy::Moderate),
    ("confirm_then_moderate", SubscriptionPolicy::ConfirmThenModerate),
    ("closed", SubscriptionPolicy::Closed),
];

const ROSTERS: &[(&str, RosterVisibility)] = &[
    ("public", RosterVisibility::Public),
    ("members", RosterVisibility::Members),
    ("moderators", RosterVisibility::Moderators),
];

const MUNGES: &[(&str, Munge)] = &[("never", Munge::Never), ("always", Munge::Always)];

const PERSONALS: &[(&str, Personal)] =
    &[("auto", Personal::Auto), ("always", Personal::Always), ("never", Personal::Never)];

/// The reason why a text is not a value of a setting.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub(crate) enum ListValueError {
    #[error("write {0}")]
    Expected(&'static str),
    #[error("{address:?} is not an address ({why}); separate several with commas")]
    NotAnAddress { address: String, why: InvalidAddress },
    #[error("the domain of {0} is not valid in IDNA (RFC 5891)")]
    NotIdna(String),
    #[error("it has no control characters: U+{:04X} is one", u32::from(*.0))]
    Control(char),
    #[error("it has at most {0} octets")]
    TooLong(usize),
}

/// A kind of value.
pub(super) struct Kind<T> {
    /// What its values are, for help.
    pub(super) values: &'static str,
    pub(super) read: fn(&str) -> Result<T, ListValueError>,
    pub(super) write: fn(&T) -> String,
}

pub(super) const FLAG: Kind<bool> = Kind {
    values: "yes or no",
    read: |text| yes_or_no(text).ok_or(ListValueError::Expected("yes or no")),
    write: |flag| if *flag { "yes" } else { "no" }.to_owned(),
};

pub(super) const ACTION: Kind<Action> = Kind {
    values: "accept, hold, reject, discard or defer",
    read: |text| named(ACTIONS, text, "accept, hold, reject, discard or defer"),
    write: |action| name_of(ACTIONS, *action),
};

pub(super) const REPLY_MODE: Kind<ReplyMode> = Kind {
    values: "no_munging, point_to_list, explicit_header or explicit_header_only",
    read: |text| {
        named(REPLY_MODES, text, "no_munging, point_to_list, explicit_header or explicit_header_only")
    },
    write: |mode| name_of(REPLY_MODES, *mode),
};

pub(super) const MUNGE: Kind<Munge> = Kind {
    values: "never or always",
    read: |text| named(MUNGES, text, "never or always"),
    write: |munge| name_of(MUNGES, *munge),
};

pub(super) const PERSONAL: Kind<Personal> = Kind {
    values: "auto, always or never",
    read: |text| named(PERSONALS, text, "auto, always or never"),
    write: |personal| name_of(PERSONALS, *personal),
};

pub(super) const SUBSCRIPTION_POLICY: Kind<SubscriptionPolicy> = Kind {
    values: "open, confirm, moderate, confirm_then_moderate or closed",
    read: |text| named(POLICIES, text, "open, confirm, moderate, confirm_then_moderate or closed"),
    write: |policy| name_of(POLICIES, *policy),
};

pub(super) const ROSTER_VISIBILITY: Kind<RosterVisibility> = Kind {
    values: "public, members or moderators",
    read: |text| named(ROSTERS, text, "public, members or moderators"),
    write: |visibility| name_of(ROSTERS, *visibility),
};

fn named<T: Copy>(names: &[(&str, T)], text: &str, expected: &'static str) -> Result<T, ListValueError> {
    let found = names.iter().find(|(name, _)| name.eq_ignore_ascii_case(text));
    found.map(|(_, value)| *value).ok_or(ListValueError::Expected(expected))
}

fn name_of<T: Copy + PartialEq>(names: &[(&str, T)], value: T) -> String {
    let found = names.iter().find(|(_, named)| *named == value);
    found.map(|(name, _)| (*name).to_owned()).expect("each value has a name")
}

const A_SIZE: &str = "a size from 1KiB with its unit, such as 500KiB, or none";

/// A size without a unit is refused: in Mailman it would be a number of KiB.
pub(super) const SIZE: Kind<Option<u64>> = Kind {
    values: "a size such as 500KiB, or `none` for any",
    read: |text| {
        let wrong = ListValueError::Expected(A_SIZE);
        if text.eq_ignore_ascii_case(NONE) {
            return Ok(None);
        }
        let octets = text.parse::<ByteSize>().map_err(|_| wrong.clone())?.as_u64();
        // SQLite and JSON hold signed numbers.
        if octets < 1024 || i64::try_from(octets).is_err() || text.ends_with(|c: char| c.is_ascii_digit()) {
            return Err(wrong);
        }
        Ok(Some(octets))
    },
    write: |octets| octets.map_or_else(|| NONE.to_owned(), size),
};

pub(super) const RECIPIENTS: Kind<Option<usize>> = Kind {
    values: "a number from 2, or `none` for any",
    read: |text| {
        if text.eq_ignore_ascii_case(NONE) {
            return Ok(None);
        }
        let number = text.parse().ok().filter(|number| (2..=1_000_000).contains(number));
        number.map(Some).ok_or(ListValueError::Expected("a number from 2 to 1000000, or none"))
    },
    write: |number| number.map_or_else(|| NONE.to_owned(), |number| number.to_string()),
};

pub(super) const ADDRESS: Kind<Option<Mailbox>> = Kind {
    values: "an address",
    read: |text| if is_none(text) { Ok(None) } else { mailbox(text).map(Some) },
    write: |address| address.as_ref().map_or_else(|| NONE.to_owned(), Mailbox::to_string),
};

pub(super) const ADDRESSES: Kind<Vec<Mailbox>> = Kind {
    values: "addresses, separated by commas",
    read: |text| {
        if is_none(text) {
            return Ok(Vec::new());
        }
        fits(text, limits::LIST_SETTING)?;
        let words = text.split([',', ' ', '\t', '\n', '\r']).filter(|word| !word.is_empty());
        words.map(mailbox).collect()
    },
    write: |addresses| match addresses.as_slice() {
        [] => NONE.to_owned(),
        addresses => addresses.iter().map(Mailbox::as_str).collect::<Vec<_>>().join(","),
    },
};

fn mailbox(text: &str) -> Result<Mailbox, ListValueError> {
    let mailbox: Mailbox =
        text.parse().map_err(|why| ListValueError::NotAnAddress { address: text.to_owned(), why })?;
    let domain = mailbox.domain();
    if !domain.is_literal() && ascii_domain(domain.as_str()).is_none() {
        return Err(ListValueError::NotIdna(text.to_owned()));
    }
    Ok(mailbox)
}

/// A text of one line, which fits a field of a header.
pub(super) const LINE: Kind<Option<String>> = Kind {
    values: "a text of one line",
    read: |text| {
        fits(text, limits::LIST_SETTING_LINE)?;
        has_no_control(text, &[])?;
        Ok((!is_none(text)).then(|| text.to_owned()))
    },
    write: |text| text.clone().unwrap_or_else(|| NONE.to_owned()),
};

/// A text of several lines, which end in LF, except for the last one, which has no end.
pub(super) const TEXT: Kind<Option<String>> = Kind {
    values: "a text, or `@` and the path of a file",
    read: |text| {
        fits(text, listgate_engine::limits::FOOTER)?;
        let text = text.replace("\r\n", "\n");
        has_no_control(&text, &['\n', '\t'])?;
        Ok((!is_none(text.trim())).then(|| text.trim_end().to_owned()))
    },
    write: |text| text.clone().unwrap_or_else(|| NONE.to_owned()),
};

fn is_none(text: &str) -> bool {
    text.is_empty() || text.eq_ignore_ascii_case(NONE)
}

fn fits(text: &str, most: usize) -> Result<(), ListValueError> {
    if text.len() > most { Err(ListValueError::TooLong(most)) } else { Ok(()) }
}

fn has_no_control(text: &str, allowed: &[char]) -> Result<(), ListValueError> {
    match text.chars().find(|c| c.is_control() && !allowed.contains(c)) {
        Some(control) => Err(ListValueError::Control(control)),
        None => Ok(()),
    }
}
