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
