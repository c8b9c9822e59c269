-- What the configuration keeps in the database, at each start of an API process. All of it changes only what differs.

-- name: ContentLock :exec
-- One process at a time.
SELECT pg_advisory_xact_lock(@key::bigint);

-- name: ContentRefusedPolicies :many
-- The policies that the top tenant cannot have: another one of its policies has the name, or the slug in other letters.
SELECT w.slug::text AS slug, p.uuid, p.name AS other_name, p.slug AS other_slug
FROM unnest(@slugs::text[]) AS w (slug)
JOIN policies p ON p.tenant_uuid = (SELECT t.uuid FROM tenants t WHERE t.uuid = t.parent_uuid)
  AND p.slug <> w.slug AND (p.name = w.slug OR lower(p.slug) = lower(w.slug))
ORDER BY 1, 2;

-- name: ContentPutPolicies :execrows
-- The policies of the configuration, an array of {slug, description, acl}, in the top tenant.
WITH wanted AS (
    SELECT w.v ->> 'slug' AS slug, w.v ->> 'description' AS description,
           ARRAY(SELECT jsonb_array_elements_text(w.v -> 'acl')) AS acl
    FROM jsonb_array_elements(@policies::jsonb) AS w (v)
), top AS (
    SELECT t.uuid FROM tenants t WHERE t.uuid = t.parent_uuid
), corrected AS (
    UPDATE policies p SET name = w.slug, description = w.description, acl = w.acl, config_managed = true
    FROM wanted w, top
    WHERE p.tenant_uuid = top.uuid AND p.slug = w.slug
      AND (p.name, p.description, p.acl, p.config_managed) IS DISTINCT FROM (w.slug, w.description, w.acl, true)
    RETURNING p.uuid
), made AS (
    INSERT INTO policies (tenant_uuid, name, slug, description, acl, config_managed)
    SELECT top.uuid, w.slug, w.slug, w.description, w.acl, true FROM wanted w, top
    WHERE NOT EXISTS (SELECT 1 FROM policies p WHERE p.tenant_uuid = top.uuid AND p.slug = w.slug)
    RETURNING uuid
)
SELECT c.uuid FROM corrected c UNION ALL SELECT m.uuid FROM made m;

-- name: ContentUnknownPolicies :many
-- Which of these the top tenant does not have.
SELECT w.slug::text AS slug FROM unnest(@slugs::text[]) AS w (slug)
WHERE NOT EXISTS (SELECT 1 FROM policies p JOIN tenants t ON t.uuid = p.tenant_uuid AND t.uuid = t.parent_uuid WHERE p.slug = w.slug)
ORDER BY 1;

-- name: ContentAddAllUsersGroups :execrows
-- The all-users group of every tenant that has none; all its users are members.
WITH made AS (
    INSERT INTO groups (tenant_uuid, name, slug, system_managed)
    SELECT t.uuid, 'wazo-all-users-tenant-' || t.uuid, 'wazo-all-users-tenant-' || t.uuid, true FROM tenants t
    WHERE NOT EXISTS (SELECT 1 FROM groups g WHERE g.tenant_uuid = t.uuid AND g.slug = 'wazo-all-users-tenant-' || t.uuid)
    ON CONFLICT DO NOTHING
    RETURNING uuid, tenant_uuid
), joined AS (
    INSERT INTO user_groups (user_uuid, group_uuid)
    SELECT u.uuid, m.uuid FROM made m JOIN users u ON u.tenant_uuid = m.tenant_uuid
)
SELECT m.uuid FROM made m;

-- name: ContentLinkAllUsers :execrows
-- Gives every all-users group these policies of the top tenant.
INSERT INTO group_policies (group_uuid, policy_uuid)
SELECT g.uuid, p.uuid
FROM policies p
JOIN tenants top ON top.uuid = p.tenant_uuid AND top.uuid = top.parent_uuid
CROSS JOIN tenants t
JOIN groups g ON g.tenant_uuid = t.uuid AND g.slug = 'wazo-all-users-tenant-' || t.uuid
WHERE p.slug = ANY (@slugs::text[])
  AND NOT EXISTS (SELECT 1 FROM group_policies gp WHERE gp.group_uuid = g.uuid AND gp.policy_uuid = p.uuid)
ORDER BY 1, 2
ON CONFLICT DO NOTHING;

-- name: ContentUnlinkAllUsers :execrows
-- Takes from every all-users group the policies of the configuration that are none of these.
DELETE FROM group_policies gp
USING groups g, tenants t, policies p
WHERE gp.group_uuid = g.uuid AND g.tenant_uuid = t.uuid AND g.slug = 'wazo-all-users-tenant-' || t.uuid
  AND gp.policy_uuid = p.uuid AND p.config_managed AND NOT p.slug = ANY (@slugs::text[]);

-- name: ContentAddGroups :execrows
-- Gives every tenant these groups, and those that are there their names, except where another group of the tenant has the
-- name, or the slug in other letters.
WITH renamed AS (
    UPDATE groups g SET name = g.slug
    WHERE g.slug = ANY (@slugs::text[]) AND g.name <> g.slug
      AND NOT EXISTS (SELECT 1 FROM groups o WHERE o.tenant_uuid = g.tenant_uuid AND o.name = g.slug)
    RETURNING g.uuid
), made AS (
    INSERT INTO groups (tenant_uuid, name, slug)
    SELECT t.uuid, w.slug, w.slug FROM tenants t CROSS JOIN unnest(@slugs::text[]) AS w (slug)
    WHERE NOT EXISTS (SELECT 1 FROM groups g WHERE g.tenant_uuid = t.uuid AND g.slug = w.slug)
    ORDER BY 1, 2
    ON CONFLICT DO NOTHING
    RETURNING uuid
)
SELECT r.uuid FROM renamed r UNION ALL SELECT m.uuid FROM made m;

-- name: ContentMissingGroups :many
-- Where these groups are not there, or have another name, because another group of the tenant stands in the way.
SELECT t.uuid AS tenant_uuid, w.slug::text AS slug FROM tenants t CROSS JOIN unnest(@slugs::text[]) AS w (slug)
WHERE NOT EXISTS (SELECT 1 FROM groups g WHERE g.tenant_uuid = t.uuid AND g.slug = w.slug AND g.name = w.slug)
ORDER BY 1, 2 LIMIT @max_rows;

-- name: ContentLinkGroups :execrows
-- Gives the groups, in every tenant, policies of the top tenant: pairs of slugs.
INSERT INTO group_policies (group_uuid, policy_uuid)
SELECT g.uuid, p.uuid
FROM (SELECT unnest(@groups::text[]) AS group_slug, unnest(@policies::text[]) AS policy_slug) AS w
JOIN groups g ON g.slug = w.group_slug
JOIN policies p ON p.slug = w.policy_slug AND p.tenant_uuid = (SELECT t.uuid FROM tenants t WHERE t.uuid = t.parent_uuid)
WHERE NOT EXISTS (SELECT 1 FROM group_policies gp WHERE gp.group_uuid = g.uuid AND gp.policy_uuid = p.uuid)
ORDER BY 1, 2
ON CONFLICT DO NOTHING;

-- name: ContentUnlinkGroups :execrows
-- Takes policies of the top tenant from the groups, in every tenant: pairs of slugs.
DELETE FROM group_policies gp
USING (SELECT unnest(@groups::text[]) AS group_slug, unnest(@policies::text[]) AS policy_slug) AS w, groups g, policies p
WHERE g.slug = w.group_slug AND p.slug = w.policy_slug AND p.tenant_uuid = (SELECT t.uuid FROM tenants t WHERE t.uuid = t.parent_uuid)
  AND gp.group_uuid = g.uuid AND gp.policy_uuid = p.uuid;

-- name: ContentDeleteOrphans :execrows
-- Deletes the policies of the configuration that it no longer has, unless a user or a group has them.
DELETE FROM policies p
WHERE p.config_managed AND NOT p.slug = ANY (@slugs::text[])
  AND NOT EXISTS (SELECT 1 FROM user_policies up WHERE up.policy_uuid = p.uuid)
  AND NOT EXISTS (SELECT 1 FROM group_policies gp WHERE gp.policy_uuid = p.uuid);

-- name: ContentOrphans :many
SELECT uuid FROM policies WHERE config_managed AND NOT slug = ANY (@slugs::text[]) ORDER BY uuid;
