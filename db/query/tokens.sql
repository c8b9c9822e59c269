-- name: TokenAnnounceExpiry :one
-- Of whom "expires soon" is told: a session that still lives, held until the event is in the log.
SELECT auth_id, tenant_uuid FROM tokens WHERE session_uuid = @session_uuid AND kind = 'user' AND expires_at > now() FOR KEY SHARE;

-- name: TokenCommitDurably :exec
-- A revocation waits for the disk even where the database's default is not to.
SET LOCAL synchronous_commit = on;

-- name: TokenCountLive :one
SELECT count(*) FROM tokens WHERE expires_at > now();

-- name: TokenCountLiveByUser :one
-- The quota counts what can still be used, and only logins.
SELECT count(*) FROM tokens WHERE user_uuid = @user_uuid::uuid AND kind = 'user' AND expires_at > now();

-- name: TokenDeleteByHash :many
DELETE FROM tokens WHERE token_hash = @token_hash RETURNING session_uuid, user_uuid, tenant_uuid, auth_id;

-- name: TokenDeleteByRefreshToken :many
-- The sessions that were made with or bought by a refresh token.
DELETE FROM tokens WHERE refresh_token_uuid = @refresh_token_uuid::uuid RETURNING session_uuid, user_uuid, tenant_uuid, auth_id;

-- name: TokenDeleteBySession :many
-- One session of one of the given tenants; with a user given, only a session of that user.
DELETE FROM tokens
WHERE session_uuid = @session_uuid AND tenant_uuid = ANY (@tenants::uuid[])
  AND (sqlc.narg('user_uuid')::uuid IS NULL OR user_uuid = sqlc.narg('user_uuid')::uuid)
RETURNING session_uuid, user_uuid, tenant_uuid, auth_id;

-- name: TokenDeleteByUser :many
DELETE FROM tokens WHERE user_uuid = @user_uuid::uuid RETURNING session_uuid, user_uuid, tenant_uuid, auth_id;

-- name: TokenDeleteExpired :one
-- Deletes a session's token if the database's clock says that it is over; tells what is left of it otherwise. The event of
-- a login that ended, which events.SessionDeleted describes, is written by the same statement: expiries come in crowds.
WITH gone AS (
    DELETE FROM tokens d WHERE d.session_uuid = @session_uuid AND d.expires_at <= now()
    RETURNING d.session_uuid, d.kind, d.auth_id, d.tenant_uuid, d.metadata, d.expires_at
), told AS (
    INSERT INTO event_outbox (name, routing_key, tenant_uuid, audience, session_uuid, data, traceparent)
    SELECT 'auth_session_deleted', 'auth.sessions.' || g.session_uuid || '.deleted', g.tenant_uuid, g.auth_id, g.session_uuid,
           jsonb_build_object('uuid', g.session_uuid, 'tenant_uuid', g.tenant_uuid, 'user_uuid', g.auth_id), sqlc.narg('traceparent')::text
    FROM gone g WHERE @tell::boolean AND g.kind = 'user'
)
SELECT true::boolean AS deleted, (gone.kind <> 'user' AND gone.metadata ->> 'tenant_uuid' IS NULL)::boolean AS nobodys, 0::bigint AS remaining_us,
       (extract(epoch FROM clock_timestamp() - gone.expires_at) * 1000000)::bigint AS late_us
FROM gone
UNION ALL
SELECT false, false, (extract(epoch FROM t.expires_at - now()) * 1000000)::bigint, 0
FROM tokens t
WHERE t.session_uuid = @session_uuid AND t.expires_at > now();

-- name: TokenDeleteForLifetime :many
-- Revocation by the session's own workflow: it needs no telling, so nothing is owed, not even what was before.
WITH due AS (
    DELETE FROM lifetime_due d WHERE d.session_uuid = @session_uuid
)
DELETE FROM tokens t WHERE t.session_uuid = @session_uuid RETURNING t.session_uuid, t.user_uuid, t.tenant_uuid, t.auth_id;

-- name: TokenDeleteIssuedBefore :many
-- A batch of the tokens issued before an instant: after a restore, or when credentials leaked.
DELETE FROM tokens WHERE session_uuid IN (
    SELECT t.session_uuid FROM tokens t WHERE t.issued_at < @instant LIMIT @max_rows
)
RETURNING session_uuid, user_uuid, tenant_uuid, auth_id;

-- name: TokenGet :one
SELECT t.session_uuid, t.kind, t.user_uuid, t.auth_id, t.tenant_uuid, t.access_list, t.metadata, t.remote_addr, t.user_agent,
       t.issued_at, t.expires_at, l.entries
FROM tokens t JOIN access_lists l ON l.id = t.access_list
WHERE t.token_hash = @token_hash AND t.expires_at > now();

-- name: TokenIssue :one
-- Token, access list, the owed lifetime and, of a login, the entry of the trail in one statement. Both instants come from one clock reading of the
-- database, so that their difference is exactly the lifetime asked for.
WITH list AS (
    INSERT INTO access_lists (id, entries) VALUES (@access_list, @entries) ON CONFLICT DO NOTHING
), due AS (
    INSERT INTO lifetime_due (session_uuid, wanted, traceparent) VALUES (@session_uuid, 'run', sqlc.narg('traceparent')::text)
), noted AS (
    INSERT INTO trail (action, subject_uuid, tenant_uuid, actor, actor_session, remote_addr, request_id, details)
    SELECT 'login accepted', @user_uuid, @tenant_uuid, @auth_id, @session_uuid, @remote_addr, @request_id, @details
    WHERE @kind = 'user'
)
INSERT INTO tokens (session_uuid, token_hash, kind, user_uuid, auth_id, tenant_uuid, refresh_token_uuid, access_list,
                    metadata, mobile, backend, remote_addr, user_agent, issued_at, expires_at, notice_at)
VALUES (@session_uuid, @token_hash, @kind, @user_uuid, @auth_id, @tenant_uuid, @refresh_token_uuid, @access_list,
        @metadata, @mobile, @backend, @remote_addr, @user_agent, statement_timestamp(),
        statement_timestamp() + make_interval(secs => @lifetime_seconds::bigint),
        CASE WHEN @notice_after_seconds::double precision > 0
             THEN statement_timestamp() + make_interval(secs => @notice_after_seconds::double precision) END)
RETURNING issued_at, expires_at;

-- name: TokenLivePage :many
-- Live tokens of some age that nothing is owed for, in the order of their sessions: what the audit compares.
SELECT t.session_uuid FROM tokens t
WHERE t.session_uuid > @after AND t.expires_at > now() AND t.issued_at < now() - make_interval(secs => @grace_seconds::double precision)
  AND NOT EXISTS (SELECT 1 FROM lifetime_due d WHERE d.session_uuid = t.session_uuid)
ORDER BY t.session_uuid
LIMIT @max_rows;

-- name: TokenLookUp :many
-- The check of every request of every service: short rows, expiry by the database's clock. The session comes as text,
-- which is what access lists are matched with.
SELECT token_hash, session_uuid::text AS session, auth_id, access_list
FROM tokens
WHERE token_hash = ANY (@token_hashes::bytea[]) AND expires_at > now();

-- name: TokenMissing :many
-- Of these sessions, those with neither a token nor anything owed.
SELECT s.session_uuid::uuid AS session_uuid FROM unnest(@sessions::uuid[]) AS s (session_uuid)
WHERE NOT EXISTS (SELECT 1 FROM tokens t WHERE t.session_uuid = s.session_uuid)
  AND NOT EXISTS (SELECT 1 FROM lifetime_due d WHERE d.session_uuid = s.session_uuid);

-- name: TokenOwner :one
-- To whom a session belongs now: a user's tenant is the present one.
SELECT t.kind, t.user_uuid, coalesce(u.tenant_uuid, t.tenant_uuid)::uuid AS tenant_uuid
FROM tokens t LEFT JOIN users u ON u.uuid = t.user_uuid
WHERE t.session_uuid = @session_uuid;

-- name: TokenSweepOverdue :many
-- Tokens whose lifetime should have deleted them some time ago. Their workflows, if any, find them gone. Events tell of
-- logins only, whatever their order.
DELETE FROM tokens WHERE session_uuid IN (
    SELECT t.session_uuid FROM tokens t
    WHERE t.expires_at < now() - make_interval(secs => @grace_seconds::double precision)
      AND NOT EXISTS (SELECT 1 FROM lifetime_due d WHERE d.session_uuid = t.session_uuid AND NOT d.parked)
    ORDER BY t.expires_at
    LIMIT @max_rows
)
RETURNING session_uuid, user_uuid, tenant_uuid, auth_id, kind;
