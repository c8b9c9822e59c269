// Package backendtest is the suite that every source of logins passes, whatever it is made of.
package backendtest

import (
	"context"
	"maps"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/xivo-auth/xivo-auth/backends"
)

// Fixture is a source that knows one login.
type Fixture struct {
	Provider        backends.Provider
	Login, Password string
	// Backend is the body's field that a request to this source carries.
	Backend string
	// Raw are fields of the body that a request to this source carries; may be nil.
	Raw map[string]any
	// Slow tells that the source does real work for a password, so that a deadline can be missed.
	Slow bool
}

func (f Fixture) request(login, password string) *backends.Request {
	raw := maps.Clone(f.Raw)
	if raw == nil {
		raw = map[string]any{}
	}
	return &backends.Request{Login: login, Password: password, Backend: f.Backend, Raw: raw, UserAgent: "test", RemoteAddr: "192.0.2.1"}
}

// Run runs the suite; open makes a fresh fixture for each part.
func Run(t *testing.T, open func(t *testing.T) Fixture) {
	t.Helper()
	t.Run("accepts its login and describes it", func(t *testing.T) { t.Parallel(); accepts(t, open(t)) })
	t.Run("rejects everything else alike", func(t *testing.T) { t.Parallel(); rejects(t, open(t)) })
	t.Run("names a stable identity", func(t *testing.T) { t.Parallel(); stable(t, open(t)) })
	t.Run("gives up with its context", func(t *testing.T) { t.Parallel(); cancelled(t, open(t)) })
	t.Run("serves parallel logins", func(t *testing.T) { t.Parallel(); parallel(t, open(t)) })
}

func accepts(t *testing.T, f Fixture) {
	t.Helper()
	require.NotEmpty(t, f.Provider.Method())
	r := f.request(f.Login, f.Password)
	mine, err := f.Provider.Claims(t.Context(), r)
	require.NoError(t, err)
	require.True(t, mine)
	nobodys, err := f.Provider.Claims(t.Context(), f.request("", ""))
	require.NoError(t, err)
	require.False(t, nobodys, "a request without credentials")
	a, err := f.Provider.Verify(t.Context(), r)
	require.NoError(t, err)
	require.NotEmpty(t, a.Login)
	require.NotNil(t, a.Backend)
	require.NotEmpty(t, a.Backend.Name())
	s := backends.Subject{Login: a.Login, User: a.User}
	metadata, err := a.Backend.Metadata(t.Context(), s)
	require.NoError(t, err)
	require.NotEmpty(t, metadata["auth_id"])
	_, err = a.Backend.AccessList(t.Context(), s, r)
	require.NoError(t, err)
	_, err = a.Backend.PersistentMetadata(t.Context(), s)
	require.NoError(t, err)
	again, err := f.Provider.BackendFor(t.Context(), a.Login)
	require.NoError(t, err)
	require.Equal(t, a.Backend.Name(), again.Name())
	ok, err := a.Backend.VerifyPassword(t.Context(), f.Login, f.Password, r)
	require.NoError(t, err)
	require.True(t, ok)
}

func rejects(t *testing.T, f Fixture) {
	t.Helper()
	const marker = "a-wrong-password-that-no-error-may-repeat"
	for name, c := range map[string][2]string{
		"wrong password": {f.Login, marker}, "unknown login": {"nobody-at-all", f.Password}, "wildcard login": {"*", f.Password},
		"login with wildcard": {f.Login[:1] + "*", f.Password}, "filter syntax": {f.Login + ")(uid=*", f.Password},
		"U+0000 in the login": {f.Login + "\x00", f.Password}, "U+0000 in the password": {f.Login, f.Password + "\x00"},
		"password cut short": {f.Login, f.Password[:len(f.Password)-1]}, "quote": {"' OR '1'='1", marker},
		"very long password": {f.Login, strings.Repeat("x", 100_000)}, "very long login": {strings.Repeat("x", 100_000), marker},
	} {
		_, err := f.Provider.Verify(t.Context(), f.request(c[0], c[1]))
		require.ErrorIs(t, err, backends.ErrRejected, name)
		require.NotContains(t, err.Error(), marker)
	}
	for name, c := range map[string][2]string{"empty password": {f.Login, ""}, "empty login": {"", f.Password}} {
		b, err := f.Provider.BackendFor(t.Context(), f.Login)
		require.NoError(t, err)
		ok, err := b.VerifyPassword(t.Context(), c[0], c[1], f.request(c[0], c[1]))
		require.NoError(t, err, name)
		require.False(t, ok, name)
	}
}

func stable(t *testing.T, f Fixture) {
	t.Helper()
	var ids []any
	for range 2 {
		a, err := f.Provider.Verify(t.Context(), f.request(f.Login, f.Password))
		require.NoError(t, err)
		m, err := a.Backend.Metadata(t.Context(), backends.Subject{Login: a.Login, User: a.User})
		require.NoError(t, err)
		ids = append(ids, m["auth_id"])
	}
	require.Equal(t, ids[0], ids[1])
}

func cancelled(t *testing.T, f Fixture) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := f.Provider.Verify(ctx, f.request(f.Login, f.Password))
	require.ErrorIs(t, err, context.Canceled, "could not tell is not a refusal")
	require.NotErrorIs(t, err, backends.ErrRejected)
	if !f.Slow {
		return
	}
	ctx, cancel = context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer cancel()
	_, err = f.Provider.Verify(ctx, f.request(f.Login, f.Password))
	require.ErrorIs(t, err, context.DeadlineExceeded)
}

func parallel(t *testing.T, f Fixture) {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() {
			password, want := f.Password, error(nil)
			if i%2 == 1 {
				password, want = "wrong", backends.ErrRejected
			}
			if _, err := f.Provider.Verify(ctx, f.request(f.Login, password)); want == nil && err != nil || want != nil && err == nil {
				t.Errorf("login %d: %v", i, err)
			}
		})
	}
	wg.Wait()
}
