//! What is known about the mail with a Message-ID.

use super::error::OperationError;
use super::open::console;
use super::queues::{each_entry, forms};
use crate::config::Config;
use crate::limits;
use crate::model::{DecisionId, DecisionRecord, Entry, HeldPost, PostRecord};
use listgate_engine::token::CHARACTERS;
use std::ops::ControlFlow;

/// One thing that is known about a message, without tokens.
pub(crate) enum Known {
    /// What was decided about it.
    Decision(DecisionRecord),
    /// A post that it became.
    Post(PostRecord),
    /// A post that waits for a moderator.
    Held(HeldPost),
    /// It is still in a queue.
    Entry(Box<Entry>),
}

/// A callback that takes one thing at a time and returns whether it wants more.
pub(crate) type EachKnown<'a> = &'a mut (dyn FnMut(Known) -> ControlFlow<()> + Send);

/// Passes what is known about the mail with a Message-ID, in brackets or not, to `each`, until it wants no more: first the
/// decisions of all lists in their order, then what came of them, and last the entries of queues that are not decided yet.
///
/// # Errors
/// Nothing is known, the backend is a Mailman site, or it cannot be asked.
pub(crate) async fn explain(
    config: &Config,
    message_id: &str,
    each: EachKnown<'_>,
) -> Result<(), OperationError> {
    let console = console(config)?;
    let Some(store) = console.posts() else {
        return Err(OperationError::OfMailman { what: "the decisions", instead: "read its log" });
    };
    let message_id = message_id.trim();
    let mut is_known = false;
    let mut pass = |known| {
        is_known = true;
        each(without_tokens(known))
    };
    let most = limits::RECORDS_READ;
    for message_id in forms(message_id) {
        let mut after = DecisionId(0);
        loop {
            let some = store.decisions_after(&message_id, after, most).await?;
            let Some(last) = some.last() else { break };
            after = last.id;
            if some.into_iter().map(Known::Decision).try_for_each(&mut pass).is_break() {
                return Ok(());
            }
        }
        let held = store.held_with(&message_id, most).await?.into_iter().map(Known::Held);
        let posts = store.posts_with(&message_id, most).await?.into_iter().map(Known::Post);
        if held.chain(posts).try_for_each(&mut pass).is_break() {
            return Ok(());
        }
    }
    each_entry(&*console, None, Some(message_id), &mut |entry| pass(Known::Entry(Box::new(entry)))).await?;
    if is_known { Ok(()) } else { Err(OperationError::NothingKnown(message_id.to_owned())) }
}

/// Takes the tokens out of what is shown: addresses with one can be envelope senders, and be in reasons.
fn without_tokens(known: Known) -> Known {
    match known {
        Known::Decision(decision) => Known::Decision(DecisionRecord {
            mail_from: without_token(&decision.mail_from),
            reasons: decision.reasons.iter().map(|reason| without_token(reason)).collect(),
            ..decision
        }),
        Known::Entry(mut entry) => {
            entry.mail_from = entry.mail_from.as_deref().map(without_token);
            Known::Entry(entry)
        }
        // Nothing of their senders is shown.
        Known::Post(_) | Known::Held(_) => known,
    }
}

/// Returns a text with `TOKEN` in place of what could be one: a word of that length before an `@`.
fn without_token(text: &str) -> String {
    let mut parts = text.split('@').peekable();
    let mut shown = String::new();
    while let Some(part) = parts.next() {
        let before = part.char_indices().rev().find(|(_, c)| !c.is_ascii_alphanumeric());
        let start = before.map_or(0, |(at, delimiter)| at + delimiter.len_utf8());
        let has_token = parts.peek().is_some() && start > 0 && part.len() - start == CHARACTERS;
        shown += if has_token { &part[..start] } else { part };
        shown += if has_token { "TOKEN" } else { "" };
        shown += if parts.peek().is_some() { "@" } else { "" };
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_could_be_a_token_is_taken_out_of_a_text() {
        let token = "abcdefghijklmnopqrstuvwx27";
        for (text, expected) in [
            (format!("mylist-bounces+{token}@example.com"), "mylist-bounces+TOKEN@example.com"),
            (
                format!("mylist-bounces={token}@example.com is banned"),
                "mylist-bounces=TOKEN@example.com is banned",
            ),
            (format!("a@b and é{}@example.com", token.to_uppercase()), "a@b and éTOKEN@example.com"),
            (format!("{token}@example.com"), "abcdefghijklmnopqrstuvwx27@example.com"),
            (format!("x+{token}"), "x+abcdefghijklmnopqrstuvwx27"),
            (format!("x+{token}a@example.com"), "x+abcdefghijklmnopqrstuvwx27a@example.com"),
            ("<>".to_owned(), "<>"),
            ("@é@".to_owned(), "@é@"),
        ] {
            assert_eq!(without_token(&text), expected);
        }
    }
}
