-- Migration 4: mail that was received before is recognized by message and endpoint, so that one lookup is enough
-- for a message that never came. Mail remembered until now had another kind of hash, and is forgotten.
DROP TABLE seen;
DROP TABLE seen_lately;

-- A fingerprint is 12 octets of a hash of the message and its sender, then 8 of a hash of the endpoint,
-- so the fingerprints of one message are adjacent.
CREATE TABLE seen (
    fingerprint BLOB PRIMARY KEY,
    at          INTEGER NOT NULL,
    delivery    INTEGER NOT NULL,            -- with n, the id of the entry that was stored
    n           INTEGER NOT NULL
) WITHOUT ROWID;

-- The latest mail, in order of arrival; the gate moves it to seen, a run of fingerprints at a time.
CREATE TABLE seen_lately (
    delivery     INTEGER PRIMARY KEY,
    at           INTEGER NOT NULL,
    fingerprints BLOB NOT NULL               -- the message's 12 octets, then for each entry its 8, and n in 4
);
