-- name: ExternalTypeAdd :exec
INSERT INTO external_types (name) SELECT unnest(@names::text[]) ON CONFLICT DO NOTHING;

-- name: ExternalTypeKnown :one
SELECT EXISTS (SELECT FROM external_types t WHERE t.name = @name);

-- name: ExternalConfigGet :one
-- The configuration of a tenant for a type, and whether the type is known at all.
SELECT c.sealed, c.key_id, EXISTS (SELECT FROM external_types t WHERE t.name = @type) AS known
FROM (SELECT) one LEFT JOIN external_configs c ON c.tenant_uuid = @tenant_uuid AND c.type = @type;

-- name: ExternalConfigAdd :exec
INSERT INTO external_configs (tenant_uuid, type, sealed, key_id) VALUES (@tenant_uuid, @type, @sealed, @key_id);

-- name: ExternalConfigChange :execrows
UPDATE external_configs SET sealed = @sealed, key_id = @key_id WHERE tenant_uuid = @tenant_uuid AND type = @type;

-- name: ExternalConfigDelete :execrows
DELETE FROM external_configs WHERE tenant_uuid = @tenant_uuid AND type = @type;

-- name: ExternalUserGet :one
-- The tenant of a user, and whether it is the scope or below it; everything is below none.
SELECT u.tenant_uuid, coalesce(sqlc.narg('scope')::uuid IN (SELECT tenant_ancestors(u.tenant_uuid)), true)::boolean AS visible
FROM users u WHERE u.uuid = @uuid;

-- name: ExternalUserLock :one
-- Keeps a user from being deleted, and others from changing its accounts, until the end of the transaction.
SELECT u.tenant_uuid, coalesce(sqlc.narg('scope')::uuid IN (SELECT tenant_ancestors(u.tenant_uuid)), true)::boolean AS visible
FROM users u WHERE u.uuid = @uuid FOR NO KEY UPDATE OF u;

-- name: ExternalAccountGet :one
SELECT a.sealed, a.key_id, a.version, coalesce(a.renewing_until > clock_timestamp(), false)::boolean AS renewing
FROM external_accounts a WHERE a.user_uuid = @user_uuid AND a.type = @type;

-- name: ExternalAccountList :many
SELECT a.type, a.sealed, a.key_id FROM external_accounts a WHERE a.user_uuid = @user_uuid AND a.type = ANY (@types::text[]);

-- name: ExternalAccountAdd :exec
INSERT INTO external_accounts (user_uuid, type, sealed, key_id) VALUES (@user_uuid, @type, @sealed, @key_id);

-- name: ExternalAccountPut :one
-- Creates or replaces, and tells which.
INSERT INTO external_accounts AS a (user_uuid, type, sealed, key_id) VALUES (@user_uuid, @type, @sealed, @key_id)
ON CONFLICT (user_uuid, type) DO UPDATE
SET sealed = excluded.sealed, key_id = excluded.key_id, version = gen_random_uuid(), renewing_until = NULL
RETURNING (xmax = 0)::boolean AS added;

-- name: ExternalAccountChange :execrows
-- Replaces what is there, with a version only if it is still that one.
UPDATE external_accounts a SET sealed = @sealed, key_id = @key_id, version = gen_random_uuid(), renewing_until = NULL
WHERE a.user_uuid = @user_uuid AND a.type = @type AND a.version = coalesce(sqlc.narg('version')::uuid, a.version);

-- name: ExternalAccountDelete :execrows
DELETE FROM external_accounts WHERE user_uuid = @user_uuid AND type = @type;

-- name: ExternalAccountClaim :execrows
-- Makes the caller the one who renews a token, for so long. Whoever else wants to meanwhile waits for the result.
UPDATE external_accounts a SET renewing_until = clock_timestamp() + make_interval(secs => @seconds::double precision)
WHERE a.user_uuid = @user_uuid AND a.type = @type AND a.version = @version
  AND (a.renewing_until IS NULL OR a.renewing_until <= clock_timestamp());

-- name: ExternalAccountRelease :exec
UPDATE external_accounts SET renewing_until = NULL WHERE user_uuid = @user_uuid AND type = @type AND version = @version;

-- name: ExternalUserCount :one
-- Users of a tenant, or of it and those below, with something of a type.
SELECT count(*) FROM external_accounts a JOIN users u ON u.uuid = a.user_uuid
WHERE a.type = @type AND (u.tenant_uuid = @scope OR (@recurse::boolean AND u.tenant_uuid IN (SELECT tenant_subtree(@scope))));

-- name: ExternalUserList :many
SELECT a.user_uuid FROM external_accounts a JOIN users u ON u.uuid = a.user_uuid
WHERE a.type = @type AND (u.tenant_uuid = @scope OR (@recurse::boolean AND u.tenant_uuid IN (SELECT tenant_subtree(@scope))))
ORDER BY a.user_uuid LIMIT sqlc.narg('max_rows')::bigint OFFSET @skip::bigint;

-- name: ExternalConsentRoom :one
-- How many consents are waited for in all.
SELECT count(*) FROM external_consents c WHERE c.status <> 'over' AND c.expires_at > now();

-- name: ExternalConsentEvict :many
-- Ends the oldest consents of a user beyond a number: nobody waits for them any more.
UPDATE external_consents SET status = 'over', outcome = 'replaced', state = NULL, state_key = NULL, message = NULL, message_key = NULL, due_at = NULL
WHERE uuid IN (SELECT c.uuid FROM external_consents c WHERE c.user_uuid = @user_uuid AND c.status IN ('due', 'open')
               ORDER BY c.created_at DESC, c.uuid OFFSET @kept)
RETURNING uuid;

-- name: ExternalConsentAdd :exec
INSERT INTO external_consents (uuid, user_uuid, tenant_uuid, type, state, state_key, expires_at)
VALUES (@uuid, @user_uuid, @tenant_uuid, @type, @state, @state_key, now() + make_interval(secs => @seconds::double precision));

-- name: ExternalConsentStatus :one
SELECT status FROM external_consents WHERE uuid = @uuid;

-- name: ExternalConsentGet :one
-- A consent with the time left by the database's clock, in seconds.
SELECT c.user_uuid, c.tenant_uuid, c.type, c.state, c.state_key, c.message, c.message_key, c.status, c.outcome,
       extract(epoch FROM c.expires_at - now())::double precision AS seconds_left
FROM external_consents c WHERE c.uuid = @uuid;

-- name: ExternalConsentOpen :execrows
UPDATE external_consents SET status = 'open' WHERE uuid = @uuid AND status IN ('due', 'open');

-- name: ExternalConsentReceive :execrows
UPDATE external_consents SET status = 'received', message = @message, message_key = @message_key
WHERE uuid = @uuid AND status IN ('due', 'open');

-- name: ExternalConsentEnd :execrows
UPDATE external_consents SET status = 'over', outcome = @outcome, state = NULL, state_key = NULL, message = NULL, message_key = NULL, due_at = NULL
WHERE uuid = @uuid AND status <> 'over';

-- name: ExternalConsentLease :many
-- Takes consents whose workflow is to be started for this worker.
UPDATE external_consents SET due_at = now() + make_interval(secs => @lease_seconds::double precision)
WHERE uuid IN (SELECT c.uuid FROM external_consents c WHERE c.due_at <= now() AND c.status <> 'over' AND c.expires_at > now()
               ORDER BY c.due_at LIMIT @max_rows FOR UPDATE SKIP LOCKED)
RETURNING uuid, user_uuid, tenant_uuid, type, expires_at;

-- name: ExternalConsentStarted :exec
UPDATE external_consents SET due_at = NULL WHERE uuid = @uuid;

-- name: ExternalConsentRelease :exec
UPDATE external_consents SET due_at = now() + make_interval(secs => @wait_seconds::double precision) WHERE uuid = @uuid AND due_at IS NOT NULL;

-- name: ExternalConsentSweep :execrows
-- Deletes what was over a day ago; those that nobody ended first.
DELETE FROM external_consents WHERE uuid IN (SELECT c.uuid FROM external_consents c WHERE c.expires_at < now() - interval '1 day' LIMIT @max_rows);
