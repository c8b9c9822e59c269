-- Single sign-on: the identity providers of tenants, and logins on their way (backends.md sections 9 and 10).

-- +goose Up

-- So that the database itself keeps a configuration to a domain of its tenant.
ALTER TABLE domains ADD CONSTRAINT domains_tenant_key UNIQUE (uuid, tenant_uuid);

CREATE TABLE saml_configs (
    tenant_uuid   uuid PRIMARY KEY,
    domain_uuid   uuid NOT NULL,
    entity_id     text NOT NULL,
    acs_url       text NOT NULL,
    -- What was uploaded, byte for byte, and its SHA-256: processes keep what they parsed under it.
    metadata      bytea NOT NULL,
    metadata_hash bytea NOT NULL,
    CONSTRAINT saml_configs_domain_key UNIQUE (domain_uuid),
    CONSTRAINT saml_configs_domain_fkey FOREIGN KEY (domain_uuid, tenant_uuid) REFERENCES domains (uuid, tenant_uuid) ON DELETE CASCADE
);

-- One row at most: the key pair that requests are signed with where the configuration names none.
CREATE TABLE saml_key (
    singleton   boolean PRIMARY KEY DEFAULT true,
    certificate bytea NOT NULL,
    -- The private key, and the key that closed it.
    sealed      bytea NOT NULL,
    key_id      text NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT saml_key_singleton CHECK (singleton)
);

-- A login from its beginning to its logout. The tenant and the domain are those of the beginning: no foreign keys, the row
-- has an end of its own.
CREATE TABLE saml_logins (
    uuid               uuid PRIMARY KEY,
    -- SHA-256 of the session id; null once that was exchanged.
    session_hash       bytea,
    -- What the identity provider hands back: 32 bytes, shown as base64.
    relay              bytea NOT NULL,
    request_id         text NOT NULL,
    logout_request_id  text,
    redirect_url       text NOT NULL,
    tenant_uuid        uuid NOT NULL,
    domain_uuid        uuid NOT NULL,
    -- The address that it counts under until it is answered.
    source             text NOT NULL,
    started_at         timestamptz NOT NULL DEFAULT now(),
    expires_at         timestamptz NOT NULL,
    -- What the identity provider said; null until it did. The hash is of its answer.
    login              text,
    answer_hash        bytea,
    name_id            jsonb,
    session_index      text NOT NULL DEFAULT '',
    -- Until when the identity provider can be asked to log out.
    provider_until     timestamptz,
    -- What it was exchanged for.
    refresh_token_uuid uuid,
    token_session_uuid uuid,
    CONSTRAINT saml_logins_session_key UNIQUE (session_hash),
    CONSTRAINT saml_logins_relay_key UNIQUE (relay),
    CONSTRAINT saml_logins_refresh_token_fkey FOREIGN KEY (refresh_token_uuid) REFERENCES refresh_tokens (uuid) ON DELETE CASCADE
);
CREATE INDEX saml_logins_expires_idx ON saml_logins (expires_at);
CREATE INDEX saml_logins_domain_idx ON saml_logins (domain_uuid, started_at) WHERE login IS NULL;
CREATE INDEX saml_logins_source_idx ON saml_logins (source, started_at) WHERE login IS NULL;
CREATE INDEX saml_logins_refresh_token_idx ON saml_logins (refresh_token_uuid) WHERE refresh_token_uuid IS NOT NULL;
CREATE INDEX saml_logins_token_session_idx ON saml_logins (token_session_uuid) WHERE token_session_uuid IS NOT NULL;
