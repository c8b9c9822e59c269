package metadata_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/xivo-auth/xivo-auth/backends"
	"github.com/xivo-auth/xivo-auth/backends/metadata"
	"github.com/xivo-auth/xivo-auth/db/dbtest"
	"github.com/xivo-auth/xivo-auth/db/dbtest/factory"
)

// fixed is a provider that always says the same.
type fixed struct {
	name              string
	token, persistent map[string]any
	err               error
}

func (f fixed) Name() string { return f.name }
func (f fixed) TokenMetadata(context.Context, backends.Subject) (map[string]any, error) {
	return f.token, f.err
}
func (f fixed) PersistentMetadata(context.Context, backends.Subject) (map[string]any, error) {
	return f.persistent, f.err
}

func allDefaults() map[string]bool {
	return map[string]bool{"default_user": true, "default_internal": true, "default_external_api": true}
}

func subject(purpose string) backends.Subject {
	return backends.Subject{Login: "l", User: &backends.User{UUID: uuid.New(), TenantUUID: uuid.New(), Purpose: purpose}}
}

func TestDefaultsSayWhoItIs(t *testing.T) {
	t.Parallel()
	xivo := "x"
	p := metadata.New(slog.New(slog.DiscardHandler), metadata.BuiltIn(nil, &xivo), allDefaults(), nil)
	for _, purpose := range []string{"user", "internal", "external_api"} {
		s := subject(purpose)
		got, err := p.Token(t.Context(), s)
		require.NoError(t, err)
		require.Equal(t, purpose, got["purpose"])
		require.Equal(t, s.User.UUID.String(), got["auth_id"])
		require.Equal(t, s.User.UUID.String(), got["uuid"])
		require.Equal(t, s.User.TenantUUID.String(), got["tenant_uuid"])
		require.Equal(t, &xivo, got["xivo_uuid"])
		require.Equal(t, purpose == "user", got["pbx_user_uuid"] != (*uuid.UUID)(nil))
		kept, err := p.Persistent(t.Context(), s)
		require.NoError(t, err)
		require.Empty(t, kept)
	}
}

func TestLaterProvidersOverrideAndAFailureFailsTheLogin(t *testing.T) {
	t.Parallel()
	enabled := allDefaults()
	for _, n := range []string{"one", "two", "bad"} {
		enabled[n] = true
	}
	available := append(metadata.BuiltIn(nil, nil), fixed{name: "one", token: map[string]any{"a": 1, "purpose": "mine"}, persistent: map[string]any{"k": 1}},
		fixed{name: "two", token: map[string]any{"a": 2}}, fixed{name: "bad", err: errors.New("no")})
	p := metadata.New(slog.New(slog.DiscardHandler), available, enabled, map[string][]string{"user": {"two", "one", "two"}, "internal": {"bad"}})
	got, err := p.Token(t.Context(), subject("user"))
	require.NoError(t, err)
	require.Equal(t, 1, got["a"])
	require.Equal(t, "mine", got["purpose"])
	kept, err := p.Persistent(t.Context(), subject("user"))
	require.NoError(t, err)
	require.Equal(t, map[string]any{"k": 1}, kept)
	_, err = p.Token(t.Context(), subject("internal"))
	require.ErrorContains(t, err, "bad")
}

func TestWhatTheConfigurationNamesInVainIsWarnedOf(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	enabled := allDefaults()
	enabled["default_internal"], enabled["missing"] = false, true
	p := metadata.New(slog.New(slog.NewTextHandler(&log, nil)), metadata.BuiltIn(nil, nil), enabled,
		map[string][]string{"user": {"user_admin_status", "nonsense"}, "robots": {}})
	for _, line := range []string{"Purposes must have the following metadata plugins enabled: default_internal", "Configuration has undefined purpose: robots",
		"A purpose has been assigned to an invalid metadata plugin: nonsense", "A purpose has been assigned to an invalid metadata plugin: user_admin_status", "plugin=missing"} {
		require.Contains(t, log.String(), line)
	}
	_, err := p.Token(t.Context(), subject("internal"))
	require.ErrorContains(t, err, "default_internal")
	_, err = p.Token(t.Context(), subject("user"))
	require.NoError(t, err)
}

func TestAdministratorsAreKnownByPolicyOrGroup(t *testing.T) {
	t.Parallel()
	pool := dbtest.Pool(t)
	top := factory.TopTenant(t.Context(), t, pool)
	exec := func(sql string, args ...any) {
		_, err := pool.Exec(t.Context(), sql, args...)
		require.NoError(t, err)
	}
	policy, admins, others := uuid.New(), uuid.New(), uuid.New()
	exec("INSERT INTO policies (uuid, tenant_uuid, name, slug) VALUES ($1, $2, 'p', 'wazo_default_admin_policy')", policy, top)
	exec("INSERT INTO groups (uuid, tenant_uuid, name, slug) VALUES ($1, $3, 'g', 'wazo_default_admin_group'), ($2, $3, 'o', 'o')", admins, others, top)
	exec("INSERT INTO group_policies VALUES ($1, $2)", others, policy)
	nobody, byPolicy, byGroup, throughGroup := factory.User(t.Context(), t, pool, factory.UserOpts{}), factory.User(t.Context(), t, pool, factory.UserOpts{}),
		factory.User(t.Context(), t, pool, factory.UserOpts{}), factory.User(t.Context(), t, pool, factory.UserOpts{})
	exec("INSERT INTO user_policies VALUES ($1, $2)", byPolicy, policy)
	exec("INSERT INTO user_groups VALUES ($1, $3), ($2, $4)", byGroup, throughGroup, admins, others)
	enabled := allDefaults()
	enabled["user_admin_status"] = true
	p := metadata.New(slog.New(slog.DiscardHandler), metadata.BuiltIn(pool, nil), enabled, map[string][]string{"user": {"user_admin_status"}})
	for id, want := range map[uuid.UUID]bool{nobody: false, byPolicy: true, byGroup: true, throughGroup: false} {
		got, err := p.Token(t.Context(), backends.Subject{User: &backends.User{UUID: id, Purpose: "user"}})
		require.NoError(t, err)
		require.Equal(t, want, got["admin"])
	}
}
