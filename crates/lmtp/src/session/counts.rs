//! Counts of what a peer may do only a limited number of times.

use crate::limits::Limits;
use crate::reply::Refusal;

/// The commands and mistakes of a peer, which the operator's limits bound.
#[derive(Debug, Default)]
pub(super) struct Counts {
    mistakes: u32,
    /// Commands since the last whole message.
    commands: u32,
    /// Commands that are not about mail, since the last one that was.
    idle: u32,
}

impl Counts {
    /// Returns the number of commands since the last whole message.
    pub(super) fn commands(&self) -> u32 {
        self.commands
    }

    /// Counts a command and returns whether it is one too many.
    pub(super) fn command(&mut self, limits: &Limits) -> bool {
        self.commands += 1;
        self.commands > limits.commands || self.idle >= limits.idle_commands
    }

    /// Counts the current command also as one that is not about mail.
    pub(super) fn idle_command(&mut self) {
        self.idle += 1;
    }

    /// Notes a command about mail, which ends the series of those that are not.
    pub(super) fn about_mail(&mut self) {
        self.idle = 0;
    }

    pub(super) fn whole_message(&mut self) {
        self.commands = 0;
    }

    /// Counts a refused command if it was the peer's own mistake, and returns whether it is one too many.
    pub(super) fn refused(&mut self, why: &Refusal, limits: &Limits) -> bool {
        let is_mistake = matches!(why.code(), 500 | 501 | 503 | 555);
        self.mistakes += u32::from(is_mistake);
        is_mistake && self.mistakes >= limits.errors
    }
}
