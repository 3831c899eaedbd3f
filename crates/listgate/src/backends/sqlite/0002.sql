-- Migration 2: limits of a list, facts about a message, how full the queues are, and what was received before.
ALTER TABLE list ADD COLUMN state TEXT NOT NULL DEFAULT 'open';  -- open, paused, closed
ALTER TABLE list ADD COLUMN max_size INTEGER;                    -- octets of a message; NULL: the gate's own maximum

-- Facts for consumers of the queue, which then need not parse the message to detect a loop. They are in
-- the entry because the body must remain the last column of its row.
ALTER TABLE entry ADD COLUMN received_lines INTEGER NOT NULL DEFAULT 0;
ALTER TABLE entry ADD COLUMN from_list INTEGER NOT NULL DEFAULT 0;  -- has this list's own List-Id or List-Post
ALTER TABLE entry ADD COLUMN auto_submitted TEXT;
ALTER TABLE entry ADD COLUMN precedence TEXT;
ALTER TABLE entry ADD COLUMN repeats TEXT;                          -- id of the first entry of the same mail

-- How full each queue is; a message counts in each of its entries. Only the gate inserts entries, and it
-- updates the sizes once for a whole batch; deletions are subtracted by the trigger below.
CREATE TABLE queue_size (
    queue   TEXT PRIMARY KEY,
    entries INTEGER NOT NULL,
    octets  INTEGER NOT NULL
) WITHOUT ROWID;
INSERT INTO queue_size
SELECT name.column1, count(entry.n), coalesce(sum(delivery.size), 0)
FROM (VALUES ('in'), ('command'), ('bounces')) name
LEFT JOIN entry ON entry.queue = name.column1
LEFT JOIN delivery ON delivery.id = entry.delivery
GROUP BY name.column1;
CREATE TRIGGER entry_leaves BEFORE DELETE ON entry
BEGIN
    UPDATE queue_size
    SET entries = entries - 1, octets = octets - (SELECT size FROM delivery WHERE id = old.delivery)
    WHERE queue = old.queue;
END;

-- The mail of recent days, to recognize it when it is sent again: a hash of the message's octets, its
-- sender and one recipient, and the id of the entry that was stored.
-- The latest mail is in seen_lately, without order; the gate moves it to seen, many rows at a time.
CREATE TABLE seen (
    fingerprint BLOB PRIMARY KEY,
    at          INTEGER NOT NULL,
    delivery    INTEGER NOT NULL,
    n           INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE seen_lately (
    fingerprint BLOB NOT NULL,
    at          INTEGER NOT NULL,
    delivery    INTEGER NOT NULL,
    n           INTEGER NOT NULL
);
