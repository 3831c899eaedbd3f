-- Migration 11: the latest mail is recorded once for each commit.
ALTER TABLE seen_lately RENAME TO seen_by_delivery;

-- The latest mail, one row for each commit. The gate moves it to seen, and then removes the rows.
CREATE TABLE seen_lately (
    id      INTEGER PRIMARY KEY,
    entries BLOB NOT NULL                    -- each: its fingerprint in 20 octets, then delivery, n and at in 8 each
);

-- A row had 12 octets of the message, and for each entry 8 octets of the endpoint, and n in 4.
WITH RECURSIVE entry (delivery, at, message, rest) AS (
    SELECT delivery, at, substr(fingerprints, 1, 12), substr(fingerprints, 13) FROM seen_by_delivery
    UNION ALL
    SELECT delivery, at, message, substr(rest, 13) FROM entry WHERE length(rest) > 12
)
INSERT INTO seen_lately (entries)
SELECT unhex(hex(message) || hex(substr(rest, 1, 8)) || printf('%016x', delivery)
             || '00000000' || hex(substr(rest, 9, 4)) || printf('%016x', at))
FROM entry
ORDER BY delivery;
DROP TABLE seen_by_delivery;
