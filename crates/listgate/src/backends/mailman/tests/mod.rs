//! Tests that write queue files and read them back.

mod python;

use super::entry::{Entry, Message};
use super::pck::{self, Mail, Queues};
use super::pickle::Metadata;
use super::read_pickle::PickleError;
use super::{Mailman, cfg};
use crate::backends::intake_store::IntakeStore;
use crate::limits;
use crate::message::Style;
use crate::message::{Body, Incoming, Spool};
use crate::model::Role;
use crate::model::{Name, StoreError};
use proptest::prelude::*;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::runtime::Builder;

const ROLES: [Role; 7] =
    [Role::Post, Role::Owner, Role::Bounces, Role::Confirm, Role::Join, Role::Leave, Role::Request];

fn received_at() -> SystemTime {
    UNIX_EPOCH + Duration::new(1_700_000_000, 42_000)
}

fn to(role: Role) -> Metadata<'static> {
    Metadata {
        list_id: "mylist.example.com",
        original_size: 5,
        received_at: received_at(),
        role,
        site_owner: "owner@example.com",
    }
}

/// Three queue directories.
struct Site {
    dir: tempfile::TempDir,
}

impl Site {
    fn new() -> Self {
        let site = Self { dir: tempfile::tempdir().unwrap() };
        site.dirs().iter().for_each(|dir| fs::create_dir(dir).unwrap());
        site
    }

    fn dirs(&self) -> [PathBuf; 3] {
        Name::ALL.map(|queue| self.dir.path().join(queue.as_str()))
    }

    fn queues(&self) -> Queues {
        Queues::open(self.dirs(), 0).unwrap()
    }

    fn files(&self) -> Vec<PathBuf> {
        let read = |dir: &PathBuf| fs::read_dir(dir).unwrap().map(|file| file.unwrap().path()).collect();
        self.dirs().iter().flat_map(|dir| -> Vec<PathBuf> { read(dir) }).collect()
    }
}

fn put(queues: &Queues, body: &Body, to: &[Metadata<'_>]) -> Vec<pck::Stored> {
    let mail = Mail { body, original_size: 5, mail_from: "anne@example.com", to };
    publish(queues, queues.write(&mail).unwrap()).unwrap()
}

fn publish(queues: &Queues, written: pck::Written) -> Result<Vec<pck::Stored>, StoreError> {
    let renamed = queues.rename(written.sync()?)?;
    queues.sync(vec![renamed]).pop().unwrap()
}

/// Returns a message that is large enough for a spool file.
fn spooled(dir: &Path) -> (Body, Vec<u8>) {
    let message = [&b"Message-ID: <a@b>\r\n\r\n"[..], &b"x".repeat(3 * limits::BODY_IN_MEMORY)].concat();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let body = runtime.block_on(async {
        let mut incoming =
            Incoming::new(Style::Mailman, crate::fuzz::FROM.to_owned(), "host", None, Spool::new(dir));
        incoming.push(&message).await.unwrap();
        incoming.finish().await.unwrap().body
    });
    assert!(matches!(body, Body::Spooled(_)));
    (body, crate::fuzz::edited_at_once(Style::Mailman, &message))
}

#[test]
fn each_recipient_gets_a_file_with_the_content_that_mailman_would_write() {
    let site = Site::new();
    let queues = site.queues();
    let body = Body::Memory(b"A: b\r\n\r\n\xe4\0".to_vec());
    let stored = put(&queues, &body, &ROLES.map(to));
    for (role, stored) in ROLES.into_iter().zip(&stored) {
        let dir = queues.dir(role.queue());
        let Entry { message, metadata } =
            Entry::read(&pck::read(dir, stored.id()).unwrap().unwrap()).unwrap();
        assert_eq!(message, Message::Octets(b"A: b\r\n\r\n\xe4\0".to_vec()));
        assert_eq!(metadata["received_time"], "2023-11-14T22:13:20.000042Z");
        assert_eq!(metadata["listid"], "mylist.example.com");
        assert_eq!(metadata["original_size"], 5);
        assert_eq!(metadata["version"], 3);
        assert_eq!(metadata["_parsemsg"], false);
        assert_eq!(metadata.contains_key("to_list"), role == Role::Post);
        assert_eq!(metadata.contains_key("subaddress"), role != Role::Post);
        assert_eq!(metadata.contains_key("to_request"), role == Role::Request);
        assert_eq!(metadata.contains_key("to_owner"), role == Role::Owner);
        assert_eq!(metadata.contains_key("envsender"), role == Role::Owner);
    }
    assert_eq!(site.files().len(), ROLES.len());
    for file in site.files() {
        assert_eq!(fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o660);
    }
}

#[test]
fn a_queue_is_listed_in_order_of_arrival_and_its_files_can_be_removed() {
    let site = Site::new();
    let queues = site.queues();
    let body = Body::Memory(Vec::new());
    let stored = put(&queues, &body, &[Role::Post; 2 * limits::OPEN_QUEUE_FILES].map(to));
    let dir = queues.dir(Name::In);
    let ids: Vec<String> = pck::list(dir).unwrap().into_iter().map(|file| file.id).collect();
    assert_eq!(ids, stored.iter().map(|stored| stored.id().to_owned()).collect::<Vec<_>>());
    for file in pck::list(dir).unwrap() {
        let (time, digest) = file.id.split_once('+').unwrap();
        assert!(time.contains('.') && time.parse::<f64>().is_ok() && digest.len() == 40, "{}", file.id);
        assert!(SystemTime::now().duration_since(file.time.unwrap()).unwrap() < Duration::from_secs(60));
        assert!(file.size > 100);
        assert!(pck::remove(dir, &file.id).unwrap());
        assert!(!pck::remove(dir, &file.id).unwrap());
        assert!(pck::read(dir, &file.id).unwrap().is_none());
    }
    fs::write(dir.join("misnamed.pck"), "").unwrap();
    fs::write(dir.join("1.0+ab.bak"), "").unwrap();
    let listed = pck::list(dir).unwrap();
    assert_eq!(listed, [pck::Pck { id: "misnamed".to_owned(), time: None, size: 0 }]);
    fs::write(site.dir.path().join("outside.pck"), "").unwrap();
    assert!(!pck::remove(dir, "../outside").unwrap());
}

#[test]
fn uncommitted_files_are_removed_and_those_of_others_stay() {
    let site = Site::new();
    let queues = site.queues();
    let body = Body::Memory(Vec::new());
    let mail = Mail { body: &body, original_size: 0, mail_from: "<>", to: &ROLES.map(to) };
    let written = queues.write(&mail).unwrap();
    assert_eq!(site.files().len(), ROLES.len());
    for dir in site.dirs() {
        assert_eq!(pck::list(&dir).unwrap(), [], "a runner sees none of it");
    }
    drop(written);
    assert!(site.files().is_empty());
    std::mem::forget(queues.write(&mail).unwrap());
    let mailmans = queues.dir(Name::In).join("1.0+ab.pck.tmp");
    fs::write(&mailmans, "").unwrap();
    let _again = site.queues();
    assert_eq!(site.files(), [mailmans]);
}

#[test]
fn a_failed_delivery_leaves_nothing_and_does_not_affect_another() {
    let site = Site::new();
    let queues = site.queues();
    let body = Body::Memory(Vec::new());
    let mail = |to| Mail { body: &body, original_size: 0, mail_from: "<>", to };
    let (kept, lost) = ([to(Role::Post)], [to(Role::Post), to(Role::Join)]);
    let kept = queues.write(&mail(&kept)).unwrap();
    let lost = queues.write(&mail(&lost)).unwrap();
    let join = fs::read_dir(queues.dir(Name::Command)).unwrap().next().unwrap().unwrap().path();
    fs::remove_file(&join).unwrap();
    assert_eq!(publish(&queues, kept).unwrap().len(), 1);
    let why = publish(&queues, lost).unwrap_err();
    assert_eq!(why.label(), "file", "{why}");
    assert_eq!(site.files().len(), 1);

    fs::remove_dir(queues.dir(Name::Command)).unwrap();
    let both = [to(Role::Post), to(Role::Join)];
    assert!(queues.write(&mail(&both)).is_err());
    fs::create_dir(queues.dir(Name::Command)).unwrap();
    assert_eq!(site.files().len(), 1);
}

#[test]
fn one_of_several_deliveries_published_together_may_fail_alone() {
    let site = Site::new();
    let queues = site.queues();
    let body = Body::Memory(Vec::new());
    let renamed = |roles: &[Role]| {
        let to: Vec<_> = roles.iter().copied().map(to).collect();
        let mail = Mail { body: &body, original_size: 0, mail_from: "<>", to: &to };
        queues.rename(queues.write(&mail).unwrap().sync().unwrap()).unwrap()
    };
    let together =
        vec![renamed(&[Role::Post]), renamed(&[Role::Join, Role::Post]), renamed(&[Role::Bounces])];
    fs::remove_dir_all(queues.dir(Name::Command)).unwrap();
    let stored: Vec<bool> = queues.sync(together).iter().map(Result::is_ok).collect();
    assert_eq!(stored, [true, false, true]);
    fs::create_dir(queues.dir(Name::Command)).unwrap();
    assert_eq!(site.files().len(), 2, "of the one that failed nothing stays");
}

#[test]
fn files_belong_to_the_group_of_their_directory() {
    let site = Site::new();
    let dir = &site.dirs()[0];
    // Only root can change the owner; for other users there is nothing to test.
    if std::os::unix::fs::chown(dir, Some(1234), Some(4321)).is_err() {
        return;
    }
    put(&site.queues(), &Body::Memory(Vec::new()), &[to(Role::Post)]);
    let metadata = fs::metadata(&site.files()[0]).unwrap();
    assert_eq!((metadata.uid(), metadata.gid()), (1234, 4321));
}

#[test]
fn a_spooled_body_is_copied_whole() {
    let site = Site::new();
    let queues = site.queues();
    let spool = tempfile::tempdir().unwrap();
    let (body, octets) = spooled(spool.path());
    let stored = put(&queues, &body, &[to(Role::Post), to(Role::Post)]);
    for stored in stored {
        let entry = Entry::read(&pck::read(queues.dir(Name::In), stored.id()).unwrap().unwrap()).unwrap();
        assert!(entry.message == Message::Octets(octets.clone()));
    }
}

/// The queues are read on a blocking thread, which is busy at first, and not on the sessions' thread.
#[test]
fn queues_are_not_read_on_the_thread_of_the_sessions() {
    let dir = tempfile::tempdir().unwrap();
    let cfg = dir.path().join("mailman.cfg");
    fs::write(&cfg, format!("[paths.here]\nvar_dir: {}\n", dir.path().display())).unwrap();
    let site = cfg::Site::read(Some(&cfg)).unwrap();
    site.queues.iter().for_each(|dir| fs::create_dir_all(dir).unwrap());
    put(&Queues::open(site.queues.clone(), 0).unwrap(), &Body::Memory(Vec::new()), &[to(Role::Post)]);
    let backend = Mailman::open(&site, 0, &Arc::default()).unwrap();
    let runtime = Builder::new_current_thread().enable_time().max_blocking_threads(1).build().unwrap();
    runtime.block_on(async {
        let (go, wait) = std::sync::mpsc::channel::<()>();
        tokio::task::spawn_blocking(move || wait.recv());
        let mut look = std::pin::pin!(backend.backlog());
        let looked = tokio::time::timeout(Duration::ZERO, &mut look).await;
        assert!(looked.is_err(), "it waits for a thread");
        drop(go);
        assert_eq!(look.await.unwrap()[0].entries, 1);
    });
}

#[test]
fn an_opcode_that_mailman_does_not_write_is_reported_with_its_position() {
    assert_eq!(
        Entry::read(b"\x80\x03N.\x80\x03K\x01\x82\x01.").unwrap_err(),
        PickleError::Opcode { opcode: 0x82, offset: 8 }
    );
    let why = Entry::read(b"\x80\x03iposix\nsystem\n.").unwrap_err();
    assert_eq!(why.to_string(), "opcode 0x69 at offset 2 is none that Mailman writes");
    assert_eq!(Entry::read(b"\x80\x03X\xff\xff\xff\xff").unwrap_err(), PickleError::Short(7));
}

#[test]
fn a_pickled_call_is_named_and_not_made() {
    let entry = Entry::read(b"\x80\x03cposix\nsystem\nX\x02\0\0\0ls\x85R.}X\x01\0\0\0acos\nx\n)Rs.").unwrap();
    assert_eq!(entry.message, Message::Other("posix.system".to_owned()));
    assert_eq!(entry.metadata["a"], "<os.x>");
}

#[test]
fn a_value_referenced_many_times_is_shown_within_bounds() {
    // Each list contains the previous one twice, which makes 2^100 of the first.
    let mut file = b"N.}X\x01\0\0\0a]".to_vec();
    for _ in 0..100 {
        file.extend(b"q\x000]h\x00ah\x00a");
    }
    file.extend(b"s.");
    assert!(Entry::read(&file).unwrap().metadata["a"].to_string().len() < 1 << 20);
    // A list that contains itself.
    assert!(Entry::read(b"N.}X\x01\0\0\0a]q\x00h\x00as.").is_ok());
}

fn good_file() -> Vec<u8> {
    let site = Site::new();
    put(&site.queues(), &Body::Memory(b"A: b\r\n\r\nc".to_vec()), &[to(Role::Owner)]);
    fs::read(&site.files()[0]).unwrap()
}

/// The pieces that programs are generated from.
const OPCODES: [&[u8]; 27] = [
    b"N",
    b"K\x01",
    b"X\x01\0\0\0a",
    b"C\x01a",
    b"]",
    b"}",
    b")",
    b"(",
    b"t",
    b"\x85",
    b"\x86",
    b"\x87",
    b"a",
    b"e",
    b"s",
    b"u",
    b"q\0",
    b"h\0",
    b"\x94",
    b"R",
    b"cm\nn\n",
    b"\x93",
    b"\x81",
    b"b",
    b"0",
    b".",
    b"I01\n",
];

proptest! {
    #[test]
    fn arbitrary_octets_are_read_or_refused(file in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = Entry::read(&file);
    }

    #[test]
    fn arbitrary_programs_are_read_or_refused(
        program in proptest::collection::vec(
            prop::sample::select(&OPCODES[..]),
            0..60,
        )
    ) {
        let _ = Entry::read(&[&program.concat()[..], b".}."].concat());
    }

    #[test]
    fn a_changed_file_is_read_or_refused(changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4)) {
        let mut file = good_file();
        for (place, octet) in changes {
            let place = place.index(file.len());
            file[place] = octet;
        }
        let _ = Entry::read(&file);
    }
}
