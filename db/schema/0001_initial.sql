-- The first schema. Reasons that are not obvious stand beside what they explain; the choices behind them
-- are recorded in docs/architecture.md.

-- +goose Up

-- One row: what tells this installation's workflows from those of another one on the same Temporal cluster.
CREATE TABLE installation (
    singleton  boolean PRIMARY KEY DEFAULT true,
    uuid       uuid NOT NULL DEFAULT gen_random_uuid(),
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT installation_singleton CHECK (singleton)
);
INSERT INTO installation DEFAULT VALUES;

-- A tree: the root, and only the root, is its own parent.
CREATE TABLE tenants (
    uuid                          uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    parent_uuid                   uuid NOT NULL,
    name                          text,
    slug                          text NOT NULL,
    default_authentication_method text NOT NULL DEFAULT 'native',
    created_at                    timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT tenants_slug_key UNIQUE (slug),
    CONSTRAINT tenants_parent_fkey FOREIGN KEY (parent_uuid) REFERENCES tenants (uuid)
);
CREATE INDEX tenants_parent_idx ON tenants (parent_uuid);
CREATE UNIQUE INDEX tenants_root_key ON tenants ((uuid = parent_uuid)) WHERE uuid = parent_uuid;

CREATE TABLE users (
    uuid                  uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    tenant_uuid           uuid NOT NULL,
    username              text,
    firstname             text,
    lastname              text,
    -- A PHC string, or null: such a user never logs in with a password.
    password_hash         text,
    enabled               boolean NOT NULL DEFAULT true,
    purpose               text NOT NULL DEFAULT 'user',
    authentication_method text NOT NULL DEFAULT 'default',
    created_at            timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT users_tenant_fkey FOREIGN KEY (tenant_uuid) REFERENCES tenants (uuid) ON DELETE CASCADE,
    CONSTRAINT users_purpose CHECK (purpose IN ('user', 'internal', 'external_api'))
);
CREATE INDEX users_tenant_idx ON users (tenant_uuid);

CREATE TABLE emails (
    uuid      uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    user_uuid uuid NOT NULL,
    address   text NOT NULL,
    main      boolean NOT NULL DEFAULT false,
    confirmed boolean NOT NULL DEFAULT false,
    CONSTRAINT emails_user_fkey FOREIGN KEY (user_uuid) REFERENCES users (uuid) ON DELETE CASCADE,
    CONSTRAINT emails_address_length CHECK (octet_length(address) <= 1024)
);
CREATE INDEX emails_user_idx ON emails (user_uuid);

-- Who owns a login: user names and addresses of all users in one name space, under the SHA-256 of the lower-cased
-- text, so that uniqueness needs no collation and no limit on length. A user's own names may share a row.
CREATE TABLE logins (
    key       bytea PRIMARY KEY,
    user_uuid uuid NOT NULL,
    CONSTRAINT logins_key_length CHECK (octet_length(key) = 32),
    CONSTRAINT logins_user_fkey FOREIGN KEY (user_uuid) REFERENCES users (uuid) ON DELETE CASCADE
);
CREATE INDEX logins_user_idx ON logins (user_uuid);

CREATE TABLE policies (
    uuid           uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    tenant_uuid    uuid NOT NULL,
    name           text NOT NULL,
    slug           text NOT NULL,
    description    text,
    acl            text[] NOT NULL DEFAULT '{}',
    config_managed boolean NOT NULL DEFAULT false,
    shared         boolean NOT NULL DEFAULT false,
    CONSTRAINT policies_tenant_fkey FOREIGN KEY (tenant_uuid) REFERENCES tenants (uuid) ON DELETE CASCADE,
    CONSTRAINT policies_name_key UNIQUE (tenant_uuid, name)
);
CREATE UNIQUE INDEX policies_slug_key ON policies (tenant_uuid, lower(slug));

CREATE TABLE groups (
    uuid           uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    tenant_uuid    uuid NOT NULL,
    name           text NOT NULL,
    slug           text NOT NULL,
    system_managed boolean NOT NULL DEFAULT false,
    CONSTRAINT groups_tenant_fkey FOREIGN KEY (tenant_uuid) REFERENCES tenants (uuid) ON DELETE CASCADE,
    CONSTRAINT groups_name_key UNIQUE (tenant_uuid, name)
);
CREATE UNIQUE INDEX groups_slug_key ON groups (tenant_uuid, lower(slug));

CREATE TABLE user_groups (
    user_uuid  uuid NOT NULL,
    group_uuid uuid NOT NULL,
    PRIMARY KEY (user_uuid, group_uuid),
    CONSTRAINT user_groups_user_fkey FOREIGN KEY (user_uuid) REFERENCES users (uuid) ON DELETE CASCADE,
    CONSTRAINT user_groups_group_fkey FOREIGN KEY (group_uuid) REFERENCES groups (uuid) ON DELETE CASCADE
);
CREATE INDEX user_groups_group_idx ON user_groups (group_uuid);

CREATE TABLE user_policies (
    user_uuid   uuid NOT NULL,
    policy_uuid uuid NOT NULL,
    PRIMARY KEY (user_uuid, policy_uuid),
    CONSTRAINT user_policies_user_fkey FOREIGN KEY (user_uuid) REFERENCES users (uuid) ON DELETE CASCADE,
    CONSTRAINT user_policies_policy_fkey FOREIGN KEY (policy_uuid) REFERENCES policies (uuid) ON DELETE CASCADE
);
CREATE INDEX user_policies_policy_idx ON user_policies (policy_uuid);

CREATE TABLE group_policies (
    group_uuid  uuid NOT NULL,
    policy_uuid uuid NOT NULL,
    PRIMARY KEY (group_uuid, policy_uuid),
    CONSTRAINT group_policies_group_fkey FOREIGN KEY (group_uuid) REFERENCES groups (uuid) ON DELETE CASCADE,
    CONSTRAINT group_policies_policy_fkey FOREIGN KEY (policy_uuid) REFERENCES policies (uuid) ON DELETE CASCADE
);
CREATE INDEX group_policies_policy_idx ON group_policies (policy_uuid);

-- Access lists by content: id = SHA-256 of the canonical (sorted, unique) list. Immutable, and without a foreign key
-- from tokens: locking a shared row for every login costs several times the rate. A list older than a day that no
-- token names is swept; issuing inserts it again in its own transaction.
CREATE TABLE access_lists (
    id         bytea PRIMARY KEY,
    entries    text[] NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT access_lists_id_length CHECK (octet_length(id) = 32)
);

CREATE TABLE refresh_tokens (
    uuid        uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    user_uuid   uuid NOT NULL,
    client_id   text NOT NULL,
    -- SHA-256 of client_id: up to 1,024 characters do not fit a b-tree key.
    client_key  bytea NOT NULL,
    -- SHA-256 of the refresh token for look-up, and the token itself sealed with the key named by key_id, so that the
    -- same one can be handed out again to the same client.
    token_hash  bytea NOT NULL,
    sealed      bytea NOT NULL,
    key_id      text NOT NULL,
    login       text NOT NULL,
    backend     text NOT NULL,
    user_agent  text NOT NULL,
    remote_addr text NOT NULL,
    mobile      boolean NOT NULL,
    metadata    jsonb NOT NULL DEFAULT '{}',
    created_at  timestamptz NOT NULL,
    CONSTRAINT refresh_tokens_user_fkey FOREIGN KEY (user_uuid) REFERENCES users (uuid) ON DELETE CASCADE,
    CONSTRAINT refresh_tokens_hash_key UNIQUE (token_hash),
    CONSTRAINT refresh_tokens_client_key UNIQUE (user_uuid, client_key)
);
CREATE UNIQUE INDEX refresh_tokens_mobile_key ON refresh_tokens (user_uuid) WHERE mobile;

-- A token and its session, which is its public face: one row, because there is exactly one of each.
CREATE TABLE tokens (
    session_uuid       uuid PRIMARY KEY,
    token_hash         bytea NOT NULL,
    kind               text NOT NULL,
    user_uuid          uuid,
    auth_id            text NOT NULL,
    tenant_uuid        uuid NOT NULL,
    refresh_token_uuid uuid,
    access_list        bytea NOT NULL,
    metadata           jsonb NOT NULL,
    mobile             boolean NOT NULL DEFAULT false,
    backend            text NOT NULL,
    remote_addr        text NOT NULL,
    user_agent         text NOT NULL,
    issued_at          timestamptz NOT NULL,
    expires_at         timestamptz NOT NULL,
    CONSTRAINT tokens_hash_key UNIQUE (token_hash),
    CONSTRAINT tokens_hash_length CHECK (octet_length(token_hash) = 32),
    CONSTRAINT tokens_kind CHECK (kind IN ('user', 'service', 'mail_confirm', 'mail_reset')),
    CONSTRAINT tokens_lifetime CHECK (expires_at > issued_at),
    CONSTRAINT tokens_user_fkey FOREIGN KEY (user_uuid) REFERENCES users (uuid) ON DELETE CASCADE,
    CONSTRAINT tokens_tenant_fkey FOREIGN KEY (tenant_uuid) REFERENCES tenants (uuid) ON DELETE CASCADE,
    CONSTRAINT tokens_refresh_token_fkey FOREIGN KEY (refresh_token_uuid) REFERENCES refresh_tokens (uuid) ON DELETE SET NULL
);
CREATE INDEX tokens_user_idx ON tokens (user_uuid) WHERE user_uuid IS NOT NULL;
CREATE INDEX tokens_tenant_idx ON tokens (tenant_uuid);
CREATE INDEX tokens_refresh_token_idx ON tokens (refresh_token_uuid) WHERE refresh_token_uuid IS NOT NULL;
CREATE INDEX tokens_expires_idx ON tokens (expires_at);

-- What the relay owes Temporal: the desired state of a session's lifetime, at most one row each.
CREATE TABLE lifetime_due (
    session_uuid uuid PRIMARY KEY,
    wanted       text NOT NULL,
    reason       text NOT NULL DEFAULT '',
    -- Raised by every change of what is wanted: the relay removes a row only if it is still the one it acted on.
    version      bigint NOT NULL DEFAULT 1,
    due_at       timestamptz NOT NULL DEFAULT now(),
    leased_until timestamptz,
    -- How often it was leased; 0 means that no workflow can exist for it.
    attempts     integer NOT NULL DEFAULT 0,
    failures     integer NOT NULL DEFAULT 0,
    last_error   text,
    parked       boolean NOT NULL DEFAULT false,
    created_at   timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT lifetime_due_wanted CHECK (wanted IN ('run', 'end'))
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 1000);
CREATE INDEX lifetime_due_due_idx ON lifetime_due (due_at) WHERE NOT parked;

-- What the bus is owed: a log, published in its order.
CREATE TABLE event_outbox (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    event_uuid  uuid NOT NULL DEFAULT gen_random_uuid(),
    name        text NOT NULL,
    tenant_uuid uuid,
    payload     jsonb NOT NULL,
    happened_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- Content of a fresh database (operations.md section 3 of the contract): the top tenant, its all-users group and the
-- policy of the first user.
-- +goose StatementBegin
DO $$
DECLARE
    top uuid := gen_random_uuid();
BEGIN
    INSERT INTO tenants (uuid, parent_uuid, name, slug) VALUES (top, top, 'master', 'master');
    INSERT INTO groups (tenant_uuid, name, slug, system_managed)
        VALUES (top, 'wazo-all-users-tenant-' || top, 'wazo-all-users-tenant-' || top, true);
    INSERT INTO policies (tenant_uuid, name, slug, acl)
        VALUES (top, 'wazo_default_master_user_policy', 'wazo_default_master_user_policy', '{#}');
END
$$;
-- +goose StatementEnd
