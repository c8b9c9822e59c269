-- What administrators work with: the rest of tenants, their domains, and the indexes of lists and searches.

-- +goose Up

-- Searches of three and more characters use trigrams. The extension is a trusted one: owning the database is enough.
CREATE EXTENSION IF NOT EXISTS pg_trgm;

ALTER TABLE tenants
    ADD COLUMN contact_uuid   uuid,
    ADD COLUMN phone          text,
    ADD COLUMN address_line_1 text,
    ADD COLUMN address_line_2 text,
    ADD COLUMN city           text,
    ADD COLUMN state          text,
    ADD COLUMN country        text,
    ADD COLUMN zip_code       text,
    ADD CONSTRAINT tenants_contact_fkey FOREIGN KEY (contact_uuid) REFERENCES users (uuid) ON DELETE SET NULL;
CREATE INDEX tenants_contact_idx ON tenants (contact_uuid) WHERE contact_uuid IS NOT NULL;
CREATE INDEX tenants_name_trgm_idx ON tenants USING gin (name gin_trgm_ops);
CREATE INDEX tenants_slug_trgm_idx ON tenants USING gin (slug gin_trgm_ops);

-- A domain belongs to one tenant of the whole installation. Its uuid outlives changes of the tenant: SAML hangs on it.
CREATE TABLE domains (
    uuid        uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    tenant_uuid uuid NOT NULL,
    name        text NOT NULL,
    CONSTRAINT domains_name_key UNIQUE (name),
    CONSTRAINT domains_tenant_fkey FOREIGN KEY (tenant_uuid) REFERENCES tenants (uuid) ON DELETE CASCADE
);
CREATE INDEX domains_tenant_idx ON domains (tenant_uuid);
CREATE INDEX domains_name_trgm_idx ON domains USING gin (name gin_trgm_ops);

CREATE INDEX users_username_idx ON users (username, uuid);
CREATE INDEX users_username_trgm_idx ON users USING gin (username gin_trgm_ops);
CREATE INDEX users_firstname_trgm_idx ON users USING gin (firstname gin_trgm_ops);
CREATE INDEX users_lastname_trgm_idx ON users USING gin (lastname gin_trgm_ops);
CREATE INDEX emails_address_idx ON emails (address);
CREATE INDEX emails_address_trgm_idx ON emails USING gin (address gin_trgm_ops);
CREATE INDEX groups_name_trgm_idx ON groups USING gin (name gin_trgm_ops);
CREATE INDEX policies_name_trgm_idx ON policies USING gin (name gin_trgm_ops);
CREATE INDEX policies_description_trgm_idx ON policies USING gin (description gin_trgm_ops);
CREATE INDEX policies_managed_idx ON policies (slug) WHERE config_managed;
CREATE INDEX policies_shared_idx ON policies (tenant_uuid) WHERE shared;

-- Twice a user cannot be main; the interface sees to it that one is where there are addresses at all.
CREATE UNIQUE INDEX emails_main_key ON emails (user_uuid) WHERE main;
CREATE UNIQUE INDEX emails_user_address_key ON emails (user_uuid, address);

-- A tenant and everything below it. UNION, not UNION ALL: the root is its own parent.
-- +goose StatementBegin
CREATE FUNCTION tenant_subtree(root uuid) RETURNS SETOF uuid
LANGUAGE sql STABLE PARALLEL SAFE ROWS 100 AS $$
    WITH RECURSIVE down AS (
        SELECT t.uuid FROM tenants t WHERE t.uuid = root
        UNION
        SELECT c.uuid FROM tenants c JOIN down ON c.parent_uuid = down.uuid
    )
    SELECT down.uuid FROM down
$$;
-- +goose StatementEnd

-- A tenant, its parent and so on up to the root.
-- +goose StatementBegin
CREATE FUNCTION tenant_ancestors(tenant uuid) RETURNS SETOF uuid
LANGUAGE sql STABLE PARALLEL SAFE ROWS 5 AS $$
    WITH RECURSIVE up AS (
        SELECT t.uuid, t.parent_uuid FROM tenants t WHERE t.uuid = tenant
        UNION
        SELECT p.uuid, p.parent_uuid FROM tenants p JOIN up ON p.uuid = up.parent_uuid
    )
    SELECT up.uuid FROM up
$$;
-- +goose StatementEnd

-- The description that the first user's policy always had.
UPDATE policies SET description = E'Default Wazo policy for the "master" user\n\nDo not modify this policy, it can be modified in future Wazo upgrades\n'
WHERE slug = 'wazo_default_master_user_policy' AND description IS NULL AND NOT config_managed;
