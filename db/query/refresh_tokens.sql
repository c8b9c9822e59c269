-- name: RefreshTokenCount :one
SELECT count(*) AS total,
       count(*) FILTER (WHERE (sqlc.narg('client_id')::text IS NULL OR r.client_id = sqlc.narg('client_id')::text)
                          AND (sqlc.narg('mobile')::boolean IS NULL OR r.mobile = sqlc.narg('mobile')::boolean)
                          AND (sqlc.narg('created_at')::timestamptz IS NULL OR r.created_at = sqlc.narg('created_at')::timestamptz)
                          AND (sqlc.narg('pattern')::text IS NULL OR r.client_id ILIKE sqlc.narg('pattern')::text)) AS filtered
FROM refresh_tokens r JOIN users u ON u.uuid = r.user_uuid
WHERE u.tenant_uuid = ANY (@tenants::uuid[])
  AND (sqlc.narg('user_uuid')::uuid IS NULL OR r.user_uuid = sqlc.narg('user_uuid')::uuid);

-- name: RefreshTokenDelete :many
DELETE FROM refresh_tokens WHERE user_uuid = @user_uuid AND client_key = @client_key RETURNING uuid, mobile;

-- name: RefreshTokenDeleteByUUID :one
DELETE FROM refresh_tokens WHERE uuid = @uuid RETURNING client_id, mobile;

-- name: RefreshTokenFind :one
-- What a client presents: the value and the client id it was made for.
SELECT uuid, user_uuid, login, metadata, client_id FROM refresh_tokens WHERE token_hash = @token_hash AND client_key = @client_key;

-- name: RefreshTokenForUpdate :one
SELECT uuid, sealed, key_id FROM refresh_tokens WHERE user_uuid = @user_uuid AND client_key = @client_key FOR UPDATE;

-- name: RefreshTokenInsert :exec
INSERT INTO refresh_tokens (uuid, user_uuid, client_id, client_key, token_hash, sealed, key_id, login, backend, user_agent,
                            remote_addr, mobile, metadata, created_at)
VALUES (@uuid, @user_uuid, @client_id, @client_key, @token_hash, @sealed, @key_id, @login, @backend, @user_agent,
        @remote_addr, @mobile, @metadata, clock_timestamp());

-- name: RefreshTokenList :many
SELECT r.client_id, r.created_at, r.mobile, r.user_uuid, u.tenant_uuid, r.metadata
FROM refresh_tokens r JOIN users u ON u.uuid = r.user_uuid
WHERE u.tenant_uuid = ANY (@tenants::uuid[])
  AND (sqlc.narg('user_uuid')::uuid IS NULL OR r.user_uuid = sqlc.narg('user_uuid')::uuid)
  AND (sqlc.narg('client_id')::text IS NULL OR r.client_id = sqlc.narg('client_id')::text)
  AND (sqlc.narg('mobile')::boolean IS NULL OR r.mobile = sqlc.narg('mobile')::boolean)
  AND (sqlc.narg('created_at')::timestamptz IS NULL OR r.created_at = sqlc.narg('created_at')::timestamptz)
  AND (sqlc.narg('pattern')::text IS NULL OR r.client_id ILIKE sqlc.narg('pattern')::text)
ORDER BY CASE WHEN @sort_by::text = 'client_id' AND NOT @descending::boolean THEN r.client_id END ASC,
         CASE WHEN @sort_by::text = 'client_id' AND @descending::boolean THEN r.client_id END DESC,
         CASE WHEN @sort_by::text = 'mobile' AND NOT @descending::boolean THEN r.mobile END ASC,
         CASE WHEN @sort_by::text = 'mobile' AND @descending::boolean THEN r.mobile END DESC,
         CASE WHEN @sort_by::text = 'created_at' AND NOT @descending::boolean THEN r.created_at END ASC,
         CASE WHEN @sort_by::text = 'created_at' AND @descending::boolean THEN r.created_at END DESC,
         r.uuid
LIMIT sqlc.narg('max_rows')::bigint OFFSET @skip_rows::bigint;

-- name: RefreshTokenMobile :one
SELECT uuid FROM refresh_tokens WHERE user_uuid = @user_uuid AND mobile FOR UPDATE;

-- name: RefreshTokenStillThere :one
-- Locks the row that a login was verified with; no row when it went away meanwhile.
SELECT uuid FROM refresh_tokens WHERE uuid = @uuid FOR SHARE;
