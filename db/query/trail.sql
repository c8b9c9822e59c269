-- name: TrailAdd :exec
INSERT INTO trail (action, subject_uuid, tenant_uuid, actor, actor_session, remote_addr, request_id, details)
VALUES (@action, @subject_uuid, @tenant_uuid, @actor, @actor_session, @remote_addr, @request_id, @details);

-- name: TrailAddRefusedLogin :exec
-- The owner of the login, enabled or not, is looked up by its key; a login of nobody leaves no name: it may be a password
-- that went into the wrong field.
INSERT INTO trail (action, subject_uuid, tenant_uuid, actor, remote_addr, request_id, details)
SELECT 'login refused', u.uuid, u.tenant_uuid, '', @remote_addr, @request_id, @details
FROM (SELECT) AS one LEFT JOIN (logins l JOIN users u ON u.uuid = l.user_uuid) ON l.key = @key;

-- name: TrailList :many
-- The newest entries first. What is null does not narrow. A user is whoever did it or whom it was done to; an action
-- matches as a whole or by its resource or its verb.
SELECT t.id, t.happened_at, t.action, t.subject_uuid, t.tenant_uuid, t.actor, t.actor_session, t.remote_addr, t.request_id, t.details
FROM trail t
WHERE (sqlc.narg('since')::timestamptz IS NULL OR t.happened_at >= sqlc.narg('since')::timestamptz)
  AND (sqlc.narg('until')::timestamptz IS NULL OR t.happened_at < sqlc.narg('until')::timestamptz)
  AND (sqlc.narg('user_uuid')::uuid IS NULL OR t.subject_uuid = sqlc.narg('user_uuid')::uuid OR t.actor = sqlc.narg('user_uuid')::text)
  AND (sqlc.narg('tenant_uuid')::uuid IS NULL OR t.tenant_uuid = sqlc.narg('tenant_uuid')::uuid)
  AND (sqlc.narg('action')::text IS NULL OR sqlc.narg('action')::text IN (t.action, split_part(t.action, ' ', 1), split_part(t.action, ' ', 2)))
ORDER BY t.happened_at DESC, t.id DESC
LIMIT @max_rows;

-- name: TrailSweep :execrows
DELETE FROM trail WHERE id IN (
    SELECT t.id FROM trail t WHERE t.happened_at < now() - make_interval(days => @days::integer)
    ORDER BY t.happened_at
    LIMIT @max_rows
);
