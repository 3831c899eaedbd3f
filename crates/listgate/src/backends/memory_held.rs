//! Held posts, and to whom they were offered, in the backend for tests.

use crate::limits;
use crate::model::{
    DecisionOutcome, Due, HeldId, HeldPost, KeptId, ListNumber, NewHeldPost, OfferId, OfferedTo, Seq, time_at,
};
use std::collections::{BTreeMap, BTreeSet};

#[derive(Clone, Default)]
pub(super) struct HeldTable {
    rows: BTreeMap<HeldId, (ListNumber, HeldPost, KeptId)>,
    offers: BTreeMap<OfferId, OfferRow>,
    last: i64,
    last_offer: i64,
}

/// A held post, as it was offered to somebody.
#[derive(Clone)]
pub(super) struct OfferRow {
    list: ListNumber,
    pub(super) held: HeldId,
    /// `None`: the owner of the site.
    pub(super) moderator: Option<Seq>,
    offered_at: i64,
    /// What became of the post, and when that is forgotten.
    ended: Option<(DecisionOutcome, Due)>,
}

impl OfferRow {
    pub(super) fn outcome(&self) -> Option<DecisionOutcome> {
        self.ended.map(|(outcome, _)| outcome)
    }
}

impl HeldTable {
    pub(super) fn get(&self, id: HeldId) -> Option<&HeldPost> {
        self.rows.get(&id).map(|(_, held, _)| held)
    }

    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    pub(super) fn of(&self, list: ListNumber) -> usize {
        self.rows.values().filter(|(of, ..)| *of == list).count()
    }

    pub(super) fn hold(
        &mut self,
        new: &NewHeldPost,
        (list_id, size, kept): (&str, u64, KeptId),
        now: i64,
    ) -> HeldId {
        self.last += 1;
        let id = HeldId(self.last);
        let held = HeldPost {
            id,
            list_id: list_id.to_owned(),
            message: new.message,
            size,
            mail_from: new.mail_from.clone(),
            message_id: new.message_id.clone(),
            author: new.author.clone(),
            subject: new.subject.clone(),
            reasons: new.reasons.clone(),
            notified: new.notified.clone(),
            held_at: time_at(now),
        };
        self.rows.insert(id, (new.list, held, kept));
        id
    }

    /// Ends the wait of a held post, and returns the reference that ends.
    pub(super) fn unhold(&mut self, id: HeldId, outcome: DecisionOutcome, now: i64) -> Option<KeptId> {
        for offer in self.offers.values_mut().filter(|offer| offer.held == id) {
            offer.ended = Some((outcome, Due::after(now, limits::POST_REMEMBERED)));
        }
        self.rows.remove(&id).map(|(_, _, kept)| kept)
    }

    pub(super) fn offer(&mut self, list: ListNumber, held: HeldId, to: OfferedTo, now: i64) -> OfferId {
        self.last_offer += 1;
        let id = OfferId(self.last_offer);
        let moderator = match to {
            OfferedTo::Moderator(seq) => Some(seq),
            OfferedTo::SiteOwner => None,
        };
        self.offers.insert(id, OfferRow { list, held, moderator, offered_at: now, ended: None });
        id
    }

    /// Returns an offer of a list. Those that are forgotten may still be there.
    pub(super) fn offered(&self, list: ListNumber, id: OfferId) -> Option<&OfferRow> {
        self.offers.get(&id).filter(|offer| offer.list == list)
    }

    pub(super) fn announced(&self, list: ListNumber, now: i64) -> usize {
        let length = i64::try_from(limits::HELD_NOTICES_TIME.as_millis()).expect("it is short");
        let of_list = self.offers.values().filter(|offer| offer.list == list);
        let recent = of_list.filter(|offer| (now - length + 1..=now + length).contains(&offer.offered_at));
        recent.map(|offer| offer.held).collect::<BTreeSet<_>>().len()
    }

    /// Removes everything of a list, and returns the references that end.
    pub(super) fn forget(&mut self, list: ListNumber) -> Vec<KeptId> {
        self.offers.retain(|_, offer| offer.list != list);
        self.rows.extract_if(.., |_, (of, ..)| *of == list).map(|(_, (_, _, kept))| kept).collect()
    }
}
