-- name: UserAccess :many
-- The access list of a user in the order of the contract: a policy of the configuration by name (looked up in the top
-- tenant), then those of the groups, then the user's own; repetitions are kept.
SELECT s.source::integer AS source, a.access::text AS access FROM (
    SELECT 1 AS source, p.uuid, p.acl FROM policies p JOIN tenants t ON t.uuid = p.tenant_uuid AND t.uuid = t.parent_uuid
    WHERE p.name = @default_policy
    UNION ALL
    SELECT 2, p.uuid, p.acl FROM user_groups ug
    JOIN group_policies gp ON gp.group_uuid = ug.group_uuid
    JOIN policies p ON p.uuid = gp.policy_uuid
    WHERE ug.user_uuid = @user_uuid
    UNION ALL
    SELECT 3, p.uuid, p.acl FROM user_policies up JOIN policies p ON p.uuid = up.policy_uuid
    WHERE up.user_uuid = @user_uuid
) AS s, unnest(s.acl) WITH ORDINALITY AS a (access, position)
ORDER BY s.source, s.uuid, a.position;

-- name: UserAddEmail :exec
INSERT INTO emails (user_uuid, address, main, confirmed) VALUES (@user_uuid, @address, @main, @confirmed);

-- name: UserAddPolicy :exec
INSERT INTO user_policies (user_uuid, policy_uuid) VALUES (@user_uuid, @policy_uuid) ON CONFLICT DO NOTHING;

-- name: UserByLogin :one
-- An enabled user by the key of a login, with all that verifying and issuing need.
SELECT u.uuid, u.tenant_uuid, u.username, u.password_hash, u.purpose,
       (CASE WHEN u.authentication_method = 'default' THEN t.default_authentication_method ELSE u.authentication_method END)::text AS method
FROM logins l JOIN users u ON u.uuid = l.user_uuid JOIN tenants t ON t.uuid = u.tenant_uuid
WHERE l.key = @key AND u.enabled;

-- name: UserByUUID :one
SELECT u.uuid, u.tenant_uuid, u.username, u.password_hash, u.purpose, u.enabled,
       (CASE WHEN u.authentication_method = 'default' THEN t.default_authentication_method ELSE u.authentication_method END)::text AS method
FROM users u JOIN tenants t ON t.uuid = u.tenant_uuid
WHERE u.uuid = @uuid;

-- name: UserClaimLogin :execrows
-- Reserves a login for a user; no row when it is another user's.
INSERT INTO logins (key, user_uuid) VALUES (@key, @user_uuid)
ON CONFLICT (key) DO UPDATE SET user_uuid = excluded.user_uuid WHERE logins.user_uuid = excluded.user_uuid;

-- name: UserInsert :exec
INSERT INTO users (uuid, tenant_uuid, username, password_hash, purpose, authentication_method, enabled)
VALUES (@uuid, @tenant_uuid, @username, @password_hash, @purpose, @authentication_method, true);

-- name: UserJoinAllUsersGroup :exec
INSERT INTO user_groups (user_uuid, group_uuid)
SELECT @user_uuid, g.uuid FROM groups g
WHERE g.tenant_uuid = @tenant_uuid AND g.slug = 'wazo-all-users-tenant-' || @tenant_uuid::text;

-- name: UserLock :one
-- The user as they are now, held until the end of the transaction: issuing compares it with what was verified.
SELECT u.enabled, u.password_hash, u.tenant_uuid, u.purpose,
       (CASE WHEN u.authentication_method = 'default' THEN t.default_authentication_method ELSE u.authentication_method END)::text AS method
FROM users u JOIN tenants t ON t.uuid = u.tenant_uuid
WHERE u.uuid = @uuid
FOR NO KEY UPDATE OF u;

-- name: UserOwnerOfLogin :one
-- Whoever owns a login, enabled or not.
SELECT u.uuid, u.password_hash, u.enabled FROM logins l JOIN users u ON u.uuid = l.user_uuid WHERE l.key = @key;

-- name: UserRehash :execrows
-- Puts a stronger hash in the place of exactly the one that was verified.
UPDATE users SET password_hash = @new_hash WHERE uuid = @uuid AND password_hash = @verified_hash::text;

-- name: UserSetPassword :execrows
UPDATE users SET password_hash = @password_hash WHERE uuid = @uuid;

-- name: UserTenant :one
SELECT tenant_uuid FROM users WHERE uuid = @uuid;

-- name: UserIsAdmin :one
-- The policy of that slug directly, or the group of that slug; a policy that comes through another group does not count.
SELECT (EXISTS (SELECT 1 FROM user_policies up JOIN policies p ON p.uuid = up.policy_uuid
                WHERE up.user_uuid = @user_uuid AND p.slug = 'wazo_default_admin_policy')
     OR EXISTS (SELECT 1 FROM user_groups ug JOIN groups g ON g.uuid = ug.group_uuid
                WHERE ug.user_uuid = @user_uuid AND g.slug = 'wazo_default_admin_group'))::boolean AS admin;

-- name: UserMethodsWithout :many
-- Tenants and users whose authentication method is none of the available ones.
SELECT 'Tenant'::text AS kind, t.uuid, t.default_authentication_method AS method FROM tenants t
WHERE NOT t.default_authentication_method = ANY (@available::text[])
UNION ALL
SELECT 'User', u.uuid, u.authentication_method FROM users u
WHERE NOT u.authentication_method = ANY (@available::text[])
ORDER BY kind, method, uuid
LIMIT @max_rows;
