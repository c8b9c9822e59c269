package main

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/xivo-auth/xivo-auth/config"
	"github.com/xivo-auth/xivo-auth/db/dbtest"
	"github.com/xivo-auth/xivo-auth/db/dbtest/factory"
	"github.com/xivo-auth/xivo-auth/password"
	"github.com/xivo-auth/xivo-auth/sources"
	"github.com/xivo-auth/xivo-auth/token"
)

// built holds the plug-ins of the tests.
var built string

func TestMain(m *testing.M) {
	code, err := runAll(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func runAll(m *testing.M) (int, error) {
	dir, err := os.MkdirTemp("", "plugins")
	if err != nil {
		return 1, err
	}
	defer os.RemoveAll(dir)
	built = dir
	cmd := exec.Command("go", "build", "-ldflags=-s -w", "-o", dir+"/", "./backends/plugin/testdata/plugins/unruly", "./e2e/testdata/plugins/backend/...",
		"./e2e/testdata/plugins/idp/...", "./e2e/testdata/plugins/metadata/...")
	cmd.Dir = "../.."
	if out, err := cmd.CombinedOutput(); err != nil {
		return 1, fmt.Errorf("build the plug-ins of the tests: %w\n%s", err, out)
	}
	return m.Run(), nil
}

// install makes a plug-ins directory of "<kind>/<name>"; each is the program of that name.
func install(t *testing.T, places ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, place := range places {
		require.NoError(t, os.MkdirAll(filepath.Join(dir, filepath.Dir(place)), 0o755))
		require.NoError(t, os.Symlink(filepath.Join(built, filepath.Base(place)), filepath.Join(dir, place)))
	}
	return dir
}

const goodPassword = "correct horse"

// try checks a source as the command does, without a terminal and without an environment.
func try(t *testing.T, name, login, pw string, raw map[string]any, change func(*config.API)) (output string, err error) {
	t.Helper()
	uri := dbtest.URI(t)
	pool := dbtest.PoolOn(t, uri)
	cheap := password.Params{MemoryKiB: 8192, Iterations: 1, Parallelism: 1}
	hash, err := password.New(cheap, 1, 0).Hash(t.Context(), goodPassword)
	require.NoError(t, err)
	for username, method := range map[string]string{"ours": "default", "broken": "broken_verify_auth", "alice.smith": "unruly"} {
		factory.User(t.Context(), t, pool, factory.UserOpts{Username: username, PasswordHash: hash, Method: method, ACL: []string{"a", "b"}})
	}
	cfg := config.DefaultAPI()
	cfg.DBURI = config.URI(uri)
	cfg.PasswordHash.MemoryKiB, cfg.PasswordHash.Iterations = int(cheap.MemoryKiB), int(cheap.Iterations)
	change(&cfg)
	var out bytes.Buffer
	c := trial{name: name, cfg: cfg, out: &out}
	if err := c.configured(); err != nil {
		return out.String(), err
	}
	if raw == nil {
		raw = map[string]any{}
	}
	err = withSources(t.Context(), cfg, slog.New(slog.DiscardHandler), func(s *sources.Sources, p *pgxpool.Pool) error {
		c.sources, c.pool = s, p
		return c.run(t.Context(), c.request(login, pw, raw))
	})
	require.NotContains(t, out.String(), pw, "a password is never shown")
	return out.String(), err
}

// ownProvider has the backend unruly be its own provider.
func ownProvider(dir string) func(*config.API) {
	return func(c *config.API) {
		c.PluginsDir = dir
		c.EnabledBackendPlugins["unruly"] = true
		c.IDPPlugins["unruly"] = config.IDPPlugin{Enabled: true, Priority: 10}
	}
}

func TestCheckTellsWhatEachStepGave(t *testing.T) {
	t.Parallel()
	unruly := install(t, "backend/unruly")
	replacing := install(t, "idp/broken_verify_auth_replacement", "idp/broken_can_authenticate", "backend/broken_verify_password", "backend/broken_init")
	idps := func(c *config.API) {
		c.PluginsDir = replacing
		c.EnabledBackendPlugins["broken_verify_password"], c.EnabledBackendPlugins["broken_init"] = true, true
		c.IDPPlugins["broken_can_authenticate"] = config.IDPPlugin{Enabled: true, Priority: 3}
		c.IDPPlugins["broken_verify_auth_replacement"] = config.IDPPlugin{Enabled: true, Priority: 5}
	}
	for name, tt := range map[string]struct {
		source, login, password string
		raw                     map[string]any
		change                  func(*config.API)
		want                    []string
		err                     string
	}{
		"good, somebody whom only the plug-in knows": {source: "unruly", login: "alice", password: "s3cret!", change: ownProvider(unruly),
			want: []string{"as a backend, as an identity provider of priority 10", "/backend/unruly\n", "the backend is its own identity provider", "loaded       backend/unruly\n",
				"unruly (priority 10): yes", `login "alice", backend unruly`, "none of ours, which this source allows", "access list  entries: 2", `["auth_id" "marker" "pid" "xivo_uuid"]`, "a client gets a token"}},
		"good, native": {source: "native", login: "ours", password: goodPassword, change: ownProvider(unruly),
			want: []string{"always", "unruly (priority 10): no", "native: yes", `login "ours", backend wazo_user`, "purpose user", "fits: native", "access list  entries: 2", `"tenant_uuid"`}},
		"good, an identity provider with a backend of this build": {source: "broken_verify_auth_replacement", login: "broken", password: "any", change: idps,
			raw: map[string]any{"broken_verify_auth": true}, want: []string{"broken_can_authenticate (priority 3): could not tell, the next one is asked", "fits: broken_verify_auth", "a client gets a token"}},
		"wrong password": {source: "unruly", login: "alice", password: "wrong one", change: ownProvider(unruly), want: []string{"verify       refused"}, err: "the login was refused: a client gets 401"},
		"the plug-in fails": {source: "unruly", login: "fail", password: "s3cret!", change: ownProvider(unruly),
			want: []string{"verify       could not tell: plug-in backend/unruly, verify_password"}, err: "the login failed: a client gets 500"},
		"the plug-in has an answer of its own": {source: "unruly", login: "api_error", password: "s3cret!", change: ownProvider(unruly), err: `the source's own error, not found ("No such realm")`},
		"hanging": {source: "unruly", login: "hang", password: "s3cret!", change: ownProvider(unruly),
			want: []string{"could not tell", "no answer within 5s"}, err: "the login failed: a client gets 500"},
		"not enabled": {source: "nobody", login: "a", password: "some password", change: ownProvider(unruly), want: []string{"enabled      no"}, err: "nobody is not enabled"},
		"not installed": {source: "unruly", login: "a", password: "some password", change: ownProvider(replacing),
			want: []string{"no " + replacing + "/backend/unruly", "no " + replacing + "/idp/unruly"}, err: "not installed"},
		"a provider of this build that the login is not for": {source: "ldap", login: "a", password: "some password", change: idps,
			want: []string{"part of xivo-auth", "ldap (priority 2): no"}, err: "the login was not for ldap, and failed"},
		"does not load": {source: "broken_init", login: "a", password: "some password", change: idps, want: []string{"backend/broken_init is left out", "broken on purpose"}, err: "broken_init does not load"},
		"no provider leads to the backend": {source: "broken_verify_password", login: "ours", password: goodPassword, change: idps,
			want: []string{"native: yes", "accepted", "broken_verify_password itself refuses the password"}, err: "the login gets a token, but not from broken_verify_password"},
		"a backend without a provider that accepts": {source: "unruly", login: "alice", password: "s3cret!", change: func(c *config.API) {
			ownProvider(unruly)(c)
			delete(c.IDPPlugins, "unruly")
		}, want: []string{"native: yes", "verify       refused", "unruly itself accepts the password"}, err: "the login was not for unruly, and failed"},
		"the method does not fit": {source: "native", login: "broken", password: goodPassword, change: ownProvider(unruly),
			want: []string{"does not fit: the user's is broken_verify_auth, the source's native"}, err: "a client gets 401"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			out, err := try(t, tt.source, tt.login, tt.password, tt.raw, tt.change)
			for _, w := range tt.want {
				require.Contains(t, out, w)
			}
			if tt.err == "" {
				require.NoError(t, err, out)
				return
			}
			require.ErrorContains(t, err, tt.err, out)
		})
	}
}

func TestTokensThatPluginsWereGivenEndWithTheCheck(t *testing.T) {
	t.Parallel()
	pool := dbtest.Pool(t)
	count := func() (n int) {
		require.NoError(t, pool.QueryRow(t.Context(), "SELECT count(*) FROM tokens").Scan(&n))
		return n
	}
	lent := &lentTokens{tokens: token.New(token.Deps{Pool: pool, Log: slog.New(slog.DiscardHandler), Wake: func() {}})}
	_, _, err := lent.issue(t.Context(), []string{"a.b"})
	require.NoError(t, err)
	require.Equal(t, 1, count())
	require.NoError(t, lent.revoke(t.Context(), pool))
	require.Zero(t, count())
}

func TestCheckReadsTheConfigurationOfTheAPIAndThePasswordFromAPipe(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "config.yml")
	require.NoError(t, os.WriteFile(file, fmt.Appendf(nil, "plugins_dir: %s\nenabled_backend_plugins: {unruly: true}\nidp_plugins: {unruly: {enabled: true}}\n",
		install(t, "backend/unruly")), 0o600))
	t.Setenv("XIVO_AUTH_CONFIG_FILE", file)
	t.Setenv("XIVO_AUTH_EXTRA_CONFIG_FILES", dir)
	t.Setenv("XIVO_AUTH_DB_URI", dbtest.URI(t))
	run := func(stdin string, args ...string) (string, error) {
		c := command()
		var out bytes.Buffer
		c.SetIn(strings.NewReader(stdin))
		c.SetOut(&out)
		c.SetErr(&out)
		c.SetArgs(append([]string{"backend", "check"}, args...))
		err := c.ExecuteContext(t.Context())
		return out.String(), err
	}
	out, err := run("s3cret!\nnot of the password", "unruly", "--login", "alice")
	require.NoError(t, err, out)
	require.Contains(t, out, "a client gets a token")
	_, err = run("s3cret!\n", "unruly")
	require.ErrorContains(t, err, "--login")
	_, err = run("", "unruly", "--login", "alice")
	require.ErrorContains(t, err, "a login and a password are needed")
	_, err = run(strings.Repeat("x", maxLine+1), "unruly", "--login", "alice")
	require.ErrorContains(t, err, "longer than")
	_, err = run("s3cret!\n", "unruly", "--login", "alice", "--body", "[]")
	require.ErrorContains(t, err, "--body")
	_, err = run("s3cret!\n", "unruly", "--login", "alice", "--password", "s3cret!")
	require.ErrorContains(t, err, "unknown flag")
}
