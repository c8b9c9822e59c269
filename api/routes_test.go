package api

import (
	"net/http/httptest"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

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

	off := *b
	off.deps.CORS.Enabled = false
	off.server = httptest.NewServer(New(off.deps))
	t.Cleanup(off.server.Close)
	for _, origin := range []string{"", "https://x.example"} {
		for name := range off.do(t, "OPTIONS", "/0.1/token", "", headers{"Origin": origin, "Access-Control-Request-Method": "POST"}).header {
			require.NotContains(t, name, "Access-Control", "it is switched off")
		}
	}
}

func TestAccessStringsReplaceDotsInInsertedValues(t *testing.T) {
	t.Parallel()
	b := setup(t)
	_, login := b.user(t, b.top, "auth.users.me.tokens.com_example_app.delete")
	secret := str(t, b.login(t, login, `{"access_type": "offline", "client_id": "com.example.app"}`, nil), "token")
	require.Equal(t, 204, b.do(t, "DELETE", "/0.1/users/me/tokens/com.example.app", "", headers{"X-Auth-Token": secret}).status)
	require.Equal(t, 401, b.do(t, "DELETE", "/0.1/users/me/tokens/com.example.other", "", headers{"X-Auth-Token": secret}).status)
}
