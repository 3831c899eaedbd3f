//! Writes notices: mail of a list's own.

use super::signer::Signer;
use crate::model::{Claimed, ClaimedNotice, ListAddress, NoticeContent, milliseconds};
use crate::texts::Texts;
use listgate_engine::notice::{Envelope, Notice, Template, compose};
use listgate_engine::token::Purpose;
use listgate_lmtp::Mailbox;

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
    let recipient = batch.recipients.first().ok_or(NotWritten::NoRecipient)?;
    let to = if notice.to_owners {
        address(&batch.list, "-owner")
    } else {
        recipient.address.parse().map_err(|_| NotWritten::NoRecipient)?
    };
    let subject = notice.subject.and_then(|subject| u64::try_from(subject).ok());
    let token_address = template.purpose().zip(subject).map(|(purpose, subject)| {
        let role = if purpose == Purpose::Leave { "leave" } else { "confirm" };
        let list = (batch.list_id.as_str(), &batch.list, batch.alias.as_deref());
        signer.address_of(list, role, purpose, subject)
    });
    let envelope = Envelope {
        list: &address(&batch.list, ""),
        list_id: &batch.list_id,
        display_name: &list_name,
        to: &to,
        token_address: token_address.as_ref(),
        id: &notice.id(batch.post),
        at: u64::try_from(milliseconds(notice.accepted_at) / 1000).unwrap_or(0),
    };
    Ok(compose(&Notice { template, values, in_reply_to }, texts.of(template), &envelope))
}

/// Returns the address of a list with a suffix.
fn address(list: &ListAddress, suffix: &str) -> Mailbox {
    let address = format!("{}{suffix}@{}", list.local, list.domain);
    address.parse().expect("the address of a list, with a suffix, is one")
}
