//! Reasons and replies, as they are stored.

use crate::limits;

/// Returns the first [`limits::REASON`] octets of a text, or slightly fewer so as not to split a character.
pub(super) fn cut(text: &str) -> &str {
    let end = (0..=limits::REASON.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
    &text[..end.unwrap_or(0)]
}
