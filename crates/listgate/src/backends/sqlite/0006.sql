-- Migration 6: what an operator removed may come again.

-- An entry that `queue remove` took away, for as long as its mail may be remembered.
CREATE TABLE removed (
    delivery  INTEGER NOT NULL,
    n         INTEGER NOT NULL,
    forget_at INTEGER NOT NULL,              -- milliseconds since 1970
    PRIMARY KEY (delivery, n)
) WITHOUT ROWID;
CREATE INDEX removed_forget_at ON removed (forget_at);
