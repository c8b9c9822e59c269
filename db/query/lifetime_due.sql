-- name: LifetimeDueBacklog :one
-- What the relay has before it, for metrics and readiness.
SELECT count(*) FILTER (WHERE NOT parked) AS depth,
       count(*) FILTER (WHERE parked) AS parked,
       coalesce(extract(epoch FROM now() - min(created_at) FILTER (WHERE NOT parked)), 0)::double precision AS oldest_seconds
FROM lifetime_due;

-- name: LifetimeDueEnd :exec
-- Owes the end of these lifetimes. One that no worker ever leased is simply no longer owed; otherwise the row is turned
-- round in place, so that "end" cannot overtake a "run" that is under way.
WITH unstarted AS (
    DELETE FROM lifetime_due WHERE session_uuid = ANY (@sessions::uuid[]) AND wanted = 'run' AND attempts = 0
    RETURNING session_uuid
)
INSERT INTO lifetime_due (session_uuid, wanted, reason, traceparent)
SELECT s.session_uuid, 'end', @reason, sqlc.narg('traceparent')::text FROM unnest(@sessions::uuid[]) AS s (session_uuid)
WHERE s.session_uuid NOT IN (SELECT u.session_uuid FROM unstarted u)
ON CONFLICT (session_uuid) DO UPDATE
SET wanted = 'end', reason = excluded.reason, traceparent = excluded.traceparent, version = lifetime_due.version + 1, due_at = now(), failures = 0,
    last_error = NULL, parked = false;

-- name: LifetimeDueEndOrphans :many
-- For lifetimes that were started although their row had gone in the meantime (a worker that slept past its lease):
-- owes their end, unless the token still lives.
INSERT INTO lifetime_due (session_uuid, wanted, reason, attempts)
SELECT s.session_uuid, 'end', 'gone', 1 FROM unnest(@sessions::uuid[]) AS s (session_uuid)
WHERE NOT EXISTS (SELECT 1 FROM tokens t WHERE t.session_uuid = s.session_uuid)
ON CONFLICT (session_uuid) DO NOTHING
RETURNING session_uuid;

-- name: LifetimeDueFail :exec
-- Gives a row back with its error; it waits, and is parked when it has failed too often.
UPDATE lifetime_due
SET leased_until = NULL, due_at = now() + make_interval(secs => @wait_seconds::double precision), failures = failures + 1,
    last_error = @last_error, parked = failures + 1 >= @max_failures::integer
WHERE session_uuid = @session_uuid AND version = @version;

-- name: LifetimeDueLease :many
-- Takes the oldest rows that are due for this worker. What it needs to know to start a lifetime comes along.
WITH due AS (
    SELECT d.session_uuid FROM lifetime_due d
    WHERE NOT d.parked AND d.due_at <= now() AND (d.leased_until IS NULL OR d.leased_until < now())
    ORDER BY d.due_at
    LIMIT @max_rows
    FOR UPDATE SKIP LOCKED
), leased AS (
    UPDATE lifetime_due d
    SET leased_until = now() + make_interval(secs => @lease_seconds::double precision), attempts = d.attempts + 1
    FROM due WHERE d.session_uuid = due.session_uuid
    RETURNING d.session_uuid, d.wanted, d.reason, d.version, d.failures, d.created_at, d.traceparent
)
SELECT l.session_uuid, l.wanted, l.reason, l.version, l.failures, l.created_at, l.traceparent,
       t.kind, t.auth_id, t.tenant_uuid, t.backend, t.remote_addr, t.user_agent,
       t.issued_at, t.expires_at, t.notice_at
FROM leased l LEFT JOIN tokens t ON t.session_uuid = l.session_uuid;

-- name: LifetimeDueParked :many
SELECT session_uuid, wanted, reason, failures, last_error, created_at FROM lifetime_due
WHERE parked ORDER BY created_at LIMIT @max_rows;

-- name: LifetimeDueRelease :exec
-- Gives rows back untried or interrupted; what is wanted may have changed while they were leased.
UPDATE lifetime_due
SET leased_until = NULL, due_at = now() + make_interval(secs => @wait_seconds::double precision)
WHERE session_uuid = ANY (@sessions::uuid[]);

-- name: LifetimeDueRun :execrows
-- Owes these sessions a lifetime once more, if they still live: the audit's repair.
INSERT INTO lifetime_due (session_uuid, wanted, reason, attempts)
SELECT t.session_uuid, 'run', 'audit', 1 FROM tokens t
WHERE t.session_uuid = ANY (@sessions::uuid[]) AND t.expires_at > now()
ON CONFLICT (session_uuid) DO NOTHING;

-- name: LifetimeDueSettle :many
-- Removes rows that were worked off, unless what is wanted changed meanwhile.
DELETE FROM lifetime_due d
USING (SELECT unnest(@sessions::uuid[]) AS session_uuid, unnest(@versions::bigint[]) AS version) AS s
WHERE d.session_uuid = s.session_uuid AND d.version = s.version
RETURNING d.session_uuid;

-- name: LifetimeDueUnpark :execrows
UPDATE lifetime_due SET parked = false, failures = 0, due_at = now() WHERE parked;

-- name: LifetimeDueNotify :exec
-- Wakes the relays; sent after the commit, outside the transaction.
NOTIFY lifetime_due;
