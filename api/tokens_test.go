package api

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/xivo-auth/xivo-auth/db/dbtest/factory"
)

func TestLoginAnswersWithTheTokenBodyOfTheContract(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id, login := b.user(t, b.top, "confd.#", "auth.users.me.tokens.#")
	a := b.do(t, "POST", "/0.1/token", `{"expiration": "3600", "access_type": "offline", "client_id": "my-phone"}`, headers{
		"Authorization": basic(login, goodPassword), "User-Agent": "Wazo Python auth client", "Wazo-Session-Type": "MOBILE",
		"X-Forwarded-For": "1.2.3.4, 5.6.7.8"})
	require.Equal(t, http.StatusOK, a.status, a.text)
	require.Equal(t, "0", a.header.Get("Wazo-Sessions-Revoked"))
	require.Equal(t, "application/json", a.header.Get("Content-Type"))
	require.True(t, strings.HasSuffix(a.text, "}\n"))
	d, ok := a.body["data"].(map[string]any)
	require.True(t, ok)
	require.Regexp(t, `^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$`, d["token"])
	require.Equal(t, id.String(), d["auth_id"])
	require.Equal(t, id.String(), d["xivo_user_uuid"])
	require.Equal(t, "the-predefined-xivo-uuid", d["xivo_uuid"])
	require.ElementsMatch(t, []any{"confd.#", "auth.users.me.tokens.#"}, d["acl"])
	require.Equal(t, d["acl"], d["acls"])
	require.Equal(t, "5.6.7.8", d["remote_addr"])
	require.Equal(t, "Wazo Python auth client", d["user_agent"])
	require.Equal(t, map[string]any{"uuid": id.String(), "auth_id": id.String(), "tenant_uuid": b.top.String(), "pbx_user_uuid": id.String(),
		"xivo_uuid": "the-predefined-xivo-uuid", "purpose": "user"}, d["metadata"])
	at := map[string]time.Time{}
	for _, n := range []string{"issued_at", "expires_at", "utc_issued_at", "utc_expires_at"} {
		parsed, err := time.Parse("2006-01-02T15:04:05.000000", str(t, d, n))
		require.NoError(t, err)
		at[n] = parsed
	}
	require.Equal(t, time.Hour, at["expires_at"].Sub(at["issued_at"]))
	require.Equal(t, time.Hour, at["utc_issued_at"].Sub(at["issued_at"]), "local time is UTC+1 in the POSIX sense")
	require.NotEmpty(t, d["refresh_token"])

	got := b.do(t, "GET", "/0.1/token/"+strings.ToUpper(str(t, d, "token")), "", nil)
	require.Equal(t, http.StatusOK, got.status)
	delete(d, "refresh_token")
	require.Equal(t, d, got.body["data"], "a token id is accepted in any case")
}

func TestLoginRefusesBadInputNamingTheField(t *testing.T) {
	t.Parallel()
	b := setup(t)
	_, login := b.user(t, b.top)
	for body, want := range map[string]string{
		`{"backend": null}`: "backend", `{"backend": 1}`: "backend", `{"expiration": 0}`: "expiration", `{"expiration": -1}`: "expiration",
		`{"expiration": 315360001}`: "expiration", `{"expiration": 1` + strings.Repeat("0", 400) + `}`: "expiration", `{"expiration": true}`: "expiration",
		`{"expiration": null}`: "expiration", `{"expiration": "x"}`: "expiration", `{"expiration": ""}`: "expiration", `{"expiration": "5.9"}`: "expiration",
		`{"expiration": []}`: "expiration", `{"expiration": {}}`: "expiration", `{"expiration": 0.9}`: "expiration",
		`{"access_type": "sideways"}`: "access_type", `{"access_type": null}`: "access_type", `{"client_id": ""}`: "client_id",
		`{"client_id": "` + strings.Repeat("é", 1025) + `"}`: "client_id", `{"client_id": 5}`: "client_id", `{"client_id": "a\u0000b"}`: "client_id",
		`{"saml_session_id": ""}`: "saml_session_id", `{"saml_session_id": null}`: "saml_session_id", `{"refresh_token": null}`: "refresh_token",
		`{"refresh_token": 1}`: "refresh_token", `{"tenant_id": null}`: "tenant_id", `{"domain_name": []}`: "domain_name",
		`{"access_type": "offline"}`:                                         `"client_id" must be specified when using "access_type" is "offline"`,
		`{"access_type": "offline", "client_id": "c", "refresh_token": "x"}`: `cannot use the "access_type" "offline" with a refresh token`,
		`{"tenant_id": "a", "domain_name": "b"}`:                             `"tenant_id" and "domain_name" must be mutually exclusive`,
		`{"refresh_token": "x"}`:                                             `"client_id" must be specified when using a "refresh_token"`,
		`{"refresh_token": "x", "client_id": "c", "saml_session_id": "s"}`:   `Cannot use a "saml_session_id" and a "refresh_token" at the same time`,
		`[1]`: "_schema", `"x"`: "_schema", `1`: "_schema", `true`: "_schema",
	} {
		t.Run(body[:min(len(body), 40)], func(t *testing.T) {
			t.Parallel()
			a := b.do(t, "POST", "/0.1/token", body, headers{"Authorization": basic(login, goodPassword)})
			require.Equal(t, http.StatusBadRequest, a.status, a.text)
			require.Contains(t, reason(a), want)
			require.Len(t, a.body, 3)
			require.EqualValues(t, 400, a.body["status_code"])
		})
	}
	for _, body := range []string{"", "{", "nul", "{}x", "\"\xff\"", `{"a": 1}{`} {
		a := b.do(t, "POST", "/0.1/token", body, headers{"Authorization": basic(login, goodPassword)})
		require.Equal(t, http.StatusBadRequest, a.status)
		require.Equal(t, map[string]any{"message": "The browser (or proxy) sent a request that this server could not understand."}, a.body)
	}
	a := b.do(t, "POST", "/0.1/token", `{"x": "`+strings.Repeat("a", 2<<20)+`"}`, nil)
	require.Equal(t, http.StatusRequestEntityTooLarge, a.status)
	var n int
	require.NoError(t, b.pool.QueryRow(t.Context(), "SELECT count(*) FROM tokens").Scan(&n))
	require.Zero(t, n, "a refused request changes nothing")
}

func TestLoginAcceptsWhatTheReferenceAccepts(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for body, lifetime := range map[string]time.Duration{
		`{}`: 2 * time.Hour, `null`: 2 * time.Hour, `[]`: 2 * time.Hour, `0`: 2 * time.Hour, `{"expiration": 5}`: 5 * time.Second,
		`{"expiration": 5.9}`: 5 * time.Second, `{"expiration": "5"}`: 5 * time.Second, `{"expiration": 315360000}`: 315360000 * time.Second,
		`{"backend": "unexistant", "mobile": true, "session_type": "mobile"}`: 2 * time.Hour, `{"refresh_token": ""}`: 2 * time.Hour,
		`{"expiration": 1, "expiration": 7}`: 7 * time.Second,
	} {
		_, login := b.user(t, b.top)
		d := b.login(t, login, body, headers{"Content-Type": "text/plain"})
		issued, err := time.Parse("2006-01-02T15:04:05.000000", str(t, d, "utc_issued_at"))
		require.NoError(t, err)
		expires, err := time.Parse("2006-01-02T15:04:05.000000", str(t, d, "utc_expires_at"))
		require.NoError(t, err)
		require.Equal(t, lifetime, expires.Sub(issued), body)
	}
}

func TestCredentials(t *testing.T) {
	t.Parallel()
	b := setup(t)
	_, login := b.user(t, b.top)
	for name, header := range map[string]string{
		"none": "", "empty pair": "Basic Og==", "broken base64": "Basic ???", "no colon": "Basic YWJj", "another scheme": "Bearer abc",
		"wrong": basic(login, "wrong"), "empty password": basic(login, ""), "unknown": basic("nobody", goodPassword),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := b.do(t, "POST", "/0.1/token", "{}", headers{"Authorization": header})
			require.Equal(t, http.StatusUnauthorized, a.status)
			require.Equal(t, "Authentication Failed", reason(a))
			require.Empty(t, a.header.Get("Wazo-Sessions-Revoked"))
			require.Empty(t, a.header.Get("WWW-Authenticate"))
		})
	}
	l, p := basicCredentials("Basic cOlw6XA6w6k6eA==") // ISO-8859-1 pépép, then a password with a colon in whatever follows
	require.NotEmpty(t, l)
	require.NotEmpty(t, p)
	l, p = basicCredentials(basic("pépéç", "a:b"))
	require.Equal(t, "pépéç", l)
	require.Equal(t, "a:b", p)
}

func TestTheSessionLimitIs429(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id, login := b.user(t, b.top)
	for range 5 {
		b.login(t, login, "{}", nil)
	}
	a := b.do(t, "POST", "/0.1/token", "{}", headers{"Authorization": basic(login, goodPassword)})
	require.Equal(t, http.StatusTooManyRequests, a.status)
	require.Equal(t, "User "+id.String()+" has exceeded the maximum number of active sessions", reason(a))
	a = b.do(t, "POST", "/0.1/token", "{}", headers{"Authorization": basic(login, "wrong")})
	require.Equal(t, http.StatusUnauthorized, a.status, "a wrong password at the limit")
}

func TestChecks(t *testing.T) {
	t.Parallel()
	b := setup(t)
	child := factory.Tenant(t.Context(), t, b.pool, b.top)
	grandchild := factory.Tenant(t.Context(), t, b.pool, child)
	sibling := factory.Tenant(t.Context(), t, b.pool, b.top)
	_, login := b.user(t, child, "foo.*", "!foo.no", "auth.users.me.#")
	secret := str(t, b.login(t, login, "{}", nil), "token")
	for _, c := range []struct {
		query        string
		head, get    int
		wantedReason string
	}{
		{"", 204, 200, ""},
		{"?scope=foo.bar", 204, 200, ""},
		{"?scope=foo.no", 403, 403, "Unauthorized for foo.no"},
		{"?scope=bar", 403, 403, "Unauthorized for bar"},
		{"?scope=", 403, 403, "Unauthorized for "},
		{"?scope=%C3%A9ric", 403, 403, "Unauthorized for eric"},
		{"?tenant=", 204, 200, ""},
		{"?tenant=" + child.String(), 204, 200, ""},
		{"?tenant=" + grandchild.String(), 204, 200, ""},
		{"?tenant=" + sibling.String(), 403, 403, "Unauthorized for tenant " + sibling.String()},
		{"?tenant=" + b.top.String(), 403, 403, "Unauthorized for tenant " + b.top.String()},
		{"?tenant=nonsense", 403, 403, "Unauthorized for tenant nonsense"},
		{"?tenant=" + strings.ToUpper(child.String()), 403, 403, ""},
		{"?tenant=" + uuid.NewString(), 403, 403, ""},
		{"?scope=foo.bar&tenant=" + child.String(), 204, 200, ""},
		{"?scope=bar&tenant=" + child.String(), 403, 403, ""},
	} {
		h := b.do(t, "HEAD", "/0.1/token/"+secret+c.query, "", nil)
		require.Equal(t, c.head, h.status, c.query)
		require.Empty(t, h.text)
		if c.head != 204 {
			require.Equal(t, "0", h.header.Get("Content-Length"), "simple clients need not wait for a body")
		}
		g := b.do(t, "GET", "/0.1/token/"+secret+c.query, "", nil)
		require.Equal(t, c.get, g.status, c.query)
		if c.wantedReason != "" {
			require.Equal(t, c.wantedReason, reason(g))
		}
	}
	for _, unknown := range []string{uuid.NewString(), "00000000-0000-0000-0000-000000000000"} {
		require.Equal(t, 404, b.do(t, "HEAD", "/0.1/token/"+unknown, "", nil).status)
		a := b.do(t, "GET", "/0.1/token/"+unknown, "", nil)
		require.Equal(t, 404, a.status)
		require.Equal(t, "No such token", reason(a))
	}
	page := b.do(t, "GET", "/0.1/token/abcdef", "", nil)
	require.Equal(t, 404, page.status)
	require.Contains(t, page.header.Get("Content-Type"), "text/html")

	a := b.do(t, "POST", "/0.1/token/"+secret+"/scopes/check", `{"scopes": ["foo.bar", "x", "foo.bar"], "tenant_uuid": "`+child.String()+`"}`, nil)
	require.Equal(t, 200, a.status, a.text)
	require.Equal(t, map[string]any{"scopes": map[string]any{"foo.bar": true, "x": false}}, a.body)
	for body, status := range map[string]int{
		`{"scopes": []}`: 200, `{}`: 400, `{"scopes": null}`: 400, `{"scopes": "x"}`: 400, `{"scopes": [1]}`: 400, `{"scopes": [null]}`: 400, `x`: 400,
		`{"scopes": [], "tenant_uuid": null}`: 200, `{"scopes": [], "tenant_uuid": ""}`: 200, `{"scopes": [], "tenant_uuid": 1}`: 400,
		`{"scopes": [], "tenant_uuid": "` + sibling.String() + `"}`: 403,
	} {
		require.Equal(t, status, b.do(t, "POST", "/0.1/token/"+secret+"/scopes/check", body, nil).status, body)
	}

	for range 2 {
		a = b.do(t, "DELETE", "/0.1/token/"+secret, "", nil)
		require.Equal(t, 200, a.status)
		require.Equal(t, map[string]any{"data": map[string]any{"message": "success"}}, a.body)
	}
	require.Equal(t, 404, b.do(t, "HEAD", "/0.1/token/"+secret, "", nil).status)
	require.Equal(t, 404, b.do(t, "POST", "/0.1/token/"+secret+"/scopes/check", `{"scopes": []}`, nil).status)
}

func TestLogsHoldNoSecret(t *testing.T) {
	t.Parallel()
	b := setup(t)
	_, login := b.user(t, b.top, "#")
	d := b.login(t, login, `{"access_type": "offline", "client_id": "c"}`, nil)
	secret := str(t, d, "token")
	for _, path := range []string{"/0.1/token/" + secret, "/0.1/token/" + secret + "?scope=x&token=" + secret} {
		b.do(t, "GET", path, "", headers{"Traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"})
	}
	b.do(t, "GET", "/0.1/sessions?token="+secret, "", headers{"X-Auth-Token": secret})
	b.do(t, "DELETE", "/0.1/token/"+secret, "", nil)
	log := b.log.String()
	require.Contains(t, log, "Successful login: "+login+" got token XXXXXXXX-XXXX-XXXX-XXXX-XXXX"+secret[28:]+" from 127.0.0.1 using agent")
	require.Contains(t, log, `"trace_id":"0af7651916cd43dd8448eb211c80319c"`)
	require.Contains(t, log, "request_id")
	for _, s := range []string{secret, str(t, d, "refresh_token"), goodPassword, basic(login, goodPassword)} {
		require.NotContains(t, log, s)
	}
}

func FuzzBasicCredentials(f *testing.F) {
	for _, s := range []string{"", "Basic Og==", "Basic YTpi", "basic YTpi", "Basic ", "Basic ????", basic("é", "ü:x")} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, header string) {
		login, password := basicCredentials(header)
		if (login == "") != (password == "") {
			t.Fatalf("half of a pair: %q", fmt.Sprint(login == "", password == ""))
		}
		if strings.Contains(login, ":") {
			t.Fatal("the login holds a colon")
		}
	})
}
