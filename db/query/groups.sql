-- name: GroupMatch :many
-- How many groups a tenant has, with everything below it or not, how many of them pass the filters, and a page of those: one
-- row without a group when the page is empty. Planned with its parameters, so that what does not apply is gone; without any
-- filter it counts once.
WITH tree AS (
    SELECT s.uuid FROM tenant_subtree(@scope::uuid) AS s (uuid)
), matching AS MATERIALIZED (
    SELECT g.uuid, g.tenant_uuid, g.name, g.slug, g.system_managed FROM groups g
    WHERE CASE WHEN @recurse::boolean THEN g.tenant_uuid IN (SELECT tree.uuid FROM tree) ELSE g.tenant_uuid = @scope::uuid END
      AND (sqlc.narg('pattern')::text IS NULL OR g.name ILIKE sqlc.narg('pattern')::text)
      AND (sqlc.narg('uuid')::uuid IS NULL OR g.uuid = sqlc.narg('uuid')::uuid)
      AND (sqlc.narg('name')::text IS NULL OR g.name = sqlc.narg('name')::text)
      AND (sqlc.narg('slug')::text IS NULL OR g.slug = sqlc.narg('slug')::text)
      AND (sqlc.narg('read_only')::boolean IS NULL OR g.system_managed = sqlc.narg('read_only')::boolean)
      AND (sqlc.narg('user_uuid')::uuid IS NULL
           OR g.uuid = ANY (ARRAY(SELECT ug.group_uuid FROM user_groups ug WHERE ug.user_uuid = sqlc.narg('user_uuid')::uuid)))
      AND (sqlc.narg('policy_uuid')::uuid IS NULL
           OR g.uuid = ANY (ARRAY(SELECT gp.group_uuid FROM group_policies gp WHERE gp.policy_uuid = sqlc.narg('policy_uuid')::uuid)))
      AND (sqlc.narg('policy_slug')::text IS NULL
           OR g.uuid = ANY (ARRAY(SELECT gp.group_uuid FROM policies p JOIN group_policies gp ON gp.policy_uuid = p.uuid
                                  WHERE p.slug = sqlc.narg('policy_slug')::text)))
), page AS (
    SELECT m.* FROM matching m
    ORDER BY CASE WHEN @sort_by::text = 'name' AND NOT @descending::boolean THEN m.name END,
             CASE WHEN @sort_by::text = 'name' AND @descending::boolean THEN m.name END DESC,
             CASE WHEN NOT @descending::boolean THEN m.uuid END,
             CASE WHEN @descending::boolean THEN m.uuid END DESC
    LIMIT sqlc.narg('max_rows')::bigint OFFSET @skip_rows::bigint
)
SELECT (CASE WHEN @narrowed::boolean
             THEN (SELECT count(*) FROM groups t
                   WHERE CASE WHEN @recurse::boolean THEN t.tenant_uuid IN (SELECT tree.uuid FROM tree) ELSE t.tenant_uuid = @scope::uuid END)
             ELSE c.filtered END)::bigint AS total,
       c.filtered, p.uuid, p.tenant_uuid, p.name, p.slug, p.system_managed
FROM (SELECT count(*) AS filtered FROM matching) AS c LEFT JOIN page p ON true
ORDER BY CASE WHEN @sort_by::text = 'name' AND NOT @descending::boolean THEN p.name END,
         CASE WHEN @sort_by::text = 'name' AND @descending::boolean THEN p.name END DESC,
         CASE WHEN NOT @descending::boolean THEN p.uuid END,
         CASE WHEN @descending::boolean THEN p.uuid END DESC;

-- name: GroupMatchOfUser :many
-- How many groups a user of a tenant or below it is a member of, how many of them pass the filters, and a page of those: one
-- row without a group when the page is empty, none at all without such a user.
WITH own AS MATERIALIZED (
    SELECT g.uuid, g.tenant_uuid, g.name, g.slug, g.system_managed
    FROM user_groups ug JOIN groups g ON g.uuid = ug.group_uuid WHERE ug.user_uuid = @user_uuid
), matching AS MATERIALIZED (
    SELECT o.* FROM own o
    WHERE (sqlc.narg('pattern')::text IS NULL OR o.name ILIKE sqlc.narg('pattern')::text)
      AND (sqlc.narg('uuid')::uuid IS NULL OR o.uuid = sqlc.narg('uuid')::uuid)
      AND (sqlc.narg('name')::text IS NULL OR o.name = sqlc.narg('name')::text)
), page AS (
    SELECT m.* FROM matching m
    ORDER BY CASE WHEN @sort_by::text = 'name' AND NOT @descending::boolean THEN m.name END,
             CASE WHEN @sort_by::text = 'name' AND @descending::boolean THEN m.name END DESC,
             CASE WHEN NOT @descending::boolean THEN m.uuid END,
             CASE WHEN @descending::boolean THEN m.uuid END DESC
    LIMIT sqlc.narg('max_rows')::bigint OFFSET @skip_rows::bigint
)
SELECT (SELECT count(*) FROM own) AS total, (SELECT count(*) FROM matching) AS filtered, p.uuid, p.tenant_uuid, p.name, p.slug, p.system_managed
FROM users u LEFT JOIN page p ON true
WHERE u.uuid = @user_uuid AND @scope::uuid IN (SELECT tenant_ancestors(u.tenant_uuid))
ORDER BY CASE WHEN @sort_by::text = 'name' AND NOT @descending::boolean THEN p.name END,
         CASE WHEN @sort_by::text = 'name' AND @descending::boolean THEN p.name END DESC,
         CASE WHEN NOT @descending::boolean THEN p.uuid END,
         CASE WHEN @descending::boolean THEN p.uuid END DESC;

-- name: GroupGet :one
-- A group of a tenant or below it.
SELECT g.uuid, g.tenant_uuid, g.name, g.slug, g.system_managed FROM groups g
WHERE g.uuid = @uuid AND @scope::uuid IN (SELECT tenant_ancestors(g.tenant_uuid));

-- name: GroupLock :one
-- As GroupGet, held until the end of the transaction.
SELECT g.uuid, g.tenant_uuid, g.name, g.slug, g.system_managed FROM groups g
WHERE g.uuid = @uuid AND @scope::uuid IN (SELECT tenant_ancestors(g.tenant_uuid))
FOR UPDATE OF g;

-- name: GroupKeep :one
-- As GroupGet, kept from being deleted until the end of the transaction.
SELECT g.uuid, g.tenant_uuid, g.name, g.slug, g.system_managed FROM groups g
WHERE g.uuid = @uuid AND @scope::uuid IN (SELECT tenant_ancestors(g.tenant_uuid))
FOR KEY SHARE OF g;

-- name: GroupKeepTenant :one
-- Keeps a tenant from being deleted until the end of the transaction.
SELECT t.uuid FROM tenants t WHERE t.uuid = @tenant_uuid FOR KEY SHARE;

-- name: GroupKeepUser :one
-- The tenant of a user of a tenant or below it, who is kept from being deleted until the end of the transaction.
SELECT u.tenant_uuid FROM users u
WHERE u.uuid = @user_uuid AND @scope::uuid IN (SELECT tenant_ancestors(u.tenant_uuid))
FOR KEY SHARE OF u;

-- name: GroupInsert :execrows
-- No row: the name or the slug is taken.
INSERT INTO groups (uuid, tenant_uuid, name, slug) VALUES (@uuid, @tenant_uuid, @name, @slug) ON CONFLICT DO NOTHING;

-- name: GroupNameTaken :one
SELECT EXISTS (SELECT 1 FROM groups g WHERE g.tenant_uuid = @tenant_uuid AND g.name = @name);

-- name: GroupRename :exec
UPDATE groups SET name = @name WHERE uuid = @uuid;

-- name: GroupDelete :exec
DELETE FROM groups WHERE uuid = @uuid;

-- name: GroupAddUser :execrows
-- No row: a member already.
INSERT INTO user_groups (user_uuid, group_uuid) VALUES (@user_uuid, @group_uuid) ON CONFLICT DO NOTHING;

-- name: GroupRemoveUser :execrows
DELETE FROM user_groups WHERE user_uuid = @user_uuid AND group_uuid = @group_uuid;

-- name: GroupUserExists :one
-- Whether there is such a user, in any tenant.
SELECT EXISTS (SELECT 1 FROM users u WHERE u.uuid = @user_uuid);
