-- The log of events gets everything that a message needs but the installation's uuid. Nothing wrote to it before.

-- +goose Up

DROP TABLE event_outbox;
CREATE TABLE event_outbox (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    -- The same in every attempt: the AMQP message id.
    event_uuid   uuid NOT NULL DEFAULT gen_random_uuid(),
    name         text NOT NULL,
    routing_key  text NOT NULL,
    tenant_uuid  uuid NOT NULL,
    audience     text NOT NULL,
    session_uuid uuid,
    data         jsonb NOT NULL,
    happened_at  timestamptz NOT NULL DEFAULT clock_timestamp()
) WITH (autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 1000);
