package api

import (
	"context"
	"encoding/json"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/xivo-auth/xivo-auth/config"
	"github.com/xivo-auth/xivo-auth/db/dbtest/factory"
	"github.com/xivo-auth/xivo-auth/trail"
)

const secretOfConfig = "a secret of the configuration"

// live is the configuration of a bundle: the built-in one with some secrets, and plug-ins of the interface on or off.
func live(pool *pgxpool.Pool, level *slog.LevelVar, plugins map[string]bool) *config.Live {
	c := config.DefaultAPI()
	c.UUID, c.BootstrapUserPassword = "the-predefined-xivo-uuid", secretOfConfig
	c.DBURI = "postgresql://somebody:" + config.URI(url.PathEscape(secretOfConfig)) + "@localhost/xivo_auth?sslpassword=x"
	c.PluginSettings = map[string]map[string]any{"idp/directory": {"bind_password": secretOfConfig}}
	maps.Copy(c.EnabledHTTPPlugins, plugins)
	return config.NewLive(&c, level, []string{"wazo_user"}, func(ctx context.Context, _ []config.Change) error {
		return trail.Add(ctx, pool, trail.Entry{Action: "config updated"})
	})
}

// switched is the bundle with plug-ins of the interface switched on or off.
func (b *bundle) switched(t *testing.T, plugins map[string]bool) *bundle {
	t.Helper()
	other := *b
	other.live = live(b.pool, new(slog.LevelVar), plugins)
	other.deps.Config = other.live
	other.server = httptest.NewServer(New(other.deps))
	t.Cleanup(other.server.Close)
	return &other
}

func TestConfigIsForTheTopTenantAlone(t *testing.T) {
	t.Parallel()
	b := setup(t)
	_, admin := b.user(t, b.top, "auth.config.#")
	_, reader := b.user(t, b.top, "auth.config.read")
	_, foreigner := b.user(t, factory.Tenant(t.Context(), t, b.pool, b.top), "#")
	as := func(login string) headers {
		return headers{"X-Auth-Token": str(t, b.login(t, login, "{}", nil), "token")}
	}
	top, other, weak := as(admin), as(foreigner), as(reader)

	for method, body := range map[string]string{"GET": "", "PATCH": "nonsense"} {
		a := b.do(t, method, "/0.1/config", body, other)
		require.Equal(t, 401, a.status)
		require.Equal(t, "unauthorized", a.body["error_id"])
		require.Equal(t, "Unauthorized", a.body["message"])
		details, _ := a.body["details"].(map[string]any)
		require.Len(t, details, 1)
		require.Contains(t, details, "invalid_token")
		require.Equal(t, 401, b.do(t, method, "/0.1/config", body, nil).status)
	}
	a := b.do(t, "PATCH", "/0.1/config", "[]", weak)
	require.Equal(t, 401, a.status)
	require.Equal(t, "auth.config.update", a.body["details"].(map[string]any)["required_access"]) //nolint:forcetypeassert // the shape of section 4
	a = b.do(t, "GET", "/0.1/config", "", headers{"X-Auth-Token": top["X-Auth-Token"], "Wazo-Tenant": "nonsense"})
	require.Equal(t, 200, a.status, "the header is ignored")
	require.Equal(t, 200, b.do(t, "HEAD", "/0.1/config", "", top).status)
	require.Equal(t, 405, b.do(t, "PUT", "/0.1/config", "", top).status)
}

func TestConfigIsShownWithoutSecrets(t *testing.T) {
	t.Parallel()
	b := setup(t)
	_, admin := b.user(t, b.top, "auth.config.#")
	h := headers{"X-Auth-Token": str(t, b.login(t, admin, "{}", nil), "token")}
	first, second := b.do(t, "GET", "/0.1/config", "", h), b.do(t, "GET", "/0.1/config", "", h)
	require.Equal(t, 200, first.status)
	require.Equal(t, first.text, second.text, "clients compare whole answers")
	require.NotContains(t, first.text, secretOfConfig)
	for key, want := range map[string]any{"debug": false, "profiling_enabled": false, "log_level": 20.0, "uuid": "the-predefined-xivo-uuid",
		"loaded_plugins": []any{"wazo_user"}, "default_token_lifetime": 7200.0, "token_cleanup_interval": 60.0, "bootstrap_user_password": "***",
		"bootstrap_user_username": nil, "db_uri": "postgresql://somebody:***@localhost/xivo_auth"} {
		require.Contains(t, first.body, key)
		require.Equal(t, want, first.body[key], key)
	}
	rest, _ := first.body["rest_api"].(map[string]any)
	require.InDelta(t, 9497, rest["port"], 0)
	require.Equal(t, true, rest["cors"].(map[string]any)["enabled"]) //nolint:forcetypeassert // a section
	require.Equal(t, map[string]any{"saml": map[string]any{"enabled": true, "priority": 1.0}, "ldap": map[string]any{"enabled": true, "priority": 2.0}},
		first.body["idp_plugins"])
	require.Equal(t, map[string]any{"idp/directory": map[string]any{"bind_password": "***"}}, first.body["plugin_settings"])
	require.Equal(t, false, first.body["enabled_http_plugins"].(map[string]any)["user_registration"]) //nolint:forcetypeassert // a mapping
}

func TestConfigIsPatchedAtOnce(t *testing.T) {
	t.Parallel()
	b := setup(t)
	_, admin := b.user(t, b.top, "auth.config.#")
	h := headers{"X-Auth-Token": str(t, b.login(t, admin, "{}", nil), "token")}
	before := b.do(t, "GET", "/0.1/config", "", h)
	same := b.do(t, "PATCH", "/0.1/config", "[]", h)
	require.Equal(t, 200, same.status)
	require.Equal(t, before.text, same.text)

	a := b.do(t, "PATCH", "/0.1/config", `[{"op": "replace", "path": "/debug", "value": true}, {"op": "replace", "path": "/profiling_enabled", "value": "true"}]`, h)
	require.Equal(t, 200, a.status, a.text)
	require.Equal(t, true, a.body["debug"])
	require.Equal(t, true, a.body["profiling_enabled"])
	require.InDelta(t, 20, a.body["log_level"], 0, "what is used when debug is false")
	require.True(t, b.live.Profiling())
	require.Equal(t, a.text, b.do(t, "GET", "/0.1/config", "", h).text)
	require.NotContains(t, b.log.String(), `"level":"DEBUG"`)
	require.Equal(t, 204, b.do(t, "HEAD", "/0.1/token/"+h["X-Auth-Token"], "", nil).status)
	require.Contains(t, b.log.String(), `"level":"DEBUG"`, "a check is a line of that level")

	a = b.do(t, "PATCH", "/0.1/config", `[{"op": "replace", "path": "/debug", "value": true}, {"op": "replace", "path": "/debug", "value": false}]`, h)
	require.Equal(t, 200, a.status)
	require.Equal(t, false, a.body["debug"], "the last one counts")
	var n int
	require.NoError(t, b.pool.QueryRow(t.Context(), "SELECT count(*) FROM trail WHERE action = 'config updated' AND actor_session IS NOT NULL").Scan(&n))
	require.Equal(t, 2, n)
}

func TestConfigRefusesOtherChanges(t *testing.T) {
	t.Parallel()
	b := setup(t)
	_, admin := b.user(t, b.top, "auth.config.#")
	h := headers{"X-Auth-Token": str(t, b.login(t, admin, "{}", nil), "token")}
	before := b.do(t, "GET", "/0.1/config", "", h).text
	for _, body := range []string{`{"op": "replace", "path": "/debug", "value": true}`, `{}`, `null`, `"x"`, `1`, `[1]`, `[null]`, `[[]]`,
		`[{}]`, `[{"op": "add", "path": "/debug", "value": true}]`, `[{"op": "replace", "path": "/uuid", "value": true}]`,
		`[{"op": "replace", "path": "debug", "value": true}]`, `[{"op": "replace", "path": "/debug"}]`, `[{"op": "replace", "path": "/debug", "value": null}]`,
		`[{"op": "replace", "path": "/debug", "value": "maybe"}]`, `[{"op": "replace", "path": "/debug", "value": {}}]`,
		`[{"op": "replace", "path": "/debug", "value": true, "from": "/x"}]`,
		`[{"op": "replace", "path": "/debug", "value": true}, {"op": "replace", "path": "/debug", "value": 7}]`} {
		a := b.do(t, "PATCH", "/0.1/config", body, h)
		require.Equal(t, 400, a.status, body)
		require.Equal(t, "invalid-data", a.body["error_id"], body)
		require.Equal(t, "config", a.body["resource"])
		require.IsType(t, map[string]any{}, a.body["details"])
	}
	for _, body := range []string{"", "[", "[] []", "\xff"} {
		a := b.do(t, "PATCH", "/0.1/config", body, h)
		require.Equal(t, 400, a.status, "%q", body)
		require.Equal(t, map[string]any{"message": errMalformedBody.message}, a.body)
	}
	require.Equal(t, before, b.do(t, "GET", "/0.1/config", "", h).text, "nothing changed")
}

// Each row names a plug-in of the configuration; one that is off takes its routes with it.
func TestPartOfTheInterfaceThatIsOffIsNotThere(t *testing.T) {
	t.Parallel()
	b := setup(t)
	off := b.switched(t, map[string]bool{"sessions": false, "config": false})
	a := off.do(t, "GET", "/0.1/sessions", "", nil)
	require.Equal(t, 404, a.status)
	require.Equal(t, "text/html; charset=utf-8", a.header.Get("Content-Type"))
	require.Equal(t, 404, off.do(t, "DELETE", "/0.1/sessions/"+uuid.NewString(), "", nil).status)
	require.Equal(t, 404, off.do(t, "PATCH", "/0.1/config", "[]", nil).status)
	require.Equal(t, 401, off.do(t, "GET", "/0.1/users/"+uuid.NewString()+"/sessions", "", nil).status, "another plug-in's")
	require.Equal(t, http.StatusOK, off.do(t, "HEAD", "/0.1/status", "", nil).status)
}

func TestRoutesBelongToPluginsThatTheConfigurationKnows(t *testing.T) {
	t.Parallel()
	b := setup(t)
	var known map[string]bool
	text, err := json.Marshal(b.live.Show()["enabled_http_plugins"])
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, &known))
	for _, r := range (&server{Deps: Deps{Config: b.live}}).routes() {
		if r.plugin != "" {
			require.Contains(t, known, r.plugin, r.path)
		}
	}
}
