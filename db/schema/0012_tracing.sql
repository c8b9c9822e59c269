-- What is owed carries the W3C traceparent of the request that owes it, where that request is traced.

-- +goose Up

ALTER TABLE lifetime_due ADD COLUMN traceparent text;
ALTER TABLE event_outbox ADD COLUMN traceparent text;
