//! The limits of this crate that operators have no need to choose. Those that they choose are in `config/keys.rs`.

use std::ops::RangeInclusive;
use std::time::Duration;

/// Octets of a body that is kept in memory and in the database row; a larger one goes to a spool file. Larger rows
/// would make batches slow for the small mail in them.
pub(crate) const BODY_IN_MEMORY: usize = 64 << 10;

/// Octets that the fields that are added to a header usually have at most. More are possible, and cost an allocation.
pub(crate) const ADDED_FIELDS: usize = 512;

/// Octets of bodies in one commit, so that small mail does not wait for a lot of large mail.
pub(crate) const BATCH_BODIES: usize = 1 << 20;

/// Deliveries in one commit, so that no reply waits for a thousand others.
pub(crate) const BATCH_DELIVERIES: usize = 512;

/// The longest time that a commit waits for messages that sessions have begun. A commit costs more processor time than
/// a message, so fewer commits are cheaper. This is about as long as a fast disk takes to sync.
pub(crate) const WAIT_FOR_MAIL: Duration = Duration::from_micros(150);

/// A commit waits only if the messages in it and those that have begun are at least this many. With fewer sessions, a
/// wait lowers the rate.
pub(crate) const MAIL_WORTH_A_WAIT: usize = 5;

/// A commit with this many messages does not wait for more.
pub(crate) const ENOUGH_MAIL: usize = 8;

/// Octets of a header field's name, or of a `From ` line within the header. A line that exceeds this before its
/// kind is known ends the header.
pub(crate) const HEADER_NAME: usize = 1024;

/// Octets of a Message-ID that are remembered (RFC 5322 section 2.1.1: a line has 998).
pub(crate) const MESSAGE_ID: usize = 998;

/// Octets of a Message-ID field that are held back for correction, if Mailman would correct it: a line has 998, and
/// an id has no reason to be folded.
pub(crate) const MESSAGE_ID_FIELD: usize = 4096;

/// Octets of a header field that are held back for Mailman, to write the field in ASCII: Postfix passes on 102,400
/// by default (`header_size_limit`).
pub(crate) const MAILMAN_FIELD: usize = 128 << 10;

/// Octets of all fields of a header that are encoded for Mailman. Encoding makes a field at most twelve times as
/// long.
pub(crate) const MAILMAN_FIELDS: usize = 1 << 20;

/// Ids that a restored gate leaves to the gate it was copied from, for the mail that arrived after the backup.
pub(crate) const IDS_AFTER_A_BACKUP: i64 = 1 << 24;

/// Octets of the value of Auto-Submitted or Precedence that are remembered: both are single words.
pub(crate) const FACT: usize = 100;

/// Octets of all List-Id and List-Post fields that are examined (RFC 2919 section 2: an id has 255).
pub(crate) const LIST_FIELDS: usize = 4096;

/// Received lines beyond which a message is in a mail loop (RFC 5321 section 6.3).
pub(crate) const RECEIVED_LINES: u32 = 100;

/// Returns the number of commands without a message after which a session is slowed down: more than one transaction
/// needs for the maximum number of recipients.
pub(crate) fn throttle_after(recipients: usize) -> u32 {
    u32::try_from(recipients).map_or(u32::MAX, |recipients| recipients.saturating_add(200).max(1200))
}

/// The longest wait for a peer to take the end of TLS.
pub(crate) const TLS_CLOSE: Duration = Duration::from_secs(1);

/// The pause before each further read from such a session.
pub(crate) const THROTTLE_PAUSE: Duration = Duration::from_secs(1);

/// Concurrent connections to the admin listener, octets of a request to it, and the time for the whole exchange.
pub(crate) const ADMIN_CONNECTIONS: usize = 8;
pub(crate) const ADMIN_REQUEST: usize = 8 << 10;
pub(crate) const ADMIN_TIME: Duration = Duration::from_secs(5);

/// Concurrent socketmap connections: each Postfix process that makes queries may have one for each map, and by
/// default Postfix has at most a hundred processes of a kind. Octets of a request: many times the longest address,
/// so that a key that is too long is answered as well. How long a connection may be idle: Postfix keeps one for 10
/// seconds.
pub(crate) const SOCKETMAP_CONNECTIONS: usize = 500;
pub(crate) const SOCKETMAP_REQUEST: usize = 64 << 10;
/// Octets that a socketmap connection reads at once.
pub(crate) const SOCKETMAP_BUFFER: usize = 1 << 10;
pub(crate) const SOCKETMAP_SILENCE: Duration = Duration::from_secs(60);

/// How long a session may be silent between transactions while the gate ends: longer than a mail server takes to send its
/// next command. How long it may go on at most without a message.
pub(crate) const DRAIN_SILENCE: Duration = Duration::from_millis(500);
pub(crate) const DRAIN_WAIT: Duration = Duration::from_secs(5);

/// The pause after a connection could not be accepted.
pub(crate) const ACCEPT_RETRY: Duration = Duration::from_millis(100);

/// Octets that mail leaves for the log of the embedded backend, whatever `storage.min_free` is, so that consumers
/// can settle queued entries: a commit of the maximum number of steps, each of which changes at most four pages (of
/// the entry, the message, the indexes and the free pages).
pub(crate) const SETTLING_RESERVE: u64 = 4 * 4096 * COMMIT_STEPS as u64;

/// Octets of pages that a commit of mail changes once (sizes, ids, remembered mail, free pages, the map of pages),
/// and for each message in addition to its body.
pub(crate) const COMMIT_PAGES: u64 = 16 * 4096;
pub(crate) const MESSAGE_PAGES: u64 = 6 * 4096;

/// Octets of the rows of one recipient, approximately at most: its address, and its metadata, which contains the
/// address too.
pub(crate) const RECIPIENT_ROWS: u64 = 4 << 10;

/// Octets that must remain in addition if the database file has to grow for mail. Such mail is thus refused before
/// mail that fits into free pages, and accepted again as soon as consumers have freed some pages.
pub(crate) const GROWTH_MARGIN: u64 = SETTLING_RESERVE / 2;

/// Free octets beyond those of the log above which the room for the log is not checked: more than a commit of mail
/// takes, plus what consumers write before they checkpoint the log.
pub(crate) const AMPLE_SPACE: u64 = 64 << 20;

/// Free inodes of the file system below which no mail is accepted: large bodies need one each.
pub(crate) const MIN_INODES: u64 = 1000;

/// Octets of a name that is shown with an address.
pub(crate) const DISPLAY_NAME: usize = 255;

/// Octets of a list's name that leave room for a token in an address of 64 octets (RFC 5321 section 4.5.3.1.1), such as
/// `mylist-confirm+TOKEN`.
pub(crate) const LIST_NAME: usize = 64 - "-confirm+".len() - listgate_engine::token::CHARACTERS;

/// Octets of a setting of a list, and of one that has a single line, which has to fit a field of a header.
pub(crate) const LIST_SETTING: usize = 8 << 10;
pub(crate) const LIST_SETTING_LINE: usize = 255;

/// Members that are added in one commit, during which no mail is stored.
pub(crate) const MEMBERS_AT_ONCE: usize = 1000;

/// Octets of the pattern of a ban.
pub(crate) const BAN_PATTERN: usize = 1000;

/// Octets of a line in a file of members: many times the longest address and name. Characters of it that are shown.
pub(crate) const MEMBER_LINE: usize = 4 << 10;
pub(crate) const SHOWN_LINE: usize = 120;

/// Members, and posts with their batches and held posts, that are read at a time.
pub(crate) const MEMBERS_READ: usize = 1000;
pub(crate) const RECORDS_READ: usize = 1000;

/// Rows that are no longer needed and that the writer removes at a time when no mail comes, and when it has not done so for
/// this long. Messages of held posts that it removes at a time, since they may be large.
pub(crate) const SWEPT_AT_ONCE: usize = 500;
pub(crate) const SWEPT_WHEN_BUSY: Duration = Duration::from_secs(10);
pub(crate) const MESSAGES_SWEPT_AT_ONCE: usize = 50;

/// Deliveries that are remembered by the keys of their puts. A put whose answer was lost is retried at once.
pub(crate) const RECENT_PUTS: usize = 1024;

/// How long the writer may work on one commit before the gate counts as stuck, and systemd may restart it. A disk that
/// retries takes minutes, and a restart does not make it faster.
pub(crate) const WRITER_STUCK: Duration = Duration::from_secs(15 * 60);

/// How long a measurement of free space remains valid.
pub(crate) const SPACE_AGE: Duration = Duration::from_millis(50);

/// How old the depth of a queue may be that RCPT uses, as long as it is below its cap. SQLite may add to an older one what was
/// committed since, which is never too small.
pub(crate) const DEPTH_AGE: Duration = Duration::from_millis(500);

/// How far a clock may be set back without ending a lease or a pause that it stamped: NTP corrects by less.
pub(crate) const CLOCK_TOLERANCE: Duration = Duration::from_secs(60);

/// How long mail is remembered, to recognize it when it arrives again: a mail server gives up after five days (RFC
/// 5321 section 4.5.4.1).
pub(crate) const REMEMBERED: Duration = Duration::from_secs(5 * 24 * 60 * 60);

/// Records of remembered mail that are held in memory before some of them are moved to the ordered table, and the
/// approximate minimum that is then moved: a quarter of those held, if that is more.
pub(crate) const RECENT_FINGERPRINTS: usize = 32_768;
pub(crate) const FINGERPRINTS_MOVED: usize = 8_192;

/// The minimum number of records of remembered mail that are searched at a time for expired ones.
pub(crate) const FINGERPRINTS_SWEPT: usize = 2000;

/// Delivery ids that the writer takes from the database at a time.
pub(crate) const IDS_IN_A_BLOCK: i64 = 1000;

/// Octets of log lines that a thread gathers before it writes them, although it has more work.
pub(crate) const GATHERED_LINES: usize = 8 << 10;

/// Recipients refused at RCPT that the log line of their transaction names; it counts the rest.
pub(crate) const LOGGED_REFUSALS: usize = 1000;

/// Octets of memory that are reserved for the recipients in the log line of a transaction; more are added if needed.
pub(crate) const LOGGED_RECIPIENTS: usize = 128;

/// Octets of a session's read buffer: while it waits, and while a lot of data arrives.
pub(crate) const READ_BUFFER: (usize, usize) = (4 << 10, 64 << 10);

/// Octets that a client's connection reads at once: room for the replies to a thousand recipients, which may arrive
/// while it writes. Octets of a message after which it writes them.
pub(crate) const CLIENT_INPUT: usize = 64 << 10;
pub(crate) const CLIENT_OUTPUT: usize = 64 << 10;

/// How long to wait for the last reply of a server that takes no more.
pub(crate) const LAST_REPLY: Duration = Duration::from_secs(1);

/// Pages of the write-ahead log after which it is copied into the database. A smaller number makes the copy more
/// frequent and the slowest commits slower; a larger one makes each copy a noticeable pause.
pub(crate) const CHECKPOINT_PAGES: u32 = 4000;

/// Octets of the write-ahead log's file beyond which it is truncated after the log was copied: four times its size
/// when no reader holds it. Otherwise, the space of an unusually long log would never be freed.
pub(crate) const LARGE_LOG: u64 = 4 * 4096 * CHECKPOINT_PAGES as u64;

/// How long the writer is idle before it cleans up, and how long spool files of finished mail may remain while it
/// is busy.
pub(crate) const IDLE: Duration = Duration::from_millis(500);

/// How long the writer waits while another process writes; then the mail is deferred with 451.
pub(crate) const WRITE_LOCK_WAIT: Duration = Duration::from_secs(10);

/// How long a command such as `list create` waits for the gate or another command.
pub(crate) const COMMAND_LOCK_WAIT: Duration = Duration::from_secs(30);

/// How long a lookup waits for a lock. The wait delays every session, and a reader of a write-ahead log only ever
/// waits for a recovery.
pub(crate) const LOOKUP_LOCK_WAIT: Duration = Duration::from_millis(100);

/// Answers about names that a gate remembers while no list or domain changes.
pub(crate) const KNOWN_NAMES: usize = 512;

/// How long a command waits for a gate that holds the lock to migrate the database.
pub(crate) const START_OF_A_GATE: Duration = Duration::from_secs(2);

/// The pause between two attempts to take a lock. SQLite's own handler sleeps longer the longer it waits, and loses
/// to any process that tries more often.
pub(crate) const LOCK_RETRY: Duration = Duration::from_micros(200);

/// Deliveries that are written into Mailman's queues at the same time: this many share the syncs of a disk well.
pub(crate) const MAILMAN_WRITERS: usize = 16;

/// Values in one pickle of a queue file: a message in Mailman has three for each header field.
pub(crate) const PICKLE_VALUES: usize = 1 << 20;

/// Octets of an entry's metadata that are shown, and the maximum depth of its nested values.
pub(crate) const SHOWN_METADATA: usize = 1 << 20;
pub(crate) const SHOWN_DEPTH: usize = 16;
/// How long Mailman's database may take to release a lock, to accept a connection, or to answer. Then the mail is
/// deferred with 451.
pub(crate) const SOURCE_PATIENCE: Duration = Duration::from_secs(1);

/// Queries that may wait for the thread that reads Mailman's SQLite file.
pub(crate) const WAITING_QUERIES: usize = 1024;

/// How old a positive answer of Mailman's database may be, counted from the query; and how old while the database
/// is unavailable: long enough for a restart or a failover, short enough that few lists are removed meanwhile.
pub(crate) const YES_AGE: Duration = Duration::from_secs(1);
pub(crate) const YES_AGE_AWAY: Duration = Duration::from_secs(5 * 60);

/// Positive answers of Mailman's database that are remembered: a few hundred octets each.
pub(crate) const KNOWN_YESES: usize = 10_000;

/// Files of one delivery to Mailman's queues that are open at a time: earlier ones are synced and closed.
pub(crate) const OPEN_QUEUE_FILES: usize = 16;

/// Octets of a message that a consumer reads at a time.
pub(crate) const READ_AT_ONCE: usize = 256 << 10;

/// Rows that one step may change, and the approximate octets of the log for each.
pub(crate) const STEP_ROWS: usize = 1000;
pub(crate) const STEP_ROW: usize = 200;

/// Steps in one commit, and their octets, so that arriving mail waits for no more than these. A lease counts as a
/// step.
pub(crate) const COMMIT_STEPS: usize = 64;
pub(crate) const COMMIT_STEP_OCTETS: usize = 256 << 10;

const _: () = {
    assert!(STEP_ROWS * STEP_ROW + REASON <= COMMIT_STEP_OCTETS, "any step fits a commit");
    assert!(LEASED_AT_ONCE <= COMMIT_STEPS && SETTLED_AT_ONCE <= COMMIT_STEPS);
    assert!(LEASED_AT_ONCE * STEP_ROW <= COMMIT_STEP_OCTETS, "a lease fits a commit too");
    assert!(SETTLED_AT_ONCE * STEP_ROW <= COMMIT_STEP_OCTETS);
};

/// Entries that the engine decides about at a time in a queue, so that their steps share a commit.
pub(crate) const ENGINE_JOBS: usize = 16;

/// The number of attempts after which the engine shunts an entry, and how long its leases last if the process dies.
pub(crate) const ENGINE_ATTEMPTS: u32 = 20;
pub(crate) const ENGINE_LEASE: Duration = Duration::from_secs(60);

/// The number of leases of an entry up to which one that the end of the process has interrupted is not an attempt. A server
/// that restarts again and again does not reach it soon, but a message that ends the process each time does.
pub(crate) const LEASES_WITHOUT_BLAME: i64 = 1000;

/// How long the engine may take to finish what runs, and then to stop at once: longer than the writer waits for a lock.
pub(crate) const ENGINE_STOP: Duration = Duration::from_secs(12);

/// Lists that the engine remembers, with their bans.
pub(crate) const COMPILED_LISTS: usize = 256;

/// Characters of a held post's subject that are kept for moderators.
pub(crate) const HELD_SUBJECT: usize = 500;

/// Octets of a header that are kept of a bounce without a valid token.
pub(crate) const BOUNCE_HEADER: usize = 16 << 10;

/// Recipients of a batch that share one copy of a post, and of a batch in which each has a copy of its own.
pub(crate) const BULK_BATCH: usize = 100;
pub(crate) const PERSONAL_BATCH: usize = 16;

/// Recipients of a post, and octets of all copies, up to which each recipient gets a copy of its own.
pub(crate) const PERSONAL_RECIPIENTS: u64 = 2000;
pub(crate) const PERSONAL_OCTETS: u64 = 256 << 20;

/// Requests to join a list that wait for an answer.
pub(crate) const REQUESTS: usize = 10_000;

/// Posts that a list holds for moderators.
pub(crate) const HELD_POSTS: usize = 10_000;

/// Moderators of a list who are notified of a held post, those with the smallest seqs. Each of them gets a notice of their own, all in
/// one step.
pub(crate) const MODERATORS: usize = 20;

/// Held posts of a list of which its moderators hear in this time.
pub(crate) const HELD_NOTICES: usize = 10;
pub(crate) const HELD_NOTICES_TIME: Duration = Duration::from_secs(60 * 60);

/// Characters of the subject of a post in a notice, and of the Message-ID that it answers.
pub(crate) const NOTICE_SUBJECT: usize = 200;
pub(crate) const NOTICE_MESSAGE_ID: usize = 1000;

/// How long a recipient or a batch is tried again while the mail server defers it (RFC 5321 section 4.5.4.1).
pub(crate) const GIVE_UP: Duration = Duration::from_secs(5 * 24 * 60 * 60);

/// The longest pause before a mail server that is absent, or refuses all mail, is tried again.
pub(crate) const ABSENT_PAUSE: Duration = Duration::from_secs(5 * 60);

/// The interval at which the way out looks for posts that it was not notified of: those of other processes, and those that
/// are due again.
pub(crate) const OUTGOING_POLL: Duration = Duration::from_secs(1);

/// The defaults of how long the way out waits for a connection, for the reply to a command, and for the reply after the
/// final dot (RFC 5321 section 4.5.3.2).
pub(crate) const OUTGOING_CONNECT: Duration = Duration::from_secs(30);
pub(crate) const OUTGOING_COMMAND: Duration = Duration::from_secs(5 * 60);
pub(crate) const OUTGOING_FINAL: Duration = Duration::from_secs(10 * 60);

/// How much of the time that the way out had for its rate may be used later: more than timers are late.
pub(crate) const RATE_SLACK: Duration = Duration::from_millis(100);

/// How long the way out, when it stops, waits for the store after it has waited for the mail server.
pub(crate) const OUTGOING_STOP: Duration = Duration::from_secs(5);

/// By how much the thread that sends posts is nicer than the others.
pub(crate) const OUTGOING_NICE: i32 = 10;

/// How long the way out waits for the reply to QUIT.
pub(crate) const QUIT: Duration = Duration::from_secs(2);

/// Octets of a test message that are kept when it comes back, how long it is waited for, and how often it is looked for.
pub(crate) const TEST_MESSAGE: usize = 64 << 10;
pub(crate) const TEST_PATIENCE: Duration = Duration::from_secs(60);
pub(crate) const TEST_POLL: Duration = Duration::from_millis(200);

/// Messages that Exim delivers at once on a connection: it only queues those after them.
pub(crate) const MESSAGES_TO_EXIM: u32 = 10;

/// How often a line in the log says how far the way out has come with large posts, and the posts whose members are counted
/// for it.
pub(crate) const OUTGOING_PROGRESS: Duration = Duration::from_secs(10);
pub(crate) const POSTS_COUNTED: usize = 4;

/// Posts that are kept ready for further copies.
pub(crate) const PREPARED_POSTS: usize = 16;

/// The pause before a recipient is tried again whom the mail server refused for a reason that may concern all mail.
pub(crate) const DOUBTFUL_PAUSE: Duration = Duration::from_secs(5 * 60);

/// How long Message-IDs of posts are remembered, and finished posts and decisions, and bounces.
pub(crate) const POSTED_REMEMBERED: Duration = Duration::from_secs(7 * 24 * 60 * 60);
pub(crate) const POST_REMEMBERED: Duration = Duration::from_secs(30 * 24 * 60 * 60);
pub(crate) const BOUNCE_REMEMBERED: Duration = Duration::from_secs(90 * 24 * 60 * 60);

/// How long a request waits for its confirmation: a token is valid until the end of its third day. How long it waits for
/// moderators.
pub(crate) const CONFIRMATION_AWAITED: Duration = Duration::from_secs(4 * 24 * 60 * 60);
pub(crate) const MODERATION_AWAITED: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// Members whose addresses a command for the members looks up. A mail has room for fewer.
pub(crate) const ROSTER: usize = 3000;

/// How long a member who has left can come back.
pub(crate) const FORMER_REMEMBERED: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// How long an address gets no more notices after one has bounced for good.
pub(crate) const NOTICE_BOUNCE: Duration = Duration::from_secs(14 * 24 * 60 * 60);

/// The times in which notices to an account and to a domain are counted; and those of a request, which are counted in both.
pub(crate) const ANSWERS_TO_ACCOUNT: Duration = Duration::from_secs(24 * 60 * 60);
pub(crate) const ANSWERS_TO_DOMAIN: Duration = Duration::from_secs(60 * 60);

const _: () = {
    let token = NOTICE_BOUNCE.as_secs() + 24 * 60 * 60;
    // A notice is remembered as long as its post.
    assert!(token + NOTICE_BOUNCE.as_secs() <= POST_REMEMBERED.as_secs(), "a late bounce is obeyed as well");
};

/// Bounces without a valid token of which a list keeps the header; it counts the others.
pub(crate) const UNSIGNED_BOUNCES: usize = 1000;

/// Posts that are looked at in one claim, because they may turn out to have nothing to send. Members that are looked at,
/// because their delivery may be off. Recipients deferred alone that are looked at for one batch.
pub(crate) const POSTS_AT_ONCE: usize = 64;
pub(crate) const SCANNED_AT_ONCE: usize = 10_000;
pub(crate) const DEFERRED_AT_ONCE: usize = 1_000;

/// Statements that a connection keeps prepared: more than the gate's writer has.
pub(crate) const STATEMENTS: usize = 128;

/// Entries in one transaction of a consumer, during which no mail is stored.
pub(crate) const LEASED_AT_ONCE: usize = 64;
pub(crate) const SETTLED_AT_ONCE: usize = 64;

/// Entries that one lease makes available again because their time has come.
pub(crate) const WOKEN_AT_ONCE: usize = 64;

/// Lists that are examined in one transaction, including those that ordered leasing skips because they are being
/// worked.
pub(crate) const LISTS_AT_ONCE: usize = 256;

/// Lists whose oldest entry is looked up for metrics, on the sessions' thread. If there are more, the age is that
/// of these lists.
pub(crate) const LISTS_ASKED: usize = 1_000;

/// Pages of the write-ahead log after which a consumer copies it; a running gate does so earlier.
pub(crate) const CONSUMER_CHECKPOINT_PAGES: u32 = 2 * CHECKPOINT_PAGES;

/// The pause before an entry is retried: after the first attempt, doubled after each further one, and its maximum.
pub(crate) const BACK_OFF: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(3600));

/// Octets of a reason that are kept with an entry.
pub(crate) const REASON: usize = 2048;

/// The pause of `work` between two checks for entries, and after the store could not be read or written.
pub(crate) const POLL: Duration = Duration::from_millis(50);
/// The pause between two checks where the store says when mail was stored: entries whose pause is over, and what other
/// processes did, are found only then.
pub(crate) const SLOW_POLL: Duration = Duration::from_secs(1);
pub(crate) const STORE_PAUSE: Duration = Duration::from_secs(1);

/// How often an entry is decided again because something that its decision relied on has changed. After that, it is
/// retried later.
pub(crate) const DECIDED_AGAIN: u32 = 3;

/// How long `work` waits for the database once it must stop at once.
pub(crate) const LAST_SETTLE: Duration = Duration::from_millis(500);

/// How long a command may take to end after it is asked to; then it is killed.
pub(crate) const GRACE_OF_A_COMMAND: Duration = Duration::from_secs(2);

/// How long to wait for the remaining output of a command after its end.
pub(crate) const LAST_WORDS: Duration = Duration::from_millis(100);

/// Octets that are kept from the end of a command's standard error.
pub(crate) const STANDARD_ERROR: usize = 1536;

/// The interval between two updates of the progress line.
pub(crate) const PROGRESS: Duration = Duration::from_millis(500);

/// Octets of a message of `listgate bench`: room for its header and a line, and no more than may be held in memory.
pub(crate) const BENCH_MESSAGE: RangeInclusive<usize> = 256..=1 << 30;

/// How long `listgate bench` waits for a connection, and for any reply in any session.
pub(crate) const BENCH_CONNECT: Duration = Duration::from_secs(30);
pub(crate) const BENCH_SILENCE: Duration = Duration::from_secs(60);

const _: () = {
    assert!(BODY_IN_MEMORY <= BATCH_BODIES, "a body in memory fits a commit");
    assert!(ENOUGH_MAIL * BODY_IN_MEMORY <= BATCH_BODIES, "a commit that waits has room for more");
    assert!(RECENT_PUTS >= BATCH_DELIVERIES, "a commit does not forget the keys of its own puts");
    assert!(IDS_IN_A_BLOCK < IDS_AFTER_A_BACKUP, "the gate that was copied goes on with a block or more");
    assert!(FINGERPRINTS_MOVED <= RECENT_FINGERPRINTS, "what is put in order at once is in memory");
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
