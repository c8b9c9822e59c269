-- Who changed what, on whom, from where and when: written in the transaction of the change, never changed, removed only
-- by its retention.

-- +goose Up

CREATE TABLE trail (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    happened_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    action        text NOT NULL,
    -- What it was done to; null where it has no uuid, as a login that names nobody.
    subject_uuid  uuid,
    tenant_uuid   uuid,
    -- Whose token it was done with, and which; empty and null where no token was asked for.
    actor         text NOT NULL,
    actor_session uuid,
    remote_addr   text NOT NULL,
    request_id    text NOT NULL,
    details       jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX trail_happened_idx ON trail (happened_at);
CREATE INDEX trail_subject_idx ON trail (subject_uuid, id) WHERE subject_uuid IS NOT NULL;

-- +goose StatementBegin
CREATE FUNCTION trail_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the trail is append-only';
END
$$;
-- +goose StatementEnd
CREATE TRIGGER trail_append_only BEFORE UPDATE ON trail FOR EACH ROW EXECUTE FUNCTION trail_is_append_only();
