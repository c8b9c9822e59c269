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

-- name: UserAddPolicy :exec
INSERT INTO user_policies (user_uuid, policy_uuid) VALUES (@user_uuid, @policy_uuid) ON CONFLICT DO NOTHING;

-- name: UserByLogin :one
-- An enabled user by the key of a login, with all that verifying and issuing need. An address counts once it is confirmed.
SELECT u.uuid, u.tenant_uuid, u.username, u.password_hash, u.purpose,
       (CASE WHEN u.authentication_method = 'default' THEN t.default_authentication_method ELSE u.authentication_method END)::text AS method
FROM logins l JOIN users u ON u.uuid = l.user_uuid JOIN tenants t ON t.uuid = u.tenant_uuid
WHERE l.key = @key AND u.enabled
  AND (l.of_username OR EXISTS (SELECT 1 FROM emails e WHERE e.user_uuid = u.uuid AND e.login_key = l.key AND e.confirmed));

-- name: UserByUUID :one
SELECT u.uuid, u.tenant_uuid, u.username, u.password_hash, u.purpose, u.enabled,
       (CASE WHEN u.authentication_method = 'default' THEN t.default_authentication_method ELSE u.authentication_method END)::text AS method
FROM users u JOIN tenants t ON t.uuid = u.tenant_uuid
WHERE u.uuid = @uuid;

-- name: UserInsert :execrows
-- No row when the uuid is in use.
INSERT INTO users (uuid, tenant_uuid, username, firstname, lastname, password_hash, purpose, authentication_method, enabled)
VALUES (@uuid, @tenant_uuid, @username, @firstname, @lastname, @password_hash, @purpose, @authentication_method, @enabled)
ON CONFLICT (uuid) DO NOTHING;

-- name: UserJoinAllUsersGroup :execrows
-- Makes the group if it is missing. No row when another transaction was making it at the same moment: the next try finds it.
WITH made AS (
    INSERT INTO groups (tenant_uuid, name, slug, system_managed)
    VALUES (@tenant_uuid::uuid, 'wazo-all-users-tenant-' || @tenant_uuid::uuid, 'wazo-all-users-tenant-' || @tenant_uuid::uuid, true)
    ON CONFLICT DO NOTHING
    RETURNING uuid
)
INSERT INTO user_groups (user_uuid, group_uuid)
SELECT @user_uuid::uuid, x.uuid FROM (
    SELECT made.uuid FROM made
    UNION ALL
    SELECT g.uuid FROM groups g WHERE g.tenant_uuid = @tenant_uuid::uuid AND g.slug = 'wazo-all-users-tenant-' || @tenant_uuid::uuid
) AS x
ON CONFLICT DO NOTHING;

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

-- name: UserSetPassword :one
UPDATE users SET password_hash = @password_hash WHERE uuid = @uuid RETURNING tenant_uuid;

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

-- name: UserCheckPassword :one
-- What a change of the password looks at: login is the username, else the main address once it is confirmed. With a scope,
-- only a user of that tenant or below it.
SELECT u.tenant_uuid, u.password_hash, u.enabled,
       (u.username IS NOT NULL OR EXISTS (SELECT 1 FROM emails e WHERE e.user_uuid = u.uuid AND e.main AND e.confirmed))::boolean AS has_login,
       (CASE WHEN u.authentication_method = 'default' THEN t.default_authentication_method ELSE u.authentication_method END)::text AS method
FROM users u JOIN tenants t ON t.uuid = u.tenant_uuid
WHERE u.uuid = @uuid
  AND (sqlc.narg('scope')::uuid IS NULL OR sqlc.narg('scope')::uuid IN (SELECT tenant_ancestors(u.tenant_uuid)));

-- name: UserClaimLogins :many
-- Reserves logins for a user, in one order for all so that rivals cannot wait for each other; gives the keys that are
-- theirs now. The others are another user's.
INSERT INTO logins (key, user_uuid, of_username)
SELECT k.key, @user_uuid, k.key = sqlc.narg('username_key')::bytea IS TRUE FROM unnest(@keys::bytea[]) AS k (key) ORDER BY k.key
ON CONFLICT (key) DO UPDATE SET user_uuid = excluded.user_uuid, of_username = logins.of_username OR excluded.of_username
WHERE logins.user_uuid = excluded.user_uuid
RETURNING key;

-- name: UserReleaseAddresses :exec
-- Gives free what was reserved for addresses that the user no longer has.
DELETE FROM logins WHERE user_uuid = @user_uuid AND NOT of_username AND NOT key = ANY (@keys::bytea[]);

-- name: UserReleaseUsername :exec
-- Gives free what was reserved for another username than the present one, unless it is an address of the user too.
WITH gone AS (
    DELETE FROM logins l
    WHERE l.user_uuid = @user_uuid AND l.of_username AND l.key IS DISTINCT FROM sqlc.narg('username_key')::bytea
      AND NOT EXISTS (SELECT 1 FROM emails e WHERE e.user_uuid = l.user_uuid AND e.login_key = l.key)
)
UPDATE logins l SET of_username = false
WHERE l.user_uuid = @user_uuid AND l.of_username AND l.key IS DISTINCT FROM sqlc.narg('username_key')::bytea
  AND EXISTS (SELECT 1 FROM emails e WHERE e.user_uuid = l.user_uuid AND e.login_key = l.key);

-- name: UserForeignLogins :many
-- Which of these keys are another user's.
SELECT key FROM logins WHERE key = ANY (@keys::bytea[]) AND user_uuid IS DISTINCT FROM sqlc.narg('user_uuid')::uuid;

-- name: UserLockIn :one
-- A user of a tenant or below it, held until the end of the transaction; without a scope, of any tenant.
SELECT u.tenant_uuid, u.username FROM users u
WHERE u.uuid = @uuid
  AND (sqlc.narg('scope')::uuid IS NULL OR sqlc.narg('scope')::uuid IN (SELECT tenant_ancestors(u.tenant_uuid)))
FOR NO KEY UPDATE OF u;

-- name: UserGet :one
-- A user of a tenant or below it, with the addresses.
SELECT u.uuid, u.tenant_uuid, u.username, u.firstname, u.lastname, u.purpose, u.authentication_method, u.enabled,
       (SELECT coalesce(json_agg(json_build_object('uuid', e.uuid, 'address', e.address, 'main', e.main, 'confirmed', e.confirmed)
                                 ORDER BY e.main DESC, e.address), '[]') FROM emails e WHERE e.user_uuid = u.uuid)::jsonb AS emails
FROM users u
WHERE u.uuid = @uuid AND @scope::uuid IN (SELECT tenant_ancestors(u.tenant_uuid));

-- name: UserUpdate :one
-- Gives the addresses, of which it changes none.
UPDATE users u SET username = @username, firstname = @firstname, lastname = @lastname, purpose = @purpose,
                   authentication_method = @authentication_method, enabled = @enabled
WHERE u.uuid = @uuid
RETURNING (SELECT coalesce(json_agg(json_build_object('uuid', e.uuid, 'address', e.address, 'main', e.main, 'confirmed', e.confirmed)
                                    ORDER BY e.main DESC, e.address), '[]') FROM emails e WHERE e.user_uuid = u.uuid)::jsonb AS emails;

-- name: UserDelete :exec
DELETE FROM users WHERE uuid = @uuid;

-- name: UserLockManyIn :many
-- Those of the users that are in a tenant or below it, held until the end of the transaction, in one order for all.
SELECT u.uuid FROM users u
WHERE u.uuid = ANY (@users::uuid[]) AND @scope::uuid IN (SELECT tenant_ancestors(u.tenant_uuid))
ORDER BY u.uuid
FOR NO KEY UPDATE OF u;

-- name: UserSetMethod :exec
UPDATE users SET authentication_method = @method WHERE uuid = ANY (@users::uuid[]) AND authentication_method <> @method;

-- name: UserUnsetMethod :execrows
-- Back to the tenant's default if this was the user's method.
UPDATE users SET authentication_method = 'default' WHERE uuid = @uuid AND authentication_method = @method;

-- name: UserTotal :one
-- How many users a list has without any filter: those of a group, of a tenant, or of a tenant and everything below it. The
-- branches that do not apply are gone before a plan is made: the list queries of users are planned with their parameters.
SELECT count(*) FROM users u
WHERE CASE WHEN sqlc.narg('parent_group')::uuid IS NOT NULL
           THEN u.uuid IN (SELECT ug.user_uuid FROM user_groups ug JOIN groups pg ON pg.uuid = ug.group_uuid
                          WHERE pg.uuid = sqlc.narg('parent_group')::uuid
                            AND (sqlc.narg('group_scope')::uuid IS NULL OR sqlc.narg('group_scope')::uuid IN (SELECT tenant_ancestors(pg.tenant_uuid))))
           WHEN @recurse::boolean THEN u.tenant_uuid IN (SELECT tenant_subtree(@scope::uuid))
           ELSE u.tenant_uuid = @scope::uuid END;

-- name: UserPage :many
-- A page of a tenant's users, with everything below it or not, without any filter. It walks the index of its order
-- (users_tenant_username_idx, users_username_idx, users_firstname_idx, users_lastname_idx) and stops at the end of the page;
-- where the tenants have few of all users, these are gathered and sorted.
SELECT p.uuid, p.tenant_uuid, p.username, p.firstname, p.lastname, p.purpose, p.authentication_method, p.enabled,
       (SELECT coalesce(json_agg(json_build_object('uuid', e.uuid, 'address', e.address, 'main', e.main, 'confirmed', e.confirmed)
                                 ORDER BY e.main DESC, e.address), '[]') FROM emails e WHERE e.user_uuid = p.uuid)::jsonb AS emails
FROM (
    SELECT u.* FROM users u
    WHERE CASE WHEN @few::boolean THEN u.uuid = ANY (ARRAY(SELECT x.uuid FROM users x WHERE x.tenant_uuid = ANY (ARRAY(SELECT tenant_subtree(@scope::uuid)))))
               WHEN @recurse::boolean THEN u.tenant_uuid IN (SELECT tenant_subtree(@scope::uuid))
               ELSE u.tenant_uuid = @scope::uuid END
    ORDER BY CASE WHEN NOT @descending::boolean THEN CASE @sort_by::text WHEN 'firstname' THEN u.firstname WHEN 'lastname' THEN u.lastname ELSE u.username END END,
             CASE WHEN @descending::boolean THEN CASE @sort_by::text WHEN 'firstname' THEN u.firstname WHEN 'lastname' THEN u.lastname ELSE u.username END END DESC,
             CASE WHEN NOT @descending::boolean THEN u.uuid END,
             CASE WHEN @descending::boolean THEN u.uuid END DESC
    LIMIT sqlc.narg('max_rows')::bigint OFFSET @skip_rows::bigint
) AS p
ORDER BY CASE WHEN NOT @descending::boolean THEN CASE @sort_by::text WHEN 'firstname' THEN p.firstname WHEN 'lastname' THEN p.lastname ELSE p.username END END,
         CASE WHEN @descending::boolean THEN CASE @sort_by::text WHEN 'firstname' THEN p.firstname WHEN 'lastname' THEN p.lastname ELSE p.username END END DESC,
         CASE WHEN NOT @descending::boolean THEN p.uuid END,
         CASE WHEN @descending::boolean THEN p.uuid END DESC;

-- name: UserMatch :many
-- How many users pass the filters, and a page of them: one row without a user when the page is empty. What is searched for
-- is found by the trigram indexes.
WITH matching AS MATERIALIZED (
    SELECT u.uuid, u.tenant_uuid, u.username, u.firstname, u.lastname, u.purpose, u.authentication_method, u.enabled FROM users u
    WHERE CASE WHEN sqlc.narg('parent_group')::uuid IS NOT NULL
               THEN u.uuid IN (SELECT ug.user_uuid FROM user_groups ug JOIN groups pg ON pg.uuid = ug.group_uuid
                          WHERE pg.uuid = sqlc.narg('parent_group')::uuid
                            AND (sqlc.narg('group_scope')::uuid IS NULL OR sqlc.narg('group_scope')::uuid IN (SELECT tenant_ancestors(pg.tenant_uuid))))
               WHEN @recurse::boolean THEN u.tenant_uuid IN (SELECT tenant_subtree(@scope::uuid))
               ELSE u.tenant_uuid = @scope::uuid END
      AND (sqlc.narg('pattern')::text IS NULL OR u.uuid = ANY (ARRAY(
            SELECT n.uuid FROM users n WHERE n.username ILIKE sqlc.narg('pattern')::text
            UNION SELECT f.uuid FROM users f WHERE f.firstname ILIKE sqlc.narg('pattern')::text
            UNION SELECT g.uuid FROM users g WHERE g.lastname ILIKE sqlc.narg('pattern')::text
            UNION SELECT e.user_uuid FROM emails e WHERE e.address ILIKE sqlc.narg('pattern')::text)))
      AND (sqlc.narg('uuid')::uuid IS NULL OR u.uuid = sqlc.narg('uuid')::uuid)
      AND (sqlc.narg('username')::text IS NULL OR u.username = sqlc.narg('username')::text)
      AND (sqlc.narg('firstname')::text IS NULL OR u.firstname = sqlc.narg('firstname')::text)
      AND (sqlc.narg('lastname')::text IS NULL OR u.lastname = sqlc.narg('lastname')::text)
      AND (sqlc.narg('purpose')::text IS NULL OR u.purpose = sqlc.narg('purpose')::text)
      AND (sqlc.narg('email_address')::text IS NULL
           OR u.uuid = ANY (ARRAY(SELECT e.user_uuid FROM emails e WHERE e.address = sqlc.narg('email_address')::text)))
      AND (sqlc.narg('group_uuid')::uuid IS NULL
           OR u.uuid IN (SELECT ug.user_uuid FROM user_groups ug WHERE ug.group_uuid = sqlc.narg('group_uuid')::uuid))
      AND (sqlc.narg('policy_uuid')::uuid IS NULL
           OR u.uuid IN (SELECT up.user_uuid FROM user_policies up WHERE up.policy_uuid = sqlc.narg('policy_uuid')::uuid))
      AND (sqlc.narg('policy_slug')::text IS NULL
           OR u.uuid IN (SELECT up.user_uuid FROM policies p JOIN user_policies up ON up.policy_uuid = p.uuid
                         WHERE p.slug = sqlc.narg('policy_slug')::text))
      AND (sqlc.narg('has_policy_uuid')::uuid IS NULL
           OR u.uuid IN (SELECT up.user_uuid FROM user_policies up WHERE up.policy_uuid = sqlc.narg('has_policy_uuid')::uuid
                         UNION ALL
                         SELECT ug.user_uuid FROM group_policies gp JOIN user_groups ug ON ug.group_uuid = gp.group_uuid
                         WHERE gp.policy_uuid = sqlc.narg('has_policy_uuid')::uuid))
      AND (sqlc.narg('has_policy_slug')::text IS NULL
           OR u.uuid IN (SELECT up.user_uuid FROM policies p JOIN user_policies up ON up.policy_uuid = p.uuid
                         WHERE p.slug = sqlc.narg('has_policy_slug')::text
                         UNION ALL
                         SELECT ug.user_uuid FROM policies p JOIN group_policies gp ON gp.policy_uuid = p.uuid
                         JOIN user_groups ug ON ug.group_uuid = gp.group_uuid
                         WHERE p.slug = sqlc.narg('has_policy_slug')::text))
), page AS (
    SELECT m.* FROM matching m
    ORDER BY CASE WHEN NOT @descending::boolean THEN CASE @sort_by::text WHEN 'firstname' THEN m.firstname WHEN 'lastname' THEN m.lastname ELSE m.username END END,
             CASE WHEN @descending::boolean THEN CASE @sort_by::text WHEN 'firstname' THEN m.firstname WHEN 'lastname' THEN m.lastname ELSE m.username END END DESC,
             CASE WHEN NOT @descending::boolean THEN m.uuid END,
             CASE WHEN @descending::boolean THEN m.uuid END DESC
    LIMIT sqlc.narg('max_rows')::bigint OFFSET @skip_rows::bigint
)
SELECT c.filtered, p.uuid, p.tenant_uuid, p.username, p.firstname, p.lastname, p.purpose, p.authentication_method, p.enabled,
       (SELECT coalesce(json_agg(json_build_object('uuid', e.uuid, 'address', e.address, 'main', e.main, 'confirmed', e.confirmed)
                                 ORDER BY e.main DESC, e.address), '[]') FROM emails e WHERE e.user_uuid = p.uuid)::jsonb AS emails
FROM (SELECT count(*) AS filtered FROM matching) AS c LEFT JOIN page p ON true
ORDER BY CASE WHEN NOT @descending::boolean THEN CASE @sort_by::text WHEN 'firstname' THEN p.firstname WHEN 'lastname' THEN p.lastname ELSE p.username END END,
         CASE WHEN @descending::boolean THEN CASE @sort_by::text WHEN 'firstname' THEN p.firstname WHEN 'lastname' THEN p.lastname ELSE p.username END END DESC,
         CASE WHEN NOT @descending::boolean THEN p.uuid END,
         CASE WHEN @descending::boolean THEN p.uuid END DESC;
