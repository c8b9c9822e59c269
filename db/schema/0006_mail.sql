-- Mails: whom a mailed token was made for, and how many mails an hour have gone out.

-- +goose Up

-- A mailed token is nobody's; this is the user whose mail it came with. Those of resets end when the password is set.
ALTER TABLE tokens
    ADD COLUMN subject_uuid uuid,
    ADD CONSTRAINT tokens_subject_fkey FOREIGN KEY (subject_uuid) REFERENCES users (uuid) ON DELETE CASCADE;
CREATE INDEX tokens_subject_idx ON tokens (subject_uuid) WHERE subject_uuid IS NOT NULL;

-- Mails to a recipient or on behalf of a client address, in an hour that begins with the first of them. The key is the
-- SHA-256 of what is counted: no addresses of people are kept.
CREATE TABLE mail_counts (
    key      bytea PRIMARY KEY,
    began_at timestamptz NOT NULL,
    mails    integer NOT NULL,
    CONSTRAINT mail_counts_key_length CHECK (octet_length(key) = 32)
) WITH (fillfactor = 70);
CREATE INDEX mail_counts_began_idx ON mail_counts (began_at);
