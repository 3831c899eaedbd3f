//! Every bound of this crate that nobody needs to choose; those an operator chooses are in
//! `config/keys.rs`.

use std::ops::RangeInclusive;
use std::time::Duration;

/// Octets of a body kept in memory and in the database's row; a larger one goes to a spool file.
/// Rows beyond this size make batches slow for the small mail beside them.
pub(crate) const BODY_IN_MEMORY: usize = 64 << 10;

/// Octets of bodies in one commit, so that small mail does not wait for much large mail.
pub(crate) const BATCH_BODIES: usize = 1 << 20;

/// Deliveries in one commit, so that no reply waits for a thousand others.
pub(crate) const BATCH_DELIVERIES: usize = 512;

/// Octets of a header field's name, or of a `From ` line within the header. A line that is longer
/// before it can be told what it is ends the header.
pub(crate) const HEADER_NAME: usize = 1024;

/// Octets of a Message-ID that are remembered (RFC 5322 section 2.1.1: a line has 998).
pub(crate) const MESSAGE_ID: usize = 998;

/// Octets of a Message-ID field that are held to be mended, where Mailman would mend it: a line has 998,
/// and an id has no reason to be folded.
pub(crate) const MESSAGE_ID_FIELD: usize = 4096;

/// Ids that a restored gate leaves to the gate it was copied from: what came after the backup.
pub(crate) const IDS_AFTER_A_BACKUP: i64 = 1 << 24;

/// Octets of the value of Auto-Submitted or Precedence that are remembered: they are single words.
pub(crate) const FACT: usize = 100;

/// Octets of all List-Id and List-Post fields that are looked at (RFC 2919 section 2: an id has 255).
pub(crate) const LIST_FIELDS: usize = 4096;

/// Received lines of a message that goes in circles (RFC 5321 section 6.3).
pub(crate) const RECEIVED_LINES: u32 = 100;

/// Commands without a message after which a session is heard only now and then: more than one
/// transaction needs for all the recipients it may have.
pub(crate) fn talkative(recipients: usize) -> u32 {
    u32::try_from(recipients).map_or(u32::MAX, |recipients| recipients.saturating_add(200).max(1200))
}

/// The pause between two looks at such a session.
pub(crate) const TALKATIVE_PAUSE: Duration = Duration::from_secs(1);

/// Connections to the admin listener at a time, octets of a request to it, and the time for all of it.
pub(crate) const ADMIN_CONNECTIONS: usize = 8;
pub(crate) const ADMIN_REQUEST: usize = 8 << 10;
pub(crate) const ADMIN_TIME: Duration = Duration::from_secs(5);

/// Socketmap connections at a time: each process of Postfix that asks may have one for each map, and
/// Postfix has no more than a hundred of a kind unless told so. Octets of a request: many times the longest
/// address, so that a key that is too long is answered as well. How long a connection may be silent: Postfix keeps
/// one for 10 seconds.
pub(crate) const SOCKETMAP_CONNECTIONS: usize = 500;
pub(crate) const SOCKETMAP_REQUEST: usize = 64 << 10;
/// Octets that a socketmap connection reads at once.
pub(crate) const SOCKETMAP_BUFFER: usize = 1 << 10;
pub(crate) const SOCKETMAP_SILENCE: Duration = Duration::from_secs(60);

/// The pause after a connection could not be accepted.
pub(crate) const ACCEPT_RETRY: Duration = Duration::from_millis(100);

/// Octets that mail leaves to the log of the embedded backend, whatever `storage.min_free` says, so that consumers
/// can settle what is queued: a commit of as many steps as it may have, each of which changes no more than four pages
/// (of the entry, the message, the indexes and the free pages).
pub(crate) const SETTLING_RESERVE: u64 = 4 * 4096 * COMMIT_STEPS as u64;

/// Octets of pages that a commit of mail changes once (sizes, ids, what is remembered, free pages, the map of pages),
/// and for each message besides its body.
pub(crate) const COMMIT_PAGES: u64 = 16 * 4096;
pub(crate) const MESSAGE_PAGES: u64 = 6 * 4096;

/// Octets of the rows of one recipient, at most about: its address, and its metadata, which has the address too.
pub(crate) const RECIPIENT_ROWS: u64 = 4 << 10;

/// Octets that are left besides where the database's file has to grow for mail: such mail is refused before mail that
/// finds free pages, and that is taken again as soon as consumers have freed some.
pub(crate) const GROWTH_MARGIN: u64 = SETTLING_RESERVE / 2;

/// Free octets beyond those of the log above which the log is not looked at: more than a commit of mail takes, and what
/// consumers write before they copy the log.
pub(crate) const AMPLE_SPACE: u64 = 64 << 20;

/// Free inodes of the file system below which no mail is taken: large bodies need one each.
pub(crate) const MIN_INODES: u64 = 1000;

/// Deliveries that are remembered with the keys of their puts. A put whose answer was lost is repeated at once.
pub(crate) const RECENT_PUTS: usize = 1024;

/// How long free space is believed to be what it was.
pub(crate) const SPACE_AGE: Duration = Duration::from_millis(50);

/// How long a queue's depth is believed to be what it was, as long as it is below its cap.
pub(crate) const DEPTH_AGE: Duration = Duration::from_millis(500);

/// How far a clock may be set back without ending a lease, or a pause, that it stamped: NTP corrects by less.
pub(crate) const CLOCK_TOLERANCE: Duration = Duration::from_secs(60);

/// How long mail is remembered, to know it when it comes again: a mail server gives up after five
/// days (RFC 5321 section 4.5.4.1).
pub(crate) const REMEMBERED: Duration = Duration::from_secs(5 * 24 * 60 * 60);

/// Remembered mail that is held in memory before some of it is put in order, and about how much then is at
/// least: a quarter, where more is held.
pub(crate) const SEEN_LATELY: usize = 32_768;
pub(crate) const SEEN_AT_ONCE: usize = 8_192;

/// Remembered mail that is searched in one go for what can be forgotten, at least.
pub(crate) const SWEPT_AT_ONCE: usize = 2000;

/// Delivery ids that the writer takes from the database at a time.
pub(crate) const IDS_IN_A_BLOCK: i64 = 1000;

/// Recipients refused at RCPT that the line about their transaction names; the rest it counts.
pub(crate) const LOGGED_REFUSALS: usize = 1000;

/// Octets of a session's read buffer: while it waits, and while much arrives.
pub(crate) const READ_BUFFER: (usize, usize) = (4 << 10, 64 << 10);

/// Pages of the write-ahead log after which it is copied into the database. Smaller makes the copy
/// more frequent and the slowest commits slower; larger makes each copy a visible pause.
pub(crate) const CHECKPOINT_PAGES: u32 = 4000;

/// Octets of the file of the write-ahead log beyond which it is cut once it is copied: four times as much as
/// it has where nobody holds it. Space that an unusually long log took is not given back otherwise.
pub(crate) const LARGE_LOG: u64 = 4 * 4096 * CHECKPOINT_PAGES as u64;

/// How long the writer is idle before it tidies up, and how long spool files of mail that is done may stay
/// while it is not.
pub(crate) const IDLE: Duration = Duration::from_millis(500);

/// How long the writer waits while another process writes; then the mail is put off with 451.
pub(crate) const WRITE_LOCK_WAIT: Duration = Duration::from_secs(10);

/// How long a command such as `list create` waits for the gate or another command.
pub(crate) const COMMAND_LOCK_WAIT: Duration = Duration::from_secs(30);

/// How long a lookup waits. It holds up every session, and a reader of a write-ahead log only ever
/// waits for a recovery.
pub(crate) const LOOKUP_LOCK_WAIT: Duration = Duration::from_millis(100);

/// Answers about names that a gate remembers while no list or domain changes.
pub(crate) const KNOWN_NAMES: usize = 512;

/// How long a gate that holds the lock may take before it has migrated the database.
pub(crate) const START_OF_A_GATE: Duration = Duration::from_secs(2);

/// The pause between two attempts at a lock. SQLite's own handler sleeps longer the longer it
/// waits, and loses to anyone who asks more often.
pub(crate) const LOCK_RETRY: Duration = Duration::from_micros(200);

/// Deliveries that are written into Mailman's queues at the same time: as many share the syncs of a disk
/// well.
pub(crate) const MAILMAN_WRITERS: usize = 16;

/// Values in one pickle of a queue file: a message of Mailman's has three for each header field.
pub(crate) const PICKLE_VALUES: usize = 1 << 20;

/// Octets of an entry's metadata that are shown, and how deep its values may lie in others.
pub(crate) const SHOWN_METADATA: usize = 1 << 20;
pub(crate) const SHOWN_DEPTH: usize = 16;
/// How long Mailman's database may take: to give way where it is locked, to be connected to, to answer.
/// Then the mail is put off with 451.
pub(crate) const SOURCE_PATIENCE: Duration = Duration::from_secs(1);

/// Questions that wait for the thread that asks Mailman's SQLite file.
pub(crate) const WAITING_QUESTIONS: usize = 1024;

/// How old a yes of Mailman's database may be, from when it was asked; and while the database is away:
/// long enough for a restart or a failover, short enough that few lists go meanwhile.
pub(crate) const YES_AGE: Duration = Duration::from_secs(1);
pub(crate) const YES_AGE_AWAY: Duration = Duration::from_secs(5 * 60);

/// Yeses of Mailman's database that are remembered: some hundred octets each.
pub(crate) const KNOWN_YESES: usize = 10_000;

/// Files of one delivery to Mailman's queues that are open at a time: what is written before is synced
/// and closed.
pub(crate) const OPEN_QUEUE_FILES: usize = 16;

/// Octets of a message that a consumer reads at a time.
pub(crate) const READ_AT_ONCE: usize = 256 << 10;

/// Rows that one step changes, and about how many octets the log has for each.
pub(crate) const STEP_ROWS: usize = 1000;
pub(crate) const STEP_ROW: usize = 200;

/// Steps in one commit, and their octets: arriving mail waits for no more than these. A lease counts as a step.
pub(crate) const COMMIT_STEPS: usize = 64;
pub(crate) const COMMIT_STEP_OCTETS: usize = 256 << 10;

const _: () = {
    assert!(STEP_ROWS * STEP_ROW + REASON <= COMMIT_STEP_OCTETS, "any step fits a commit");
    assert!(LEASED_AT_ONCE <= COMMIT_STEPS && SETTLED_AT_ONCE <= COMMIT_STEPS);
    assert!(LEASED_AT_ONCE * STEP_ROW <= COMMIT_STEP_OCTETS, "a lease fits a commit too");
    assert!(SETTLED_AT_ONCE * STEP_ROW <= COMMIT_STEP_OCTETS);
};

/// Entries in one transaction of a consumer, while which no mail is stored.
pub(crate) const LEASED_AT_ONCE: usize = 64;
pub(crate) const SETTLED_AT_ONCE: usize = 64;

/// Entries that one lease lets wait again because their time has come.
pub(crate) const WOKEN_AT_ONCE: usize = 64;

/// Lists that are looked at in one transaction: in order, those that are being worked are passed over.
pub(crate) const LISTS_AT_ONCE: usize = 256;

/// Lists whose oldest entry is looked for when somebody asks for metrics, on the sessions' thread: beyond
/// them the age is that of these.
pub(crate) const LISTS_ASKED: usize = 1_000;

/// Pages of the write-ahead log after which a consumer copies it: the gate, where one runs, comes first.
pub(crate) const CONSUMER_CHECKPOINT_PAGES: u32 = 2 * CHECKPOINT_PAGES;

/// The pause before an entry is tried again: after the first attempt, then twice as long each time, and
/// at most.
pub(crate) const BACK_OFF: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(3600));

/// Octets of a reason that are kept with an entry.
pub(crate) const REASON: usize = 2048;

/// The pause of `work` between two looks for entries, and after the store could not be read or written.
pub(crate) const POLL: Duration = Duration::from_millis(50);
pub(crate) const STORE_PAUSE: Duration = Duration::from_secs(1);

/// How long `work` waits for the database once it is to end at once.
pub(crate) const LAST_SETTLE: Duration = Duration::from_millis(500);

/// How long a command may take to end when it is asked to; then it is ended.
pub(crate) const GRACE_OF_A_COMMAND: Duration = Duration::from_secs(2);

/// How long the rest of what a command wrote is waited for after its end.
pub(crate) const LAST_WORDS: Duration = Duration::from_millis(100);

/// Octets of a command's standard error that are kept, of its end.
pub(crate) const STANDARD_ERROR: usize = 1536;

/// The pause between two drawings of the progress.
pub(crate) const PROGRESS: Duration = Duration::from_millis(500);

/// Octets of a message of `listgate bench`: room for its header and a line, and no more than may be held
/// in memory.
pub(crate) const BENCH_MESSAGE: RangeInclusive<usize> = 256..=1 << 30;

/// How long `listgate bench` waits for a connection, and for any word on any session.
pub(crate) const BENCH_CONNECT: Duration = Duration::from_secs(30);
pub(crate) const BENCH_SILENCE: Duration = Duration::from_secs(60);

const _: () = {
    assert!(BODY_IN_MEMORY <= BATCH_BODIES, "a body in memory fits a commit");
    assert!(RECENT_PUTS >= BATCH_DELIVERIES, "a commit does not forget the keys of its own puts");
    assert!(IDS_IN_A_BLOCK < IDS_AFTER_A_BACKUP, "the gate that was copied goes on with a block or more");
    assert!(SEEN_AT_ONCE <= SEEN_LATELY, "what is put in order at once is in memory");
    let normal_log = 4096 * CONSUMER_CHECKPOINT_PAGES as u64;
    assert!(normal_log < LARGE_LOG, "a log that a consumer lets grow is not cut");
};

const _: () = {
    assert!(MESSAGE_ID + "Message-ID: \r\n".len() <= MESSAGE_ID_FIELD);
    assert!(STANDARD_ERROR < REASON, "a reason has room for what a command wrote, and how it ended");
    let address = listgate_lmtp::limits::LOCAL_PART + "@".len() + listgate_lmtp::limits::DOMAIN;
    assert!(SOCKETMAP_REQUEST > 2 * address, "a key that is too long is answered as well");
    assert!(SOCKETMAP_BUFFER <= SOCKETMAP_REQUEST);
    assert!(READ_BUFFER.0 <= READ_BUFFER.1);
};

const _: () = {
    assert!(YES_AGE.as_millis() < YES_AGE_AWAY.as_millis());
    assert!(BACK_OFF.0.as_millis() <= BACK_OFF.1.as_millis());
    assert!(LOCK_RETRY.as_micros() < LOOKUP_LOCK_WAIT.as_micros(), "the shortest wait has several attempts");
    assert!(LOOKUP_LOCK_WAIT.as_millis() < WRITE_LOCK_WAIT.as_millis(), "a lookup holds up every session");
    assert!(POLL.as_millis() < START_OF_A_GATE.as_millis(), "a gate that starts is looked at several times");
};
