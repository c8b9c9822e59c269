-- Failed logins, counted for all API processes. A crash of the database empties the table, which costs nothing but some
-- guesses; in return a login waits for no disk here.

-- +goose Up

CREATE UNLOGGED TABLE login_throttle (
    -- SHA-256 of a login and an address, or of an address.
    key           bytea PRIMARY KEY,
    -- Failures of the series that began, or was last prolonged, at started_at.
    failures      integer NOT NULL DEFAULT 0,
    started_at    timestamptz NOT NULL,
    -- Attempts that are being judged, and when the last of them began.
    pending       integer NOT NULL,
    reserved_at   timestamptz NOT NULL,
    -- No attempt before this.
    blocked_until timestamptz NOT NULL,
    -- The row says nothing any more after this.
    forget_at     timestamptz NOT NULL,
    CONSTRAINT login_throttle_key_length CHECK (octet_length(key) = 32)
) WITH (fillfactor = 50); -- each login changes its row twice: room on the page spares the index
