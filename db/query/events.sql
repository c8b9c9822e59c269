-- name: EventAdd :exec
-- Adds events, a JSON array of objects, to the log in their order.
INSERT INTO event_outbox (name, routing_key, tenant_uuid, audience, session_uuid, data)
SELECT e.v ->> 'name', e.v ->> 'routing_key', (e.v ->> 'tenant_uuid')::uuid, e.v ->> 'audience', (e.v ->> 'session_uuid')::uuid, e.v -> 'data'
FROM jsonb_array_elements(@list::jsonb) WITH ORDINALITY AS e (v, n)
ORDER BY e.n;
