//! Members who have left a short time ago, and can come back.

use super::member::Seq;
use super::member_address::{DisplayName, MemberAddress};
use super::post::ListNumber;
use std::time::SystemTime;

/// A member who has left.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct FormerMember {
    /// The membership that has ended.
    pub(crate) seq: Seq,
    pub(crate) list: ListNumber,
    pub(crate) address: MemberAddress,
    pub(crate) name: Option<DisplayName>,
    pub(crate) left_at: SystemTime,
}
