//! Makes the copies of a post: what changes in each, and its envelope.

use super::notices;
use super::signer::{Signer, list_address};
use crate::backends::{EngineStore, read_part};
use crate::limits;
use crate::model::{Claimed, Contents, ListSettings, MessageId, PostKind, Seq, StoreError};
use crate::texts::Texts;
use listgate_engine::distribution::{self, HeaderTooLarge, Plan};
use listgate_engine::splice::Splices;
use listgate_engine::token::Purpose;
use listgate_engine::view::{END, START, View};
use listgate_lmtp::{self as lmtp, Declared, Dsn, ForwardPath, Mailbox, ReversePath};
use std::borrow::Cow;

/// A post that is ready to be sent, for as many copies as it has.
pub(super) struct Prepared {
    octets: Octets,
    size: u64,
    changes: Changes,
    has_utf8_header: bool,
    may_be_eight_bit: bool,
}

/// The octets of a message.
enum Octets {
    /// All of a small one.
    Whole(Vec<u8>),
    /// They are read when they are sent.
    Stored(MessageId),
}

/// What changes in a post.
enum Changes {
    /// For members.
    Plan(Box<Plan>),
    /// For owners: the same in each copy.
    Owners(Splices),
    /// Nothing: Listgate has written it.
    None { null_sender: bool },
}

/// The reason why a post cannot be prepared.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotPrepared {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("its message is gone")]
    NoMessage,
    #[error("{0}")]
    Notice(#[from] notices::NotWritten),
    #[error("{0}")]
    Header(HeaderTooLarge),
    /// The code has an error.
    #[error("an internal error")]
    Panicked,
    #[error("the settings that it was stored with cannot be read")]
    Settings(#[from] serde_json::Error),
}

/// A part of a message.
pub(super) struct Chunk<'p> {
    pub(super) octets: Cow<'p, [u8]>,
    /// Whether the message ends with it.
    pub(super) is_last: bool,
}

/// One transaction: a copy of a post, and whom it goes to.
pub(super) struct Copy {
    pub(super) from: ReversePath,
    pub(super) to: Vec<lmtp::Recipient>,
    pub(super) splices: Splices,
    pub(super) declared: Declared,
    pub(super) dsn: Dsn,
}

impl Prepared {
    /// Reads what is needed of a message, and plans its changes.
    pub(super) async fn new(
        store: &dyn EngineStore,
        batch: &Claimed,
        (texts, null_sender): (&Texts, bool),
        signer: &Signer,
    ) -> Result<Self, NotPrepared> {
        let (kind, message, size, settings) = match &batch.contents {
            Contents::Message { kind, message, size, settings } => (*kind, *message, *size, settings),
            Contents::Notice(notice) => {
                return Ok(Self::written(notices::write(batch, notice, texts, signer)?, null_sender));
            }
        };
        let most = |most: usize| usize::try_from(size).map_or(most, |size| size.min(most));
        let start = read_part(store, message, 0, most(START)).await?.ok_or(NotPrepared::NoMessage)?;
        let whole = start.len() as u64 == size;
        let end = if whole {
            start[start.len().saturating_sub(END)..].to_vec()
        } else {
            let end = most(END);
            read_part(store, message, size - end as u64, end).await?.ok_or(NotPrepared::NoMessage)?
        };
        let view = View::new(&start, &end, size).map_err(|_| NotPrepared::NoMessage)?;
        let address = list_address(&batch.list, "");
        let changes = match kind {
            PostKind::Post => {
                let settings: ListSettings = serde_json::from_str(settings)?;
                let settings = settings.distribution(batch.list_id.clone(), address);
                Changes::Plan(Box::new(Plan::new(&settings, &view).map_err(NotPrepared::Header)?))
            }
            PostKind::Owner => {
                Changes::Owners(distribution::for_owners(&address, &view).map_err(NotPrepared::Header)?)
            }
        };
        let header = &start[..usize::try_from(view.header_end()).unwrap_or(start.len())];
        let has_utf8_header = !header.is_ascii() && std::str::from_utf8(header).is_ok();
        let may_be_eight_bit = !whole || !start.is_ascii();
        let is_small = whole && start.len() <= limits::READ_AT_ONCE;
        let octets = if is_small { Octets::Whole(start) } else { Octets::Stored(message) };
        Ok(Self { octets, size, changes, has_utf8_header, may_be_eight_bit })
    }

    /// Returns mail that is sent as it is written.
    fn written(message: Vec<u8>, null_sender: bool) -> Self {
        let header = View::whole(&message).header_end();
        let header = &message[..usize::try_from(header).unwrap_or(message.len())];
        Self {
            size: message.len() as u64,
            changes: Changes::None { null_sender },
            has_utf8_header: !header.is_ascii(),
            may_be_eight_bit: !message.is_ascii(),
            octets: Octets::Whole(message),
        }
    }

    /// Returns the part of the message that begins at `offset`, or `None` if the message is gone.
    ///
    /// # Errors
    /// It cannot be read.
    pub(super) async fn chunk(
        &self,
        store: &dyn EngineStore,
        offset: u64,
    ) -> Result<Option<Chunk<'_>>, StoreError> {
        let message = match &self.octets {
            Octets::Whole(whole) => {
                let offset = usize::try_from(offset).unwrap_or(usize::MAX).min(whole.len());
                return Ok(Some(Chunk { octets: Cow::Borrowed(&whole[offset..]), is_last: true }));
            }
            Octets::Stored(message) => *message,
        };
        let Some(octets) = store.read(message, offset, limits::READ_AT_ONCE).await? else {
            return Ok(None);
        };
        let is_last = offset + octets.len() as u64 >= self.size;
        // A file that was cut short would otherwise be read forever.
        let is_missing = octets.is_empty() && !is_last;
        Ok((!is_missing).then_some(Chunk { octets: Cow::Owned(octets), is_last }))
    }

    /// Returns the copy for some recipients of a batch: their memberships and addresses.
    pub(super) fn copy(&self, batch: &Claimed, to: Vec<(Seq, Mailbox)>, signer: &Signer) -> Copy {
        let (purpose, subject) = match to.as_slice() {
            // A notice, or the site's owner in place of owners that the list does not have.
            [(Seq(0), _)] => (Purpose::NoticeBounce, batch.post.0),
            [(Seq(seq), _)] if batch.personal => (Purpose::MemberBounce, *seq),
            _ => (Purpose::BatchBounce, batch.batch.0),
        };
        let from = signer.address(batch, "bounces", purpose, subject);
        let splices = match &self.changes {
            Changes::Plan(plan) if purpose == Purpose::MemberBounce => {
                plan.copy(Some(&signer.address(batch, "leave", Purpose::Leave, subject)))
            }
            Changes::Plan(plan) => plan.copy(None),
            Changes::Owners(splices) => splices.clone(),
            Changes::None { .. } => Splices::default(),
        };
        let size = splices.size_after(self.size);
        let declared = Declared { size, utf8_header: self.has_utf8_header, eight_bit: self.may_be_eight_bit };
        let id = format!("{}-{}", batch.post.0, batch.batch.0);
        let dsn = Dsn { envelope_id: id.parse().ok(), headers_only: true, failures_only: true };
        let recipient = |address: Mailbox| lmtp::Recipient {
            original: Some(address.clone()),
            path: ForwardPath::Mailbox(address),
        };
        let to = to.into_iter().map(|(_, address)| recipient(address)).collect();
        let from = match self.changes {
            Changes::None { null_sender: true } => ReversePath::Null,
            _ => ReversePath::Mailbox(from),
        };
        Copy { from, to, splices, declared, dsn }
    }
}
