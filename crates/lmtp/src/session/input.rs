//! A session's input where commands are expected: lines, and what is recognized before a line ends.

use crate::foreign::{ForeignProtocol, PROXY_V2};
use crate::limits;
use crate::line::{LineReader, TooLong};
use std::{borrow::Cow, time::Instant};

/// What a peer has said.
pub(super) enum Heard<'i> {
    /// A line without its CR LF.
    Line(Cow<'i, [u8]>),
    /// A line longer than the limit, as its first and last octets.
    TooLong(Vec<u8>),
    /// The first octets of another protocol.
    Foreign(ForeignProtocol),
}

/// The first octets of a connection, which may be a header of the PROXY protocol (version 2) that begins with
/// empty lines.
#[derive(Debug, PartialEq, Eq)]
enum Opening {
    /// So many octets of its signature have arrived, and nothing else.
    Held(usize),
    /// It was something else: these octets are input that has not been read.
    Released(&'static [u8]),
    Over,
}

#[derive(Debug)]
pub(super) struct Input {
    opening: Opening,
    lines: LineReader,
    /// Until when the peer may continue a line that ends in a bare LF; `None` if nothing of the kind is pending, or if
    /// the clock cannot represent that time.
    quiet_until: Option<Instant>,
}

impl Input {
    /// Returns the input of a new connection.
    pub(super) fn new() -> Self {
        Self { opening: Opening::Held(0), lines: LineReader::new(limits::COMMAND_LINE), quiet_until: None }
    }

    /// Returns when [`next`](Self::next) answers a pending line that ends in a bare LF.
    pub(super) fn quiet_until(&self) -> Option<Instant> {
        self.quiet_until
    }

    /// Returns what the peer has said next, and removes it from `input`; `None` if `input` is used up before.
    /// `greeted` is whether the peer has said LHLO.
    pub(super) fn next<'i>(
        &mut self,
        now: Instant,
        greeted: bool,
        input: &mut &'i [u8],
    ) -> Option<Heard<'i>> {
        let is_silent = input.is_empty();
        let heard = if is_silent && self.quiet_until.is_some_and(|until| now >= until) {
            self.pending(greeted)
        } else {
            self.read(greeted, input)
        };
        if heard.is_some() {
            self.quiet_until = None;
        } else if !is_silent {
            let waits = self.waits_for_a_line_end();
            self.quiet_until = if waits { now.checked_add(limits::UNENDED_LINE) } else { None };
        }
        heard
    }

    fn read<'i>(&mut self, greeted: bool, input: &mut &'i [u8]) -> Option<Heard<'i>> {
        if let Opening::Held(held) = self.opening {
            let same = PROXY_V2[held..].iter().zip(input.iter()).take_while(|(a, b)| a == b).count();
            *input = &input[same..];
            let held = held + same;
            if held == PROXY_V2.len() {
                self.opening = Opening::Over;
                return Some(Heard::Foreign(ForeignProtocol::Proxy));
            }
            if input.is_empty() {
                self.opening = Opening::Held(held);
                return None;
            }
            self.opening = Opening::Released(&PROXY_V2[..held]);
        }
        self.released(greeted).or_else(|| self.line(greeted, input))
    }

    /// Returns what was held back and turned out to be lines.
    fn released(&mut self, greeted: bool) -> Option<Heard<'static>> {
        let Opening::Released(mut octets) = self.opening else { return None };
        let heard = self.line(greeted, &mut octets);
        self.opening = if octets.is_empty() { Opening::Over } else { Opening::Released(octets) };
        heard
    }

    fn line<'i>(&mut self, greeted: bool, input: &mut &'i [u8]) -> Option<Heard<'i>> {
        // Almost every line begins with a letter.
        if self.lines.first(input).is_some_and(|first| first.is_ascii_control()) {
            let beginning = self.lines.beginning(input);
            if let Some(protocol) = ForeignProtocol::of_beginning(beginning, greeted) {
                return Some(Heard::Foreign(protocol));
            }
        }
        self.lines.next(input).map(heard)
    }

    /// Returns what is pending after the silence that ends a line.
    fn pending(&mut self, greeted: bool) -> Option<Heard<'static>> {
        if let Opening::Held(held) = self.opening {
            self.opening = Opening::Released(&PROXY_V2[..held]);
            return self.released(greeted);
        }
        Some(heard(self.lines.take().map(Cow::Owned)))
    }

    fn waits_for_a_line_end(&self) -> bool {
        match self.opening {
            Opening::Held(held) => PROXY_V2[..held].contains(&b'\n'),
            Opening::Released(_) => false,
            Opening::Over => self.lines.ends_with_lf(),
        }
    }
}

fn heard(line: Result<Cow<'_, [u8]>, TooLong>) -> Heard<'_> {
    match line {
        Ok(line) => Heard::Line(line),
        Err(TooLong { ends }) => Heard::TooLong(ends),
    }
}
