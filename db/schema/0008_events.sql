-- When "expires soon" is told of a token, decided when it is issued. Null is never.

-- +goose Up

ALTER TABLE tokens ADD COLUMN notice_at timestamptz;
