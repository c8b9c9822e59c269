-- name: PolicyBySlug :one
SELECT uuid FROM policies WHERE tenant_uuid = @tenant_uuid AND slug = @slug;

-- name: PolicyFindSlug :one
-- The policy that a slug means in a tenant: its own, else one that the nearest ancestor shares, else one of the configuration.
SELECT p.uuid FROM policies p
WHERE p.slug = @slug AND lower(p.slug) = lower(@slug)
  AND (p.tenant_uuid = @scope::uuid OR p.config_managed OR (p.shared AND p.tenant_uuid IN (SELECT tenant_ancestors(@scope::uuid))))
ORDER BY p.tenant_uuid = @scope::uuid DESC, p.shared AND NOT p.config_managed DESC,
         (SELECT count(*) FROM tenant_ancestors(p.tenant_uuid)) DESC, p.uuid
LIMIT 1;

-- name: PolicyGet :one
-- A policy that is visible from a tenant, with recurse also from those below it. within: its owner is one of them.
SELECT p.uuid, p.tenant_uuid, p.name, p.slug, p.description, p.acl, p.config_managed, p.shared,
       (p.tenant_uuid = @scope::uuid OR (@recurse::boolean AND @scope::uuid IN (SELECT tenant_ancestors(p.tenant_uuid))))::boolean AS within
FROM policies p
WHERE p.uuid = @uuid
  AND (p.tenant_uuid = @scope::uuid OR (@recurse::boolean AND @scope::uuid IN (SELECT tenant_ancestors(p.tenant_uuid)))
       OR p.config_managed OR (p.shared AND p.tenant_uuid IN (SELECT tenant_ancestors(@scope::uuid))));

-- name: PolicyLock :one
-- PolicyGet, held for a change until the end of the transaction.
SELECT p.uuid, p.tenant_uuid, p.name, p.slug, p.description, p.acl, p.config_managed, p.shared,
       (p.tenant_uuid = @scope::uuid OR (@recurse::boolean AND @scope::uuid IN (SELECT tenant_ancestors(p.tenant_uuid))))::boolean AS within
FROM policies p
WHERE p.uuid = @uuid
  AND (p.tenant_uuid = @scope::uuid OR (@recurse::boolean AND @scope::uuid IN (SELECT tenant_ancestors(p.tenant_uuid)))
       OR p.config_managed OR (p.shared AND p.tenant_uuid IN (SELECT tenant_ancestors(@scope::uuid))))
FOR NO KEY UPDATE OF p;

-- name: PolicyHold :one
-- What a visible policy grants, unchanged until the end of the transaction. With inherited, a policy of any tenant above
-- counts too.
SELECT p.tenant_uuid, p.name, p.acl FROM policies p
WHERE p.uuid = @uuid
  AND (p.tenant_uuid = @scope::uuid OR (@recurse::boolean AND @scope::uuid IN (SELECT tenant_ancestors(p.tenant_uuid)))
       OR p.config_managed
       OR ((p.shared OR @inherited::boolean) AND p.tenant_uuid IN (SELECT tenant_ancestors(@scope::uuid))))
FOR SHARE OF p;

-- name: PolicyTotal :one
-- How many policies a tenant sees, with everything below it or not. Like the lists it is planned with its parameters.
SELECT count(*) FROM policies p
WHERE CASE WHEN @recurse::boolean THEN p.tenant_uuid IN (SELECT tenant_subtree(@scope::uuid)) ELSE p.tenant_uuid = @scope::uuid END
   OR p.config_managed OR (p.shared AND p.tenant_uuid IN (SELECT tenant_ancestors(@scope::uuid)));

-- name: PolicyPage :many
-- A page of what a tenant sees, with everything below it or not. read_only is looked for as it is shown. What is searched for
-- is found by the trigram indexes.
WITH below AS MATERIALIZED (SELECT tenant_subtree(@scope::uuid) AS tenant_uuid), page AS (
    SELECT p.uuid, p.tenant_uuid, p.name, p.slug, p.description, p.acl, p.config_managed, p.shared FROM policies p
    WHERE (CASE WHEN @recurse::boolean THEN p.tenant_uuid IN (SELECT b.tenant_uuid FROM below b) ELSE p.tenant_uuid = @scope::uuid END
           OR p.config_managed OR (p.shared AND p.tenant_uuid IN (SELECT tenant_ancestors(@scope::uuid))))
      AND (sqlc.narg('pattern')::text IS NULL OR p.uuid = ANY (ARRAY(
            SELECT n.uuid FROM policies n WHERE n.name ILIKE sqlc.narg('pattern')::text
            UNION SELECT d.uuid FROM policies d WHERE d.description ILIKE sqlc.narg('pattern')::text)))
      AND (sqlc.narg('uuid')::uuid IS NULL OR p.uuid = sqlc.narg('uuid')::uuid)
      AND (sqlc.narg('name')::text IS NULL OR p.name = sqlc.narg('name')::text)
      AND (sqlc.narg('slug')::text IS NULL OR p.slug = sqlc.narg('slug')::text)
      AND (sqlc.narg('owner_uuid')::uuid IS NULL OR p.tenant_uuid = sqlc.narg('owner_uuid')::uuid)
      AND (sqlc.narg('user_uuid')::uuid IS NULL
           OR p.uuid = ANY (ARRAY(SELECT up.policy_uuid FROM user_policies up WHERE up.user_uuid = sqlc.narg('user_uuid')::uuid)))
      AND (sqlc.narg('group_uuid')::uuid IS NULL
           OR p.uuid = ANY (ARRAY(SELECT gp.policy_uuid FROM group_policies gp WHERE gp.group_uuid = sqlc.narg('group_uuid')::uuid)))
      AND (sqlc.narg('read_only')::boolean IS NULL
           OR sqlc.narg('read_only')::boolean = (p.config_managed OR NOT
                CASE WHEN @recurse::boolean THEN p.tenant_uuid IN (SELECT b.tenant_uuid FROM below b) ELSE p.tenant_uuid = @scope::uuid END))
    ORDER BY CASE WHEN NOT @descending::boolean THEN CASE @sort_by::text WHEN 'slug' THEN p.slug WHEN 'description' THEN p.description WHEN 'uuid' THEN NULL ELSE p.name END END,
             CASE WHEN @descending::boolean THEN CASE @sort_by::text WHEN 'slug' THEN p.slug WHEN 'description' THEN p.description WHEN 'uuid' THEN NULL ELSE p.name END END DESC,
             CASE WHEN NOT @descending::boolean THEN p.uuid END,
             CASE WHEN @descending::boolean THEN p.uuid END DESC
    LIMIT sqlc.narg('max_rows')::bigint OFFSET @skip_rows::bigint
)
SELECT p.uuid, p.tenant_uuid, p.name, p.slug, p.description, p.acl, p.config_managed, p.shared,
       (CASE WHEN @recurse::boolean THEN p.tenant_uuid IN (SELECT b.tenant_uuid FROM below b) ELSE p.tenant_uuid = @scope::uuid END)::boolean AS within
FROM page p
ORDER BY CASE WHEN NOT @descending::boolean THEN CASE @sort_by::text WHEN 'slug' THEN p.slug WHEN 'description' THEN p.description WHEN 'uuid' THEN NULL ELSE p.name END END,
         CASE WHEN @descending::boolean THEN CASE @sort_by::text WHEN 'slug' THEN p.slug WHEN 'description' THEN p.description WHEN 'uuid' THEN NULL ELSE p.name END END DESC,
         CASE WHEN NOT @descending::boolean THEN p.uuid END,
         CASE WHEN @descending::boolean THEN p.uuid END DESC;

-- name: PolicyCountUser :one
-- How many policies a user of a tenant or below it has, not counting those of groups, and how many of them pass the filters.
SELECT count(*) AS total, count(*) FILTER (
           WHERE (sqlc.narg('pattern')::text IS NULL OR p.name ILIKE sqlc.narg('pattern')::text OR p.description ILIKE sqlc.narg('pattern')::text)
             AND (sqlc.narg('uuid')::uuid IS NULL OR p.uuid = sqlc.narg('uuid')::uuid)
             AND (sqlc.narg('name')::text IS NULL OR p.name = sqlc.narg('name')::text)
             AND (sqlc.narg('tenant_uuid')::uuid IS NULL OR p.tenant_uuid = sqlc.narg('tenant_uuid')::uuid)
             AND (sqlc.narg('group_uuid')::uuid IS NULL
                  OR p.uuid IN (SELECT gp.policy_uuid FROM group_policies gp WHERE gp.group_uuid = sqlc.narg('group_uuid')::uuid))) AS filtered
FROM users u JOIN user_policies up ON up.user_uuid = u.uuid JOIN policies p ON p.uuid = up.policy_uuid
WHERE u.uuid = @user_uuid AND @scope::uuid IN (SELECT tenant_ancestors(u.tenant_uuid));

-- name: PolicyPageUser :many
-- A page of the policies that a user of a tenant or below it has, not counting those of groups.
SELECT p.uuid, p.tenant_uuid, p.name, p.slug, p.description, p.acl, p.config_managed, p.shared
FROM users u JOIN user_policies up ON up.user_uuid = u.uuid JOIN policies p ON p.uuid = up.policy_uuid
WHERE u.uuid = @user_uuid AND @scope::uuid IN (SELECT tenant_ancestors(u.tenant_uuid))
  AND (sqlc.narg('pattern')::text IS NULL OR p.name ILIKE sqlc.narg('pattern')::text OR p.description ILIKE sqlc.narg('pattern')::text)
  AND (sqlc.narg('uuid')::uuid IS NULL OR p.uuid = sqlc.narg('uuid')::uuid)
  AND (sqlc.narg('name')::text IS NULL OR p.name = sqlc.narg('name')::text)
  AND (sqlc.narg('tenant_uuid')::uuid IS NULL OR p.tenant_uuid = sqlc.narg('tenant_uuid')::uuid)
  AND (sqlc.narg('group_uuid')::uuid IS NULL
       OR p.uuid IN (SELECT gp.policy_uuid FROM group_policies gp WHERE gp.group_uuid = sqlc.narg('group_uuid')::uuid))
ORDER BY CASE WHEN NOT @descending::boolean THEN CASE @sort_by::text WHEN 'description' THEN p.description WHEN 'uuid' THEN NULL ELSE p.name END END,
         CASE WHEN @descending::boolean THEN CASE @sort_by::text WHEN 'description' THEN p.description WHEN 'uuid' THEN NULL ELSE p.name END END DESC,
         CASE WHEN NOT @descending::boolean THEN p.uuid END,
         CASE WHEN @descending::boolean THEN p.uuid END DESC
LIMIT sqlc.narg('max_rows')::bigint OFFSET @skip_rows::bigint;

-- name: PolicyCountGroup :one
-- Whether a group is in a tenant or below it; how many policies it has that are visible from there, and how many of them pass
-- the filters.
SELECT EXISTS (SELECT 1 FROM groups g WHERE g.uuid = @group_uuid AND @scope::uuid IN (SELECT tenant_ancestors(g.tenant_uuid))) AS found,
       count(*) AS total, count(*) FILTER (
           WHERE (sqlc.narg('pattern')::text IS NULL OR p.name ILIKE sqlc.narg('pattern')::text OR p.description ILIKE sqlc.narg('pattern')::text)
             AND (sqlc.narg('uuid')::uuid IS NULL OR p.uuid = sqlc.narg('uuid')::uuid)
             AND (sqlc.narg('name')::text IS NULL OR p.name = sqlc.narg('name')::text)
             AND (sqlc.narg('tenant_uuid')::uuid IS NULL OR p.tenant_uuid = sqlc.narg('tenant_uuid')::uuid)
             AND (sqlc.narg('user_uuid')::uuid IS NULL
                  OR p.uuid IN (SELECT up.policy_uuid FROM user_policies up WHERE up.user_uuid = sqlc.narg('user_uuid')::uuid))) AS filtered
FROM group_policies gp JOIN policies p ON p.uuid = gp.policy_uuid
WHERE gp.group_uuid = @group_uuid
  AND (@scope::uuid IN (SELECT tenant_ancestors(p.tenant_uuid)) OR p.config_managed
       OR (p.shared AND p.tenant_uuid IN (SELECT tenant_ancestors(@scope::uuid))));

-- name: PolicyPageGroup :many
-- A page of the policies of a group that are visible from a tenant and below it.
SELECT p.uuid, p.tenant_uuid, p.name, p.slug, p.description, p.acl, p.config_managed, p.shared,
       (@scope::uuid IN (SELECT tenant_ancestors(p.tenant_uuid)))::boolean AS within
FROM group_policies gp JOIN policies p ON p.uuid = gp.policy_uuid
WHERE gp.group_uuid = @group_uuid
  AND (@scope::uuid IN (SELECT tenant_ancestors(p.tenant_uuid)) OR p.config_managed
       OR (p.shared AND p.tenant_uuid IN (SELECT tenant_ancestors(@scope::uuid))))
  AND (sqlc.narg('pattern')::text IS NULL OR p.name ILIKE sqlc.narg('pattern')::text OR p.description ILIKE sqlc.narg('pattern')::text)
  AND (sqlc.narg('uuid')::uuid IS NULL OR p.uuid = sqlc.narg('uuid')::uuid)
  AND (sqlc.narg('name')::text IS NULL OR p.name = sqlc.narg('name')::text)
  AND (sqlc.narg('tenant_uuid')::uuid IS NULL OR p.tenant_uuid = sqlc.narg('tenant_uuid')::uuid)
  AND (sqlc.narg('user_uuid')::uuid IS NULL
       OR p.uuid IN (SELECT up.policy_uuid FROM user_policies up WHERE up.user_uuid = sqlc.narg('user_uuid')::uuid))
ORDER BY CASE WHEN NOT @descending::boolean THEN CASE @sort_by::text WHEN 'description' THEN p.description WHEN 'uuid' THEN NULL ELSE p.name END END,
         CASE WHEN @descending::boolean THEN CASE @sort_by::text WHEN 'description' THEN p.description WHEN 'uuid' THEN NULL ELSE p.name END END DESC,
         CASE WHEN NOT @descending::boolean THEN p.uuid END,
         CASE WHEN @descending::boolean THEN p.uuid END DESC
LIMIT sqlc.narg('max_rows')::bigint OFFSET @skip_rows::bigint;

-- name: PolicyNameTaken :one
-- Whether a new policy of a tenant would collide by its name. taken: with one of the tenant's own, with one that the tenant
-- or an ancestor shares or, if it is to be shared itself, with any of the tenants below. No row: no such tenant.
SELECT EXISTS (
    SELECT 1 FROM policies p
    WHERE p.name = @name
      AND (p.tenant_uuid = t.uuid OR (p.shared AND p.tenant_uuid IN (SELECT tenant_ancestors(@scope::uuid)))
           OR (@shared::boolean AND @scope::uuid IN (SELECT tenant_ancestors(p.tenant_uuid))))
) AS taken
FROM tenants t WHERE t.uuid = @scope::uuid;

-- name: PolicySlugTaken :one
-- Whether a slug is used by what an ancestor shares or, for a policy that is to be shared, by any tenant below. The tenant's
-- own are left to the unique index.
SELECT EXISTS (
    SELECT 1 FROM policies p
    WHERE p.slug = @slug AND p.tenant_uuid <> @scope::uuid
      AND ((p.shared AND p.tenant_uuid IN (SELECT tenant_ancestors(@scope::uuid)))
           OR (@shared::boolean AND @scope::uuid IN (SELECT tenant_ancestors(p.tenant_uuid))))
) AS taken;

-- name: PolicyInsert :many
-- No row when the tenant has the name or the slug.
INSERT INTO policies (tenant_uuid, name, slug, description, acl, shared)
VALUES (@tenant_uuid, @name, @slug, @description, @acl, @shared)
ON CONFLICT DO NOTHING
RETURNING uuid;

-- name: PolicyUpdate :exec
UPDATE policies SET name = @name, description = @description, acl = @acl WHERE uuid = @uuid;

-- name: PolicyAddAccess :exec
UPDATE policies SET acl = array_append(acl, @access::text) WHERE uuid = @uuid;

-- name: PolicyRemoveAccess :exec
UPDATE policies SET acl = array_remove(acl, @access::text) WHERE uuid = @uuid;

-- name: PolicyDelete :exec
DELETE FROM policies WHERE uuid = @uuid;

-- name: PolicyHolderGroup :one
-- A group of a tenant or below it, which stays until the end of the transaction.
SELECT g.tenant_uuid FROM groups g
WHERE g.uuid = @uuid AND @scope::uuid IN (SELECT tenant_ancestors(g.tenant_uuid))
FOR KEY SHARE OF g;

-- name: PolicyHolderUser :one
-- A user of a tenant or below it, who stays until the end of the transaction.
SELECT u.tenant_uuid FROM users u
WHERE u.uuid = @uuid AND @scope::uuid IN (SELECT tenant_ancestors(u.tenant_uuid))
FOR KEY SHARE OF u;

-- name: PolicyAttachGroup :execrows
INSERT INTO group_policies (group_uuid, policy_uuid) VALUES (@group_uuid, @policy_uuid) ON CONFLICT DO NOTHING;

-- name: PolicyAttachUser :execrows
INSERT INTO user_policies (user_uuid, policy_uuid) VALUES (@user_uuid, @policy_uuid) ON CONFLICT DO NOTHING;

-- name: PolicyDetachGroup :execrows
DELETE FROM group_policies WHERE group_uuid = @group_uuid AND policy_uuid = @policy_uuid;

-- name: PolicyDetachUser :execrows
DELETE FROM user_policies WHERE user_uuid = @user_uuid AND policy_uuid = @policy_uuid;
