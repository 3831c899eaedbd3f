//! A Mailman site, as the commands that run beside the gate see it. Mailman's runners may take any file at any
//! time, so a file that is gone is skipped.

use super::cfg::Site;
use super::entry::{Entry as File, Message};
use super::lists::Lists;
use super::msgdata::msgdata;
use super::pck::{self, Pck};
use super::site_error::SiteError;
use crate::backends::addresses::Rooms;
use crate::backends::answer::{Answer, at_once};
use crate::backends::backend;
use crate::backends::browse::{BrowseStore, EachEntry, Wanted};
use crate::backends::key_admin::KeyAdmin;
use crate::backends::members::Members;
use crate::backends::post_admin::PostAdmin;
use crate::backends::registry::Registry;
use crate::file_error::During;
use crate::message::{Facts, HeaderEdit, Style};
use crate::model::{
    Arrival, Change, Changes, Depth, Endpoint, Entry, EntryError, Id, List, Msgdata, Name, Names, QueueNow,
    Space, State, StoreError,
};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The lists and the queues of a site.
pub(crate) struct Console {
    lists: Lists,
    queues: [PathBuf; Name::ALL.len()],
}

impl Console {
    pub(crate) fn open(site: &Site) -> Result<Self, SiteError> {
        Ok(Self { lists: Lists::open(&site.database)?, queues: site.queues.clone() })
    }

    fn dir(&self, queue: Name) -> &Path {
        &self.queues[queue as usize]
    }

    fn every_arrival(&self, queue: Name, each: &mut dyn FnMut(Arrival<'_>)) -> Result<(), StoreError> {
        for pck in self.list(queue)? {
            if let Some((entry, _)) = self.read_file(queue, &pck)? {
                let Entry { list_id, received_at, state, .. } = &entry;
                each(Arrival { list_id, received_at: *received_at, state: state.name() });
            }
        }
        Ok(())
    }

    fn every_entry(&self, wanted: &Wanted, each: EachEntry<'_>) -> Result<(), StoreError> {
        let Wanted { queue, message_id } = wanted;
        for queue in Name::ALL.into_iter().filter(|name| queue.is_none_or(|wanted| wanted == *name)) {
            for pck in self.list(queue)? {
                let Some((entry, _)) = self.read_file(queue, &pck)? else { continue };
                let is_wanted =
                    message_id.as_ref().is_none_or(|wanted| entry.message_id.as_ref() == Some(wanted));
                if is_wanted && each(entry).is_break() {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Returns an entry and its message, as far as its file contains them.
    fn find_entry(&self, id: &Id) -> Result<(Entry, Vec<u8>), EntryError> {
        let missing = || EntryError::Missing(id.clone());
        let Id::File(name) = id else { return Err(missing()) };
        for queue in Name::ALL {
            let found = self.list(queue)?.into_iter().find(|pck| pck.id == *name);
            if let Some(pck) = found
                && let Some(entry) = self.read_file(queue, &pck)?
            {
                return Ok(entry);
            }
        }
        Err(missing())
    }

    /// Removes entries in order; fails at the first one that does not exist.
    fn remove_files(&self, ids: &[Id]) -> Result<(), EntryError> {
        for id in ids {
            let name = id.to_string();
            let mut removed = false;
            for queue in Name::ALL {
                let dir = self.dir(queue);
                removed |=
                    pck::remove(dir, &name).during("remove an entry of", dir).map_err(StoreError::from)?;
            }
            if !removed {
                return Err(EntryError::Missing(id.clone()));
            }
        }
        Ok(())
    }

    fn list(&self, queue: Name) -> Result<Vec<Pck>, StoreError> {
        Ok(pck::list(self.dir(queue)).during("read", self.dir(queue))?)
    }

    /// Reads an entry; `None` if a runner took it first.
    fn read_file(&self, queue: Name, pck: &Pck) -> Result<Option<(Entry, Vec<u8>)>, StoreError> {
        let dir = self.dir(queue);
        let octets = pck::read(dir, &pck.id).during("read an entry of", dir)?;
        Ok(octets.map(|octets| described(queue, pck, &octets)))
    }
}

impl Registry for Console {
    fn changes(&self, _asked_at: Instant) -> Answer<'_, Option<Changes>> {
        at_once(Ok(None))
    }

    fn find<'a>(&'a self, names: &'a Names, asked_at: Instant) -> Answer<'a, Option<Arc<List>>> {
        Answer::of(async move { Ok(self.lists.find(names, asked_at.into()).await?.map(Arc::new)) })
    }

    fn serves<'a>(&'a self, domain: &'a str) -> Answer<'a, bool> {
        Answer::of(self.lists.serves(domain))
    }

    fn domains(&self) -> Answer<'_, Vec<String>> {
        Answer::of(self.lists.domains())
    }

    fn count_lists(&self) -> Answer<'_, u64> {
        Answer::of(self.lists.count_lists())
    }
}

impl backend::Console for Console {
    /// Mailman keeps its members itself.
    fn members(&self) -> Option<&dyn Members> {
        None
    }

    /// Mailman distributes posts itself.
    fn posts(&self) -> Option<&dyn PostAdmin> {
        None
    }

    /// Mailman signs nothing.
    fn key_admin(&self) -> Option<&dyn KeyAdmin> {
        None
    }
}

impl Rooms for Console {
    fn depth(&self, _queue: Name, _age: Duration) -> Answer<'_, Depth> {
        at_once(Ok(Depth::default()))
    }

    fn space(&self) -> Answer<'_, Space> {
        at_once(pck::space(self.dir(Name::In)))
    }
}

impl BrowseStore for Console {
    fn each_entry<'a>(&'a self, wanted: &'a Wanted, each: EachEntry<'a>) -> Answer<'a, ()> {
        at_once(self.every_entry(wanted, each))
    }

    fn each_arrival<'a>(
        &'a self,
        queue: Name,
        each: &'a mut (dyn FnMut(Arrival<'_>) + Send),
    ) -> Answer<'a, ()> {
        at_once(self.every_arrival(queue, each))
    }

    fn entry<'a>(&'a self, id: &'a Id) -> Answer<'a, Entry, EntryError> {
        at_once(self.find_entry(id).map(|(entry, _)| entry))
    }

    /// Reads the whole file each time, because the message cannot be extracted without the rest.
    fn read<'a>(&'a self, id: &'a Id, offset: u64, length: usize) -> Answer<'a, Vec<u8>, EntryError> {
        at_once(self.find_entry(id).map(|(_, message)| {
            let offset = usize::try_from(offset).unwrap_or(usize::MAX).min(message.len());
            message[offset..message.len().min(offset.saturating_add(length))].to_vec()
        }))
    }

    fn remove<'a>(&'a self, ids: &'a [Id]) -> Answer<'a, (), EntryError> {
        at_once(self.remove_files(ids))
    }

    fn change<'a>(&'a self, _ids: &'a [Id], _change: Change) -> Answer<'a, (), EntryError> {
        at_once(Err(EntryError::Mailmans))
    }

    fn msgdata(&self, endpoint: &Endpoint, owner: &str) -> Msgdata {
        msgdata(endpoint, 0, owner)
    }
}

/// Returns the entry that a file describes, and the message. For a file that cannot be read, the state has the
/// reason.
fn described(queue: Name, pck: &Pck, octets: &[u8]) -> (Entry, Vec<u8>) {
    let (message, metadata, state) = match File::read(octets) {
        Ok(File { message, metadata }) => (text_of(message), metadata, State::Waiting { reason: None }),
        Err(why) => (Vec::new(), Msgdata::new(), State::Unreadable { reason: why.to_string() }),
    };
    let facts = facts_of(&message);
    let list_id = metadata.get("listid").and_then(|value| value.as_str());
    let entry = Entry {
        id: Id::File(pck.id.clone()),
        queue,
        list_id: list_id.unwrap_or_default().to_owned(),
        recipient: None,
        detail: None,
        received_at: pck.time.unwrap_or(UNIX_EPOCH),
        state,
        attempts: 0,
        mail_from: mail_from(&message),
        message_id: facts.message_id(),
        peer: None,
        lhlo: None,
        transport: None,
        size: pck.size,
        received_lines: facts.received_lines(),
        from_list: false,
        auto_submitted: facts.auto_submitted(),
        precedence: facts.precedence(),
        repeats: None,
        msgdata: metadata,
    };
    (entry, message)
}

/// Returns the facts in a header, as they are read when a message arrives.
fn facts_of(message: &[u8]) -> Facts {
    let mut edit = HeaderEdit::new(Style::Plain, String::new(), String::new(), None);
    let mut edited = Vec::new();
    edit.push(message, &mut edited);
    edit.finish(&mut edited);
    edit.into_facts()
}

/// Returns the value of X-MailFrom; every message that came through a gate has one.
fn mail_from(message: &[u8]) -> Option<String> {
    let lines = message.split(|octet| *octet == b'\n').take_while(|line| !matches!(*line, b"" | b"\r"));
    let mut values = lines.filter_map(|line| {
        let (name, value) = line.split_at_checked("X-MailFrom:".len())?;
        name.eq_ignore_ascii_case(b"X-MailFrom:").then_some(value)
    });
    values.next().map(|value| String::from_utf8_lossy(value).trim().to_owned())
}

fn text_of(message: Message) -> Vec<u8> {
    match message {
        Message::Octets(octets) | Message::OnePart(octets) => octets,
        Message::Parts { mut header, parts } => {
            header.extend(format!("({parts} parts, as Mailman parsed them)\r\n").bytes());
            header
        }
        Message::Other(class) => format!("(a {class}, of which nothing is shown)\r\n").into_bytes(),
    }
}

/// Returns the current state of a queue.
pub(super) fn now(dir: &Path, queue: Name) -> Result<QueueNow, StoreError> {
    let files = pck::list(dir).during("read", dir)?;
    let oldest = files.iter().filter_map(|pck| pck.time).min();
    let age = oldest.and_then(|time| SystemTime::now().duration_since(time).ok());
    let depth = Depth { entries: files.len() as u64, octets: files.iter().map(|pck| pck.size).sum() };
    Ok(QueueNow {
        name: queue.as_str(),
        entries: depth.entries,
        octets: depth.octets,
        oldest: age.map_or(0, |age| age.as_secs()),
    })
}
