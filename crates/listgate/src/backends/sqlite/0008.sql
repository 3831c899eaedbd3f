-- Migration 8: settings of lists, posts and their distribution, held posts, bounces, and keys of tokens.

-- Settings of a list that differ from the defaults.
CREATE TABLE list_setting (
    list  INTEGER NOT NULL,                  -- of roster
    key   TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (list, key)
) WITHOUT ROWID;

-- Decisions about posts rely on settings and bans, so both are part of the count of changes. Nothing relies on those of
-- a list that was removed.
CREATE TRIGGER setting_added AFTER INSERT ON list_setting BEGIN UPDATE lists_version SET n = n + 1; END;
CREATE TRIGGER setting_changed AFTER UPDATE ON list_setting BEGIN UPDATE lists_version SET n = n + 1; END;
CREATE TRIGGER setting_removed AFTER DELETE ON list_setting
WHEN EXISTS (SELECT 1 FROM roster WHERE list = old.list AND list_id IS NOT NULL)
BEGIN UPDATE lists_version SET n = n + 1; END;
CREATE TRIGGER ban_added AFTER INSERT ON ban BEGIN UPDATE lists_version SET n = n + 1; END;
CREATE TRIGGER ban_removed AFTER DELETE ON ban
WHEN old.list = 0 OR EXISTS (SELECT 1 FROM roster WHERE list = old.list AND list_id IS NOT NULL)
BEGIN UPDATE lists_version SET n = n + 1; END;

-- A short name of a list whose own name leaves no room for a token in an address. It is never the name of a list.
ALTER TABLE list ADD COLUMN alias TEXT;
CREATE UNIQUE INDEX list_alias ON list (domain, alias) WHERE alias IS NOT NULL;

-- Mail to -bounces without a valid token, by list.
ALTER TABLE roster ADD COLUMN unsigned_bounces INTEGER NOT NULL DEFAULT 0;

-- Whether the engine runs if the configuration does not say. It does not in a directory that an earlier version has used,
-- where other programs may work the queues.
CREATE TABLE engine (runs_by_default INTEGER NOT NULL);
INSERT INTO engine SELECT NOT EXISTS (SELECT 1 FROM list) AND up_to = 0 FROM minted;

-- The secrets that sign tokens; the last one signs, and the last four verify.
CREATE TABLE token_key (
    serial  INTEGER PRIMARY KEY AUTOINCREMENT,
    secret  BLOB NOT NULL,                   -- 32 octets
    made_at INTEGER NOT NULL
);

-- A message that goes to the members of a list, or to its owners and moderators. It goes to those who had a seq up to
-- `cutoff` when it was accepted, in batches: `cursor` is the last seq that a batch has.
CREATE TABLE post (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    list        INTEGER NOT NULL,            -- of roster
    kind        TEXT NOT NULL,               -- post, owner
    kept        INTEGER,                     -- keeps the message; NULL once the post is finished
    message_id  TEXT NOT NULL,
    accepted_at INTEGER NOT NULL,
    settings    TEXT NOT NULL,               -- JSON: the settings of the list when it was accepted
    personal    INTEGER NOT NULL,            -- whether each recipient gets a copy of its own
    skipped     INTEGER,                     -- the seq of an author who does not get their own posts
    cutoff      INTEGER NOT NULL,
    cursor      INTEGER NOT NULL DEFAULT 0,
    turn        INTEGER,                     -- it has something to send: the lowest comes first; NULL: it waits
    due_at      INTEGER,                     -- when it stops to wait; NULL: not before a batch ends
    due_span    INTEGER,
    sent        INTEGER NOT NULL DEFAULT 0,  -- recipients whom the mail server accepted
    refused     INTEGER NOT NULL DEFAULT 0,  -- recipients whom it refused, or deferred for too long
    rejected    INTEGER NOT NULL DEFAULT 0,  -- recipients for whom it refused the message itself
    doubted     INTEGER NOT NULL DEFAULT 0,  -- recipients who may have got it twice
    reason      TEXT,                        -- why it waits, or the last refusal
    finished_at INTEGER,
    forget_at   INTEGER
);
CREATE INDEX post_turn ON post (turn) WHERE turn IS NOT NULL;
CREATE INDEX post_due ON post (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX post_set_back ON post (due_at - due_span) WHERE due_at IS NOT NULL;
CREATE INDEX post_open ON post (list) WHERE finished_at IS NULL;
CREATE INDEX post_doubted ON post (doubted) WHERE doubted > 0;
CREATE INDEX post_list ON post (list, id);
CREATE INDEX post_message_id ON post (message_id);
CREATE INDEX post_forget_at ON post (forget_at) WHERE forget_at IS NOT NULL;

-- Some recipients of a post: those with a seq above `above` and up to `upto`, or, if `upto` is 0, the deferred recipients
-- that name this batch. What is left of a batch is tried again under another id, so that a result counts once.
CREATE TABLE batch (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    post     INTEGER NOT NULL,
    above    INTEGER NOT NULL,
    upto     INTEGER NOT NULL,
    state    TEXT NOT NULL,                  -- claimed, sending, later, done
    due_at   INTEGER,                        -- of state later
    due_span INTEGER,
    attempts INTEGER NOT NULL DEFAULT 0,     -- how often the mail server deferred it
    waited   INTEGER NOT NULL DEFAULT 0,     -- milliseconds of the pauses after those
    doubts   INTEGER NOT NULL DEFAULT 0,     -- how often its connection was lost when the message may have been accepted
    recipients INTEGER NOT NULL DEFAULT 0,   -- when it was last claimed; without those refused since, until it is over
    sent     INTEGER NOT NULL DEFAULT 0,
    reply    TEXT                            -- the last reply, or why it waits
);
CREATE INDEX batch_post ON batch (post, state, due_at);
CREATE INDEX batch_set_back ON batch (post, due_at - due_span) WHERE state = 'later';
CREATE INDEX batch_active ON batch (state) WHERE state IN ('claimed', 'sending');

-- A recipient of a post whom the mail server did not accept when it was offered first. A member who leaves stays here.
CREATE TABLE recipient (
    post     INTEGER NOT NULL,
    seq      INTEGER NOT NULL,
    state    TEXT NOT NULL,                  -- deferred, refused, done: settled after it was deferred
    batch    INTEGER,                        -- the batch that has this deferred recipient; NULL: none
    address  TEXT NOT NULL,
    reply    TEXT NOT NULL,
    at       INTEGER NOT NULL,
    due_at   INTEGER,
    due_span INTEGER,
    attempts INTEGER NOT NULL DEFAULT 0,     -- this, waited and doubts: as in batch
    waited   INTEGER NOT NULL DEFAULT 0,
    doubts   INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (post, seq)
) WITHOUT ROWID;
CREATE INDEX recipient_waiting ON recipient (post, due_at) WHERE state = 'deferred' AND batch IS NULL;
CREATE INDEX recipient_set_back ON recipient (post, due_at - due_span) WHERE state = 'deferred' AND batch IS NULL;
CREATE INDEX recipient_deferred ON recipient (state) WHERE state = 'deferred';
CREATE INDEX recipient_batch ON recipient (batch) WHERE batch IS NOT NULL;

-- A row while the mail server refuses all mail.
CREATE TABLE way_out (since INTEGER NOT NULL, reason TEXT NOT NULL);

-- Posts that wait for a moderator.
CREATE TABLE held_post (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    list       INTEGER NOT NULL,             -- of roster
    kept       INTEGER NOT NULL,             -- keeps the message
    mail_from  TEXT NOT NULL,
    message_id TEXT NOT NULL,
    author     TEXT NOT NULL,                -- the address in From, for moderators
    subject    TEXT NOT NULL,
    reasons    TEXT NOT NULL,                -- JSON: an array of texts
    held_at    INTEGER NOT NULL
);
CREATE INDEX held_post_list ON held_post (list);

-- Message-IDs of posts that were accepted or held in recent days.
CREATE TABLE posted (
    list       INTEGER NOT NULL,
    message_id BLOB NOT NULL,                -- 16 octets of a hash
    forget_at  INTEGER NOT NULL,
    PRIMARY KEY (list, message_id)
) WITHOUT ROWID;
CREATE INDEX posted_forget_at ON posted (forget_at);

-- What became of each message to a list, and why.
CREATE TABLE decision (
    id         INTEGER PRIMARY KEY,
    list       INTEGER NOT NULL,
    message_id TEXT NOT NULL,
    mail_from  TEXT NOT NULL,
    outcome    TEXT NOT NULL,                -- accepted, held, rejected, discarded
    reasons    TEXT NOT NULL,                -- JSON: an array of texts
    decided_at INTEGER NOT NULL,
    forget_at  INTEGER NOT NULL
);
CREATE INDEX decision_message_id ON decision (message_id);
CREATE INDEX decision_list ON decision (list);
CREATE INDEX decision_forget_at ON decision (forget_at);

-- Mail to -bounces.
CREATE TABLE bounce (
    id          INTEGER PRIMARY KEY,
    list        INTEGER NOT NULL,
    purpose     TEXT,                        -- what the token is about: member, batch, notice, test; NULL: no valid token
    subject     INTEGER,                     -- the id in the token
    class       TEXT NOT NULL,
    status      TEXT,                        -- the enhanced status code
    diagnostic  TEXT,
    header      BLOB,                        -- of mail without a valid token; of a test, the beginning of the message
    received_at INTEGER NOT NULL,
    forget_at   INTEGER NOT NULL
);
CREATE INDEX bounce_list ON bounce (list);
CREATE INDEX bounce_test ON bounce (subject) WHERE purpose = 'test';
CREATE INDEX bounce_unsigned ON bounce (list) WHERE purpose IS NULL;
CREATE INDEX bounce_forget_at ON bounce (forget_at);

-- A backup moves these on, and must find them.
INSERT INTO sqlite_sequence (name, seq) VALUES ('post', 0), ('batch', 0), ('held_post', 0);
