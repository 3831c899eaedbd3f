-- Migration 2: what a list takes, facts of a message, how full the queues are, and what came before.
ALTER TABLE list ADD COLUMN state TEXT NOT NULL DEFAULT 'open';  -- open, paused, closed
ALTER TABLE list ADD COLUMN max_size INTEGER;                    -- octets of a message; NULL: as the gate

-- Facts for whoever works the queue, so that it need not parse the message to see a loop. They stand
-- at the entry because the body is the last of its row.
ALTER TABLE entry ADD COLUMN received_lines INTEGER NOT NULL DEFAULT 0;
ALTER TABLE entry ADD COLUMN from_list INTEGER NOT NULL DEFAULT 0;  -- has this list's own List-Id or List-Post
ALTER TABLE entry ADD COLUMN auto_submitted TEXT;
ALTER TABLE entry ADD COLUMN precedence TEXT;
ALTER TABLE entry ADD COLUMN repeats TEXT;                          -- id of the entry that it was before

-- How full each queue is; a message counts in each of its entries. The gate alone inserts entries,
-- and adds once for a whole batch; whoever deletes one has it subtracted here.
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

-- What was taken in the last days, to know it again: a hash of the message's octets, its sender and
-- one recipient, and the id of the entry it became.
-- What came lately stands in seen_lately, without order; the gate puts it in order many at a time.
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
