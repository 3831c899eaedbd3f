-- Migration 6: mail whose entry an operator removed is queued if it is sent again.

-- Entries removed by `queue remove`, for as long as their mail may be remembered.
CREATE TABLE removed (
    delivery  INTEGER NOT NULL,
    n         INTEGER NOT NULL,
    forget_at INTEGER NOT NULL,              -- milliseconds since 1970
    PRIMARY KEY (delivery, n)
) WITHOUT ROWID;
CREATE INDEX removed_forget_at ON removed (forget_at);
