// Package factory makes rows for tests: optional fields, sensible defaults, so that a test names only what matters to it.
package factory

import (
	"context"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/xivo-auth/xivo-auth/db"
)

// TopTenant is the root of the tree.
func TopTenant(ctx context.Context, tb testing.TB, q db.DBTX) uuid.UUID {
	tb.Helper()
	top, err := db.New().TenantTop(ctx, q)
	require.NoError(tb, err)
	return top
}

// Tenant makes a tenant below a parent.
func Tenant(ctx context.Context, tb testing.TB, q db.DBTX, parent uuid.UUID) uuid.UUID {
	tb.Helper()
	id := uuid.New()
	_, err := q.Exec(ctx, "INSERT INTO tenants (uuid, parent_uuid, name, slug) VALUES ($1, $2, 'tenant', $3)", id, parent, id.String()[:10])
	require.NoError(tb, err)
	return id
}

// UserOpts describe a user. Zero fields get defaults.
type UserOpts struct {
	Tenant   uuid.UUID // the top tenant
	Username string    // random
	// PasswordHash as stored; empty for none.
	PasswordHash string
	Purpose      string // user
	Method       string // default
	Disabled     bool
	// ACL of a policy of the user's own.
	ACL []string
}

// User makes a user with a login.
func User(ctx context.Context, tb testing.TB, q db.DBTX, o UserOpts) uuid.UUID {
	tb.Helper()
	id := uuid.New()
	if o.Tenant == uuid.Nil {
		o.Tenant = TopTenant(ctx, tb, q)
	}
	if o.Username == "" {
		o.Username = "user-" + id.String()
	}
	if o.Purpose == "" {
		o.Purpose = "user"
	}
	if o.Method == "" {
		o.Method = "default"
	}
	var hash *string
	if o.PasswordHash != "" {
		hash = &o.PasswordHash
	}
	_, err := q.Exec(ctx, `INSERT INTO users (uuid, tenant_uuid, username, password_hash, purpose, authentication_method, enabled)
		VALUES ($1, $2, $3, $4, $5, $6, $7)`, id, o.Tenant, o.Username, hash, o.Purpose, o.Method, !o.Disabled)
	require.NoError(tb, err)
	_, err = q.Exec(ctx, "INSERT INTO logins (key, user_uuid) VALUES ($1, $2)", db.LoginKey(o.Username), id)
	require.NoError(tb, err)
	if o.ACL != nil {
		policy := uuid.New()
		_, err = q.Exec(ctx, "INSERT INTO policies (uuid, tenant_uuid, name, slug, acl) VALUES ($1, $2, $3, $3, $4)", policy, o.Tenant, policy.String(), o.ACL)
		require.NoError(tb, err)
		_, err = q.Exec(ctx, "INSERT INTO user_policies (user_uuid, policy_uuid) VALUES ($1, $2)", id, policy)
		require.NoError(tb, err)
	}
	return id
}
