//! Whether posts are delivered to a member.

use super::time::Due;

/// Who turned a member's delivery off.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum OffBy {
    User,
    Bounce,
    Moderator,
}

impl OffBy {
    const ALL: [Self; 3] = [Self::User, Self::Bounce, Self::Moderator];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Bounce => "bounce",
            Self::Moderator => "moderator",
        }
    }

    /// Returns the one of that name.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|by| by.as_str() == name)
    }
}

/// Whether posts are delivered to a member.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum MemberDelivery {
    On,
    Off {
        by: OffBy,
        /// `None`: until it is turned on.
        until: Option<Due>,
    },
}

impl MemberDelivery {
    /// Returns what holds at `now`, in milliseconds since 1970: delivery that was off until a time is on again.
    pub(crate) fn at(self, now: i64) -> Self {
        match self {
            Self::Off { until: Some(due), .. } if due.is_over(now) => Self::On,
            other => other,
        }
    }
}
