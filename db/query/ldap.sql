-- name: LDAPConfigGet :one
SELECT * FROM ldap_configs WHERE tenant_uuid = @tenant_uuid;

-- name: LDAPConfigPut :one
-- Creates or replaces the directory of a tenant. An update keeps the columns that are named in kept.
INSERT INTO ldap_configs AS c (tenant_uuid, host, port, protocol_version, protocol_security, bind_dn, user_base_dn, user_login_attribute,
                               user_email_attribute, search_filters, sealed_bind_password, key_id)
VALUES (@tenant_uuid, @host, @port, @protocol_version, @protocol_security, @bind_dn, @user_base_dn, @user_login_attribute,
        @user_email_attribute, @search_filters, @sealed_bind_password, @key_id)
ON CONFLICT (tenant_uuid) DO UPDATE SET
    host = excluded.host, port = excluded.port, protocol_version = excluded.protocol_version, user_base_dn = excluded.user_base_dn,
    user_login_attribute = excluded.user_login_attribute, user_email_attribute = excluded.user_email_attribute,
    protocol_security = CASE WHEN 'protocol_security' = ANY (@kept::text[]) THEN c.protocol_security ELSE excluded.protocol_security END,
    bind_dn = CASE WHEN 'bind_dn' = ANY (@kept::text[]) THEN c.bind_dn ELSE excluded.bind_dn END,
    search_filters = CASE WHEN 'search_filters' = ANY (@kept::text[]) THEN c.search_filters ELSE excluded.search_filters END,
    sealed_bind_password = CASE WHEN 'bind_password' = ANY (@kept::text[]) THEN c.sealed_bind_password ELSE excluded.sealed_bind_password END,
    key_id = CASE WHEN 'bind_password' = ANY (@kept::text[]) THEN c.key_id ELSE excluded.key_id END
RETURNING *;

-- name: LDAPConfigDelete :execrows
DELETE FROM ldap_configs WHERE tenant_uuid = @tenant_uuid;

-- name: LDAPConfigKeepTenant :one
-- Keeps a tenant from being deleted until the end of the transaction.
SELECT t.uuid FROM tenants t WHERE t.uuid = @tenant_uuid FOR KEY SHARE;

-- name: LDAPConfigOfDomain :one
SELECT c.* FROM domains d JOIN ldap_configs c ON c.tenant_uuid = d.tenant_uuid WHERE d.name = @name;

-- name: LDAPConfigTenant :one
-- The tenant of a uuid or a slug.
SELECT t.uuid FROM tenants t WHERE t.uuid = sqlc.narg('uuid')::uuid OR t.slug = @slug;
