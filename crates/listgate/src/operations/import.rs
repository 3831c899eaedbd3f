//! Imports members from the lines of a file.

use super::error::OperationError;
use super::member_file::{Line, LineError, MemberFile};
use super::members::{Roster, is_the_list};
use crate::model::{Joined, MemberAddress, MemberRole, NewMember};
use std::collections::HashMap;
use std::collections::hash_map;

/// What there is to say about a line.
#[derive(Debug)]
pub(crate) enum Remark {
    Refused {
        /// The line, as far as it is text.
        text: String,
        why: LineError,
    },
    /// It has the role already.
    Already(MemberAddress),
    /// An earlier line has it.
    Twice { address: MemberAddress, first: u64 },
    /// The header names columns that mean nothing here.
    Ignored(Vec<String>),
}

/// How many lines had which result, up to the last commit.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Imported {
    /// All lines, with blank ones.
    pub(crate) lines: u64,
    pub(crate) added: u64,
    pub(crate) already: u64,
    pub(crate) twice: u64,
    pub(crate) refused: u64,
}

/// An import that is under way.
pub(crate) struct Import {
    roster: Roster,
    role: MemberRole,
    dry_run: bool,
    file: MemberFile,
    /// The line in which each address was first.
    first: HashMap<String, u64>,
    done: Imported,
}

impl Import {
    /// Begins an import into a list. With `dry_run`, it changes nothing.
    pub(crate) fn new(roster: Roster, role: MemberRole, dry_run: bool) -> Self {
        Self {
            roster,
            role,
            dry_run,
            file: MemberFile::default(),
            first: HashMap::new(),
            done: Imported::default(),
        }
    }

    pub(crate) fn role(&self) -> MemberRole {
        self.role
    }

    pub(crate) fn roster(&self) -> &Roster {
        &self.roster
    }

    /// Returns what was done so far. It is stored.
    pub(crate) fn done(&self) -> Imported {
        self.done
    }

    /// Imports the next lines, up to [`crate::limits::MEMBERS_AT_ONCE`], in one commit. Returns the remarks about
    /// them, each with the number of its line, in order.
    ///
    /// # Errors
    /// The backend fails, or the list was removed. None of these lines were imported.
    pub(crate) async fn lines(&mut self, lines: &[Vec<u8>]) -> Result<Vec<(u64, Remark)>, OperationError> {
        let mut done = self.done;
        let mut remarks = Vec::new();
        let (mut new, mut numbers) = (Vec::new(), Vec::new());
        for line in lines {
            done.lines += 1;
            match self.read(line, done.lines) {
                Ok(Some(member)) => {
                    new.push(member);
                    numbers.push(done.lines);
                }
                Ok(None) => {}
                Err(remark) => remarks.push((done.lines, remark)),
            }
        }
        let joined = self.join(&new).await?;
        for ((member, number), joined) in new.into_iter().zip(numbers).zip(joined) {
            match joined {
                Joined::Added => done.added += 1,
                Joined::Already => remarks.push((number, Remark::Already(member.named.address))),
            }
        }
        for (_, remark) in &remarks {
            match remark {
                Remark::Refused { .. } => done.refused += 1,
                Remark::Already(_) => done.already += 1,
                Remark::Twice { .. } => done.twice += 1,
                Remark::Ignored(_) => {}
            }
        }
        self.done = done;
        remarks.sort_by_key(|(number, _)| *number);
        Ok(remarks)
    }

    /// Reads a line, and returns the address that is to be added.
    fn read(&mut self, line: &[u8], number: u64) -> Result<Option<NewMember>, Remark> {
        let refused = |why| Remark::Refused { text: String::from_utf8_lossy(line).trim().to_owned(), why };
        let new = match self.file.read(line).map_err(refused)? {
            Line::New(new) => new,
            Line::Header { ignored } if !ignored.is_empty() => return Err(Remark::Ignored(ignored)),
            Line::Header { .. } | Line::Nothing => return Ok(None),
        };
        let list = self.roster.list();
        if is_the_list(list, &new) {
            return Err(refused(LineError::ListItself(list.clone())));
        }
        if let Some(pattern) = self.roster.bans(&new.named.address) {
            return Err(refused(LineError::Banned(pattern)));
        }
        match self.first.entry(new.named.address.key().to_owned()) {
            hash_map::Entry::Occupied(first) => {
                Err(Remark::Twice { address: new.named.address, first: *first.get() })
            }
            hash_map::Entry::Vacant(vacant) => {
                vacant.insert(number);
                Ok(Some(new))
            }
        }
    }

    async fn join(&self, new: &[NewMember]) -> Result<Vec<Joined>, OperationError> {
        if !self.dry_run {
            return self.roster.add(self.role, new).await;
        }
        let mut joined = Vec::new();
        for new in new {
            let has = self.roster.has(self.role, &new.named.address).await?;
            joined.push(if has { Joined::Already } else { Joined::Added });
        }
        Ok(joined)
    }
}
