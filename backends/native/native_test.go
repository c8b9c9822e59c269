package native_test

import (
	"context"
	"crypto/pbkdf2"
	"crypto/sha512"
	"encoding/hex"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/xivo-auth/xivo-auth/backends"
	"github.com/xivo-auth/xivo-auth/backends/backendtest"
	"github.com/xivo-auth/xivo-auth/backends/metadata"
	"github.com/xivo-auth/xivo-auth/backends/native"
	"github.com/xivo-auth/xivo-auth/db/dbtest"
	"github.com/xivo-auth/xivo-auth/db/dbtest/factory"
	"github.com/xivo-auth/xivo-auth/fault"
	"github.com/xivo-auth/xivo-auth/password"
)

var cheap = password.Params{MemoryKiB: 8192, Iterations: 1, Parallelism: 1}

func TestNativePassesTheSuite(t *testing.T) {
	t.Parallel()
	backendtest.Run(t, func(t *testing.T) backendtest.Fixture {
		t.Helper()
		pool, hasher := dbtest.Pool(t), password.New(cheap, 2, 100)
		hash, err := hasher.Hash(t.Context(), "s3cret!")
		require.NoError(t, err)
		factory.User(t.Context(), t, pool, factory.UserOpts{Username: "alice", PasswordHash: hash, ACL: []string{"a.b"}})
		return backendtest.Fixture{Provider: native.New(native.Deps{Pool: pool, Hasher: hasher, Log: slog.New(slog.DiscardHandler), Metadata: metadata.Default(nil)}),
			Login: "alice", Password: "s3cret!", Backend: native.Name, Slow: true}
	})
}

func TestAHashOfWazoAuthIsUpgradedAtLogin(t *testing.T) {
	t.Parallel()
	pool, hasher := dbtest.Pool(t), password.New(cheap, 2, 10)
	salt := []byte(strings.Repeat("s", 64))
	key, err := pbkdf2.Key(sha512.New, "pässword", salt, 250_000, 64)
	require.NoError(t, err)
	imported, err := password.ImportPBKDF2(salt, hex.EncodeToString(key), 250_000)
	require.NoError(t, err)
	id := factory.User(t.Context(), t, pool, factory.UserOpts{Username: "old", PasswordHash: imported})
	src := native.New(native.Deps{Pool: pool, Hasher: hasher, Log: slog.New(slog.DiscardHandler), Metadata: metadata.Default(nil)})
	stored := func() (h string) {
		require.NoError(t, pool.QueryRow(t.Context(), "SELECT password_hash FROM users WHERE uuid = $1", id).Scan(&h))
		return h
	}
	_, err = src.Verify(t.Context(), &backends.Request{Login: "old", Password: "wrong"})
	require.ErrorIs(t, err, backends.ErrRejected)
	require.Equal(t, imported, stored())
	a, err := src.Verify(t.Context(), &backends.Request{Login: "old", Password: "pässword"})
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(stored(), "$argon2id$"))
	require.Equal(t, stored(), *a.User.PasswordHash, "what was verified is what issuing compares with")
	_, err = src.Verify(t.Context(), &backends.Request{Login: "old", Password: "pässword"})
	require.NoError(t, err)
}

func TestMoreLoginsThanTheQueueHoldsAreToldToComeAgain(t *testing.T) {
	t.Parallel()
	pool, hasher := dbtest.Pool(t), password.New(password.Params{MemoryKiB: 65536, Iterations: 3, Parallelism: 1}, 1, 0)
	src := native.New(native.Deps{Pool: pool, Hasher: hasher, Log: slog.New(slog.DiscardHandler), Metadata: metadata.Default(nil)})
	busy := make(chan error, 20)
	for range 20 {
		go func() {
			_, err := src.Verify(t.Context(), &backends.Request{Login: "nobody", Password: "x"})
			busy <- err
		}()
	}
	refused := 0
	for range 20 {
		err := <-busy
		if f, ok := fault.As(err); ok && f.Kind == fault.Unavailable {
			require.Positive(t, f.RetryAfter)
			refused++
		} else {
			require.ErrorIs(t, err, backends.ErrRejected)
		}
	}
	require.Positive(t, refused)
}

func TestTheAccessListIsThatOfConfigurationGroupsAndUserInThisOrder(t *testing.T) {
	t.Parallel()
	pool := dbtest.Pool(t)
	top := factory.TopTenant(t.Context(), t, pool)
	id := factory.User(t.Context(), t, pool, factory.UserOpts{ACL: []string{"own", "shared"}})
	group, policy := uuid.New(), uuid.New()
	for _, q := range []struct {
		sql  string
		args []any
	}{
		{"INSERT INTO policies (tenant_uuid, name, slug, acl) VALUES ($1, 'everybody', 'x', '{default}'), ($1, 'legacy', 'y', '{legacy}')", []any{top}},
		{"INSERT INTO policies (uuid, tenant_uuid, name, slug, acl) VALUES ($1, $2, 'g', 'g', '{group,shared}')", []any{policy, top}},
		{"INSERT INTO groups (uuid, tenant_uuid, name, slug) VALUES ($1, $2, 'g', 'g')", []any{group, top}},
		{"INSERT INTO group_policies VALUES ($1, $2)", []any{group, policy}},
		{"INSERT INTO user_groups VALUES ($1, $2)", []any{id, group}},
	} {
		_, err := pool.Exec(t.Context(), q.sql, q.args...)
		require.NoError(t, err)
	}
	src := native.New(native.Deps{Pool: pool, Log: slog.New(slog.DiscardHandler), DefaultPolicy: "everybody", BackendPolicies: map[string]string{"xivo_user": "legacy", "other": "missing"}})
	sub := backends.Subject{User: &backends.User{UUID: id}}
	for field, first := range map[string]string{"wazo_user": "default", "xivo_user": "legacy", "other": ""} {
		got, err := src.AccessList(t.Context(), sub, &backends.Request{Backend: field})
		require.NoError(t, err)
		want := []string{"group", "shared", "own", "shared"}
		if first != "" {
			want = append([]string{first}, want...)
		}
		require.Equal(t, want, got, field)
	}
}

// counter counts hashes instead of making them.
type counter struct{ verified, absent atomic.Int64 }

func (c *counter) Verify(context.Context, string, string) (ok, rehash bool, err error) {
	c.verified.Add(1)
	return false, false, nil
}

func (c *counter) VerifyAbsent(context.Context, string) error { c.absent.Add(1); return nil }

func (c *counter) Hash(context.Context, string) (string, error) { return "", nil }

func TestEveryRefusedLoginCostsOneHash(t *testing.T) {
	t.Parallel()
	pool, hashes := dbtest.Pool(t), &counter{}
	factory.User(t.Context(), t, pool, factory.UserOpts{Username: "known", PasswordHash: "x"})
	factory.User(t.Context(), t, pool, factory.UserOpts{Username: "disabled", PasswordHash: "x", Disabled: true})
	factory.User(t.Context(), t, pool, factory.UserOpts{Username: "without password"})
	src := native.New(native.Deps{Pool: pool, Hasher: hashes, Log: slog.New(slog.DiscardHandler)})
	for i, login := range []string{"known", "disabled", "without password", "unknown"} {
		_, err := src.Verify(t.Context(), &backends.Request{Login: login, Password: "wrong"})
		require.ErrorIs(t, err, backends.ErrRejected)
		require.EqualValues(t, i+1, hashes.verified.Load()+hashes.absent.Load(), login)
	}
	require.EqualValues(t, 1, hashes.verified.Load())
}
