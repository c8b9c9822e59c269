package api

import (
	"net/http"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/xivo-auth/xivo-auth/db/dbtest/factory"
)

// TestAuthorizationMatrix walks every route with no token, an unknown one, one without the access, and another tenant's.
func TestAuthorizationMatrix(t *testing.T) {
	t.Parallel()
	b := setup(t)
	left, right := factory.Tenant(t.Context(), t, b.pool, b.top), factory.Tenant(t.Context(), t, b.pool, b.top)
	_, weakLogin := b.user(t, left, "something.else")
	victim, victimLogin := b.user(t, left, "#")
	_, strangerLogin := b.user(t, right, "#")
	weak, stranger := str(t, b.login(t, weakLogin, "{}", nil), "token"), str(t, b.login(t, strangerLogin, "{}", nil), "token")
	own := b.login(t, victimLogin, `{"access_type": "offline", "client_id": "c"}`, nil)
	fill := strings.NewReplacer(":user_uuid", victim.String(), ":session_uuid", str(t, own, "session_uuid"), ":client_id", "c")
	walked := 0
	for _, r := range (&server{}).routes() {
		if r.access == "" {
			continue
		}
		walked++
		path := "/0.1" + fill.Replace(r.path)
		for _, secret := range []string{"", "nonsense", uuid.NewString()} {
			a := b.do(t, r.method, path, "", headers{"X-Auth-Token": secret})
			require.Equal(t, http.StatusUnauthorized, a.status, "%s %s", r.method, path)
			require.Equal(t, "not_found_or_expired", a.body["details"].(map[string]any)["reason"]) //nolint:forcetypeassert // the test fails
			require.NotContains(t, a.body, "resource")
		}
		a := b.do(t, r.method, path, "", headers{"X-Auth-Token": weak})
		require.Equal(t, http.StatusUnauthorized, a.status, "%s %s", r.method, path)
		details := a.body["details"].(map[string]any) //nolint:forcetypeassert // the test fails
		require.Equal(t, "missing_permission_or_invalid_tenant", details["reason"])
		require.Nil(t, details["tenant_uuid"])
		require.NotContains(t, a.text, weak, "the token is masked")
		require.NotContains(t, details["required_access"], "{")

		a = b.do(t, r.method, path, "", headers{"X-Auth-Token": stranger, "Wazo-Tenant": left.String()})
		require.Equal(t, http.StatusUnauthorized, a.status, "another tenant's token: %s %s", r.method, path)
		require.Equal(t, "unauthorized-tenant", a.body["error_id"])
		a = b.do(t, r.method, path, "", headers{"X-Auth-Token": stranger})
		switch {
		case strings.Contains(path, victim.String()):
			require.Equal(t, http.StatusNotFound, a.status, "%s %s", r.method, path)
			require.Equal(t, "unknown-user", a.body["error_id"])
		case r.method == "GET":
			require.NotContains(t, a.text, victim.String())
		}
	}
	require.Equal(t, 9, walked)
	require.Equal(t, 204, b.do(t, "HEAD", "/0.1/token/"+str(t, own, "token"), "", nil).status, "nothing was ended")
}

func TestPathsAndMethods(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, p := range []string{"/", "/0.1", "/0.1/", "/0.2/token", "/0.1/token/", "/0.1/sessions/", "/0.1/users/me/sessions", "/0.1/users/register", "/0.1/init",
		"/0.1/token/741b66b4-16a3-4701-8e78-8ab5a57d5a9g", "/0.1/token/741b66b416a347018e788ab5a57d5a98"} {
		a := b.do(t, "GET", p, "", nil)
		require.Equal(t, 404, a.status, p)
		require.Equal(t, "text/html; charset=utf-8", a.header.Get("Content-Type"))
		require.Equal(t, "*", a.header.Get("Access-Control-Allow-Origin"))
	}
	for method, path := range map[string]string{"PUT": "/0.1/sessions", "GET": "/0.1/status", "PATCH": "/0.1/token/" + uuid.NewString(), "DELETE": "/0.1/backends"} {
		a := b.do(t, method, path, "", nil)
		require.Equal(t, 405, a.status, path)
		require.Equal(t, map[string]any{"message": "The method is not allowed for the requested URL."}, a.body)
		require.Contains(t, a.header.Get("Allow"), "OPTIONS")
	}
	a := b.do(t, "OPTIONS", "/0.1/token/"+uuid.NewString(), "", nil)
	require.Equal(t, 200, a.status)
	require.Empty(t, a.text)
	require.Equal(t, "DELETE, GET, HEAD, OPTIONS", a.header.Get("Allow"))
	a = b.do(t, "GET", "/0.1//sessions", "", nil)
	require.Equal(t, 308, a.status)
	require.Equal(t, "/0.1/sessions", a.header.Get("Location"))
	a = b.do(t, "HEAD", "/0.1/status", "", nil)
	require.Equal(t, 200, a.status)
	get, head := b.do(t, "GET", "/0.1/backends", "", nil), b.do(t, "HEAD", "/0.1/backends", "", nil)
	require.Equal(t, map[string]any{"data": []any{"wazo_user"}}, get.body)
	require.Equal(t, get.header.Get("Content-Length"), head.header.Get("Content-Length"))
	require.Equal(t, 200, head.status)
}

func TestCORS(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a := b.do(t, "OPTIONS", "/0.1/token", "", headers{"Origin": "https://app.example.com", "Access-Control-Request-Method": "POST",
		"Access-Control-Request-Headers": "x-auth-token, content-type, x-evil"})
	require.Equal(t, 200, a.status)
	require.Equal(t, "https://app.example.com", a.header.Get("Access-Control-Allow-Origin"))
	require.Equal(t, "Origin", a.header.Get("Vary"))
	require.Equal(t, "DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT", a.header.Get("Access-Control-Allow-Methods"))
	require.Equal(t, "content-type, x-auth-token", a.header.Get("Access-Control-Allow-Headers"))
	require.Equal(t, "https://x.example", b.do(t, "GET", "/nowhere", "", headers{"Origin": "https://x.example"}).header.Get("Access-Control-Allow-Origin"))
}

// TestTheDescriptionDescribesEveryRoute compares api.yml with the table of routes, both ways.
func TestTheDescriptionDescribesEveryRoute(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a := b.do(t, "GET", "/0.1/api/api.yml", "", headers{"X-Script-Name": "/api/auth"})
	require.Equal(t, "application/x-yaml", a.header.Get("Content-Type"))
	var doc struct {
		Swagger  string                            `yaml:"swagger"`
		BasePath string                            `yaml:"basePath"`
		Schemes  []string                          `yaml:"schemes"`
		Paths    map[string]map[string]interface{} `yaml:"paths"`
	}
	require.NoError(t, yaml.Unmarshal([]byte(a.text), &doc))
	require.Equal(t, "2.0", doc.Swagger)
	require.Equal(t, "/api/auth/0.1", doc.BasePath)
	require.Equal(t, []string{"https"}, doc.Schemes)
	described := map[string]bool{}
	for p, methods := range doc.Paths {
		for m := range methods {
			if m != "parameters" {
				described[strings.ToUpper(m)+" "+p] = true
			}
		}
	}
	for _, r := range (&server{}).routes() {
		var parts []string
		for s := range strings.SplitSeq(r.path, "/") {
			if name, ok := strings.CutPrefix(s, ":"); ok {
				s = "{" + name + "}"
			}
			parts = append(parts, s)
		}
		name := r.method + " " + strings.Join(parts, "/")
		require.True(t, described[name], name)
		delete(described, name)
	}
	require.Empty(t, described)
}

func TestAccessStringsReplaceDotsInInsertedValues(t *testing.T) {
	t.Parallel()
	b := setup(t)
	_, login := b.user(t, b.top, "auth.users.me.tokens.com_example_app.delete")
	secret := str(t, b.login(t, login, `{"access_type": "offline", "client_id": "com.example.app"}`, nil), "token")
	require.Equal(t, 204, b.do(t, "DELETE", "/0.1/users/me/tokens/com.example.app", "", headers{"X-Auth-Token": secret}).status)
	require.Equal(t, 401, b.do(t, "DELETE", "/0.1/users/me/tokens/com.example.other", "", headers{"X-Auth-Token": secret}).status)
}
