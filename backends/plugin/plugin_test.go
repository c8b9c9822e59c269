package plugin_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/xivo-auth/xivo-auth/backends"
	"github.com/xivo-auth/xivo-auth/backends/backendtest"
	"github.com/xivo-auth/xivo-auth/backends/plugin"
	"github.com/xivo-auth/xivo-auth/fault"
)

func subjectOf(login string) backends.Subject { return backends.Subject{Login: login} }

func ask(login, password string) *backends.Request {
	return &backends.Request{Login: login, Password: password, Backend: "unruly", Raw: map[string]any{}}
}

// unruly is the test plug-in as a backend and its own provider.
func unruly(t *testing.T, o plugin.Options) (*plugin.Host, backends.Provider, backends.Backend) {
	t.Helper()
	if o.Dir == "" {
		o.Dir = install(t, "backend/unruly")
	}
	o.Backends, o.Providers = append(o.Backends, "unruly"), map[string]int{"unruly": 7}
	h := load(t, o)
	require.Len(t, h.Providers(), 1)
	require.Len(t, h.Backends(), 1)
	return h, h.Providers()[0].Provider, h.Backends()[0]
}

func TestPluginInGoPassesTheSuite(t *testing.T) {
	t.Parallel()
	backendtest.Run(t, func(t *testing.T) backendtest.Fixture {
		t.Helper()
		_, p, _ := unruly(t, plugin.Options{})
		return backendtest.Fixture{Provider: p, Login: "alice", Password: "s3cret!", Backend: "unruly", Slow: true}
	})
}

func TestBackendIsItsOwnProviderOnlyWhenItIsEnabledAsOne(t *testing.T) {
	t.Parallel()
	h, p, _ := unruly(t, plugin.Options{})
	require.Equal(t, 7, h.Providers()[0].Priority)
	require.Equal(t, "unruly", p.Method())
	other := ask("alice", "s3cret!")
	other.Backend = "wazo_user"
	mine, err := p.Claims(t.Context(), other)
	require.NoError(t, err)
	require.False(t, mine, "a request that does not name it")

	h = load(t, plugin.Options{Dir: install(t, "backend/unruly"), Backends: []string{"unruly"}})
	require.Empty(t, h.Providers())
	require.Len(t, h.Backends(), 1)
}

func TestRequestReachesThePluginWhole(t *testing.T) {
	t.Parallel()
	_, _, b := unruly(t, plugin.Options{})
	ok, err := b.VerifyPassword(t.Context(), "raw", "pw", &backends.Request{Login: "raw", Password: "pw", Backend: "unruly",
		Raw: map[string]any{"realm": "pw"}, Mobile: true, UserAgent: "agent", RemoteAddr: "192.0.2.7"})
	require.NoError(t, err)
	require.True(t, ok)
}

func TestPluginIsLoadedWithItsSettings(t *testing.T) {
	t.Parallel()
	xivo := "11111111-2222-3333-4444-555555555555"
	_, _, b := unruly(t, plugin.Options{XivoUUID: &xivo, Settings: map[string]map[string]any{"backend/unruly": {"marker": "here"}}})
	m, err := b.Metadata(t.Context(), subjectOf("x"))
	require.NoError(t, err)
	require.Equal(t, "here", m["marker"])
	user := backends.User{UUID: uuid.New(), TenantUUID: uuid.New(), Purpose: "user"}
	m, err = b.Metadata(t.Context(), backends.Subject{Login: "base", User: &user})
	require.NoError(t, err)
	require.Equal(t, map[string]any{"uuid": user.UUID.String(), "auth_id": user.UUID.String(), "tenant_uuid": user.TenantUUID.String(),
		"pbx_user_uuid": nil, "xivo_uuid": xivo}, m)
}

func TestWhatAPluginDoesNotOfferHasTheDefaultsOfTheContract(t *testing.T) {
	t.Parallel()
	_, _, b := unruly(t, plugin.Options{})
	list, err := b.AccessList(t.Context(), subjectOf("default"), ask("x", "y"))
	require.NoError(t, err)
	require.Equal(t, []string{}, list)
	m, err := b.Metadata(t.Context(), subjectOf("default"))
	require.NoError(t, err)
	require.Equal(t, map[string]any{"auth_id": nil, "username": "default", "xivo_uuid": (*string)(nil), "pbx_user_uuid": nil}, m)
	m, err = b.PersistentMetadata(t.Context(), subjectOf("default"))
	require.NoError(t, err)
	require.Equal(t, map[string]any{}, m)
}

func TestPluginGetsNoEnvironmentOfOurs(t *testing.T) {
	t.Parallel()
	_, _, b := unruly(t, plugin.Options{})
	ok, err := b.VerifyPassword(t.Context(), "environment", "x", ask("environment", "x"))
	require.NoError(t, err)
	require.True(t, ok)
}

func TestServiceTokenComesWithEachCallAndIsRenewedBeforeItsEnd(t *testing.T) {
	t.Parallel()
	lifetime := time.Hour
	var made int
	h := load(t, plugin.Options{Dir: install(t, "backend/token=unruly"), Backends: []string{"token"},
		ServiceToken: func(_ context.Context, accesses []string) (string, time.Time, error) {
			require.Equal(t, []string{"a.b"}, accesses)
			made++
			return "token-" + string(rune('0'+made)), time.Now().Add(lifetime), nil
		}})
	sees := func(token string) {
		t.Helper()
		ok, err := h.Backends()[0].VerifyPassword(t.Context(), "token", token, ask("token", token))
		require.NoError(t, err)
		require.True(t, ok, token)
	}
	sees("token-1")
	sees("token-1")
	h = load(t, plugin.Options{Dir: install(t, "backend/token=unruly"), Backends: []string{"token"}})
	require.Equal(t, plugin.StateDropped, h.Health()[0].State, "no tokens to be had")

	made, lifetime = 0, 29*time.Second
	h = load(t, plugin.Options{Dir: install(t, "backend/token=unruly"), Backends: []string{"token"},
		ServiceToken: func(context.Context, []string) (string, time.Time, error) {
			made++
			if made == 3 {
				return "", time.Time{}, errors.New("no database")
			}
			return "token-" + string(rune('0'+made)), time.Now().Add(lifetime), nil
		}})
	sees("token-1")
	sees("token-2")
	_, err := h.Backends()[0].VerifyPassword(t.Context(), "token", "x", ask("token", "x"))
	require.ErrorContains(t, err, "no database")
}

func TestProviderNamesABackend(t *testing.T) {
	t.Parallel()
	h := load(t, plugin.Options{Dir: install(t, "backend/unruly", "idp/provider=unruly"), Backends: []string{"unruly"}, Providers: map[string]int{"provider": 3}})
	require.Len(t, h.Providers(), 1)
	p := h.Providers()[0].Provider
	require.Equal(t, "provider", p.Method())
	r := &backends.Request{Login: "Alice", Raw: map[string]any{"mine": true}}
	mine, err := p.Claims(t.Context(), r)
	require.NoError(t, err)
	require.True(t, mine)
	mine, err = p.Claims(t.Context(), &backends.Request{Login: "Alice"})
	require.NoError(t, err)
	require.False(t, mine)
	a, err := p.Verify(t.Context(), r)
	require.NoError(t, err)
	require.Equal(t, "alice", a.Login)
	require.Equal(t, "unruly", a.Backend.Name())
	require.True(t, a.Foreign)
	require.Equal(t, "by the provider", r.Raw["written"], "seen by the backend")

	_, err = p.Verify(t.Context(), &backends.Request{Login: "nobody"})
	require.ErrorIs(t, err, backends.ErrRejected)
	_, err = p.Verify(t.Context(), &backends.Request{Login: "lost"})
	require.ErrorContains(t, err, `plug-in idp/provider names the backend "gone", which is not loaded`)
	require.NotErrorIs(t, err, backends.ErrRejected)
	_, err = p.BackendFor(t.Context(), "alice")
	require.ErrorIs(t, err, backends.ErrRejected, "it has no such operation")
}

// The configuration of backends.md section 15.
func TestContractsTestPlugins(t *testing.T) {
	t.Parallel()
	wazo := fakeBackend{}
	o := plugin.Options{
		Dir: install(t, "backend/broken_init", "backend/broken_verify_password", "idp/broken_load", "idp/broken_can_authenticate", "idp/broken_verify_auth",
			"idp/broken_verify_auth_replacement", "metadata/internal_token"),
		Backends: []string{"broken_init", "broken_verify_password"}, Metadata: []string{"internal_token"}, BuiltIn: []backends.Backend{wazo},
		Providers: map[string]int{"broken_load": 2, "broken_can_authenticate": 3, "broken_verify_auth": 4, "broken_verify_auth_replacement": 5},
		ServiceToken: func(context.Context, []string) (string, time.Time, error) {
			return uuid.NewString(), time.Now().Add(time.Hour), nil
		},
		ServiceURL: "http://127.0.0.1:1",
	}
	h := load(t, o)
	require.Equal(t, []string{"broken_init", "broken_verify_password"}, h.BackendNames())
	require.Len(t, h.Backends(), 1)
	var methods []string
	for _, e := range h.Providers() {
		methods = append(methods, e.Provider.Method())
	}
	require.Equal(t, []string{"broken_can_authenticate", "broken_verify_auth", "broken_verify_auth"}, methods)

	ok, err := h.Backends()[0].VerifyPassword(t.Context(), "a", "b", ask("a", "b"))
	require.NoError(t, err)
	require.False(t, ok)

	r := &backends.Request{Login: "alice", Password: "pw", Raw: map[string]any{"broken_verify_auth": true}}
	_, err = h.Providers()[0].Provider.Claims(t.Context(), r)
	require.ErrorContains(t, err, "broken on purpose")
	for _, e := range h.Providers()[1:] {
		mine, err := e.Provider.Claims(t.Context(), r)
		require.NoError(t, err)
		require.True(t, mine)
	}
	_, err = h.Providers()[1].Provider.Verify(t.Context(), r)
	require.ErrorIs(t, err, backends.ErrRejected)
	_, err = h.Providers()[1].Provider.BackendFor(t.Context(), "alice")
	require.ErrorContains(t, err, "broken on purpose")
	require.NotErrorIs(t, err, backends.ErrRejected)
	a, err := h.Providers()[2].Provider.Verify(t.Context(), r)
	require.NoError(t, err)
	require.Equal(t, wazo, a.Backend)
	require.False(t, a.Foreign)

	m := h.Metadata()[0]
	require.Equal(t, "internal_token", m.Name())
	_, err = m.TokenMetadata(t.Context(), subjectOf("x"))
	require.ErrorContains(t, err, "failed", "there is no service here")
	kept, err := m.PersistentMetadata(t.Context(), subjectOf("x"))
	require.NoError(t, err)
	require.Len(t, kept["persistent"], 36)
}

type fakeBackend struct{ backends.Backend }

func (fakeBackend) Name() string { return "wazo_user" }

func TestStartFailures(t *testing.T) {
	t.Parallel()
	open := filepath.Join(t.TempDir(), "open")
	body, err := os.ReadFile(filepath.Join(built, "broken_verify_password"))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(open, body, 0o755))
	require.NoError(t, os.Chmod(open, 0o777))
	for name, c := range map[string]struct {
		program, checksum, want string
		providers               bool
	}{
		"missing":       {want: "it is not installed"},
		"garbage":       {program: "unruly", want: "printed something else than the first line of a plug-in: Hello, I am no plug-in"},
		"endless":       {program: "unruly", want: "ended before it was ready"},
		"newer":         {program: "unruly", want: "another version of the protocol"},
		"elsewhere":     {program: "unruly", want: "neither on a socket nor on a loopback address"},
		"silent":        {program: "unruly", want: "not ready in time"},
		"crash":         {program: "unruly", want: "ended before it was ready"},
		"mute":          {program: "unruly", want: "names no authentication method", providers: true},
		"provider":      {program: "unruly", want: "not backend"},
		"broken_init":   {program: "broken_init", want: "its load step failed: Unknown: broken on purpose"},
		"checked":       {program: "unruly", checksum: "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff", want: "does not have the configured checksum"},
		"badly_checked": {program: "unruly", checksum: "xyz", want: "not a SHA-256"},
		"open":          {program: open, want: "may be changed by everybody"},
		"../x":          {want: "no name of a plug-in"},
		"text":          {program: "text", want: "not an executable file"},
		"wazo_user":     {program: "unruly", want: "a backend of this build has its name"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			kind := plugin.KindBackend
			o := plugin.Options{Dir: dir, MinBackoff: time.Millisecond, BuiltIn: []backends.Backend{fakeBackend{}}}
			if c.providers {
				kind = plugin.KindIDP
				o.Providers = map[string]int{name: 1}
			} else {
				o.Backends = []string{name}
			}
			if c.program != "" {
				require.NoError(t, os.MkdirAll(filepath.Join(dir, kind), 0o755))
				place := filepath.Join(dir, kind, name)
				switch {
				case c.program == "text":
					require.NoError(t, os.WriteFile(place, []byte("#!/bin/sh\n"), 0o644))
				case filepath.IsAbs(c.program):
					require.NoError(t, os.Symlink(c.program, place))
				default:
					require.NoError(t, os.Symlink(filepath.Join(built, c.program), place))
				}
			}
			o.Checksums = map[string]string{kind + "/" + name: c.checksum}
			if name == "silent" {
				o.StartTimeout = time.Second
			}
			rec, log := newRecord()
			o.Log = log
			h := load(t, o)
			require.Empty(t, h.Backends())
			require.Empty(t, h.Providers())
			require.Len(t, h.Health(), 1)
			require.Equal(t, plugin.StateDropped, h.Health()[0].State)
			require.Contains(t, h.Health()[0].Error, c.want)
			require.Contains(t, rec.String(), "level=ERROR")
			require.Equal(t, c.program != "", len(h.BackendNames()) == 1 || c.providers, "listed when it is installed")
		})
	}
}

func TestApiErrorOfAPluginPassesThrough(t *testing.T) {
	t.Parallel()
	_, p, _ := unruly(t, plugin.Options{})
	_, err := p.Verify(t.Context(), ask("api_error", "x"))
	f, ok := fault.As(err)
	require.True(t, ok)
	require.Equal(t, fault.NotFound, f.Kind)
	require.Equal(t, "unknown-realm", f.ID)
	require.Equal(t, "No such realm", f.Message)
	require.Equal(t, map[string]any{"realm": "x"}, f.Details)
}
