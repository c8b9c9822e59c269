-- name: MailConfirm :one
-- Makes an address confirmed; with a scope given, only one of a user in that tenant or below it. No row: not there.
UPDATE emails e SET confirmed = true
FROM users u
WHERE e.uuid = @email_uuid AND u.uuid = e.user_uuid
  AND (sqlc.narg('scope')::uuid IS NULL OR sqlc.narg('scope')::uuid IN (SELECT tenant_ancestors(u.tenant_uuid)))
RETURNING e.user_uuid, u.tenant_uuid;

-- name: MailConfirmable :one
-- Whether MailConfirm would find the address.
SELECT EXISTS (
    SELECT 1 FROM emails e JOIN users u ON u.uuid = e.user_uuid
    WHERE e.uuid = @email_uuid
      AND (sqlc.narg('scope')::uuid IS NULL OR sqlc.narg('scope')::uuid IN (SELECT tenant_ancestors(u.tenant_uuid)))
)::boolean AS confirmable;

-- name: MailCount :many
-- Counts one more mail for each key and tells how many of the running hour that makes. In the order of the keys, so that
-- two of these never wait for each other in a circle.
INSERT INTO mail_counts AS c (key, began_at, mails)
SELECT k.key, now(), 1 FROM unnest(@keys::bytea[]) AS k (key) ORDER BY k.key
ON CONFLICT (key) DO UPDATE SET
    began_at = CASE WHEN c.began_at <= now() - interval '1 hour' THEN excluded.began_at ELSE c.began_at END,
    mails = CASE WHEN c.began_at <= now() - interval '1 hour' THEN 1 ELSE least(c.mails + 1, 1000000) END
RETURNING c.key, c.mails;

-- name: MailCountSweep :execrows
DELETE FROM mail_counts WHERE key IN (
    SELECT c.key FROM mail_counts c WHERE c.began_at <= now() - interval '1 hour' LIMIT @max_rows FOR UPDATE SKIP LOCKED
);

-- name: MailAddress :one
-- An address with its user, for a confirmation mail: a row without an address when the user has none of that uuid. The
-- user is in the scope or below it, or there is no row.
SELECT u.uuid AS user_uuid, u.tenant_uuid, u.username, e.address, e.confirmed
FROM users u LEFT JOIN emails e ON e.user_uuid = u.uuid AND e.uuid = @email_uuid
WHERE u.uuid = @user_uuid AND @scope::uuid IN (SELECT tenant_ancestors(u.tenant_uuid));

-- name: MailRecipient :one
-- Whoever has a username or an address exactly as given, or a login whatever its case, enabled or not, and the confirmed
-- address that a reset mail may go to: the main one first.
SELECT u.uuid, u.tenant_uuid, u.username,
       (CASE WHEN u.authentication_method = 'default' THEN t.default_authentication_method ELSE u.authentication_method END)::text AS method,
       coalesce((SELECT e.address FROM emails e WHERE e.user_uuid = u.uuid AND e.confirmed
                 ORDER BY e.main DESC, e.address LIMIT 1), '')::text AS confirmed_address
FROM (
    SELECT x.uuid FROM users x WHERE x.username = sqlc.narg('username')::text
    UNION ALL
    SELECT e.user_uuid FROM emails e WHERE e.address = sqlc.narg('address')::text
    UNION ALL
    SELECT l.user_uuid FROM logins l WHERE l.key = sqlc.narg('login_key')::bytea
) AS meant JOIN users u ON u.uuid = meant.uuid JOIN tenants t ON t.uuid = u.tenant_uuid
ORDER BY u.uuid
LIMIT 1;

-- name: MailResetLock :one
-- The user whose password is to be set, held until the end of the transaction. has_login: a username, or a main and
-- confirmed address.
SELECT u.tenant_uuid,
       (CASE WHEN u.authentication_method = 'default' THEN t.default_authentication_method ELSE u.authentication_method END)::text AS method,
       (u.username IS NOT NULL OR EXISTS (SELECT 1 FROM emails e WHERE e.user_uuid = u.uuid AND e.main AND e.confirmed))::boolean AS has_login
FROM users u JOIN tenants t ON t.uuid = u.tenant_uuid
WHERE u.uuid = @uuid
  AND (sqlc.narg('scope')::uuid IS NULL OR sqlc.narg('scope')::uuid IN (SELECT tenant_ancestors(u.tenant_uuid)))
FOR NO KEY UPDATE OF u;

-- name: MailTokenDeleteAll :many
-- Ends all mails of a user.
DELETE FROM tokens WHERE subject_uuid = @user_uuid::uuid RETURNING session_uuid;

-- name: MailTokenDeleteResets :many
-- Ends all reset mails of a user.
DELETE FROM tokens WHERE subject_uuid = @user_uuid::uuid AND kind = 'mail_reset' RETURNING session_uuid;

-- name: MailTokenMark :exec
-- Notes the user whose mail a token came with.
UPDATE tokens SET subject_uuid = @subject_uuid WHERE session_uuid = @session_uuid;
