//! What a peer may do only so often.

use crate::limits::Limits;
use crate::reply::Refusal;

/// Commands and mistakes of the peer, which the operator's limits bound.
#[derive(Debug, Default)]
pub(super) struct Counts {
    mistakes: u32,
    /// Commands since the last whole message.
    commands: u32,
    /// Of these, the ones about no mail since the last that was.
    idle: u32,
}

impl Counts {
    /// Commands since the last whole message.
    pub(super) fn commands(&self) -> u32 {
        self.commands
    }

    /// Counts a command; whether it is one too many.
    pub(super) fn command(&mut self, limits: &Limits) -> bool {
        self.commands += 1;
        self.commands > limits.commands || self.idle >= limits.idle_commands
    }

    /// Counts the command also as one about no mail.
    pub(super) fn idle_command(&mut self) {
        self.idle += 1;
    }

    /// The peer gets on with its mail.
    pub(super) fn about_mail(&mut self) {
        self.idle = 0;
    }

    pub(super) fn whole_message(&mut self) {
        self.commands = 0;
    }

    /// Counts a refused command, if that was the peer's own mistake; whether it is one too many.
    pub(super) fn refused(&mut self, why: &Refusal, limits: &Limits) -> bool {
        let is_mistake = matches!(why.code(), 500 | 501 | 503 | 555);
        self.mistakes += u32::from(is_mistake);
        is_mistake && self.mistakes >= limits.errors
    }
}
