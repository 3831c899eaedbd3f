//! Reasons why an address takes no mail.

use super::queue::Name;
use super::store_error::StoreError;
use listgate_lmtp::Refusal;

/// The reason why mail to an address is not taken, for now or for good.
#[derive(Clone, Debug)]
pub(crate) enum NotTaken {
    /// No list has this name, with or without the sub-address.
    NoSuchList,
    /// The address is one of the postmasters of a domain, and nobody gets this mail.
    NoPostmaster,
    /// The list takes no mail for now; the mail waits at the mail server.
    Paused,
    /// The list takes no more mail.
    Closed,
    /// The list takes no message of more than this many octets.
    TooLarge(u64),
    /// The queue of the endpoint is full.
    QueueFull(Name),
    /// The backend could not answer.
    Unknown(StoreError),
}

const NO_SUCH_MAILBOX: Refusal = Refusal::new(550, 1, 1, "Requested action not taken: mailbox unavailable");
const PAUSED: Refusal = Refusal::new(450, 2, 1, "The list is paused, try again later");
const CLOSED: Refusal = Refusal::new(550, 2, 1, "The list is closed and takes no more mail");
const TOO_LARGE: Refusal = Refusal::new(552, 2, 3, "The list takes no message of this size");
const QUEUE_FULL: Refusal = Refusal::new(452, 3, 1, "The queue is full, try again later");

impl NotTaken {
    /// Returns whether a retry may be taken.
    pub(crate) fn is_temporary(&self) -> bool {
        match self {
            Self::Paused | Self::QueueFull(_) | Self::Unknown(_) => true,
            Self::NoSuchList | Self::NoPostmaster | Self::Closed | Self::TooLarge(_) => false,
        }
    }

    /// Returns the reply to the mail server.
    pub(crate) fn refusal(&self) -> Refusal {
        match self {
            Self::NoSuchList | Self::NoPostmaster => NO_SUCH_MAILBOX,
            Self::Paused => PAUSED,
            Self::Closed => CLOSED,
            Self::TooLarge(most) => {
                TOO_LARGE.with_text(format!("The list takes no message of more than {most} octets"))
            }
            Self::QueueFull(queue) => {
                QUEUE_FULL.with_text(format!("The queue {queue} is full, try again later"))
            }
            Self::Unknown(why) => why.refusal(),
        }
    }
}

impl From<StoreError> for NotTaken {
    fn from(why: StoreError) -> Self {
        Self::Unknown(why)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_temporary_failures_are_4xx() {
        for why in [
            NotTaken::NoSuchList,
            NotTaken::NoPostmaster,
            NotTaken::Paused,
            NotTaken::Closed,
            NotTaken::TooLarge(1),
            NotTaken::QueueFull(Name::In),
            NotTaken::Unknown(StoreError::closed()),
        ] {
            assert_eq!(why.is_temporary(), why.refusal().is_temporary(), "{why:?}");
        }
    }
}
