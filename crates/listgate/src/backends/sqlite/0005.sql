-- Migration 5: steps, times that survive a clock that is set back, and another hash.

-- A message beyond its entries: one row for each post, held post or notice that refers to it.
CREATE TABLE kept (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,  -- never another's
    delivery INTEGER NOT NULL REFERENCES delivery (id)
);
CREATE INDEX kept_delivery ON kept (delivery);

-- A message goes with the last that refers to it.
DROP TRIGGER entry_gone;
CREATE TRIGGER entry_gone AFTER DELETE ON entry
WHEN NOT EXISTS (SELECT 1 FROM entry WHERE delivery = old.delivery)
 AND NOT EXISTS (SELECT 1 FROM kept WHERE delivery = old.delivery)
BEGIN
    DELETE FROM delivery WHERE id = old.delivery;
END;
CREATE TRIGGER kept_gone AFTER DELETE ON kept
WHEN NOT EXISTS (SELECT 1 FROM entry WHERE delivery = old.delivery)
 AND NOT EXISTS (SELECT 1 FROM kept WHERE delivery = old.delivery)
BEGIN
    DELETE FROM delivery WHERE id = old.delivery;
END;

-- A lease or a pause ends at available_at, and also when that is further away than `span` milliseconds, the longest
-- it can last: the clock was set back since.
ALTER TABLE entry ADD COLUMN span INTEGER;
CREATE INDEX entry_set_back ON entry (queue, available_at - span) WHERE state IN ('leased', 'later');

-- Fingerprints are BLAKE3 now, and were SHA-256: what was remembered is forgotten, once.
DELETE FROM seen;
DELETE FROM seen_lately;
