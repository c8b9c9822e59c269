-- name: SessionCount :one
SELECT count(*) FROM tokens
WHERE tenant_uuid = ANY (@tenants::uuid[]) AND expires_at > now()
  AND (sqlc.narg('user_uuid')::uuid IS NULL OR user_uuid = sqlc.narg('user_uuid')::uuid);

-- name: SessionList :many
-- The session uuid as last key makes the order stable.
SELECT session_uuid, mobile, tenant_uuid, user_uuid FROM tokens
WHERE tenant_uuid = ANY (@tenants::uuid[]) AND expires_at > now()
  AND (sqlc.narg('user_uuid')::uuid IS NULL OR user_uuid = sqlc.narg('user_uuid')::uuid)
ORDER BY CASE WHEN @by_mobile::boolean AND NOT @descending::boolean THEN mobile END ASC,
         CASE WHEN @by_mobile::boolean AND @descending::boolean THEN mobile END DESC,
         session_uuid
LIMIT sqlc.narg('max_rows')::bigint OFFSET @skip_rows::bigint;
