package db_test

import (
	"context"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/xivo-auth/xivo-auth/db"
	"github.com/xivo-auth/xivo-auth/db/dbtest"
)

func TestMigrationsRunOnceHoweverManyProcessesTry(t *testing.T) {
	t.Parallel()
	uri := dbtest.Empty(t)
	pool := dbtest.PoolOn(t, uri)
	require.ErrorIs(t, db.CheckSchema(t.Context(), pool), db.ErrSchema)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if _, err := db.Migrate(context.WithoutCancel(t.Context()), uri); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	require.NoError(t, db.CheckSchema(t.Context(), pool))
	steps, err := db.Migrate(t.Context(), uri)
	require.NoError(t, err)
	require.Empty(t, steps)
}

func TestAFreshDatabaseHoldsWhatTheContractNames(t *testing.T) {
	t.Parallel()
	pool := dbtest.Pool(t)
	for query, want := range map[string]string{
		"SELECT name || ' ' || slug || ' ' || default_authentication_method FROM tenants WHERE uuid = parent_uuid":        "master master native",
		"SELECT string_agg(slug || ' ' || array_to_string(acl, ','), ';') FROM policies":                                  "wazo_default_master_user_policy #",
		"SELECT replace(string_agg(slug, ';'), (SELECT uuid::text FROM tenants), 'TOP') FROM groups WHERE system_managed": "wazo-all-users-tenant-TOP",
		"SELECT count(*)::text FROM users": "0",
	} {
		var got string
		require.NoError(t, pool.QueryRow(t.Context(), query).Scan(&got), query)
		require.Equal(t, want, got)
	}
	_, err := pool.Exec(t.Context(), "INSERT INTO tenants (uuid, parent_uuid, slug) SELECT u, u, 'second' FROM gen_random_uuid() u")
	require.True(t, db.UniqueViolation(err, "tenants_root_key"), "there is one root")
	_, err = pool.Exec(t.Context(), "INSERT INTO installation (singleton) VALUES (true)")
	require.True(t, db.UniqueViolation(err, "installation_pkey"))
}

func TestAPoolOutlivesTheEndOfItsConnections(t *testing.T) {
	t.Parallel()
	uri := dbtest.URI(t)
	pool, admin := dbtest.PoolOn(t, uri), dbtest.PoolOn(t, uri)
	for range 4 { // several idle connections
		c, err := pool.Acquire(t.Context())
		require.NoError(t, err)
		defer c.Release()
	}
	pool.Reset()
	ids := []int32{}
	conns := make([]interface{ Release() }, 0, 4)
	for range 4 {
		c, err := pool.Acquire(t.Context())
		require.NoError(t, err)
		ids = append(ids, int32(c.Conn().PgConn().PID()))
		conns = append(conns, c)
	}
	for _, c := range conns {
		c.Release()
	}
	_, err := admin.Exec(t.Context(), "SELECT pg_terminate_backend(x) FROM unnest($1::int[]) x", ids)
	require.NoError(t, err)
	require.NoError(t, db.Retry(t.Context(), func() error {
		_, err := db.New().TenantTop(t.Context(), pool)
		return err
	}), "the first request after a restart works")
}
