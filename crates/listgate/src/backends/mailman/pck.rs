//! Mailman's queue directories: storing files in them durably, and listing what they contain.
//!
//! A file is written under a name that no runner takes, synced and renamed, and then its directory is synced. Only
//! after that is there a [`Stored`] for it. A runner crashes on a `.pck` whose name it cannot read, so names are
//! made in one place. Mailman's runners take files that end in `.pck`, and when they start those that end in
//! `.bak`. They also write `.pck.tmp` files, so ours have a different suffix.

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

/// The suffix of our files while they are being written.
const UNFINISHED: &str = ".listgate.tmp";

/// The queue directories of a site.
#[derive(Debug)]
pub(super) struct Queues {
    dirs: [Dir; Name::ALL.len()],
    /// The latest time in a file name, in microseconds since 1970. Each of our names has a different time: a runner
    /// orders files by it, and is slow when many times are equal.
    last: AtomicU64,
    /// Octets that must stay free when files are written.
    min_free: u64,
    /// Octets of the deliveries that are being written, which the free space does not reflect yet.
    on_their_way: AtomicU64,
}

/// A queue directory.
#[derive(Debug)]
struct Dir {
    path: PathBuf,
    /// The user and group that our files must be given to, so that Mailman's runners can read and remove them.
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

/// The files of a delivery, written but not synced yet. Dropping this removes them.
#[derive(Debug)]
pub(super) struct Written(Vec<Unfinished>);

/// The files of a delivery, with their octets on stable storage, under names that no runner takes. Dropping this
/// removes them.
#[derive(Debug)]
pub(super) struct Synced(Vec<Unfinished>);

/// The files of a delivery in their queues. Dropping this removes them: their names are not durable before the
/// directory is synced.
#[derive(Debug)]
pub(super) struct Renamed(Vec<Unfinished>);

#[derive(Debug)]
struct Unfinished {
    /// `None` once it is synced.
    file: Option<File>,
    id: String,
    queue: Name,
    /// Removed when dropped. This is first the name that no runner takes, and later the final one.
    path: Remove,
}

/// The proof that a file is in its queue, under a name that survives a power loss.
#[derive(Debug)]
pub(super) struct Stored {
    id: String,
}

impl Stored {
    /// Returns the file's name without `.pck`, as Mailman's own log writes it.
    pub(super) fn id(&self) -> &str {
        &self.id
    }
}

/// A reservation of octets that are being written. Dropping it ends the reservation.
struct Room<'q> {
    on_their_way: &'q AtomicU64,
    octets: u64,
}

impl Drop for Room<'_> {
    fn drop(&mut self) {
        self.on_their_way.fetch_sub(self.octets, Ordering::Relaxed);
    }
}

/// The reason why a delivery was not written.
#[derive(Debug, thiserror::Error)]
pub(super) enum PutError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    TooLong(#[from] TooLong),
}

/// The path of a file that is removed when this is dropped, unless the file is kept.
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
            // A runner took the file: the message is delivered, and will be delivered again when the mail server
            // retries.
            && why.source.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!("{}", Chain(&why));
        }
    }
}

impl Queues {
    /// Opens the directories, in the order of [`Name::ALL`], and removes files that an earlier gate left
    /// unfinished. Only one gate may have them open.
    pub(super) fn open(dirs: [PathBuf; Name::ALL.len()], min_free: u64) -> Result<Self, StoreError> {
        let [one, two, three] = dirs.map(Dir::open);
        let dirs = [one?, two?, three?];
        Ok(Self { dirs, last: AtomicU64::new(0), min_free, on_their_way: AtomicU64::new(0) })
    }

    pub(super) fn dir(&self, queue: Name) -> &Path {
        &self.dirs[queue as usize].path
    }

    /// Returns the space of the queues' file systems: the smallest of each value.
    pub(super) fn space(&self) -> Result<Space, StoreError> {
        let [first, others @ ..] = &self.dirs;
        others.iter().try_fold(space(&first.path)?, |least, dir| Ok(least.least(space(&dir.path)?)))
    }

    /// Reserves room for the files of a delivery, each of which contains the whole message, until the result is
    /// dropped.
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

    /// Syncs each directory that deliveries went into, once for all of them. Only then are their names on stable
    /// storage. A delivery with a file in a directory that failed to sync is removed entirely.
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

    /// Creates an empty file with Mailman's mode and owner. `seed` makes its digest different from those of other
    /// files.
    fn create(&self, queue: Name, seed: &[u8]) -> Result<Unfinished, StoreError> {
        let micros = self.next_time();
        // As Python writes `time.time()`: the shortest decimal that denotes the same number.
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
        // Restores the bits that the umask removed.
        let set = rustix::fs::fchmod(&file, Mode::from_raw_mode(0o660)).map_err(io::Error::from);
        set.during("set the mode of", path.path())?;
        Ok(Unfinished { file: Some(file), id, queue, path })
    }

    /// Returns the current time, or the microsecond after the last one if that is later.
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

/// Returns the user and group that a new file in `dir` must be given to. Only root can give a file to another user,
/// but every user can give it to a group that they are in.
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
    /// Syncs the files. Deliveries are best synced in parallel, each on its own thread: a file system's journal
    /// handles all waiting syncs at once.
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
            // A small message takes a single write.
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

    /// Keeps the file in its queue, after the last sync.
    fn keep(mut self) -> Stored {
        self.path.0 = None;
        Stored { id: self.id }
    }
}

/// Returns the space of the file system at `path`.
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
    /// When it arrived; `None` if its name contains no time, and then a runner crashes on it.
    pub(crate) time: Option<SystemTime>,
    pub(crate) size: u64,
}

/// Lists a queue directory, oldest file first. Files that are taken meanwhile may be missing.
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

/// Returns the octets of an entry; `None` if there is none.
pub(crate) fn read(dir: &Path, id: &str) -> io::Result<Option<Vec<u8>>> {
    let Some(path) = path_of(dir, id) else { return Ok(None) };
    match fs::read(path) {
        Err(why) if why.kind() == io::ErrorKind::NotFound => Ok(None),
        read => read.map(Some),
    }
}

/// Removes an entry for good; returns `false` if there is none.
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

/// Returns the path of an entry; `None` if the id leads outside the directory.
fn path_of(dir: &Path, id: &str) -> Option<PathBuf> {
    (!id.contains(['/', '\0'])).then(|| dir.join(format!("{id}.pck")))
}

/// Returns the time in a name, if Mailman's runners can read that name.
fn time_of(id: &str) -> Option<SystemTime> {
    let (time, digest) = id.split_once('+')?;
    if digest.is_empty() || !digest.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    UNIX_EPOCH.checked_add(Duration::try_from_secs_f64(time.parse().ok()?).ok()?)
}
