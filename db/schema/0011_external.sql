-- Accounts that users have with other services (external.md). What is secret in them is sealed.

-- +goose Up

-- A type becomes known when it is first enabled, configured or used, and stays known.
CREATE TABLE external_types (
    name text PRIMARY KEY
);

-- One JSON value of a tenant for a type.
CREATE TABLE external_configs (
    tenant_uuid uuid NOT NULL,
    type        text NOT NULL,
    sealed      bytea NOT NULL,
    key_id      text NOT NULL,
    PRIMARY KEY (tenant_uuid, type),
    CONSTRAINT external_configs_tenant_fkey FOREIGN KEY (tenant_uuid) REFERENCES tenants (uuid) ON DELETE CASCADE,
    CONSTRAINT external_configs_type_fkey FOREIGN KEY (type) REFERENCES external_types (name)
);

-- What is kept of a user for a type: a JSON object.
CREATE TABLE external_accounts (
    user_uuid      uuid NOT NULL,
    type           text NOT NULL,
    sealed         bytea NOT NULL,
    key_id         text NOT NULL,
    -- Another one with every change.
    version        uuid NOT NULL DEFAULT gen_random_uuid(),
    -- Somebody renews the token until then.
    renewing_until timestamptz,
    PRIMARY KEY (user_uuid, type),
    CONSTRAINT external_accounts_user_fkey FOREIGN KEY (user_uuid) REFERENCES users (uuid) ON DELETE CASCADE,
    CONSTRAINT external_accounts_type_fkey FOREIGN KEY (type) REFERENCES external_types (name)
);
CREATE INDEX external_accounts_type_idx ON external_accounts (type, user_uuid);

-- Consents that are waited for, and for a while those that were. What is sealed goes when the wait is over.
CREATE TABLE external_consents (
    uuid        uuid PRIMARY KEY,
    user_uuid   uuid NOT NULL,
    -- The tenant whose configuration counts.
    tenant_uuid uuid NOT NULL,
    type        text NOT NULL,
    -- The state, and what arrived for it, each with the key that closed it.
    state       bytea,
    state_key   text,
    message     bytea,
    message_key text,
    status      text NOT NULL DEFAULT 'due',
    outcome     text,
    created_at  timestamptz NOT NULL DEFAULT now(),
    expires_at  timestamptz NOT NULL,
    -- A relay is starting the workflow until then; null once it was started.
    due_at      timestamptz DEFAULT now(),
    CONSTRAINT external_consents_status CHECK (status IN ('due', 'open', 'received', 'over')),
    CONSTRAINT external_consents_outcome CHECK ((status = 'over') = (outcome IS NOT NULL)),
    CONSTRAINT external_consents_user_fkey FOREIGN KEY (user_uuid) REFERENCES users (uuid) ON DELETE CASCADE,
    CONSTRAINT external_consents_tenant_fkey FOREIGN KEY (tenant_uuid) REFERENCES tenants (uuid) ON DELETE CASCADE
);
CREATE INDEX external_consents_user_idx ON external_consents (user_uuid);
CREATE INDEX external_consents_tenant_idx ON external_consents (tenant_uuid);
CREATE INDEX external_consents_due_idx ON external_consents (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX external_consents_pending_idx ON external_consents (expires_at) WHERE status <> 'over';
CREATE INDEX external_consents_expires_idx ON external_consents (expires_at);
