-- name: EventAdd :exec
-- Adds events, a JSON array of objects, to the log in their order.
INSERT INTO event_outbox (name, routing_key, tenant_uuid, audience, session_uuid, data, traceparent)
SELECT e.v ->> 'name', e.v ->> 'routing_key', (e.v ->> 'tenant_uuid')::uuid, e.v ->> 'audience', (e.v ->> 'session_uuid')::uuid, e.v -> 'data',
       sqlc.narg('traceparent')::text
FROM jsonb_array_elements(@list::jsonb) WITH ORDINALITY AS e (v, n)
ORDER BY e.n;

-- name: EventBacklog :one
-- What the bus is still owed, for metrics and readiness. A backlog is counted up to a million.
SELECT (SELECT count(*) FROM (SELECT FROM event_outbox LIMIT 1000000) AS counted)::bigint AS depth,
       coalesce((SELECT extract(epoch FROM clock_timestamp() - o.happened_at) FROM event_outbox o ORDER BY o.id LIMIT 1), 0)::double precision AS oldest_seconds;

-- name: EventDelete :exec
DELETE FROM event_outbox WHERE id = ANY (@ids::bigint[]);

-- name: EventPage :many
-- The first events of the log but those under way. Identities are given before commits: one that was committed later than
-- its successors is found all the same, and those of one session or user come in the order of their commits, since the
-- transactions that write them wait for each other. Under way are ranges of ids: a row is looked for in them by halving,
-- where an array would be walked for every row.
SELECT id, event_uuid, name, routing_key, tenant_uuid, audience, session_uuid, data, happened_at, traceparent,
       extract(epoch FROM clock_timestamp() - happened_at)::double precision AS age_seconds
FROM event_outbox
WHERE NOT @under_way::int8multirange @> id
ORDER BY id
LIMIT @max_rows;

-- name: EventTurn :one
-- Tells whether this connection is now the one that publishes. The lock ends with the connection.
SELECT pg_try_advisory_lock(@turn::bigint)::boolean AS taken;
