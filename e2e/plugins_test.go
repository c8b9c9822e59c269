package e2e

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/bcrypt"
)

var pluginPrograms struct {
	sync.Once
	dir string
	err error
}

// plugins is a folder of plug-ins as plugins_dir wants it, built on first use. They are built without the race detector: they
// are started many times, and have time limits.
func plugins(t *testing.T) string {
	t.Helper()
	beside := filepath.Dir(program(t, "api"))
	pluginPrograms.Do(func() {
		pluginPrograms.dir = filepath.Join(beside, "plugins")
		for _, b := range []struct{ in, to, what string }{
			{".", "backend/", "./testdata/plugins/backend/..."},
			{".", "idp/", "./testdata/plugins/idp/..."},
			{".", "metadata/", "./testdata/plugins/metadata/..."},
			{".", "external_auth/", "./testdata/plugins/external_auth/..."},
			{".", "email_notification/", "./testdata/plugins/email_notification/..."},
			{"..", "backend/unruly", "./backends/plugin/testdata/plugins/unruly"},
			{"../examples/backend-htpasswd", "backend/htpasswd", "."},
		} {
			cmd := exec.Command("go", "build", "-ldflags=-s -w", "-o", pluginPrograms.dir+"/"+b.to, b.what)
			cmd.Dir = b.in
			if out, err := cmd.CombinedOutput(); err != nil {
				pluginPrograms.err = fmt.Errorf("build the plug-ins %s in %s: %w\n%s", b.what, b.in, err, out)
				return
			}
		}
		// The same program fails in other ways under another name.
		pluginPrograms.err = os.Symlink("../backend/unruly", filepath.Join(pluginPrograms.dir, "idp", "slow"))
	})
	require.NoError(t, pluginPrograms.err)
	return pluginPrograms.dir
}

// plugged starts one more API of the installation, with a configuration of its own.
func (s *stack) plugged(t *testing.T, config string) *process {
	t.Helper()
	file := filepath.Join(t.TempDir(), "config.yml")
	require.NoError(t, os.WriteFile(file, []byte(config), 0o600))
	p := s.process(t, "api of "+t.Name(), "api", map[string]string{"config_file": file, "plugins_dir": plugins(t)})
	t.Cleanup(func() {
		s.end(t, p)
		require.Empty(t, s.finder().find([]byte(p.log.String())), "a secret in the log of %s", p.name)
	})
	p.start(t)
	s.awaitAPI(t, p)
	return p
}

// reconfigure restarts an API with another configuration.
func (s *stack) reconfigure(t *testing.T, p *process, config string) {
	t.Helper()
	for _, v := range p.env {
		if file, ok := strings.CutPrefix(v, "XIVO_AUTH_CONFIG_FILE="); ok {
			require.NoError(t, os.WriteFile(file, []byte(config), 0o600))
		}
	}
	p.signal(syscall.SIGTERM)
	require.Zero(t, p.wait(t, bearable))
	s.restart(t, p)
}

func (s *stack) backends(t *testing.T, p *process) []string {
	t.Helper()
	var list struct{ Data []string }
	s.ask(t, p, request{method: http.MethodGet, path: "/backends"}).into(t, &list)
	return list.Data
}

// addUserOf makes a user whose logins another source decides about.
func (s *stack) addUserOf(t *testing.T, method, purpose string, accesses ...string) (username string, id uuid.UUID) {
	t.Helper()
	username, id = s.addUser(t, purpose, accesses...)
	_, err := s.db.Exec(t.Context(), "UPDATE users SET authentication_method = $2 WHERE uuid = $1", id, method)
	require.NoError(t, err)
	return username, id
}

// TestPlugins is one installation with APIs that have different plug-ins.
func TestPlugins(t *testing.T) {
	t.Parallel()
	s := newStack(t, options{})
	for name, test := range map[string]func(*testing.T, *stack){
		"a backend plug-in decides about its own logins until it is switched off": backendPluginIsASource,
		"the priorities of two plug-ins decide, and broken ones stop nobody":      prioritiesDecide,
		"a metadata plug-in adds to tokens and keeps with refresh tokens":         metadataPlugin,
		"a plug-in killed in a login fails that login and comes back":             killedPlugin,
		"a plug-in that hangs delays nobody else":                                 hangingPlugin,
		"a plug-in whose process stands still is replaced":                        stoppedPlugin,
		"what goes wrong in a plug-in is told apart":                              pluginFailures,
		"a purpose without its metadata plug-in cannot log in":                    purposeWithoutPlugin,
		"a plug-in sends the mails":                                               mailPlugin,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, s)
		})
	}
}

func backendPluginIsASource(t *testing.T, s *stack) {
	ours, _ := s.addUser(t, "user", "ours")
	mapped, mappedID := s.addUserOf(t, "htpasswd", "user", "of.us")
	plugin := "Wort-" + random(12)
	s.secret(plugin)
	hash, err := bcrypt.GenerateFromPassword([]byte(plugin), bcrypt.MinCost)
	require.NoError(t, err)
	dir := t.TempDir()
	var users strings.Builder
	for _, name := range []string{"alice", "bob", ours, mapped} {
		fmt.Fprintf(&users, "%s:%s\n", name, hash)
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, "users"), []byte(users.String()), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "access"), []byte(`{"alice": ["confd.#", "dird.read", "auth.users.me.tokens.#"], "*": ["guest"]}`), 0o600))
	config := func(on bool) string {
		return fmt.Sprintf(`
enabled_backend_plugins: {htpasswd: %v}
idp_plugins: {htpasswd: {enabled: true, priority: 10}}
plugin_settings: {backend/htpasswd: {users: %q, access: %q}}
`, on, filepath.Join(dir, "users"), filepath.Join(dir, "access"))
	}
	p := s.plugged(t, config(true))
	require.ElementsMatch(t, []string{"ldap_user", "wazo_user", "htpasswd"}, s.backends(t, p))

	login := func(user, password, backend string) answer {
		return s.ask(t, p, request{method: http.MethodPost, path: "/token", user: user, password: password, body: fields{"backend": backend}})
	}
	first, again := login("alice", plugin, "htpasswd").token(t), login("alice", plugin, "htpasswd").token(t)
	require.NotEqual(t, first.Token, again.Token)
	require.Equal(t, first.AuthID, again.AuthID, "it is the plug-in's, and stays")
	require.Equal(t, first.AuthID, first.Metadata["auth_id"])
	require.NoError(t, uuid.Validate(first.AuthID))
	require.Equal(t, "alice", first.Metadata["username"])
	require.Equal(t, "e2e", first.Metadata["xivo_uuid"])
	require.ElementsMatch(t, []string{"confd.#", "dird.read", "auth.users.me.tokens.#"}, first.ACL)
	require.Equal(t, http.StatusNoContent, s.check(t, p, first.Token, "confd.users.read"))
	require.Equal(t, http.StatusForbidden, s.check(t, p, first.Token, "dird.write"))
	bob := login("bob", plugin, "htpasswd").token(t)
	require.Equal(t, []string{"guest"}, bob.ACL)
	require.NotEqual(t, first.AuthID, bob.AuthID)
	require.Equal(t, first, s.ask(t, p, request{method: http.MethodGet, path: "/token/" + first.Token}).token(t))

	top := s.login(t, p, s.root, nil)
	s.isForeign(t, p, first, top)

	for name, refused := range map[string]answer{
		"wrong password":                          login("alice", s.wrong, "htpasswd"),
		"unknown to the plug-in":                  login("carol", plugin, "htpasswd"),
		"a user of ours, unknown to it":           login(s.root, s.password, "htpasswd"),
		"another backend in the body":             login("alice", plugin, "wazo_user"),
		"an unknown backend in the body":          login("alice", plugin, "no_such"),
		"its password for a user of the native":   login(ours, plugin, "htpasswd"),
		"the native password for a user of its":   login(mapped, s.password, "wazo_user"),
		"its password with the native for a user": login(mapped, plugin, "wazo_user"),
	} {
		require.Equal(t, http.StatusUnauthorized, refused.status, "%s: %s", name, refused.body)
	}
	require.Equal(t, []string{"ours"}, login(ours, s.password, "wazo_user").token(t).ACL)
	require.Equal(t, []string{"ours"}, login(ours, s.password, "no_such").token(t).ACL)
	require.Equal(t, []string{"guest"}, login(mapped, plugin, "htpasswd").token(t).ACL, "a user of ours, of that method")
	require.Equal(t, 1, s.count(t, "SELECT count(*) FROM tokens WHERE user_uuid = $1", mappedID))

	s.reconfigure(t, p, config(false))
	require.ElementsMatch(t, []string{"ldap_user", "wazo_user"}, s.backends(t, p))
	require.Equal(t, http.StatusUnauthorized, login("alice", plugin, "htpasswd").status)
	require.Equal(t, http.StatusUnauthorized, login(mapped, plugin, "htpasswd").status)
	require.Equal(t, []string{"ours"}, login(ours, s.password, "htpasswd").token(t).ACL, "the native rules, whatever the body names")
	require.Equal(t, http.StatusNoContent, s.check(t, p, first.Token, "confd.users.read"), "a token made before lives on")
}

// isForeign wants a token of somebody without a user to be in the top tenant, and to be nobody there.
func (s *stack) isForeign(t *testing.T, p *process, tok, top tokenBody) {
	t.Helper()
	get := func(path, token string) answer {
		return s.ask(t, p, request{method: http.MethodGet, path: path, token: token})
	}
	require.Equal(t, http.StatusOK, get(fmt.Sprint("/token/", tok.Token, "?tenant=", top.Metadata["tenant_uuid"]), "").status)
	require.Equal(t, http.StatusForbidden, get(fmt.Sprint("/token/", tok.Token, "?tenant=", uuid.New()), "").status)
	require.Contains(t, string(get("/sessions", top.Token).body), tok.Session.String())
	nobody := get("/users/me/tokens", tok.Token)
	require.Equal(t, http.StatusNotFound, nobody.status, "%s", nobody.body)
	require.Contains(t, string(nobody.body), "unknown-user")
}

func prioritiesDecide(t *testing.T, s *stack) {
	config := func(refuses, accepts int) string {
		return fmt.Sprintf(`
enabled_backend_plugins: {broken_init: true, broken_verify_password: true, not_installed: true}
idp_plugins:
  broken_load: {enabled: true, priority: 2}
  broken_can_authenticate: {enabled: true, priority: 3}
  broken_verify_auth: {enabled: true, priority: %d}
  broken_verify_auth_replacement: {enabled: true, priority: %d}
  broken_verify_password: {enabled: true, priority: 6}
`, refuses, accepts)
	}
	p := s.plugged(t, config(4, 5))
	native, _ := s.addUser(t, "user", "native")
	user, id := s.addUserOf(t, "broken_verify_auth", "user", "auth.users.me.tokens.#")
	body := func(more ...any) fields {
		b := fields{"broken_verify_auth": true}
		for i := 0; i+1 < len(more); i += 2 {
			b[more[i].(string)] = more[i+1]
		}
		return b
	}

	require.ElementsMatch(t, []string{"ldap_user", "wazo_user", "broken_init", "broken_verify_password"}, s.backends(t, p))
	text := p.log.String()
	for _, name := range []string{"backend/broken_init", "idp/broken_load", "backend/not_installed"} {
		require.Contains(t, text, name, "an error line")
	}
	require.Equal(t, []string{"native"}, s.login(t, p, native, nil).ACL, "beside a provider that fails when it is asked")
	require.Contains(t, p.log.String(), "broken_can_authenticate")
	require.Equal(t, http.StatusUnauthorized, s.ask(t, p, s.loginRequest(native, fields{"backend": "broken_verify_password"})).status)
	require.Equal(t, []string{"native"}, s.login(t, p, native, fields{"backend": "broken_init"}).ACL, "it was not loaded: it claims nothing")

	refused := s.ask(t, p, s.loginRequest(user, body()))
	require.Equal(t, http.StatusUnauthorized, refused.status, "%s", refused.body)
	require.Equal(t, http.StatusUnauthorized, s.ask(t, p, s.loginRequest(user, fields{})).status, "it is no native user")

	s.reconfigure(t, p, config(5, 4))
	tok := s.login(t, p, user, body())
	require.Equal(t, id.String(), tok.AuthID)
	require.Equal(t, []string{"auth.users.me.tokens.#"}, tok.ACL)
	require.Equal(t, id.String(), tok.Metadata["uuid"])
	r := s.loginRequest(user, body())
	r.password = s.wrong
	require.Equal(t, id.String(), s.ask(t, p, r).token(t).AuthID, "the password is the provider's to judge")
	for name, refused := range map[string]request{
		"a user of another method": s.loginRequest(native, body()),
		"nobody of ours":           s.loginRequest("nobody", body()),
		"a false value":            s.loginRequest(user, fields{"broken_verify_auth": false}),
		"another type":             s.loginRequest(user, fields{"broken_verify_auth": "true"}),
	} {
		require.Equal(t, http.StatusUnauthorized, s.ask(t, p, refused).status, name)
	}
	offline := s.login(t, p, user, body("access_type", "offline", "client_id", "desk"))
	require.NotEmpty(t, offline.RefreshToken)
	renew := request{method: http.MethodPost, path: "/token", body: fields{"refresh_token": offline.RefreshToken, "client_id": "desk"}}
	renewed := s.ask(t, p, renew).token(t)
	require.Equal(t, id.String(), renewed.AuthID)
	require.Equal(t, tok.ACL, renewed.ACL)

	// Of two providers with one method the first answers for refresh tokens; this one fails.
	s.reconfigure(t, p, config(4, 5))
	require.Equal(t, http.StatusUnauthorized, s.ask(t, p, s.loginRequest(user, body())).status)
	require.Equal(t, http.StatusInternalServerError, s.ask(t, p, renew).status)
	require.Equal(t, http.StatusNoContent, s.check(t, p, renewed.Token, noScope))
}

func metadataPlugin(t *testing.T, s *stack) {
	p := s.plugged(t, `
enabled_metadata_plugins: {internal_token: true}
purpose_metadata_mapping: {internal: [internal_token]}
`)
	other, _ := s.addUser(t, "user")
	tok := s.login(t, p, other, nil)
	require.Equal(t, "user", tok.Metadata["purpose"])
	require.NotContains(t, tok.Metadata, "internal_token_is_valid", "another purpose")

	user, id := s.addUser(t, "internal", "auth.users.me.tokens.#")
	online := s.login(t, p, user, nil)
	require.Equal(t, true, online.Metadata["internal_token_is_valid"], "it used the API with a token of the service")
	require.Equal(t, id.String(), online.Metadata["uuid"])
	require.Equal(t, "internal", online.Metadata["purpose"])
	require.NotContains(t, online.Metadata, "persistent")

	wish := fields{"access_type": "offline", "client_id": "desk"}
	first := s.login(t, p, user, wish)
	kept, ok := first.Metadata["persistent"].(string)
	require.True(t, ok, "%v", first.Metadata)
	require.NoError(t, uuid.Validate(kept))
	renew := request{method: http.MethodPost, path: "/token", body: fields{"refresh_token": first.RefreshToken, "client_id": "desk"}}
	renewed := s.ask(t, p, renew).token(t)
	require.Equal(t, first.Metadata, renewed.Metadata)

	again := s.login(t, p, user, wish)
	require.Equal(t, first.RefreshToken, again.RefreshToken)
	require.NotEqual(t, kept, again.Metadata["persistent"], "computed anew, but")
	require.Equal(t, kept, s.ask(t, p, renew).token(t).Metadata["persistent"], "what is kept stays")

	var list struct {
		Items []struct {
			ClientID string         `json:"client_id"`
			Metadata map[string]any `json:"metadata"`
		}
	}
	s.ask(t, p, request{method: http.MethodGet, path: "/users/me/tokens", token: renewed.Token}).into(t, &list)
	require.Len(t, list.Items, 1)
	require.Equal(t, "desk", list.Items[0].ClientID)
	require.Equal(t, map[string]any{"persistent": kept}, list.Items[0].Metadata)
}

func purposeWithoutPlugin(t *testing.T, s *stack) {
	p := s.plugged(t, `
enabled_metadata_plugins: {default_internal: false}
purpose_metadata_mapping: {user: [default_internal], fun: [default_user]}
`)
	internal, _ := s.addUser(t, "internal")
	user, _ := s.addUser(t, "user")
	failed := s.ask(t, p, s.loginRequest(internal, fields{}))
	require.Equal(t, http.StatusInternalServerError, failed.status)
	wrong := s.loginRequest(internal, fields{})
	wrong.password = s.wrong
	require.Equal(t, http.StatusUnauthorized, s.ask(t, p, wrong).status)
	require.Equal(t, "user", s.login(t, p, user, nil).Metadata["purpose"])
	text := p.log.String()
	for _, line := range []string{
		"Purposes must have the following metadata plugins enabled: default_internal",
		"Configuration has undefined purpose: fun",
		"A purpose has been assigned to an invalid metadata plugin: default_internal",
	} {
		require.Equal(t, 1, strings.Count(text, line), line)
	}
}
