//! Changes to a member's settings, as they are written: `KEY=VALUE`.

use super::member_address::{DisplayName, DisplayNameError};
use super::member_delivery::OffBy;
use super::yes_or_no::yes_or_no;
use std::str::FromStr;
use std::time::SystemTime;

/// A change to one of a member's settings.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum MemberChange {
    Name(Option<DisplayName>),
    Verified(bool),
    DeliveryOn,
    DeliveryOff {
        by: OffBy,
        /// `None`: until it is turned on.
        until: Option<SystemTime>,
    },
    OwnPosts(bool),
    Hidden(bool),
}

/// The reason why a text is not a change.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub(crate) enum MemberChangeError {
    #[error("write KEY=VALUE, such as delivery=off")]
    NotASetting,
    #[error("the keys are delivery, own_posts, hidden, name and verified")]
    NoSuchKey,
    #[error("write {0}=yes or {0}=no")]
    NotABool(&'static str),
    #[error("write delivery=on, delivery=off or \"delivery=off until 2030-12-24\"")]
    NotADelivery,
    #[error("write a date such as 2030-12-24, or a time such as 2030-12-24T18:00:00Z")]
    NotADate,
    #[error(transparent)]
    Name(#[from] DisplayNameError),
}

impl MemberChange {
    /// Returns whether there is a setting with this key.
    pub(crate) fn has_key(key: &str) -> bool {
        matches!(key, "delivery" | "own_posts" | "hidden" | "name" | "verified")
    }

    /// Reads the value for a key. An operator writes it, so delivery is turned off by a moderator.
    pub(crate) fn parse(key: &str, value: &str) -> Result<Self, MemberChangeError> {
        let value = value.trim();
        let is = |key| yes_or_no(value).ok_or(MemberChangeError::NotABool(key));
        match key {
            "delivery" => delivery(value),
            "own_posts" => is("own_posts").map(Self::OwnPosts),
            "hidden" => is("hidden").map(Self::Hidden),
            "verified" => is("verified").map(Self::Verified),
            "name" => Ok(Self::Name(DisplayName::parse(value)?)),
            _ => Err(MemberChangeError::NoSuchKey),
        }
    }
}

impl FromStr for MemberChange {
    type Err = MemberChangeError;

    fn from_str(text: &str) -> Result<Self, MemberChangeError> {
        let (key, value) = text.split_once('=').ok_or(MemberChangeError::NotASetting)?;
        Self::parse(key.trim(), value)
    }
}

fn delivery(value: &str) -> Result<MemberChange, MemberChangeError> {
    let by = OffBy::Moderator;
    let mut words = value.split_whitespace();
    match (words.next(), words.next(), words.next(), words.next()) {
        (Some("on"), None, ..) => Ok(MemberChange::DeliveryOn),
        (Some("off"), None, ..) => Ok(MemberChange::DeliveryOff { by, until: None }),
        (Some("off"), Some("until"), Some(date), None) => {
            Ok(MemberChange::DeliveryOff { by, until: Some(time(date)?) })
        }
        _ => Err(MemberChangeError::NotADelivery),
    }
}

/// Reads a time in RFC 3339 format, or a date, which begins at midnight in UTC.
fn time(text: &str) -> Result<SystemTime, MemberChangeError> {
    let time = if text.len() == 10 { format!("{text}T00:00:00Z") } else { text.to_owned() };
    humantime::parse_rfc3339(&time).map_err(|_| MemberChangeError::NotADate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_setting_is_read_from_its_text() {
        let off = |until| MemberChange::DeliveryOff { by: OffBy::Moderator, until };
        let until = |text: &str| off(Some(humantime::parse_rfc3339(text).unwrap()));
        for (text, change) in [
            ("delivery=on", MemberChange::DeliveryOn),
            ("delivery=off", off(None)),
            ("delivery=off until 2030-12-24", until("2030-12-24T00:00:00Z")),
            ("delivery=off until 2030-12-24T18:00:00Z", until("2030-12-24T18:00:00Z")),
            ("own_posts=no", MemberChange::OwnPosts(false)),
            ("hidden=yes", MemberChange::Hidden(true)),
            ("hidden = TRUE", MemberChange::Hidden(true)),
            ("verified=1", MemberChange::Verified(true)),
            ("name=Anne Person", MemberChange::Name(DisplayName::parse("Anne Person").unwrap())),
            ("name=", MemberChange::Name(None)),
        ] {
            assert_eq!(text.parse(), Ok(change), "{text}");
        }
    }

    #[test]
    fn a_wrong_setting_is_refused_with_the_right_form() {
        for (text, why) in [
            ("delivery", MemberChangeError::NotASetting),
            ("digest=on", MemberChangeError::NoSuchKey),
            ("delivery=maybe", MemberChangeError::NotADelivery),
            ("delivery=off 2030-12-24", MemberChangeError::NotADelivery),
            ("delivery=off until tomorrow", MemberChangeError::NotADate),
            ("delivery=off until 2030-13-24", MemberChangeError::NotADate),
            ("hidden=perhaps", MemberChangeError::NotABool("hidden")),
            ("name=a\u{7}", MemberChangeError::Name(DisplayNameError::Control('\u{7}'))),
        ] {
            assert_eq!(text.parse::<MemberChange>(), Err(why), "{text}");
        }
    }
}
