//! What the next reply is an answer to.

use super::event::{Phase, TransactionId};

/// What the next reply is an answer to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    Greeting,
    Lhlo,
    Ehlo,
    Helo,
    StartTls,
    Auth,
    Mail,
    Rcpt(usize),
    Data,
    /// A recipient's own reply after the dot (LMTP).
    Message(usize),
    /// The one reply after the dot (SMTP).
    Dot,
    /// The reply to a dot that ends no message, because no recipient was accepted.
    DotForNobody,
    Rset,
    Quit,
    /// No reply: a recipient that is not sent, in its place among the others.
    NotSent(TransactionId, usize, Whose),
}

/// Whose address needs SMTPUTF8.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Whose {
    Senders,
    Recipients,
}

impl Step {
    /// Returns whether a reply with `code` can be an answer. A positive reply to DATA is 354, and only DATA gets one.
    /// To accept any other would lose a message.
    pub(super) fn fits(self, code: u16) -> bool {
        match (self, code) {
            (_, 400..) => true,
            (Self::Data, _) => code == 354,
            (Self::StartTls, _) => code == 220,
            (Self::Auth, _) => code < 300 || code == 334,
            _ => code < 300,
        }
    }

    /// Returns whether the next transaction may be sent before this is answered (RFC 2920 section 3.1).
    pub(super) fn may_be_followed(self) -> bool {
        matches!(self, Self::Message(_) | Self::Dot | Self::DotForNobody | Self::Rset | Self::NotSent(..))
    }

    pub(super) fn phase(self) -> Phase {
        match self {
            Self::Greeting => Phase::Greeting,
            Self::Lhlo | Self::Ehlo | Self::Helo => Phase::Hello,
            Self::StartTls => Phase::StartTls,
            Self::Auth => Phase::Auth,
            Self::Mail => Phase::Mail,
            Self::Rcpt(_) => Phase::Rcpt,
            Self::Data => Phase::Data,
            Self::Message(_) | Self::Dot | Self::DotForNobody => Phase::Message,
            Self::Rset => Phase::Reset,
            Self::Quit => Phase::Quit,
            Self::NotSent(..) => Phase::NotSent,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 5321 section 4.3.2, RFC 3207 section 4, RFC 4954 section 4.
    #[test]
    fn a_reply_fits_its_command() {
        for (step, positive) in [
            (Step::Greeting, [200, 220, 250, 299].as_slice()),
            (Step::Mail, &[200, 220, 250, 299]),
            (Step::Dot, &[200, 220, 250, 299]),
            (Step::Data, &[354]),
            (Step::StartTls, &[220]),
            (Step::Auth, &[200, 220, 250, 299, 334]),
        ] {
            for code in [200, 220, 250, 299, 300, 334, 354, 399] {
                assert_eq!(step.fits(code), positive.contains(&code), "{code} to {step:?}");
            }
            assert!(step.fits(400) && step.fits(599), "{step:?}");
        }
    }
}
