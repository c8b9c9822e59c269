-- name: InstallationUUID :one
SELECT uuid FROM installation;

-- name: TenantContains :one
-- Whether a tenant is another one or lies below it. UNION, not UNION ALL: the root is its own parent.
WITH RECURSIVE up AS (
    SELECT t.uuid, t.parent_uuid FROM tenants t WHERE t.uuid = @tenant_uuid
    UNION
    SELECT p.uuid, p.parent_uuid FROM tenants p JOIN up ON p.uuid = up.parent_uuid
)
SELECT count(*) > 0 AS contained FROM up WHERE up.uuid = @ancestor_uuid::uuid;

-- name: TenantSubtree :many
WITH RECURSIVE down AS (
    SELECT t.uuid FROM tenants t WHERE t.uuid = @root_uuid
    UNION
    SELECT c.uuid FROM tenants c JOIN down ON c.parent_uuid = down.uuid
)
SELECT down.uuid::uuid AS uuid FROM down;

-- name: TenantTop :one
SELECT uuid FROM tenants WHERE uuid = parent_uuid;

-- name: TenantGet :one
-- A tenant of a scope, which is a tenant and all below it.
SELECT t.uuid, t.parent_uuid, t.name, t.slug, t.contact_uuid, t.phone, t.default_authentication_method,
       t.address_line_1, t.address_line_2, t.city, t.state, t.country, t.zip_code,
       ARRAY(SELECT d.name FROM domains d WHERE d.tenant_uuid = t.uuid ORDER BY d.name)::text[] AS domain_names
FROM tenants t
WHERE t.uuid = @uuid AND @scope::uuid IN (SELECT tenant_ancestors(t.uuid));

-- name: TenantList :many
-- A page of a scope's tenants together with how many there are and how many pass the filters: one row without a tenant
-- when the page is empty. What is searched for is found by the trigram indexes.
WITH visible AS MATERIALIZED (
    SELECT s.uuid FROM tenant_subtree(@scope::uuid) AS s (uuid)
), matching AS MATERIALIZED (
    SELECT t.uuid, t.name, t.slug FROM tenants t
    WHERE t.uuid IN (SELECT v.uuid FROM visible v)
      AND (sqlc.narg('pattern')::text IS NULL OR t.uuid = ANY (ARRAY(
            SELECT n.uuid FROM tenants n WHERE n.name ILIKE sqlc.narg('pattern')::text
            UNION SELECT s.uuid FROM tenants s WHERE s.slug ILIKE sqlc.narg('pattern')::text
            UNION SELECT d.tenant_uuid FROM domains d WHERE d.name ILIKE sqlc.narg('pattern')::text)))
      AND (sqlc.narg('uuid')::uuid IS NULL OR t.uuid = sqlc.narg('uuid')::uuid)
      AND (sqlc.narg('among')::uuid[] IS NULL OR t.uuid = ANY (sqlc.narg('among')::uuid[]))
      AND (sqlc.narg('name')::text IS NULL OR t.name = sqlc.narg('name')::text)
      AND (sqlc.narg('slug')::text IS NULL OR t.slug = sqlc.narg('slug')::text)
      AND (sqlc.narg('domain_name')::text IS NULL
           OR t.uuid = ANY (ARRAY(SELECT d.tenant_uuid FROM domains d WHERE d.name = sqlc.narg('domain_name')::text)))
), page AS (
    SELECT m.uuid, row_number() OVER (
        ORDER BY CASE WHEN NOT @descending::boolean THEN CASE @sort_by::text WHEN 'slug' THEN m.slug ELSE m.name END END,
                 CASE WHEN @descending::boolean THEN CASE @sort_by::text WHEN 'slug' THEN m.slug ELSE m.name END END DESC,
                 m.uuid) AS place
    FROM matching m ORDER BY place
    LIMIT sqlc.narg('max_rows')::bigint OFFSET @skip_rows::bigint
)
SELECT (SELECT count(*) FROM visible)::bigint AS total, (SELECT count(*) FROM matching)::bigint AS filtered,
       t.uuid, t.parent_uuid, t.name, t.slug, t.contact_uuid, t.phone, t.default_authentication_method,
       t.address_line_1, t.address_line_2, t.city, t.state, t.country, t.zip_code,
       ARRAY(SELECT d.name FROM domains d WHERE d.tenant_uuid = t.uuid ORDER BY d.name)::text[] AS domain_names
FROM (SELECT 1) AS always LEFT JOIN page p ON true LEFT JOIN tenants t ON t.uuid = p.uuid
ORDER BY p.place;

-- name: TenantDomains :one
-- The domains of a tenant of a scope, as a JSON array.
SELECT (SELECT coalesce(json_agg(json_build_object('uuid', d.uuid, 'name', d.name) ORDER BY d.name), '[]')
        FROM domains d WHERE d.tenant_uuid = t.uuid)::jsonb AS domains
FROM tenants t
WHERE t.uuid = @uuid AND @scope::uuid IN (SELECT tenant_ancestors(t.uuid));

-- name: TenantInsert :execrows
-- No row when the uuid or the slug is in use.
INSERT INTO tenants (uuid, parent_uuid, name, slug, contact_uuid, phone, default_authentication_method,
                     address_line_1, address_line_2, city, state, country, zip_code)
VALUES (@uuid, @parent_uuid, @name, @slug, @contact_uuid, @phone, @default_authentication_method,
        @address_line_1, @address_line_2, @city, @state, @country, @zip_code)
ON CONFLICT DO NOTHING;

-- name: TenantExists :one
SELECT EXISTS (SELECT 1 FROM tenants WHERE uuid = @uuid) AS found;

-- name: TenantAddDomains :execrows
-- In one order for all, so that rivals cannot wait for each other. Domains in use are left out.
INSERT INTO domains (tenant_uuid, name)
SELECT @tenant_uuid, n.name FROM unnest(@names::text[]) AS n (name) ORDER BY n.name
ON CONFLICT (name) DO NOTHING;

-- name: TenantRemoveDomains :exec
DELETE FROM domains WHERE tenant_uuid = @tenant_uuid AND name = ANY (@names::text[]);

-- name: TenantAddGroups :many
-- The groups of a new tenant and their policies, which are the top tenant's. Gives the links whose policy is not there.
WITH wanted AS (
    SELECT w.group_slug, w.policy_slug, p.uuid AS policy_uuid
    FROM (SELECT unnest(@link_groups::text[]) AS group_slug, unnest(@link_policies::text[]) AS policy_slug) AS w
    LEFT JOIN policies p ON p.slug = w.policy_slug AND p.tenant_uuid = (SELECT t.uuid FROM tenants t WHERE t.uuid = t.parent_uuid)
), made AS (
    INSERT INTO groups (tenant_uuid, name, slug, system_managed)
    SELECT @tenant_uuid::uuid, g.slug, g.slug, g.slug = 'wazo-all-users-tenant-' || @tenant_uuid::uuid
    FROM unnest(@groups::text[]) AS g (slug)
    RETURNING uuid, slug
), linked AS (
    INSERT INTO group_policies (group_uuid, policy_uuid)
    SELECT m.uuid, w.policy_uuid FROM wanted w JOIN made m ON m.slug = w.group_slug WHERE w.policy_uuid IS NOT NULL
)
SELECT w.group_slug::text AS group_slug, w.policy_slug::text AS policy_slug FROM wanted w WHERE w.policy_uuid IS NULL;

-- name: TenantLock :one
-- A tenant of a scope, held until the end of the transaction.
SELECT t.parent_uuid, t.slug
FROM tenants t
WHERE t.uuid = @uuid AND @scope::uuid IN (SELECT tenant_ancestors(t.uuid))
FOR NO KEY UPDATE OF t;

-- name: TenantDomainNames :many
-- Read after the lock: the statement that waited for it would see the domains as they were before.
SELECT name FROM domains WHERE tenant_uuid = @tenant_uuid ORDER BY name;

-- name: TenantUpdate :exec
UPDATE tenants SET name = @name, contact_uuid = @contact_uuid, phone = @phone, default_authentication_method = @default_authentication_method,
                   address_line_1 = @address_line_1, address_line_2 = @address_line_2, city = @city, state = @state,
                   country = @country, zip_code = @zip_code
WHERE uuid = @uuid;

-- name: TenantPlaces :one
-- Where a tenant and the parent that it is to have lie: each in the scope or not, and the parent below the tenant or not.
SELECT (@scope::uuid IN (SELECT tenant_ancestors(@tenant_uuid::uuid)))::boolean AS tenant_visible,
       (@scope::uuid IN (SELECT tenant_ancestors(@parent_uuid::uuid)))::boolean AS parent_visible,
       (@tenant_uuid::uuid IN (SELECT tenant_ancestors(@parent_uuid::uuid)))::boolean AS parent_below;

-- name: TenantMove :execrows
UPDATE tenants SET parent_uuid = @parent_uuid WHERE uuid = @uuid AND parent_uuid <> @parent_uuid;

-- name: TenantFind :one
-- What a deletion looks at: whether a tenant of a scope has tenants below it.
SELECT t.name, t.slug, EXISTS (SELECT 1 FROM tenants c WHERE c.parent_uuid = t.uuid AND c.uuid <> t.uuid) AS has_children
FROM tenants t
WHERE t.uuid = @uuid AND @scope::uuid IN (SELECT tenant_ancestors(t.uuid));

-- name: TenantLockUsers :exec
-- All users of a tenant, held until the end of the transaction, in one order for all; then the tenant itself, so that
-- nobody adds to it.
WITH held AS (
    SELECT u.uuid FROM users u WHERE u.tenant_uuid = @tenant_uuid ORDER BY u.uuid FOR UPDATE
), counted AS (
    SELECT count(*) AS n FROM held
)
SELECT t.uuid FROM tenants t, counted c WHERE t.uuid = @tenant_uuid AND c.n >= 0 FOR UPDATE OF t;

-- name: TenantDeleteTokens :many
-- The tokens of a tenant, of its users and of mails to them.
DELETE FROM tokens WHERE session_uuid IN (
    SELECT a.session_uuid FROM tokens a WHERE a.tenant_uuid = @tenant_uuid
    UNION SELECT b.session_uuid FROM tokens b JOIN users u ON u.uuid = b.user_uuid WHERE u.tenant_uuid = @tenant_uuid
    UNION SELECT c.session_uuid FROM tokens c JOIN users u ON u.uuid = c.subject_uuid WHERE u.tenant_uuid = @tenant_uuid
)
RETURNING session_uuid;

-- name: TenantDelete :exec
DELETE FROM tenants WHERE uuid = @uuid;
