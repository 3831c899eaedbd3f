-- Migration 5: steps, times that remain correct when the clock is set back, and another hash.

-- Keeps a message beyond its entries: one row for each post, held post or notice that refers to it.
CREATE TABLE kept (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,  -- never reused
    delivery INTEGER NOT NULL REFERENCES delivery (id)
);
CREATE INDEX kept_delivery ON kept (delivery);

-- A message is removed with the last row that refers to it.
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

-- A lease or a pause ends at available_at. It also ends when that is further away than `span` milliseconds, the
-- longest that it can last, because the clock was then set back.
ALTER TABLE entry ADD COLUMN span INTEGER;
CREATE INDEX entry_set_back ON entry (queue, available_at - span) WHERE state IN ('leased', 'later');

-- Fingerprints now use BLAKE3 instead of SHA-256, so mail remembered until now is forgotten, once.
DELETE FROM seen;
DELETE FROM seen_lately;
