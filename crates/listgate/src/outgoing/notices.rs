//! Writes notices: the mail that a list sends by itself.

use super::signer::{Signer, list_address};
use crate::model::{Claimed, ClaimedNotice, NoticeContent, milliseconds};
use crate::texts::Texts;
use listgate_engine::notice::{Envelope, Notice, Rulings, Template, compose};
use listgate_engine::token::Purpose;

/// The reason why a notice cannot be written.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotWritten {
    #[error("this version does not know the text `{0}`")]
    Template(String),
    #[error("what it says cannot be read")]
    Content(#[from] serde_json::Error),
    #[error("its batch has no recipient")]
    NoRecipient,
}

/// Writes the message of a notice. On the same day, it has the same octets each time.
pub(super) fn write(
    batch: &Claimed,
    notice: &ClaimedNotice,
    texts: &Texts,
    signer: &Signer,
) -> Result<Vec<u8>, NotWritten> {
    let unknown = || NotWritten::Template(notice.template.clone());
    let template = Template::from_name(&notice.template).ok_or_else(unknown)?;
    let NoticeContent { mut values, list_name, in_reply_to } = serde_json::from_str(&notice.content)?;
    if let Some(request) = notice.request {
        for what in ["accept", "reject"] {
            values.insert(what.to_owned(), format!("listgate request {what} {request}"));
        }
    }
    if let Some(held) = notice.held {
        values.insert("held".to_owned(), held.to_string());
        for what in ["show", "accept", "reject"] {
            values.insert(what.to_owned(), format!("listgate held {what} {held}"));
        }
    }
    let recipient = batch.recipients.first().ok_or(NotWritten::NoRecipient)?;
    let to = if notice.to_owners {
        list_address(&batch.list, "-owner")
    } else {
        recipient.address.parse().map_err(|_| NotWritten::NoRecipient)?
    };
    let token_address = template.purpose().zip(notice.subject).map(|(purpose, subject)| {
        let role = if purpose == Purpose::Leave { "leave" } else { "confirm" };
        signer.address(batch, role, purpose, subject)
    });
    let rulings = notice.held.and(notice.subject).map(|offer| {
        [Purpose::Accept, Purpose::Reject].map(|purpose| signer.address(batch, "confirm", purpose, offer))
    });
    let envelope = Envelope {
        list: &list_address(&batch.list, ""),
        list_id: &batch.list_id,
        display_name: &list_name,
        to: &to,
        token_address: token_address.as_ref(),
        rulings: rulings.as_ref().map(|[accept, reject]| Rulings { accept, reject }),
        id: &notice.id(batch.post),
        at: u64::try_from(milliseconds(notice.accepted_at) / 1000).unwrap_or(0),
    };
    Ok(compose(&Notice { template, values, in_reply_to }, texts.of(template), &envelope))
}
