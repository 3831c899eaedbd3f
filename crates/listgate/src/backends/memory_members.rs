//! The members of lists in the backend for tests.

use crate::limits;
use crate::model::{
    Ban, BanPattern, Due, FormerMember, Joined, ListNumber, Member, MemberAddress, MemberChange, MemberError,
    MemberRole, NewMember, Seq, time_at,
};
use std::collections::BTreeMap;

/// The members of every list, with their list_ids.
#[derive(Clone, Default)]
pub(super) struct MemberTable {
    rows: BTreeMap<Seq, (String, Member)>,
    last: i64,
    /// Members who have left, with their list_ids, when they left, and until when they can come back.
    former: BTreeMap<Seq, (String, Member, i64, Due)>,
    /// Their times in milliseconds since 1970, by the list's list_id and the pattern.
    bans: BTreeMap<(Option<String>, String), i64>,
}

impl MemberTable {
    fn find(&self, list_id: &str, role: MemberRole, address: &MemberAddress) -> Option<Seq> {
        let is_it = |(list, member): &(String, Member)| {
            list == list_id && member.role == role && member.address.key() == address.key()
        };
        self.rows.iter().find(|(_, row)| is_it(row)).map(|(seq, _)| *seq)
    }

    pub(super) fn add(
        &mut self,
        list_id: &str,
        role: MemberRole,
        new: &[NewMember],
        now: i64,
    ) -> Vec<Joined> {
        let mut joined = Vec::new();
        for new in new {
            if self.find(list_id, role, &new.named.address).is_some() {
                joined.push(Joined::Already);
                continue;
            }
            self.last += 1;
            let seq = Seq(self.last);
            let address = new.named.address.clone();
            let settings = new.settings(now);
            let member = Member { seq, role, address, joined_at: time_at(now), settings, version: 1 };
            self.rows.insert(seq, (list_id.to_owned(), member));
            joined.push(Joined::Added);
        }
        joined
    }

    pub(super) fn remove(
        &mut self,
        list_id: &str,
        role: MemberRole,
        addresses: &[MemberAddress],
    ) -> Result<(), MemberError> {
        for address in addresses {
            let found = self.find(list_id, role, address);
            let seq = found.ok_or_else(|| MemberError::Missing(address.clone()))?;
            self.rows.remove(&seq);
        }
        Ok(())
    }

    /// Returns a member with this seq.
    pub(super) fn by_seq<'t>(&'t self, list_id: &'t str, seq: Seq) -> Option<&'t Member> {
        self.of(list_id).find(|member| member.seq == seq && member.role == MemberRole::Member)
    }

    /// Makes an address a member, unless it is one.
    pub(super) fn join(&mut self, list_id: &str, new: &NewMember, now: i64) -> Option<Seq> {
        let joined = self.add(list_id, MemberRole::Member, std::slice::from_ref(new), now);
        (joined == [Joined::Added]).then_some(Seq(self.last))
    }

    /// Ends a membership.
    pub(super) fn leave(&mut self, list_id: &str, seq: Seq, now: i64) -> Option<Seq> {
        self.by_seq(list_id, seq)?;
        let (list_id, member) = self.rows.remove(&seq).expect("it was found");
        let due = Due::after(now, limits::FORMER_REMEMBERED);
        self.former.insert(seq, (list_id, member, now, due));
        Some(seq)
    }

    fn left(&self, list_id: &str, seq: Seq, now: i64) -> Option<(&Member, i64)> {
        let (list, member, left_at, due) = self.former.get(&seq)?;
        (list == list_id && !due.is_over(now)).then_some((member, *left_at))
    }

    pub(super) fn former(
        &self,
        (number, list_id): (ListNumber, &str),
        seq: Seq,
        now: i64,
    ) -> Option<FormerMember> {
        let (member, left_at) = self.left(list_id, seq, now)?;
        Some(FormerMember {
            seq,
            list: number,
            address: member.address.clone(),
            name: member.settings.name.clone(),
            left_at: time_at(left_at),
        })
    }

    /// Makes a former member a member again, unless the address is one.
    pub(super) fn rejoin(&mut self, list_id: &str, seq: Seq, now: i64) -> Option<Seq> {
        let (member, _) = self.left(list_id, seq, now)?;
        let member = member.clone();
        if self.find(list_id, MemberRole::Member, &member.address).is_some() {
            return None;
        }
        self.former.remove(&seq);
        self.last += 1;
        let seq = Seq(self.last);
        let member = Member { seq, joined_at: time_at(now), version: 1, ..member };
        self.rows.insert(seq, (list_id.to_owned(), member));
        Some(seq)
    }

    /// Removes everything of a list.
    pub(super) fn forget(&mut self, list_id: &str) {
        self.rows.retain(|_, (list, _)| list != list_id);
        self.former.retain(|_, (list, ..)| list != list_id);
        self.bans.retain(|(list, _), _| list.as_deref() != Some(list_id));
    }

    /// Returns the highest seq so far.
    pub(super) fn last(&self) -> Seq {
        Seq(self.last)
    }

    /// Returns the addresses with any role in a list, in the order of their seqs.
    pub(super) fn of<'t>(&'t self, list_id: &'t str) -> impl Iterator<Item = &'t Member> {
        self.rows.values().filter(move |(list, _)| list == list_id).map(|(_, member)| member)
    }

    /// Returns how many memberships of all lists began before a time, in milliseconds since 1970.
    pub(super) fn joined_before(&self, time: i64) -> u64 {
        let members = self.rows.values().filter(|(_, member)| member.role == MemberRole::Member);
        members.filter(|(_, member)| member.joined_at < time_at(time)).count() as u64
    }

    pub(super) fn roles_of(&self, list_id: &str, address: &MemberAddress) -> Vec<Member> {
        let rows = self.rows.values().filter(|(list, _)| list == list_id).map(|(_, member)| member);
        rows.filter(|member| member.address.key() == address.key()).cloned().collect()
    }

    pub(super) fn after(&self, list_id: &str, role: MemberRole, after: Seq, most: usize) -> Vec<Member> {
        let rows = self.rows.values().filter(|(list, _)| list == list_id).map(|(_, member)| member);
        rows.filter(|member| member.role == role && member.seq > after).take(most).cloned().collect()
    }

    pub(super) fn change(
        &mut self,
        seq: Seq,
        version: i64,
        changes: &[MemberChange],
        now: i64,
    ) -> Result<Member, MemberError> {
        let row = self.rows.get_mut(&seq).map(|(_, member)| member);
        let member = row.filter(|member| member.version == version).ok_or(MemberError::Outdated)?;
        changes.iter().for_each(|change| member.settings.apply(change, now));
        member.version += 1;
        Ok(member.clone())
    }

    pub(super) fn ban(&mut self, list_id: Option<&str>, patterns: &[BanPattern], now: i64) -> Vec<bool> {
        let mut new = Vec::new();
        for pattern in patterns {
            let key = (list_id.map(str::to_owned), pattern.as_str().to_owned());
            new.push(!self.bans.contains_key(&key));
            self.bans.entry(key).or_insert(now);
        }
        new
    }

    pub(super) fn unban(
        &mut self,
        list_id: Option<&str>,
        patterns: &[BanPattern],
    ) -> Result<(), MemberError> {
        for pattern in patterns {
            let key = (list_id.map(str::to_owned), pattern.as_str().to_owned());
            self.bans.remove(&key).ok_or_else(|| MemberError::NoBan(pattern.clone()))?;
        }
        Ok(())
    }

    pub(super) fn bans(&self, list_id: Option<&str>) -> Vec<Ban> {
        let bans = self.bans.iter().filter(|((scope, _), _)| scope.as_deref() == list_id);
        bans.map(|((_, pattern), at)| Ban {
            pattern: BanPattern::stored(pattern.clone()),
            banned_at: time_at(*at),
        })
        .collect()
    }
}
