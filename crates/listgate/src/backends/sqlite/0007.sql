-- Migration 7: members of lists, and bans.

-- The number of each list, which is never used again. A list that was removed keeps its row, without a list_id, until
-- the gate has removed its members, a few at a time.
CREATE TABLE roster (
    list    INTEGER PRIMARY KEY AUTOINCREMENT,
    list_id TEXT UNIQUE
);
CREATE INDEX roster_removed ON roster (list) WHERE list_id IS NULL;
INSERT INTO roster (list_id) SELECT list_id FROM list ORDER BY created_at, list_id;
CREATE TRIGGER list_numbered AFTER INSERT ON list
BEGIN
    INSERT INTO roster (list_id) VALUES (new.list_id);
END;
CREATE TRIGGER list_number_ends AFTER DELETE ON list
BEGIN
    UPDATE roster SET list_id = NULL WHERE list_id = old.list_id;
END;

-- An address in a role of a list. A member who leaves and joins again gets a new seq, and seqs only grow.
CREATE TABLE member (
    seq         INTEGER PRIMARY KEY AUTOINCREMENT,  -- never used again
    list        INTEGER NOT NULL,            -- of roster; no reference, because a removed list's members go later
    role        TEXT NOT NULL,               -- member, owner, moderator, nonmember
    address     TEXT NOT NULL,               -- as it is compared: lower case, NFC, the domain with A-labels
    given       TEXT,                        -- as it was given, if that differs
    name        TEXT,
    verified_at INTEGER,
    joined_at   INTEGER NOT NULL,
    off         TEXT,                        -- who turned delivery off: user, bounce, moderator; NULL: it is on
    off_until   INTEGER,                     -- NULL: until it is turned on
    off_span    INTEGER,                     -- it is on again, too, if off_until is further away than this
    own_posts   INTEGER NOT NULL,
    hidden      INTEGER NOT NULL,
    version     INTEGER NOT NULL DEFAULT 1   -- grows with each change
);
-- Finds an address in a list, and every list that it is in.
CREATE UNIQUE INDEX member_address ON member (address, list, role);
-- Index rows end with seq: a range of them within a role of a list.
CREATE INDEX member_role ON member (list, role);

-- Addresses that may not join.
CREATE TABLE ban (
    list      INTEGER NOT NULL,              -- of roster; 0: in every list
    pattern   TEXT NOT NULL,                 -- an address as it is compared, @domain, or ^expression
    banned_at INTEGER NOT NULL,
    PRIMARY KEY (list, pattern)
) WITHOUT ROWID;

-- A backup moves these on, and must find them.
INSERT INTO sqlite_sequence (name, seq) VALUES ('member', 0);
