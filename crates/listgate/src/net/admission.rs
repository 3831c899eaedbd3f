//! Who may connect, and with how many connections at a time.

use super::networks::Networks;
use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

/// A caller, identified by its address or its user.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Caller {
    Address(IpAddr),
    /// The user at the other end of a Unix socket; `None` if the system does not report one.
    User(Option<u32>),
}

impl fmt::Display for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::User(Some(uid)) => write!(f, "uid {uid}"),
            Self::User(None) => write!(f, "an unknown user"),
        }
    }
}

/// The reason why a caller is turned away. Both reasons either pass or are an operator's mistake, so the reply is
/// 421, never 5xx.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Rejected {
    Stranger,
    TooMany,
}

impl Rejected {
    /// Returns the reason in one word, for metrics and the log.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Stranger => "stranger",
            Self::TooMany => "too_many",
        }
    }

    /// Returns the line that is sent instead of the greeting (RFC 5321 section 3.1), with what the operator can
    /// do.
    pub(crate) fn greeting(self, hostname: &str) -> String {
        match self {
            Self::Stranger => format!("421 {hostname} does not know you, closing (server.allow)\r\n"),
            Self::TooMany => format!("421 {hostname} has too many connections from you, closing\r\n"),
        }
    }
}

/// Decides which callers may connect, and counts their connections.
#[derive(Debug)]
pub(crate) struct Admission {
    rules: AdmissionRules,
    present: Arc<Mutex<HashMap<Caller, usize>>>,
}

/// The rules for who may connect.
#[derive(Debug)]
pub(crate) struct AdmissionRules {
    /// The networks that may connect by TCP.
    pub(crate) allow: Networks,
    /// The users that may connect by a Unix socket; `None`: all of them.
    pub(crate) allow_uids: Option<Vec<u32>>,
    /// Whether a certificate admits a caller by TCP from any other network.
    pub(crate) certificates: bool,
    /// How many connections one caller may have at a time.
    pub(crate) most: usize,
}

/// What a caller that may connect has to show before it may send mail.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Standing {
    /// Nothing.
    Allowed,
    /// A certificate.
    NeedsCertificate,
}

impl Admission {
    pub(crate) fn new(rules: AdmissionRules) -> Self {
        Self { rules, present: Arc::default() }
    }

    /// Returns an admission that counts the same callers, and applies other rules from now on.
    pub(crate) fn with_rules(&self, rules: AdmissionRules) -> Self {
        Self { rules, present: Arc::clone(&self.present) }
    }

    /// Returns whether a caller may connect without a certificate.
    pub(crate) fn knows(&self, caller: Caller) -> bool {
        match (caller, &self.rules.allow_uids) {
            (Caller::Address(address), _) => self.rules.allow.contains(address),
            (Caller::User(uid), Some(allowed)) => uid.is_some_and(|uid| allowed.contains(&uid)),
            (Caller::User(_), None) => true,
        }
    }

    /// Admits a connection of a caller, which counts until the returned value is dropped.
    pub(crate) fn admit(&self, caller: Caller) -> Result<(ConnectionPermit, Standing), Rejected> {
        let standing = match caller {
            _ if self.knows(caller) => Standing::Allowed,
            Caller::Address(_) if self.rules.certificates => Standing::NeedsCertificate,
            _ => return Err(Rejected::Stranger),
        };
        let mut present = self.present.lock().unwrap_or_else(PoisonError::into_inner);
        let count = present.entry(caller).or_default();
        if *count >= self.rules.most {
            return Err(Rejected::TooMany);
        }
        *count += 1;
        Ok((ConnectionPermit { present: Arc::clone(&self.present), caller }, standing))
    }
}

/// One connection of a caller, which counts until this is dropped.
#[derive(Debug)]
pub(crate) struct ConnectionPermit {
    present: Arc<Mutex<HashMap<Caller, usize>>>,
    caller: Caller,
}

impl Drop for ConnectionPermit {
    fn drop(&mut self) {
        let mut present = self.present.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = present.get_mut(&self.caller) {
            *count -= 1;
            if *count == 0 {
                present.remove(&self.caller);
            }
        }
    }
}
