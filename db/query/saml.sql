-- name: SAMLConfigGet :one
SELECT tenant_uuid, domain_uuid, entity_id, acs_url FROM saml_configs WHERE tenant_uuid = @tenant_uuid;

-- name: SAMLConfigMetadata :one
SELECT metadata FROM saml_configs WHERE tenant_uuid = @tenant_uuid;

-- name: SAMLConfigInsert :execrows
-- No row when the tenant has a configuration; saml_configs_domain_fkey when the domain is not the tenant's.
INSERT INTO saml_configs (tenant_uuid, domain_uuid, entity_id, acs_url, metadata, metadata_hash)
VALUES (@tenant_uuid, @domain_uuid, @entity_id, @acs_url, @metadata, @metadata_hash)
ON CONFLICT (tenant_uuid) DO NOTHING;

-- name: SAMLConfigUpdate :execrows
-- What is null is kept.
UPDATE saml_configs SET domain_uuid = coalesce(sqlc.narg('domain_uuid'), domain_uuid), entity_id = coalesce(sqlc.narg('entity_id'), entity_id),
    acs_url = coalesce(sqlc.narg('acs_url'), acs_url), metadata = coalesce(sqlc.narg('metadata'), metadata),
    metadata_hash = coalesce(sqlc.narg('metadata_hash'), metadata_hash)
WHERE tenant_uuid = @tenant_uuid;

-- name: SAMLConfigDelete :execrows
DELETE FROM saml_configs WHERE tenant_uuid = @tenant_uuid;

-- name: SAMLConfigKeepDomain :one
-- Keeps a domain of a tenant from being deleted until the end of the transaction.
SELECT d.uuid FROM domains d WHERE d.uuid = @domain_uuid AND d.tenant_uuid = @tenant_uuid FOR KEY SHARE;

-- name: SAMLConfigOf :one
-- The identity provider of a domain, by its name or its uuid.
SELECT c.tenant_uuid, c.domain_uuid, c.entity_id, c.acs_url, c.metadata_hash FROM domains d JOIN saml_configs c ON c.domain_uuid = d.uuid
WHERE d.name = sqlc.narg('name') OR d.uuid = sqlc.narg('domain_uuid');

-- name: SAMLConfigMetadataByHash :one
SELECT metadata FROM saml_configs WHERE tenant_uuid = @tenant_uuid AND metadata_hash = @metadata_hash;

-- name: SAMLKeyGet :one
SELECT certificate, sealed, key_id FROM saml_key;

-- name: SAMLKeyInsert :execrows
INSERT INTO saml_key (certificate, sealed, key_id) VALUES (@certificate, @sealed, @key_id) ON CONFLICT DO NOTHING;

-- name: SAMLLoginInsert :exec
INSERT INTO saml_logins (uuid, session_hash, relay, request_id, redirect_url, tenant_uuid, domain_uuid, source, expires_at)
VALUES (@uuid, @session_hash, @relay, @request_id, @redirect_url, @tenant_uuid, @domain_uuid, @source,
        now() + make_interval(secs => @lifetime_seconds::double precision));

-- name: SAMLLoginEvict :execrows
-- Keeps the newest logins of a domain and of an address that nobody answered yet.
DELETE FROM saml_logins WHERE login IS NULL AND uuid IN (
    (SELECT s.uuid FROM saml_logins s WHERE s.source = @source AND s.login IS NULL ORDER BY s.started_at DESC OFFSET @per_source::bigint)
    UNION ALL
    (SELECT s.uuid FROM saml_logins s WHERE s.domain_uuid = @domain_uuid AND s.login IS NULL ORDER BY s.started_at DESC OFFSET @per_domain::bigint)
);

-- name: SAMLLoginByRelay :one
SELECT uuid, request_id, logout_request_id, redirect_url, domain_uuid, answer_hash
FROM saml_logins WHERE relay = @relay AND expires_at > now();

-- name: SAMLLoginAccept :execrows
-- The answer of the identity provider, unless there is one. A login ends so long after its beginning.
UPDATE saml_logins SET login = @login::text, answer_hash = @answer_hash, name_id = @name_id, session_index = @session_index,
    expires_at = started_at + make_interval(secs => @lifetime_seconds::double precision), provider_until = @provider_until
WHERE uuid = @uuid AND login IS NULL AND expires_at > now();

-- name: SAMLLoginReject :execrows
-- A login goes with an answer that is none; one that was exchanged already stays.
DELETE FROM saml_logins WHERE uuid = @uuid AND session_hash IS NOT NULL;

-- name: SAMLLoginDelete :execrows
DELETE FROM saml_logins WHERE uuid = @uuid;

-- name: SAMLLoginOfSession :one
SELECT uuid, tenant_uuid, login::text AS login FROM saml_logins
WHERE session_hash = @session_hash AND login IS NOT NULL AND expires_at > now();

-- name: SAMLLoginTenantContains :one
SELECT EXISTS (SELECT 1 FROM tenant_ancestors(@tenant_uuid) AS a (uuid) WHERE a.uuid = @ancestor_uuid::uuid);

-- name: SAMLLoginRedeem :execrows
-- The exchange uses the session id up. No row when another one was faster.
UPDATE saml_logins SET session_hash = NULL, refresh_token_uuid = @refresh_token_uuid, token_session_uuid = @token_session_uuid
WHERE uuid = @uuid AND session_hash IS NOT NULL AND expires_at > now();

-- name: SAMLLoginOfToken :one
-- The login that a token came from, itself or by its refresh token; the newest where several share that.
SELECT s.uuid, s.redirect_url, s.domain_uuid, s.name_id, s.session_index,
       (s.name_id IS NOT NULL AND s.provider_until > now())::boolean AS provider_knows
FROM tokens t JOIN saml_logins s ON s.token_session_uuid = t.session_uuid OR s.refresh_token_uuid = t.refresh_token_uuid
WHERE t.token_hash = @token_hash AND t.expires_at > now() AND s.login IS NOT NULL AND s.expires_at > now()
ORDER BY s.token_session_uuid = t.session_uuid DESC, s.started_at DESC
LIMIT 1;

-- name: SAMLLoginAwaitLogout :execrows
UPDATE saml_logins SET relay = @relay, logout_request_id = @logout_request_id::text WHERE uuid = @uuid;

-- name: SAMLLoginRefreshToken :one
-- What a login was exchanged for, and whether another login was exchanged for the same.
SELECT r.uuid, r.user_uuid, EXISTS (SELECT 1 FROM saml_logins o WHERE o.refresh_token_uuid = r.uuid AND o.uuid <> s.uuid AND o.expires_at > now()) AS shared
FROM saml_logins s JOIN refresh_tokens r ON r.uuid = s.refresh_token_uuid
WHERE s.uuid = @uuid;

-- name: SAMLLoginSweep :execrows
DELETE FROM saml_logins WHERE uuid IN (SELECT s.uuid FROM saml_logins s WHERE s.expires_at <= now() LIMIT @max_rows);
