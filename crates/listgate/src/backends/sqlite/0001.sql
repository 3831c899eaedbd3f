-- Migration 1: domains, lists, and the queues.
CREATE TABLE domain (
    name     TEXT PRIMARY KEY,               -- lower case
    alias_of TEXT REFERENCES domain (name)   -- mail to this domain goes to that one
) WITHOUT ROWID;

CREATE TABLE list (
    domain     TEXT NOT NULL REFERENCES domain (name),
    local      TEXT NOT NULL,                -- lower case
    list_id    TEXT NOT NULL UNIQUE,         -- not changed by a rename
    created_at INTEGER NOT NULL,             -- milliseconds since 1970, like all times here
    PRIMARY KEY (domain, local)
) WITHOUT ROWID;

-- Counts the changes to lists and domains, so that a process that remembers an answer can check with
-- one read whether it is still valid.
CREATE TABLE lists_version (n INTEGER NOT NULL);
INSERT INTO lists_version VALUES (0);
CREATE TRIGGER list_created AFTER INSERT ON list BEGIN UPDATE lists_version SET n = n + 1; END;
CREATE TRIGGER list_changed AFTER UPDATE ON list BEGIN UPDATE lists_version SET n = n + 1; END;
CREATE TRIGGER list_removed AFTER DELETE ON list BEGIN UPDATE lists_version SET n = n + 1; END;
CREATE TRIGGER domain_added AFTER INSERT ON domain BEGIN UPDATE lists_version SET n = n + 1; END;
CREATE TRIGGER domain_changed AFTER UPDATE ON domain BEGIN UPDATE lists_version SET n = n + 1; END;
CREATE TRIGGER domain_removed AFTER DELETE ON domain BEGIN UPDATE lists_version SET n = n + 1; END;

-- One message. Its body is the last column and is never updated, so that no other column requires
-- reading it.
CREATE TABLE delivery (
    id            INTEGER PRIMARY KEY,       -- never reused for another message: see minted

    received_at   INTEGER NOT NULL,
    mail_from     TEXT NOT NULL,             -- <> for the null sender
    message_id    TEXT NOT NULL,
    peer          TEXT NOT NULL,
    lhlo          TEXT NOT NULL,
    transport     TEXT NOT NULL,
    original_size INTEGER NOT NULL,          -- octets as received
    size          INTEGER NOT NULL,          -- octets as stored
    spool         TEXT,                      -- the file in spool/ with the body, if it is large
    body          BLOB
);
CREATE INDEX delivery_spool ON delivery (spool) WHERE spool IS NOT NULL;

-- Ids up to this one may have been assigned. The gate takes them in blocks, which costs less than
-- recording each one, so there are gaps after a restart.
CREATE TABLE minted (up_to INTEGER NOT NULL);
INSERT INTO minted VALUES (0);

-- One endpoint of a message. A consumer's lease lasts until `leased_until`; `attempts` is its fence.
CREATE TABLE entry (
    delivery     INTEGER NOT NULL REFERENCES delivery (id),
    n            INTEGER NOT NULL,
    queue        TEXT NOT NULL,
    available_at INTEGER NOT NULL,
    received_at  INTEGER NOT NULL,
    list_id      TEXT NOT NULL,
    recipient    TEXT NOT NULL,
    detail       TEXT,
    state        TEXT NOT NULL DEFAULT 'waiting',  -- waiting, leased, held, shunted
    reason       TEXT,
    attempts     INTEGER NOT NULL DEFAULT 0,
    leased_until INTEGER,
    msgdata      TEXT NOT NULL,              -- JSON
    PRIMARY KEY (delivery, n)
) WITHOUT ROWID;
CREATE INDEX entry_queue ON entry (queue, available_at);

-- Removing the last entry of a message removes the message.
CREATE TRIGGER entry_gone AFTER DELETE ON entry
WHEN NOT EXISTS (SELECT 1 FROM entry WHERE delivery = old.delivery)
BEGIN
    DELETE FROM delivery WHERE id = old.delivery;
END;

-- Only the gate unlinks a spool file, after a synced commit has dropped its row.
CREATE TABLE discarded (spool TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TRIGGER delivery_gone AFTER DELETE ON delivery WHEN old.spool IS NOT NULL
BEGIN
    INSERT INTO discarded VALUES (old.spool);
END;
