-- Migration 4: what came before is known by message and endpoint, so that one look is enough for a
-- message that never came. What was remembered until now was another hash, and is forgotten.
DROP TABLE seen;
DROP TABLE seen_lately;

-- A fingerprint is 12 octets of a hash of the message and its sender, then 8 of a hash of the endpoint:
-- those of a message lie beside each other.
CREATE TABLE seen (
    fingerprint BLOB PRIMARY KEY,
    at          INTEGER NOT NULL,
    delivery    INTEGER NOT NULL,            -- with n, the id of the entry that it became
    n           INTEGER NOT NULL
) WITHOUT ROWID;

-- What came lately, in the order of arrival; the gate moves it to seen, a run of fingerprints at a time.
CREATE TABLE seen_lately (
    delivery     INTEGER PRIMARY KEY,
    at           INTEGER NOT NULL,
    fingerprints BLOB NOT NULL               -- the message's 12 octets, then for each entry its 8, and n in 4
);
