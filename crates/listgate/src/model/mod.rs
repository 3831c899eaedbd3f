//! The vocabulary that all other modules share. It imports nothing from the crate except `limits` and `file_error`.

mod ban;
mod bounce;
mod delivery;
mod endpoint;
mod entry;
mod former_member;
mod held_post;
mod lease;
mod list;
mod list_admin;
mod list_alias;
mod list_setting_value;
mod list_settings;
mod member;
mod member_address;
mod member_change;
mod member_delivery;
mod not_taken;
mod notice;
mod notice_content;
mod outgoing;
mod post;
mod post_record;
mod queue;
mod redelivery;
mod request;
mod site_key;
mod size;
mod space;
mod step;
mod store_error;
mod time;
mod yes_or_no;

pub(crate) use ban::{Ban, BanList, BanPattern};
pub(crate) use listgate_engine::comparable::{
    ascii_domain, comparable_domain, comparable_local, unicode_domain,
};

pub(crate) use bounce::{BounceOf, Evidence, NewBounce};
pub(crate) use delivery::{Addressed, DeliveryKey, Envelope};
pub(crate) use endpoint::{Endpoint, Names, Role};
pub(crate) use entry::{Arrival, Change, EntryError, StateName};
pub use entry::{Entry, EntryId, Id, IdError, Msgdata, State};
pub(crate) use former_member::FormerMember;
pub(crate) use held_post::{
    DecisionId, DecisionOutcome, DecisionRecord, HeldId, HeldPost, ModerationNow, NewDecision, NewHeldPost,
    Offer, OfferId, OfferedTo,
};
pub(crate) use lease::LeaseId;
pub use lease::{Lease, Stale, Verdict};
pub(crate) use list::{Changes, List, ListAddress, ListAddressError, ListState, POSTMASTERS};
pub(crate) use list_admin::{ChangeError, Domain, ListFacts};
pub(crate) use list_alias::{alias_in, aliases};
pub(crate) use list_settings::{LIST_SETTINGS, ListChange, ListSettingError, ListSettings, Setting};
pub(crate) use member::{
    Joined, Member, MemberError, MemberRole, MemberSettings, NewMember, RoleCounts, Seq,
};
pub(crate) use member_address::{
    DisplayName, DisplayNameError, MemberAddress, NamedAddress, NamedAddressError,
};
pub(crate) use member_change::{MemberChange, MemberChangeError};
pub(crate) use member_delivery::{MemberDelivery, OffBy};
pub(crate) use not_taken::NotTaken;
pub(crate) use notice::{
    About, Answered, ClaimedNotice, NOTICE, NewNotice, NoticeTo, OWNER_NOTICE, notice_id,
};
pub(crate) use notice_content::NoticeContent;
pub(crate) use outgoing::{
    Advance, BatchEnd, BatchId, BatchResult, ClaimRequest, Claimed, Contents, Exception, OutgoingNow, Pause,
    Recipient, Refusal, WayOut,
};
pub(crate) use post::{
    ListNumber, ListSnapshot, MessageId, MessageIdHash, NewPost, Personal, PostId, PostKind,
};
pub(crate) use post_record::{BatchRecord, BatchState, PostRecord, PostState, RecipientRecord};
pub(crate) use queue::{Depth, QueueNow};
pub use queue::{Name, NameError};
pub use redelivery::Redelivery;
pub(crate) use redelivery::{Digest, Duplicate, Fingerprint};
pub(crate) use request::{Mailed, NewRequest, Request, RequestId, RequestKind, RequestPhase};
pub(crate) use site_key::{KeyNumber, Rotation, SiteKey};
pub(crate) use size::size;
pub(crate) use space::{Space, log_wanted};
pub(crate) use step::{Effect, Expect, KeptId, NotStepped, Step, Stepped, TooManyRows};
pub(crate) use store_error::{Kind as StoreErrorKind, StoreError};
pub use time::Clock;
pub(crate) use time::{Due, milliseconds, rfc3339, time_at};
