-- What users and their addresses need beyond the first one.

-- +goose Up

-- A login is a username or a confirmed address; an unconfirmed one only keeps others from taking it. Which of the two a
-- row is, is told by the flag and by the confirmed addresses with its key. No interface wrote addresses before.
ALTER TABLE logins ADD COLUMN of_username boolean NOT NULL DEFAULT true;
ALTER TABLE emails ADD COLUMN login_key bytea NOT NULL;

-- The first page of a tenant's users in the default order.
CREATE INDEX users_tenant_username_idx ON users (tenant_uuid, username, uuid);
