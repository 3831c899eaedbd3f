//! What a server announces about itself.

use crate::reply::Reply;

/// What a server has announced in its greeting and in its reply to EHLO or LHLO.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct Server {
    /// The text of the greeting, its lines separated by spaces. Empty after a handshake of TLS, because the greeting
    /// was not protected by it.
    pub greeting: String,
    /// PIPELINING (RFC 2920): commands may be sent in groups.
    pub pipelining: bool,
    /// SIZE (RFC 1870): MAIL may declare the size of the message.
    pub size: bool,
    /// The maximum size of a message in octets, if SIZE has one.
    pub size_limit: Option<u64>,
    /// 8BITMIME (RFC 6152): bodies may have octets that are not ASCII.
    pub eight_bit_mime: bool,
    /// SMTPUTF8 (RFC 6531): addresses and headers may have UTF-8.
    pub smtputf8: bool,
    /// DSN (RFC 3461): MAIL and RCPT may say which reports are wanted.
    pub dsn: bool,
    /// STARTTLS (RFC 3207).
    pub starttls: bool,
    /// The mechanisms of AUTH (RFC 4954), in upper case and in the server's order.
    pub auth: Vec<String>,
    /// The maximum number of recipients in a transaction (RFC 9422, RCPTMAX).
    pub max_recipients: Option<u32>,
    /// The maximum number of transactions in a session (RFC 9422, MAILMAX).
    pub max_transactions: Option<u32>,
}

impl Server {
    /// Returns whether AUTH offers `mechanism`, which is in upper case.
    pub fn offers_auth(&self, mechanism: &str) -> bool {
        self.auth.iter().any(|offered| offered == mechanism)
    }

    /// Adds what the reply to EHLO or LHLO announces. Its first line is the server's name.
    pub(super) fn learn(&mut self, reply: &Reply) {
        for line in reply.lines.iter().skip(1) {
            // Old servers write AUTH=LOGIN for clients that are even older.
            let (keyword, parameters) = line.split_once([' ', '=']).unwrap_or((line, ""));
            self.announced(&keyword.to_ascii_uppercase(), parameters);
        }
    }

    fn announced(&mut self, keyword: &str, parameters: &str) {
        match keyword {
            "PIPELINING" => self.pipelining = true,
            "SIZE" => {
                self.size = true;
                // A limit of 0 means that there is none (RFC 1870 section 4).
                self.size_limit = parameters.trim().parse().ok().filter(|limit| *limit > 0);
            }
            "8BITMIME" => self.eight_bit_mime = true,
            "SMTPUTF8" => self.smtputf8 = true,
            "DSN" => self.dsn = true,
            "STARTTLS" => self.starttls = true,
            "AUTH" => {
                let mechanisms = parameters.split_ascii_whitespace().map(str::to_ascii_uppercase);
                self.auth.extend(mechanisms);
            }
            "LIMITS" => parameters.split_ascii_whitespace().for_each(|limit| self.limited(limit)),
            _ => {}
        }
    }

    fn limited(&mut self, limit: &str) {
        let Some((name, value)) = limit.split_once('=') else { return };
        // RFC 9422 section 4 has no limit of 0.
        let value = value.parse().ok().filter(|value| *value > 0);
        match name.to_ascii_uppercase().as_str() {
            "RCPTMAX" => self.max_recipients = value,
            "MAILMAX" => self.max_transactions = value,
            _ => {}
        }
    }
}
