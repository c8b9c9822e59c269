package e2e

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func badLogins(t *testing.T, s *stack) {
	user, _ := s.addUser(t, "internal")
	long := strings.Repeat("x", 1025)
	for _, c := range []struct {
		body   string
		status int
		says   string
	}{
		{``, 400, "message"},
		{`{`, 400, "message"},
		{`{} {}`, 400, "message"},
		{"{\"backend\": \"\xff\"}", 400, "message"},
		{`["x"]`, 400, "_schema"},
		{`"x"`, 400, "_schema"},
		{`{"backend": null}`, 400, "backend: Field may not be null."},
		{`{"backend": 1}`, 400, "backend: Not a valid string."},
		{`{"backend": "a\u0000"}`, 400, "backend"},
		{`{"backend": "anything"}`, 200, ""},
		{`{"expiration": 0}`, 400, "expiration"},
		{`{"expiration": -1}`, 400, "expiration"},
		{`{"expiration": 0.9}`, 400, "expiration"},
		{`{"expiration": 315360001}`, 400, "expiration"},
		{`{"expiration": 1` + strings.Repeat("0", 400) + `}`, 400, "expiration"},
		{`{"expiration": 1e400}`, 400, "expiration"},
		{`{"expiration": true}`, 400, "expiration"},
		{`{"expiration": false}`, 400, "expiration"},
		{`{"expiration": null}`, 400, "expiration: Field may not be null."},
		{`{"expiration": ""}`, 400, "expiration"},
		{`{"expiration": "x"}`, 400, "expiration"},
		{`{"expiration": [5]}`, 400, "expiration"},
		{`{"expiration": {}}`, 400, "expiration"},
		{`{"expiration": 5}`, 200, ""},
		{`{"expiration": 5.9}`, 200, ""},
		{`{"expiration": "5"}`, 200, ""},
		{`{"expiration": 315360000}`, 200, ""},
		{`{"access_type": null}`, 400, "access_type"},
		{`{"access_type": 1}`, 400, "access_type"},
		{`{"access_type": ""}`, 400, "access_type"},
		{`{"access_type": "Offline", "client_id": "c"}`, 400, "access_type"},
		{`{"access_type": "offline"}`, 400, `"client_id" must be specified when using "access_type" is "offline"`},
		{`{"access_type": "offline", "client_id": "c", "refresh_token": "r"}`, 400, `cannot use the "access_type" "offline" with a refresh token`},
		{`{"access_type": "online"}`, 200, ""},
		{`{"client_id": null}`, 400, "client_id"},
		{`{"client_id": ""}`, 400, "client_id"},
		{`{"client_id": 7}`, 400, "client_id"},
		{`{"client_id": "` + long + `"}`, 400, "client_id"},
		{`{"client_id": "` + long[1:] + `"}`, 200, ""},
		{`{"saml_session_id": null}`, 400, "saml_session_id"},
		{`{"saml_session_id": ""}`, 400, "saml_session_id"},
		{`{"saml_session_id": []}`, 400, "saml_session_id"},
		{`{"saml_session_id": "` + long + `"}`, 400, "saml_session_id"},
		{`{"saml_session_id": "s", "refresh_token": "r", "client_id": "c"}`, 400, `Cannot use a "saml_session_id" and a "refresh_token" at the same time`},
		{`{"refresh_token": null}`, 400, "refresh_token"},
		{`{"refresh_token": 1}`, 400, "refresh_token"},
		{`{"refresh_token": "r"}`, 400, `"client_id" must be specified when using a "refresh_token"`},
		{`{"refresh_token": "", "expiration": 5}`, 200, ""},
		{`{"tenant_id": null}`, 400, "tenant_id"},
		{`{"tenant_id": 1}`, 400, "tenant_id"},
		{`{"domain_name": null}`, 400, "domain_name"},
		{`{"domain_name": {}}`, 400, "domain_name"},
		{`{"tenant_id": "a", "domain_name": "b"}`, 400, `"tenant_id" and "domain_name" must be mutually exclusive`},
		{`{"mobile": 1, "session_type": [], "unknown": null}`, 200, ""},
		{`{"expiration": "x", "client_id": ""}`, 400, "client_id"},
	} {
		// Bad fields are told before credentials are looked at, right or wrong.
		for _, password := range []string{s.password, s.wrong} {
			r := s.loginRequest(user, nil)
			r.body, r.password = c.body, password
			a := s.ask(t, s.apis[0], r)
			want := c.status
			if want == 200 && password == s.wrong {
				want = 401
			}
			name := fmt.Sprintf("%.60s: %.200s", c.body, a.body)
			require.Equal(t, want, a.status, name)
			if want != 400 {
				continue
			}
			var e struct {
				Reason     []string
				StatusCode int `json:"status_code"`
				Message    string
			}
			a.into(t, &e)
			if c.says == "message" {
				require.NotEmpty(t, e.Message, name)
				continue
			}
			require.Equal(t, 400, e.StatusCode, name)
			require.Len(t, e.Reason, 1, name)
			require.Contains(t, e.Reason[0], c.says, name)
		}
	}
	form := s.loginRequest(user, nil)
	form.body, form.header = "a=b", http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}
	require.Equal(t, 400, s.ask(t, s.apis[0], form).status)
	big := s.loginRequest(user, nil)
	big.body = `{"backend": "` + strings.Repeat("x", 2<<20) + `"}`
	require.Equal(t, 413, s.ask(t, s.apis[0], big).status)
	require.Equal(t, 405, s.ask(t, s.apis[0], request{method: http.MethodPut, path: "/token", body: "{}"}).status)
}

func badCredentials(t *testing.T, s *stack) {
	user, _ := s.addUser(t, "internal")
	encode := func(text string) string { return base64.StdEncoding.EncodeToString([]byte(text)) }
	right := encode(user + ":" + s.password)
	for name, c := range map[string]struct {
		header string
		status int
	}{
		"right":                 {"Basic " + right, 200},
		"more spaces":           {"Basic   " + right, 200},
		"another letter case":   {"Basic " + encode(strings.ToUpper(user)+":"+s.password), 200},
		"none":                  {"", 401},
		"empty":                 {"Basic ", 401},
		"only a colon":          {"Basic Og==", 401},
		"no colon":              {"Basic " + encode(user), 401},
		"no login":              {"Basic " + encode(":"+s.password), 401},
		"no password":           {"Basic " + encode(user+":"), 401},
		"password of two parts": {"Basic " + encode(user+":"+s.password+":x"), 401},
		"a space in front":      {"Basic " + encode(" "+user+":"+s.password), 401},
		"broken base64":         {"Basic %%%", 401},
		"cut base64":            {"Basic " + right[:len(right)-3], 401},
		"no space":              {"Basic" + right, 401},
		"another scheme":        {"Bearer " + right, 401},
		"unknown login":         {"Basic " + encode("nobody:"+s.password), 401},
		"a login of NULs":       {"Basic " + encode("\x00\x00:x"), 401},
		"not UTF-8":             {"Basic " + encode("p\xe9p\xe9:\xe7"), 401},
		"a very long login":     {"Basic " + encode(strings.Repeat("x", 100_000)+":x"), 401},
		"a very long password":  {"Basic " + encode(user+":"+strings.Repeat("x", 100_000)), 401},
	} {
		r := request{method: http.MethodPost, path: "/token", body: "{}", header: http.Header{"Authorization": {c.header}}}
		a := s.ask(t, s.apis[1], r)
		require.Equal(t, c.status, a.status, "%s: %s", name, a.body)
		if c.status == 401 {
			require.Contains(t, string(a.body), "Authentication Failed", name)
		}
	}
	// Odd headers are recorded as they are, and break nothing.
	r := s.loginRequest(user, fields{})
	r.header = http.Header{"User-Agent": {strings.Repeat("ü", 4000)}, "X-Forwarded-For": {"10.1.2.3, not an address"}, "Wazo-Session-Type": {"tablet"}, "Wazo-Tenant": {"x"}}
	tok := s.ask(t, s.apis[0], r).token(t)
	require.Equal(t, strings.Repeat("ü", 4000), tok.UserAgent)
	require.Equal(t, "not an address", tok.RemoteAddr)
	info := s.awaitRunning(t, tok.Session)
	require.LessOrEqual(t, len(attribute(t, info, "user_agent")), 256, "what goes to Temporal is cut")
}

func badScopes(t *testing.T, s *stack) {
	user, _ := s.addUser(t, "internal", "confd.#")
	tok := s.login(t, s.apis[0], user, nil)
	ask := func(token, body string) answer {
		return s.ask(t, s.apis[1], request{method: http.MethodPost, path: "/token/" + token + "/scopes/check", body: body})
	}
	for _, c := range []struct {
		body   string
		status int
	}{
		{``, 400}, {`{`, 400}, {`[1]`, 400}, {`{}`, 400}, {`{"scopes": null}`, 400}, {`{"scopes": "a"}`, 400}, {`{"scopes": {}}`, 400},
		{`{"scopes": [1]}`, 400}, {`{"scopes": [null]}`, 400}, {`{"scopes": ["a"], "tenant_uuid": 1}`, 400},
		{`{"scopes": ["a"], "tenant_uuid": "x"}`, 403}, {`{"scopes": ["a"], "tenant_uuid": "` + unknown + `"}`, 403},
		{`{"scopes": ["a"], "tenant_uuid": null}`, 200}, {`{"scopes": ["a"], "tenant_uuid": ""}`, 200}, {`{"scopes": []}`, 200},
		{`{"scopes": ["a"], "tenant_uuid": "` + s.tenant(t) + `", "more": 1}`, 200},
	} {
		a := ask(tok.Token, c.body)
		require.Equal(t, c.status, a.status, "%s: %s", c.body, a.body)
		if c.status == 400 {
			require.Equal(t, 400, ask(unknown, c.body).status, "the body goes before the token: %s", c.body)
		} else {
			require.Equal(t, 404, ask(unknown, c.body).status, "%s", c.body)
		}
	}
	require.JSONEq(t, `{"scopes": {"confd.users.read": true, "dird.#": false, "": false}}`,
		string(ask(tok.Token, `{"scopes": ["confd.users.read", "dird.#", "confd.users.read", ""]}`).body))
	require.JSONEq(t, `{"scopes": {}}`, string(ask(tok.Token, `{"scopes": []}`).body))
}

func noTokens(t *testing.T, s *stack) {
	for path, html := range map[string]bool{"/token/abc": true, "/token/8015b733-29f7-4b55-9839-debcc409101": true,
		"/token/" + unknown: false, "/token/8015B733-29F7-4B55-9839-DEBCC409101F": false} {
		a := s.ask(t, s.apis[0], request{method: http.MethodGet, path: path})
		require.Equal(t, 404, a.status, path)
		require.Equal(t, html, strings.HasPrefix(a.header.Get("Content-Type"), "text/html"), path)
		a = s.ask(t, s.apis[0], request{method: http.MethodHead, path: path})
		require.Equal(t, 404, a.status, path)
		require.Empty(t, a.body)
		want := 200
		if html {
			want = 404
		}
		require.Equal(t, want, s.ask(t, s.apis[0], request{method: http.MethodDelete, path: path}).status, path)
	}
	// Odd ways to write the address of a token lead nowhere, and not into the log.
	tok := s.login(t, s.apis[0], s.root, nil).Token
	for _, path := range []string{"/token/" + tok + "/", "/token/" + tok + "/other", "//token//" + tok, "/token/" + strings.ReplaceAll(tok, "-", "%2D"),
		"/tokens/" + tok, "/Token/" + tok, "/sessions?token=" + tok, "/token/x" + tok, "/" + tok, "/users/" + tok + "x/sessions"} {
		a := s.ask(t, s.apis[1], request{method: http.MethodGet, path: path})
		require.Contains(t, []int{200, 401, 404}, a.status, path) // 200 after a redirect
	}
	for _, token := range []string{"abc", unknown} {
		require.Equal(t, 401, s.ask(t, s.apis[0], request{method: http.MethodGet, path: "/sessions", token: token}).status, token)
	}
}
