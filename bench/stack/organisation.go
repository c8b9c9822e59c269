package stack

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/xivo-auth/xivo-auth/db"
	"github.com/xivo-auth/xivo-auth/password"
)

// Organisation is how large a seeded organisation is.
type Organisation struct{ Tenants, Users, Policies int }

// Administrator is the user of a seeded organisation who may everything; the password is Password.
const Administrator = "administrator"

// SeedOrganisation makes tenants (every tenth directly below the root, the others below one of those), users spread over
// them with an address each, policies in the top tenant, and an administrator. Passwords have the given cost.
func (d Database) SeedOrganisation(ctx context.Context, o Organisation, cost password.Params) error {
	hash, err := password.New(cost, 1, 0).Hash(ctx, Password)
	if err != nil {
		return fmt.Errorf("stack: seed an organisation: %w", err)
	}
	err = pgx.BeginFunc(ctx, d.Pool, func(tx pgx.Tx) error {
		for _, s := range []struct {
			statement string
			args      []any
		}{
			{`INSERT INTO tenants (uuid, parent_uuid, name, slug)
				SELECT md5('tenant' || n)::uuid, CASE WHEN n % 10 = 0 THEN top.uuid ELSE md5('tenant' || (n - n % 10))::uuid END, 'Tenant ' || n, 't' || n
				FROM generate_series(0, $1::integer - 1) AS n, (SELECT uuid FROM tenants WHERE uuid = parent_uuid) AS top`, []any{o.Tenants}},
			{`INSERT INTO groups (tenant_uuid, name, slug, system_managed)
				SELECT uuid, 'wazo-all-users-tenant-' || uuid, 'wazo-all-users-tenant-' || uuid, true FROM tenants WHERE uuid <> parent_uuid`, nil},
			{`INSERT INTO users (uuid, tenant_uuid, username, firstname, lastname)
				SELECT md5('user' || n)::uuid, md5('tenant' || n % $2::integer)::uuid, 'user' || n, 'First' || n % 997, 'Last' || n % 9973
				FROM generate_series(0, $1::integer - 1) AS n`, []any{o.Users, o.Tenants}},
			{`INSERT INTO emails (user_uuid, address, login_key, main, confirmed)
				SELECT uuid, username || '@example.com', sha256(convert_to(username || '@example.com', 'UTF8')), true, true
				FROM users WHERE username LIKE 'user%'`, nil},
			{`INSERT INTO logins (key, user_uuid) SELECT sha256(convert_to(username, 'UTF8')), uuid FROM users WHERE username LIKE 'user%'`, nil},
			{`INSERT INTO logins (key, user_uuid, of_username) SELECT login_key, user_uuid, false FROM emails`, nil},
			{`INSERT INTO user_groups (user_uuid, group_uuid)
				SELECT u.uuid, g.uuid FROM users u JOIN groups g ON g.tenant_uuid = u.tenant_uuid AND g.system_managed`, nil},
			{`INSERT INTO policies (uuid, tenant_uuid, name, slug, acl)
				SELECT md5('policy' || n)::uuid, top.uuid, 'policy' || n, 'policy' || n, ARRAY['service' || n || '.#']
				FROM generate_series(0, $1::integer - 1) AS n, (SELECT uuid FROM tenants WHERE uuid = parent_uuid) AS top`, []any{o.Policies}},
		} {
			if _, err := tx.Exec(ctx, s.statement, s.args...); err != nil {
				return err
			}
		}
		_, err := tx.Exec(ctx, `WITH u AS (
				INSERT INTO users (tenant_uuid, username, password_hash, purpose, authentication_method)
				SELECT uuid, $1, $2, 'internal', 'native' FROM tenants WHERE uuid = parent_uuid RETURNING uuid
			), l AS (INSERT INTO logins (key, user_uuid) SELECT $3, uuid FROM u)
			INSERT INTO user_policies (user_uuid, policy_uuid)
			SELECT u.uuid, p.uuid FROM u, policies p WHERE p.slug = 'wazo_default_master_user_policy'`, Administrator, hash, db.LoginKey(Administrator))
		return err
	})
	if err == nil {
		_, err = d.Pool.Exec(ctx, "VACUUM (ANALYZE)")
	}
	if err == nil {
		_, err = d.Pool.Exec(ctx, "CHECKPOINT")
	}
	if err != nil {
		return fmt.Errorf("stack: seed an organisation: %w", err)
	}
	return nil
}

// User is the uuid of the n-th user of a seeded organisation.
func User(n int) string { return seeded("user", n) }

// Tenant is the uuid of its n-th tenant.
func Tenant(n int) string { return seeded("tenant", n) }

// Policy is the uuid of its n-th policy.
func Policy(n int) string { return seeded("policy", n) }

func seeded(kind string, n int) string { return uuid.UUID(digest(fmt.Sprint(kind, n))).String() }
