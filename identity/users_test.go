package identity_test

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/xivo-auth/xivo-auth/db"
	"github.com/xivo-auth/xivo-auth/db/dbtest"
	"github.com/xivo-auth/xivo-auth/db/dbtest/factory"
	"github.com/xivo-auth/xivo-auth/fault"
	"github.com/xivo-auth/xivo-auth/identity"
	"github.com/xivo-auth/xivo-auth/password"
	"github.com/xivo-auth/xivo-auth/token"
)

func setup(t *testing.T) (*pgxpool.Pool, *identity.Users) {
	t.Helper()
	pool := dbtest.Pool(t)
	hasher := password.New(password.Params{MemoryKiB: 8192, Iterations: 1, Parallelism: 1}, 2, 100)
	wake := func() {}
	return pool, identity.NewUsers(pool, hasher, token.New(token.Deps{Pool: pool, Log: slog.New(slog.DiscardHandler), Wake: wake}), nil, wake)
}

func initial() identity.Initial {
	return identity.Initial{Username: "root", Password: "secret", Purpose: "internal", PolicySlug: "wazo_default_master_user_policy"}
}

func count(t *testing.T, pool *pgxpool.Pool, table string) (n int) {
	t.Helper()
	require.NoError(t, pool.QueryRow(t.Context(), "SELECT count(*) FROM "+table).Scan(&n))
	return n
}

func TestBootstrapMakesTheFirstUserOnce(t *testing.T) {
	t.Parallel()
	pool, users := setup(t)
	var created atomic.Int64
	var wg sync.WaitGroup
	for range 8 { // several processes may start at once
		wg.Go(func() {
			made, err := users.Bootstrap(context.WithoutCancel(t.Context()), initial())
			if err != nil {
				t.Error(err)
			}
			if made {
				created.Add(1)
			}
		})
	}
	wg.Wait()
	require.EqualValues(t, 1, created.Load())
	u, err := db.New().UserByLogin(t.Context(), pool, db.LoginKey("ROOT"))
	require.NoError(t, err)
	require.Equal(t, "native", u.Method)
	require.Equal(t, "internal", u.Purpose)
	require.Equal(t, factory.TopTenant(t.Context(), t, pool), u.TenantUUID)
	rows, err := db.New().UserAccess(t.Context(), pool, db.UserAccessParams{UserUUID: u.UUID})
	require.NoError(t, err)
	require.Len(t, rows, 1)
	require.Equal(t, "#", rows[0].Access)
	require.Equal(t, 1, count(t, pool, "user_groups"), "a member of the all-users group")
}

func TestBootstrapRefusesWithoutStoringAnything(t *testing.T) {
	t.Parallel()
	pool, users := setup(t)
	for name, change := range map[string]func(*identity.Initial){
		"policy":   func(i *identity.Initial) { i.PolicySlug = "nope" },
		"purpose":  func(i *identity.Initial) { i.Purpose = "nope" },
		"password": func(i *identity.Initial) { i.Password = "" },
		"username": func(i *identity.Initial) { i.Username = "" },
	} {
		in := initial()
		change(&in)
		_, err := users.Bootstrap(t.Context(), in)
		require.ErrorIs(t, err, fault.Invalid, name)
		require.Contains(t, err.Error(), name)
	}
	require.Zero(t, count(t, pool, "users"))
	_, err := users.Bootstrap(t.Context(), initial())
	require.NoError(t, err)
	other := initial()
	other.Password = "another"
	_, err = users.Bootstrap(t.Context(), other)
	require.ErrorIs(t, err, identity.ErrPasswordSet)
	require.EqualError(t, err, "User root exists already with different credential")
	require.NotContains(t, err.Error(), "another")
	require.Equal(t, 1, count(t, pool, "users"))
}

func TestAPasswordOfNobodyCannotBeSet(t *testing.T) {
	t.Parallel()
	_, users := setup(t)
	require.ErrorIs(t, users.SetPassword(t.Context(), uuid.New(), "x"), fault.NotFound)
}

func TestTenantsAndUsersWhoseMethodNobodyOffersAreFound(t *testing.T) {
	t.Parallel()
	pool, _ := setup(t)
	top := factory.TopTenant(t.Context(), t, pool)
	tenant := factory.Tenant(t.Context(), t, pool, top)
	_, err := pool.Exec(t.Context(), "UPDATE tenants SET default_authentication_method = 'badge' WHERE uuid = $1", tenant)
	require.NoError(t, err)
	user := factory.User(t.Context(), t, pool, factory.UserOpts{Method: "ldap"})
	factory.User(t.Context(), t, pool, factory.UserOpts{Method: "native"})
	factory.User(t.Context(), t, pool, factory.UserOpts{})
	d := identity.NewDirectory(pool)
	found, err := d.WithoutMethods(t.Context(), []string{"native", "default"})
	require.NoError(t, err)
	require.Equal(t, []identity.WithoutMethod{{Kind: "Tenant", UUID: tenant, Method: "badge"}, {Kind: "User", UUID: user, Method: "ldap"}}, found)
	found, err = d.WithoutMethods(t.Context(), []string{"native", "default", "badge", "ldap"})
	require.NoError(t, err)
	require.Empty(t, found)
}
