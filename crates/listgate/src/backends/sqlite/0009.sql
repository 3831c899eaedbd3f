-- Migration 9: requests that wait for an answer, members who have left, and notices.

-- A request to join or leave a list, which waits for the person whose address it is, or for a moderator.
CREATE TABLE request (
    id        INTEGER PRIMARY KEY AUTOINCREMENT,  -- never used again, because tokens name it
    list      INTEGER NOT NULL,              -- of roster
    kind      TEXT NOT NULL,                 -- join, leave, invite
    phase     TEXT NOT NULL,                 -- what it waits for: confirm, moderate
    address   TEXT NOT NULL,                 -- as it is compared
    given     TEXT,                          -- as it was given, if that differs
    name      TEXT,
    confirmed INTEGER NOT NULL,              -- whether the person has agreed
    asked_at  INTEGER NOT NULL,              -- when it was made first
    asked     INTEGER NOT NULL DEFAULT 1,    -- how often it was made
    early     INTEGER NOT NULL DEFAULT 0,    -- whether a reply came so early that it was asked for again
    version   INTEGER NOT NULL DEFAULT 1,    -- grows with each change
    forget_at INTEGER NOT NULL,
    UNIQUE (list, address, kind)
);
CREATE INDEX request_forget_at ON request (phase, forget_at);

-- Members who have left and can still come back, as rows of member.
CREATE TABLE former_member (
    seq         INTEGER PRIMARY KEY,         -- of the membership that has ended
    list        INTEGER NOT NULL,
    address     TEXT NOT NULL,
    given       TEXT,
    name        TEXT,
    verified_at INTEGER,
    off         TEXT,
    off_until   INTEGER,
    off_span    INTEGER,
    own_posts   INTEGER NOT NULL,
    hidden      INTEGER NOT NULL,
    left_at     INTEGER NOT NULL,
    forget_at   INTEGER NOT NULL
);
CREATE INDEX former_member_list ON former_member (list);
CREATE INDEX former_member_forget_at ON former_member (forget_at);

-- Mail that Listgate writes itself, when it is sent. Its post has the kind `notice`, with one recipient whose seq is 0, or
-- `owner_notice`, which goes to the owners and moderators. Such a post keeps no message: its settings say what is in it,
-- as JSON, until it is finished. The row goes with that of the post.
CREATE TABLE notice (
    post       INTEGER PRIMARY KEY,
    template   TEXT NOT NULL,
    subject    INTEGER,                      -- the id in its token, of a request or a membership; NULL: it has none
    request    INTEGER,                      -- the request that it is about
    address    TEXT,                         -- as it is compared; NULL: of owners
    account    TEXT,                         -- the address without the detail after a +
    domain     TEXT,
    at         INTEGER NOT NULL,
    counted    INTEGER NOT NULL,             -- whether it counts towards the limits of mail that anyone can cause
    bounced_at INTEGER                       -- when it has bounced for good
);
CREATE INDEX notice_account ON notice (account, at) WHERE counted = 1;
CREATE INDEX notice_domain ON notice (domain, at) WHERE counted = 1;
CREATE INDEX notice_request ON notice (request, at) WHERE request IS NOT NULL;
CREATE INDEX notice_bounced ON notice (address, bounced_at) WHERE bounced_at IS NOT NULL;
CREATE INDEX post_notices ON post (id) WHERE kind IN ('notice', 'owner_notice') AND finished_at IS NULL;

-- A backup moves this on, and must find it.
INSERT INTO sqlite_sequence (name, seq) VALUES ('request', 0);
