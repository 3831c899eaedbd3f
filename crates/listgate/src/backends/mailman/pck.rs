//! Mailman's queue directories: how a file gets there so that it stays, and what is there.
//!
//! A file is written under a name that no runner takes, synced, renamed, and its directory synced: only
//! then is there a [`Stored`] for it. A runner dies of a `.pck` whose name it cannot read, so names are
//! made in one place. Mailman's runners take what ends in `.pck`, and at their start `.bak`; they write
//! `.pck.tmp` themselves, which is why ours ends in something else.

use super::pickle::{self, Metadata, TooLong};
use crate::backends::space::space_at;
use crate::error_chain::Chain;
use crate::file_error::{During, FileError};
use crate::limits;
use crate::message::Body;
use crate::model::Space;
use crate::model::{Name, StoreError};
use bytesize::ByteSize;
use rustix::fs::{Gid, Mode, Uid};
use sha1::{Digest as _, Sha1};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Ends the name of a file of ours that is still written.
const UNFINISHED: &str = ".listgate.tmp";

/// The queue directories of a site.
#[derive(Debug)]
pub(super) struct Queues {
    dirs: [Dir; Name::ALL.len()],
    /// The latest time in a name, in microseconds since 1970. No two names of ours have the same: a
    /// runner works by these times, and is slow where many are equal.
    last: AtomicU64,
    /// Octets that files leave free.
    min_free: u64,
    /// Octets of the deliveries that are being written: what is free does not yet show them.
    on_their_way: AtomicU64,
}

/// A queue directory.
#[derive(Debug)]
struct Dir {
    path: PathBuf,
    /// Whom files of ours must be given to, so that Mailman's runners can read and unlink them.
    owner: (Option<Uid>, Option<Gid>),
}

/// One delivery: one message, and one file for each recipient.
#[derive(Debug)]
pub(super) struct Mail<'a> {
    pub(super) body: &'a Body,
    pub(super) original_size: u64,
    pub(super) mail_from: &'a str,
    pub(super) to: &'a [Metadata<'a>],
}

/// The files of a delivery, written and not yet synced. Dropped, they are gone.
#[derive(Debug)]
pub(super) struct Written(Vec<Unfinished>);

/// The files of a delivery, whose octets are on stable storage and whose names no runner takes. Dropped,
/// they are gone.
#[derive(Debug)]
pub(super) struct Synced(Vec<Unfinished>);

/// The files of a delivery in their queues. Dropped, they are gone: only a synced directory keeps their
/// names.
#[derive(Debug)]
pub(super) struct Renamed(Vec<Unfinished>);

#[derive(Debug)]
struct Unfinished {
    /// Until it is synced.
    file: Option<File>,
    id: String,
    queue: Name,
    /// Removed when dropped: first the name that no runner takes, later the final one.
    path: Remove,
}

/// The proof that a file is in its queue, by a name that survives a power loss.
#[derive(Debug)]
pub(super) struct Stored {
    id: String,
}

impl Stored {
    /// The file's name without `.pck`, as Mailman's own log has it.
    pub(super) fn id(&self) -> &str {
        &self.id
    }
}

/// Octets that are being written; not any more when dropped.
struct Room<'q> {
    on_their_way: &'q AtomicU64,
    octets: u64,
}

impl Drop for Room<'_> {
    fn drop(&mut self) {
        self.on_their_way.fetch_sub(self.octets, Ordering::Relaxed);
    }
}

/// Why a delivery is not written.
#[derive(Debug, thiserror::Error)]
pub(super) enum PutError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    TooLong(#[from] TooLong),
}

/// Removes a file when dropped, unless told to keep it.
#[derive(Debug)]
struct Remove(Option<PathBuf>);

impl Remove {
    fn path(&self) -> &Path {
        self.0.as_deref().expect("only `keep` takes the path, and nothing follows it")
    }
}

impl Drop for Remove {
    fn drop(&mut self) {
        if let Some(path) = &self.0
            && let Err(why) = fs::remove_file(path).during("remove", path)
            // A runner took it: then it is delivered, and comes once more.
            && why.source.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!("{}", Chain(&why));
        }
    }
}

impl Queues {
    /// Opens the directories, in the order of [`Name::ALL`], and removes what an earlier gate left
    /// unfinished. Only one gate may have them open.
    pub(super) fn open(dirs: [PathBuf; Name::ALL.len()], min_free: u64) -> Result<Self, StoreError> {
        let [one, two, three] = dirs.map(Dir::open);
        let dirs = [one?, two?, three?];
        Ok(Self { dirs, last: AtomicU64::new(0), min_free, on_their_way: AtomicU64::new(0) })
    }

    pub(super) fn dir(&self, queue: Name) -> &Path {
        &self.dirs[queue as usize].path
    }

    /// What the file systems of the queues have, the least of them.
    pub(super) fn space(&self) -> Result<Space, StoreError> {
        let [first, others @ ..] = &self.dirs;
        others.iter().try_fold(space(&first.path)?, |least, dir| Ok(least.least(space(&dir.path)?)))
    }

    /// Room for the files of a delivery, which are as many whole messages, held until it is dropped.
    fn room_for(&self, mail: &Mail<'_>) -> Result<Room<'_>, StoreError> {
        let octets = mail.body.len().saturating_mul(mail.to.len() as u64);
        let wanted = self.on_their_way.fetch_add(octets, Ordering::Relaxed).saturating_add(octets);
        let room = Room { on_their_way: &self.on_their_way, octets };
        let free = self.space()?.free;
        if free < self.min_free.saturating_add(wanted) {
            let (free, wanted) = (ByteSize(free), ByteSize(octets));
            let why =
                format!("{free} free, {wanted} wanted in {} files beyond storage.min_free", mail.to.len());
            let full = io::Error::new(io::ErrorKind::StorageFull, why);
            return Err(FileError::new("write a delivery into", self.dir(Name::In), full).into());
        }
        Ok(room)
    }

    /// Writes the files of a delivery, each under a name that no runner takes.
    pub(super) fn write(&self, mail: &Mail<'_>) -> Result<Written, PutError> {
        let head = pickle::message_head(mail.body.len())?;
        let tail = pickle::message_tail(mail.original_size, mail.mail_from)?;
        let _room = self.room_for(mail)?;
        let mut files: Vec<Unfinished> = Vec::new();
        for metadata in mail.to {
            if let Some(before) = files.len().checked_sub(limits::OPEN_QUEUE_FILES) {
                files[before].sync()?;
            }
            let end = [&*tail, &metadata.pickle()?].concat();
            let mut file = self.create(metadata.role.queue(), &end)?;
            file.write(&head, mail.body, &end)?;
            files.push(file);
        }
        Ok(Written(files))
    }

    /// Gives the files of a delivery the names that runners take.
    pub(super) fn rename(&self, mut delivery: Synced) -> Result<Renamed, StoreError> {
        for file in &mut delivery.0 {
            let path = self.dir(file.queue).join(format!("{}.pck", file.id));
            fs::rename(file.path.path(), &path).during("rename", file.path.path())?;
            file.path.0 = Some(path);
        }
        Ok(Renamed(delivery.0))
    }

    /// Syncs the directories that deliveries went into, each once for all of them: only then are their
    /// names on stable storage. Of some whose directory was not synced, nothing stays.
    pub(super) fn sync(&self, deliveries: Vec<Renamed>) -> Vec<Result<Vec<Stored>, StoreError>> {
        let touched = |queue: &Name| deliveries.iter().any(|delivery| delivery.is_in(*queue));
        let synced = |queue| sync_dir(self.dir(queue)).map_err(|why| (queue, why));
        let failed: Vec<_> =
            Name::ALL.into_iter().filter(touched).filter_map(|queue| synced(queue).err()).collect();
        let outcome = |delivery: Renamed| match failed.iter().find(|(queue, _)| delivery.is_in(*queue)) {
            Some((_, why)) => Err(why.clone()),
            None => Ok(delivery.0.into_iter().map(Unfinished::keep).collect()),
        };
        deliveries.into_iter().map(outcome).collect()
    }

    /// Makes an empty file with Mailman's mode and owner. `seed` makes its digest another than others'.
    fn create(&self, queue: Name, seed: &[u8]) -> Result<Unfinished, StoreError> {
        let micros = self.next_time();
        // As Python writes `time.time()`: the shortest decimal that is the same number.
        #[expect(clippy::cast_precision_loss, reason = "microseconds of this century have 51 bits")]
        let time = format!("{:?}", micros as f64 / 1e6);
        let digest = Sha1::new()
            .chain_update(micros.to_le_bytes())
            .chain_update(std::process::id().to_le_bytes())
            .chain_update(seed)
            .finalize();
        let digest: String = digest.iter().map(|octet| format!("{octet:02x}")).collect();
        let id = format!("{time}+{digest}");
        let dir = &self.dirs[queue as usize];
        let path = dir.path.join(format!("{id}{UNFINISHED}"));
        let opened = OpenOptions::new().write(true).create_new(true).mode(0o660).open(&path);
        let file = opened.during("create", &path)?;
        let path = Remove(Some(path));
        let (user, group) = dir.owner;
        if user.is_some() || group.is_some() {
            let given = rustix::fs::fchown(&file, user, group).map_err(io::Error::from);
            given.during("give to the queue's owner", path.path())?;
        }
        // Whatever the umask took off.
        let set = rustix::fs::fchmod(&file, Mode::from_raw_mode(0o660)).map_err(io::Error::from);
        set.during("set the mode of", path.path())?;
        Ok(Unfinished { file: Some(file), id, queue, path })
    }

    /// The time now, or the next after the last one.
    fn next_time(&self) -> u64 {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let now = u64::try_from(now.as_micros()).unwrap_or(u64::MAX);
        let after = |last: u64| now.max(last + 1);
        let update = self.last.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |last| Some(after(last)));
        after(update.expect("the closure always has a next"))
    }
}

impl Dir {
    fn open(path: PathBuf) -> Result<Self, StoreError> {
        let owner = owner(&path).during("look at", &path)?;
        for file in fs::read_dir(&path).during("read", &path)? {
            let file = file.during("read", &path)?.path();
            let is_ours =
                file.file_name().is_some_and(|name| name.as_encoded_bytes().ends_with(UNFINISHED.as_bytes()));
            if is_ours {
                fs::remove_file(&file).during("remove", &file)?;
            }
        }
        Ok(Self { path, owner })
    }
}

/// To whom a new file in `dir` must be given: only root can give to another user, and to a group of ours
/// everyone can.
fn owner(dir: &Path) -> io::Result<(Option<Uid>, Option<Gid>)> {
    const SETGID: u32 = 0o2000;
    let metadata = fs::metadata(dir)?;
    let (user, group) = (rustix::process::geteuid(), rustix::process::getegid());
    let other_user = user.is_root() && metadata.uid() != 0;
    let other_group = group.as_raw() != metadata.gid() && metadata.mode() & SETGID == 0;
    Ok((
        other_user.then(|| Uid::from_raw(metadata.uid())),
        other_group.then(|| Gid::from_raw(metadata.gid())),
    ))
}

impl Written {
    /// Deliveries are best synced side by side, each on a thread of its own: a file system's journal
    /// takes the syncs that wait in one go.
    pub(super) fn sync(mut self) -> Result<Synced, StoreError> {
        self.0.iter_mut().try_for_each(Unfinished::sync)?;
        Ok(Synced(self.0))
    }
}

impl Renamed {
    fn is_in(&self, queue: Name) -> bool {
        self.0.iter().any(|file| file.queue == queue)
    }
}

impl Unfinished {
    fn write(&mut self, head: &[u8], body: &Body, end: &[u8]) -> Result<(), StoreError> {
        let file = self.file.as_mut().expect("it is open until it is synced");
        let mut write = || match body {
            // One write for what is small.
            Body::Memory(octets) => file.write_all(&[head, octets, end].concat()),
            Body::Spooled(spooled) => {
                file.write_all(head)?;
                let copied = io::copy(&mut File::open(spooled.path())?, file)?;
                if copied != body.len() {
                    return Err(io::Error::other("the spool file has another length than it had"));
                }
                file.write_all(end)
            }
        };
        Ok(write().during("write", self.path.path())?)
    }

    /// Syncs the file, and closes it.
    fn sync(&mut self) -> Result<(), StoreError> {
        let synced = self.file.take().map_or(Ok(()), |file| file.sync_all());
        synced.during("sync", self.path.path()).map_err(StoreError::sync)
    }

    /// After the last sync: it stays.
    fn keep(mut self) -> Stored {
        self.path.0 = None;
        Stored { id: self.id }
    }
}

/// What the file system at `path` has.
pub(super) fn space(path: &Path) -> Result<Space, StoreError> {
    Ok(space_at(path, 0).during("ask for the free space of", path)?)
}

fn sync_dir(dir: &Path) -> Result<(), StoreError> {
    let opened = File::open(dir).during("open", dir)?;
    opened.sync_all().during("sync", dir).map_err(StoreError::sync)
}

/// A file in a queue.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Pck {
    /// Its name without `.pck`.
    pub(crate) id: String,
    /// When it came; `None` when the name says no time, and then a runner dies of it.
    pub(crate) time: Option<SystemTime>,
    pub(crate) size: u64,
}

/// What is in a queue directory, oldest first. Files that are taken meanwhile may be missing.
pub(crate) fn list(dir: &Path) -> io::Result<Vec<Pck>> {
    let mut all = Vec::new();
    for file in fs::read_dir(dir)? {
        let file = file?;
        let name = file.file_name().to_string_lossy().into_owned();
        let Some(id) = name.strip_suffix(".pck") else { continue };
        match file.metadata() {
            Ok(metadata) => all.push(Pck { id: id.to_owned(), time: time_of(id), size: metadata.len() }),
            Err(why) if why.kind() == io::ErrorKind::NotFound => {}
            Err(why) => return Err(why),
        }
    }
    all.sort_by(|a, b| (a.time, &a.id).cmp(&(b.time, &b.id)));
    Ok(all)
}

/// The octets of an entry; `None` when there is none.
pub(crate) fn read(dir: &Path, id: &str) -> io::Result<Option<Vec<u8>>> {
    let Some(path) = path_of(dir, id) else { return Ok(None) };
    match fs::read(path) {
        Err(why) if why.kind() == io::ErrorKind::NotFound => Ok(None),
        read => read.map(Some),
    }
}

/// Removes an entry for good; `false` when there is none.
pub(crate) fn remove(dir: &Path, id: &str) -> io::Result<bool> {
    let Some(path) = path_of(dir, id) else { return Ok(false) };
    match fs::remove_file(path) {
        Err(why) if why.kind() == io::ErrorKind::NotFound => Ok(false),
        removed => {
            removed?;
            File::open(dir)?.sync_all()?;
            Ok(true)
        }
    }
}

/// Nothing outside the directory is an entry of it.
fn path_of(dir: &Path, id: &str) -> Option<PathBuf> {
    (!id.contains(['/', '\0'])).then(|| dir.join(format!("{id}.pck")))
}

/// The time in a name that Mailman's runners can read.
fn time_of(id: &str) -> Option<SystemTime> {
    let (time, digest) = id.split_once('+')?;
    if digest.is_empty() || !digest.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    UNIX_EPOCH.checked_add(Duration::try_from_secs_f64(time.parse().ok()?).ok()?)
}
