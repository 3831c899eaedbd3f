//! Logging in with AUTH (RFC 4954).

use super::server::Server;
use base64::prelude::{BASE64_STANDARD, Engine};
use std::{collections::VecDeque, fmt};

/// A user's name and password. [`Debug`](fmt::Debug) does not show the password.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    user: String,
    password: String,
}

impl Credentials {
    /// Returns the credentials of a user.
    ///
    /// # Errors
    /// The name is empty, or one of both has a NUL, which PLAIN cannot send (RFC 4616 section 2).
    pub fn new(user: impl Into<String>, password: impl Into<String>) -> Result<Self, InvalidCredentials> {
        let (user, password) = (user.into(), password.into());
        let invalid = user.is_empty() || user.contains('\0') || password.contains('\0');
        if invalid { Err(InvalidCredentials) } else { Ok(Self { user, password }) }
    }

    /// Returns the user's name.
    pub fn user(&self) -> &str {
        &self.user
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("user", &self.user).finish_non_exhaustive()
    }
}

/// The error for a name or a password that cannot be sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct InvalidCredentials;

impl fmt::Display for InvalidCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the user is empty, or the user or the password has a NUL")
    }
}

impl std::error::Error for InvalidCredentials {}

/// The error for a server that offers neither PLAIN nor LOGIN.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NoMechanism;

impl fmt::Display for NoMechanism {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the server offers neither AUTH PLAIN nor AUTH LOGIN")
    }
}

impl std::error::Error for NoMechanism {}

/// An exchange in which the client answers each 334 with its next response.
pub(super) struct Login {
    pub(super) mechanism: &'static str,
    /// The responses that the server has not asked for yet, in base64.
    pub(super) responses: VecDeque<String>,
}

impl Login {
    /// Returns the exchange for the best mechanism that the server offers.
    pub(super) fn new(server: &Server, credentials: &Credentials) -> Result<Self, NoMechanism> {
        let Credentials { user, password } = credentials;
        let encode = |text: &str| BASE64_STANDARD.encode(text);
        if server.offers_auth("PLAIN") {
            // RFC 4616: no identity to act as, then the name and the password.
            let responses = VecDeque::from([encode(&format!("\0{user}\0{password}"))]);
            Ok(Self { mechanism: "PLAIN", responses })
        } else if server.offers_auth("LOGIN") {
            Ok(Self { mechanism: "LOGIN", responses: VecDeque::from([encode(user), encode(password)]) })
        } else {
            Err(NoMechanism)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::{Client, ClientEvent, Protocol};

    #[test]
    fn errors_say_why_nothing_is_sent() {
        let invalid = Credentials::new("", "secret").unwrap_err();
        assert_eq!(invalid.to_string(), "the user is empty, or the user or the password has a NUL");
        assert_eq!(NoMechanism.to_string(), "the server offers neither AUTH PLAIN nor AUTH LOGIN");
    }

    #[test]
    fn no_transaction_begins_during_a_login() {
        let mut client = Client::new(Protocol::Smtp, "a");
        let hello = b"220 a\r\n250-b\r\n250-PIPELINING\r\n250 AUTH PLAIN\r\n";
        assert_eq!(client.next(&mut hello.as_slice()), Some(ClientEvent::Ready));
        assert!(client.may_send());
        client.authenticate(&Credentials::new("ann", "secret").unwrap()).unwrap();
        assert!(!client.may_send());
    }

    #[test]
    fn a_password_is_not_kept_after_the_login() {
        let credentials = Credentials::new("ann", "secret").unwrap();
        for (mechanism, replies) in [
            ("PLAIN", "334 \r\n235 welcome\r\n"),
            ("PLAIN", "334 \r\n535 no\r\n"),
            ("LOGIN", "334 \r\n535 no such user\r\n"),
        ] {
            let mut client = Client::new(Protocol::Smtp, "a");
            let hello = format!("220 a\r\n250-b\r\n250 AUTH {mechanism}\r\n");
            assert_eq!(client.next(&mut hello.as_bytes()), Some(ClientEvent::Ready));
            client.authenticate(&credentials).unwrap();
            assert!(client.next(&mut replies.as_bytes()).is_some());
            assert!(client.login.is_empty() && client.planned.is_empty(), "{mechanism}: {replies}");
        }
    }
}
