-- Directories that tenants' users log in with (backends.md section 6).

-- +goose Up

CREATE TABLE ldap_configs (
    tenant_uuid          uuid PRIMARY KEY,
    host                 text NOT NULL,
    port                 integer NOT NULL,
    protocol_version     integer NOT NULL,
    protocol_security    text,
    bind_dn              text,
    user_base_dn         text NOT NULL,
    user_login_attribute text NOT NULL,
    user_email_attribute text NOT NULL,
    search_filters       text,
    -- The password of bind_dn, and the key that closed it.
    sealed_bind_password bytea,
    key_id               text,
    CONSTRAINT ldap_configs_tenant_fkey FOREIGN KEY (tenant_uuid) REFERENCES tenants (uuid) ON DELETE CASCADE,
    CONSTRAINT ldap_configs_sealed CHECK ((sealed_bind_password IS NULL) = (key_id IS NULL))
);
