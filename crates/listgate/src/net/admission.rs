//! Who may connect, and how often at a time.

use super::peers::Peers;
use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

/// Whoever connects, as far as they are told apart.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Caller {
    Address(IpAddr),
    /// The user at the other end of a Unix socket; `None` when the system does not say.
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

/// Why a caller is turned away. Both mend themselves or are an operator's mistake: 421, never 5xx.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Turned {
    Stranger,
    TooMany,
}

impl Turned {
    /// In one word, to be counted and logged.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Stranger => "stranger",
            Self::TooMany => "too_many",
        }
    }

    /// The line that stands for the greeting (RFC 5321 section 3.1), with what the operator can do.
    pub(crate) fn greeting(self, hostname: &str) -> String {
        match self {
            Self::Stranger => format!("421 {hostname} does not know you, closing (server.allow)\r\n"),
            Self::TooMany => format!("421 {hostname} has too many connections from you, closing\r\n"),
        }
    }
}

/// Counts who is connected.
#[derive(Debug)]
pub(crate) struct Admission {
    rules: AdmissionRules,
    present: Arc<Mutex<HashMap<Caller, usize>>>,
}

/// Who may connect.
#[derive(Debug)]
pub(crate) struct AdmissionRules {
    /// The networks that may connect by TCP.
    pub(crate) allow: Peers,
    /// The users that may connect by a Unix socket; `None`: all of them.
    pub(crate) allow_uids: Option<Vec<u32>>,
    /// Connections that one caller may have at a time.
    pub(crate) most: usize,
}

impl Admission {
    pub(crate) fn new(rules: AdmissionRules) -> Self {
        Self { rules, present: Arc::default() }
    }

    /// The same callers, with other rules for those to come.
    pub(crate) fn with_rules(&self, rules: AdmissionRules) -> Self {
        Self { rules, present: Arc::clone(&self.present) }
    }

    /// Whether a caller may connect at all.
    pub(crate) fn knows(&self, caller: Caller) -> bool {
        match (caller, &self.rules.allow_uids) {
            (Caller::Address(address), _) => self.rules.allow.contains(address),
            (Caller::User(uid), Some(allowed)) => uid.is_some_and(|uid| allowed.contains(&uid)),
            (Caller::User(_), None) => true,
        }
    }

    /// Lets a caller in until what it gives is dropped.
    pub(crate) fn admit(&self, caller: Caller) -> Result<Present, Turned> {
        if !self.knows(caller) {
            return Err(Turned::Stranger);
        }
        let mut present = self.present.lock().unwrap_or_else(PoisonError::into_inner);
        let count = present.entry(caller).or_default();
        if *count >= self.rules.most {
            return Err(Turned::TooMany);
        }
        *count += 1;
        Ok(Present { present: Arc::clone(&self.present), caller })
    }
}

/// One connection of a caller.
#[derive(Debug)]
pub(crate) struct Present {
    present: Arc<Mutex<HashMap<Caller, usize>>>,
    caller: Caller,
}

impl Drop for Present {
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
