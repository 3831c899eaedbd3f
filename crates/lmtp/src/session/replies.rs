//! The replies of a session to its peer.

use super::settings::Settings;
use crate::per_recipient::PerRecipient;
use crate::reply::{Refusal, encode_line};
use std::fmt;

/// Replies that wait to be written. Those that may wait for the replies to later commands are collected
/// (RFC 2920 section 3.2); the others request a flush.
#[derive(Debug)]
pub(super) struct Replies {
    lines: Vec<u8>,
    /// Some of `lines` must not wait for more input.
    flush: bool,
}

impl Replies {
    /// Starts with the greeting (RFC 5321 section 4.2).
    pub(super) fn greeting(settings: &Settings) -> Self {
        let mut lines = Vec::new();
        let text = format!("{} {}", settings.hostname, settings.software);
        encode_line(&mut lines, 220, b' ', None, &text);
        Self { lines, flush: false }
    }

    /// Returns the buffer, which holds whole reply lines.
    pub(super) fn lines(&mut self) -> &mut Vec<u8> {
        &mut self.lines
    }

    /// Returns whether the lines must be written now, and resets that.
    pub(super) fn take_flush(&mut self) -> bool {
        std::mem::take(&mut self.flush)
    }

    /// Adds a reply that may wait.
    pub(super) fn add(&mut self, code: u16, enhanced: (u16, u16), text: &str) {
        encode_line(&mut self.lines, code, b' ', Some(enhanced), text);
    }

    /// Adds a reply that must not wait.
    pub(super) fn add_now(&mut self, code: u16, enhanced: (u16, u16), text: &str) {
        self.add(code, enhanced, text);
        self.flush = true;
    }

    /// Adds a refusal that may wait.
    pub(super) fn refuse(&mut self, why: &Refusal) {
        why.encode(&mut self.lines);
    }

    /// Adds a refusal that must not wait.
    pub(super) fn refuse_now(&mut self, why: &Refusal) {
        self.refuse(why);
        self.flush = true;
    }

    /// Adds the reply to LHLO: our name and our extensions (RFC 5321 section 4.1.1.1).
    pub(super) fn capabilities(&mut self, settings: &Settings, starttls: bool) {
        for word in [settings.hostname.as_str(), "PIPELINING", "ENHANCEDSTATUSCODES", "8BITMIME", "SMTPUTF8"]
        {
            encode_line(&mut self.lines, 250, b'-', None, word);
        }
        if starttls {
            encode_line(&mut self.lines, 250, b'-', None, "STARTTLS");
        }
        let size = format!("SIZE {}", settings.limits.message_size);
        encode_line(&mut self.lines, 250, b' ', None, &size);
        self.flush = true;
    }

    /// Adds the positive reply to DATA.
    pub(super) fn go_ahead(&mut self) {
        encode_line(&mut self.lines, 354, b' ', None, "End data with <CR><LF>.<CR><LF>");
        self.flush = true;
    }

    /// Adds one reply for each recipient, in order (RFC 2033 section 4.2).
    pub(super) fn outcomes<P: fmt::Display>(&mut self, outcomes: &PerRecipient<Result<P, Refusal>>) {
        for outcome in outcomes {
            match outcome {
                Ok(proof) => self.add(250, (0, 0), &format!("Ok: {proof}")),
                Err(why) => self.refuse(why),
            }
        }
        self.flush = true;
    }

    /// Adds the same refusal once for each of `recipients`.
    pub(super) fn refuse_each(&mut self, recipients: usize, why: &Refusal) {
        for _ in 0..recipients {
            self.refuse(why);
        }
        self.flush = true;
    }
}
