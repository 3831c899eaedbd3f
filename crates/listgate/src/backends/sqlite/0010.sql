-- Migration 10: held posts as they were offered to moderators.

-- A held post, as it was offered to one moderator, whose tokens name it. It stays for a time after the post is decided.
CREATE TABLE offer (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,  -- never used again, because tokens name it
    list       INTEGER NOT NULL,             -- of roster
    held       INTEGER NOT NULL,             -- the number of the held post
    moderator  INTEGER,                      -- the seq of a moderator or owner; NULL: the site's owner, who has no token
    offered_at INTEGER NOT NULL,
    outcome    TEXT,                         -- accepted, rejected, discarded; NULL: it waits
    forget_at  INTEGER                       -- NULL: it waits
);
CREATE INDEX offer_held ON offer (held);
CREATE INDEX offer_list ON offer (list, offered_at);
CREATE INDEX offer_forget_at ON offer (forget_at) WHERE forget_at IS NOT NULL;

-- JSON: the addresses that got a notice about it.
ALTER TABLE held_post ADD COLUMN notified TEXT NOT NULL DEFAULT '[]';

-- The held post that a notice asks a moderator about. Its subject is that of the offer.
ALTER TABLE notice ADD COLUMN held INTEGER;

-- A backup moves this on, and must find it.
INSERT INTO sqlite_sequence (name, seq) VALUES ('offer', 0);
