package e2e

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

// TestConventions is what holds for every route, walked along api.yml (conventions.md sections 1 to 13).
func TestConventions(t *testing.T) {
	t.Parallel()
	s := newStack(t, options{apis: 1, settings: map[string]string{"rest_api.max_body_size": "1048576"}})
	for name, test := range map[string]func(*testing.T, *stack){
		"every path answers every method":                      everyMethod,
		"HEAD is GET without a body":                           headIsGet,
		"a segment that should be a UUID and is not":           noUUID,
		"UUIDs of a path in any case":                          anyCase,
		"slashes":                                              slashes,
		"a slash in a segment stays in it":                     slashInSegment,
		"every body is read by the same rules":                 bodyRules,
		"numbers, repetitions and unknown fields in a body":    bodyDetails,
		"pages of other origins may call, without credentials": otherOrigins,
		"every answer has the common headers":                  commonHeaders,
		"the address of the client is what the proxy says":     clientAddress,
		"a tenant header is compared exactly":                  tenantHeader,
		"a repeated parameter counts once":                     repeatedParameters,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, s)
		})
	}
}

// template is a described path with ids that exist nowhere.
func (p describedPath) filled(id string) string {
	segments := slices.Clone(p.segments)
	for i, x := range segments {
		switch {
		case x == "{client_id}" || x == "{policy}" || x == "{access}" || x == "{idp_type}":
			segments[i] = "some"
		case strings.HasPrefix(x, "{"):
			segments[i] = id
		}
	}
	return strings.Join(segments, "/")
}

func pathsOfDescription(t *testing.T) []describedPath {
	t.Helper()
	d, err := described()
	require.NoError(t, err)
	return slices.DeleteFunc(slices.Clone(d.paths), func(p describedPath) bool { return p.template == "/users/register" }) // off
}

func everyMethod(t *testing.T, s *stack) {
	api := s.apis[0]
	for _, p := range pathsOfDescription(t) {
		allowed := []string{"OPTIONS"}
		for m := range p.operations {
			allowed = append(allowed, m)
			if m == http.MethodGet && p.operations[http.MethodHead] == nil {
				allowed = append(allowed, http.MethodHead)
			}
		}
		slices.Sort(allowed)
		a := s.ask(t, api, request{method: http.MethodOptions, path: p.filled(uuid.NewString())})
		require.Equal(t, http.StatusOK, a.status, p.template)
		require.Empty(t, a.body)
		require.Equal(t, strings.Join(allowed, ", "), a.header.Get("Allow"), p.template)
		for _, m := range []string{"DELETE", "GET", "PATCH", "POST", "PUT", "TRACE", "PROPFIND"} {
			if slices.Contains(allowed, m) {
				continue
			}
			a := s.ask(t, api, request{method: m, path: p.filled(uuid.NewString())}) // without a token
			require.Equal(t, http.StatusMethodNotAllowed, a.status, "%s %s", m, p.template)
			require.Equal(t, strings.Join(allowed, ", "), a.header.Get("Allow"))
			require.JSONEq(t, `{"message": "The method is not allowed for the requested URL."}`, string(a.body))
		}
	}
}

func headIsGet(t *testing.T, s *stack) {
	api := s.apis[0]
	token := s.login(t, api, s.root, nil).Token
	for _, p := range pathsOfDescription(t) {
		get := p.operations[http.MethodGet]
		if get == nil || p.operations[http.MethodHead] != nil || p.template == "/sessions" || p.template == "/tokens" { // which others change meanwhile
			continue
		}
		for _, secret := range []string{"", token} {
			full := s.ask(t, api, request{method: http.MethodGet, path: p.filled(unknown), token: secret})
			head := s.ask(t, api, request{method: http.MethodHead, path: p.filled(unknown), token: secret})
			require.Equal(t, full.status, head.status, p.template)
			require.Empty(t, head.body)
			require.Equal(t, full.header.Get("Content-Type"), head.header.Get("Content-Type"), p.template)
			if full.status == http.StatusOK {
				require.Equal(t, full.header.Get("Content-Length"), head.header.Get("Content-Length"), p.template)
			}
		}
	}
}

func noUUID(t *testing.T, s *stack) {
	for _, p := range pathsOfDescription(t) {
		if !strings.Contains(p.template, "_uuid}") && !strings.Contains(p.template, "{token}") {
			continue
		}
		for _, id := range []string{"me", "x", strings.ReplaceAll(unknown, "-", ""), unknown + "0", unknown[:35] + "g", "%7B" + unknown + "%7D"} {
			if _, static := s.pathOf(t, p.filled(id)); static != p.template {
				continue // /users/me/tokens is another route
			}
			for m := range p.operations {
				a := s.ask(t, s.apis[0], request{method: m, path: p.filled(id)})
				require.Equal(t, http.StatusNotFound, a.status, "%s %s with %s", m, p.template, id)
				require.Equal(t, "text/html; charset=utf-8", a.header.Get("Content-Type"))
			}
		}
	}
}

// pathOf finds the route of an address.
func (s *stack) pathOf(t *testing.T, address string) (describedPath, string) {
	t.Helper()
	d, err := described()
	require.NoError(t, err)
	p, ok := d.path(address)
	require.True(t, ok, address)
	return p, p.template
}

func anyCase(t *testing.T, s *stack) {
	user, id := s.addUser(t, "internal", "#")
	tok := s.login(t, s.apis[0], user, nil)
	var got struct{ UUID string }
	s.ask(t, s.apis[0], request{method: "GET", path: "/users/" + strings.ToUpper(id.String()), token: tok.Token}).into(t, &got)
	require.Equal(t, id.String(), got.UUID)
	require.Equal(t, http.StatusNoContent, s.ask(t, s.apis[0], request{method: "HEAD", path: "/token/" + strings.ToUpper(tok.Token)}).status)
	s.secret(strings.ToUpper(tok.Token))
	said := s.refused(t, s.apis[0], request{method: "GET", path: "/groups/" + strings.ToUpper(unknown)})
	require.Equal(t, "auth.groups."+unknown+".read", said.Details["required_access"])
	require.Equal(t, http.StatusUnauthorized, s.ask(t, s.apis[0], request{method: "GET", path: "/users", token: strings.ToUpper(tok.Token)}).status, "a header is compared as it is")
}

func slashes(t *testing.T, s *stack) {
	api := s.apis[0]
	for _, p := range pathsOfDescription(t) {
		a := s.ask(t, api, request{method: "GET", path: p.filled(unknown) + "/"})
		require.Equal(t, http.StatusNotFound, a.status, p.template)
		require.Equal(t, "text/html; charset=utf-8", a.header.Get("Content-Type"), p.template)
	}
	for _, c := range []struct{ path, prefix, to string }{
		{"/0.1//users", "", "/0.1/users"},
		{"//0.1/users?a=b&c=d", "", "/0.1/users?a=b&c=d"},
		{"/0.1/users///x//tokens", "/api/auth", "/api/auth/0.1/users/x/tokens"},
		{"/0.1//users", "not a path", "/0.1/users"},
		{"/0.1//users", "//elsewhere.example.com", "/0.1/users"},
	} {
		status, header, _ := s.raw(t, fmt.Sprintf("GET %s HTTP/1.1\r\nHost: x\r\nX-Script-Name: %s\r\n\r\n", c.path, c.prefix))
		require.Equal(t, http.StatusPermanentRedirect, status, c.path)
		require.Equal(t, c.to, header.Get("Location"))
	}
	for _, path := range []string{"/", "/0.1", "/0.1/", "/0.2/users", "/0.1/init", "/0.1/users/x", "/0.1/users/me", "/0.1/users/me/sessions", "/0.1/users/" + unknown + "/tenants",
		"/0.1/tenants/" + unknown + "/users", "/0.1/tenants/" + unknown + "/policies", "/0.1/users/register"} {
		status, header, _ := s.raw(t, "GET "+path+" HTTP/1.1\r\nHost: x\r\n\r\n")
		require.Equal(t, http.StatusNotFound, status, path)
		require.Equal(t, "text/html; charset=utf-8", header.Get("Content-Type"))
	}
}

// raw sends what no well-behaved client sends, and reads the answer.
func (s *stack) raw(t *testing.T, text string) (status int, header http.Header, body []byte) {
	t.Helper()
	u, err := url.Parse(s.apis[0].url)
	require.NoError(t, err)
	c, err := net.DialTimeout("tcp", u.Host, bearable)
	require.NoError(t, err)
	defer func() { _ = c.Close() }()
	require.NoError(t, c.SetDeadline(time.Now().Add(bearable)))
	_, err = c.Write([]byte(text))
	require.NoError(t, err)
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	require.NoError(t, err)
	defer func() { _ = resp.Body.Close() }()
	var b bytes.Buffer
	_, err = b.ReadFrom(resp.Body)
	require.NoError(t, err)
	return resp.StatusCode, resp.Header, b.Bytes()
}

func slashInSegment(t *testing.T, s *stack) {
	said := s.refused(t, s.apis[0], request{method: "DELETE", path: "/users/me/tokens/a%2Fb"})
	require.Equal(t, "auth.users.me.tokens.a%2Fb.delete", said.Details["required_access"])
	said = s.refused(t, s.apis[0], request{method: "DELETE", path: "/users/me/tokens/a%20b.c"})
	require.Equal(t, "auth.users.me.tokens.a b_c.delete", said.Details["required_access"])
	status, _, _ := s.raw(t, "PUT /0.1/policies/p/acl/a/b HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
	require.Equal(t, http.StatusNotFound, status)
}

// withBody are the operations that read one, as calls of somebody who may.
func (s *stack) withBody(t *testing.T, token string) []request {
	t.Helper()
	var list []request
	user, id := s.addUser(t, "internal")
	_ = user
	for _, p := range pathsOfDescription(t) {
		for m, op := range p.operations {
			if op.RequestBody == nil || op.RequestBody.Value.Content.Get("application/json") == nil {
				continue
			}
			path := strings.ReplaceAll(p.filled(id.String()), "/some/", "/native/")
			if op.OperationID == "updateGroup" || op.OperationID == "updatePolicy" || op.OperationID == "updateTenant" { // which look for it first, or at something else
				continue
			}
			if op.OperationID == "resetPassword" {
				path += "?user_uuid=" + id.String()
			}
			list = append(list, request{method: m, path: path, token: token})
		}
	}
	return list
}

func bodyRules(t *testing.T, s *stack) {
	token := s.login(t, s.apis[0], s.root, nil).Token
	calls := s.withBody(t, token)
	require.Greater(t, len(calls), 10)
	malformed := `{"message": "The browser (or proxy) sent a request that this server could not understand."}`
	for _, r := range calls {
		for name, body := range map[string]string{"empty": "", "broken": "{", "two values": "{} {}", "not UTF-8": "{\"a\": \"\xff\"}", "not JSON": "a=b", "NaN": `{"a": NaN}`} {
			r.body = body
			a := s.ask(t, s.apis[0], r)
			require.Equal(t, http.StatusBadRequest, a.status, "%s %s, %s: %s", r.method, r.path, name, a.body)
			require.JSONEq(t, malformed, string(a.body), "%s %s, %s", r.method, r.path, name)
		}
		for _, kind := range []string{"application/x-www-form-urlencoded", "multipart/form-data; boundary=x"} {
			r.body, r.header = "{}", http.Header{"Content-Type": {kind}}
			a := s.ask(t, s.apis[0], r)
			require.Equal(t, http.StatusBadRequest, a.status, "%s %s", r.method, r.path)
			require.JSONEq(t, malformed, string(a.body))
			r.header = nil
		}
		r.body = `{"a": "` + strings.Repeat("x", 1<<20) + `"}`
		a := s.ask(t, s.apis[0], r)
		require.Equal(t, http.StatusRequestEntityTooLarge, a.status, "%s %s", r.method, r.path)
		if strings.HasSuffix(r.path, "/config") { // its body is a list
			continue
		}
		for _, body := range []string{`"x"`, `1`, `[1]`, `true`} {
			r.body = body
			a := s.ask(t, s.apis[0], r)
			require.Equal(t, http.StatusBadRequest, a.status, "%s %s %s: %s", r.method, r.path, body, a.body)
			require.NotContains(t, string(a.body), "could not understand", "%s %s %s", r.method, r.path, body)
		}
		r.body = `{}`
		plain := s.ask(t, s.apis[0], r)
		if plain.status != http.StatusBadRequest { // it would do something each time
			continue
		}
		for _, body := range []string{`null`, `[]`, `""`, `0`, `0.0`, `false`, " \n{} "} {
			r.body, r.header = body, http.Header{"Content-Type": {"text/plain; charset=iso-8859-1"}}
			a := s.ask(t, s.apis[0], r)
			require.Equal(t, plain.status, a.status, "%s %s %s: %s", r.method, r.path, body, a.body)
			require.Equal(t, withoutTime(t, plain.body), withoutTime(t, a.body), "%s %s %s", r.method, r.path, body)
		}
	}
}

func withoutTime(t *testing.T, body []byte) fields {
	t.Helper()
	var f fields
	require.NoError(t, json.Unmarshal(body, &f))
	delete(f, "timestamp")
	return f
}

func bodyDetails(t *testing.T, s *stack) {
	token := s.login(t, s.apis[0], s.root, nil).Token
	name := "group-" + random(6)
	create := func(body string) answer {
		return s.ask(t, s.apis[0], request{method: "POST", path: "/groups", token: token, body: body})
	}
	var made struct{ Name string }
	create(`{"name": "first", "unknown": {"name": 5}, "uuid": 7, "name": "`+name+`"}`).into(t, &made)
	require.Equal(t, name, made.Name, "the last of repeated keys counts")
	for body, message := range map[string]string{
		`{"name": null}`:       "Field may not be null.",
		`{"name": 5}`:          "Not a valid string.",
		`{"Name": "x"}`:        "Missing data for required field.",
		`{"name": "a\u0000b"}`: "",
	} {
		a := create(body)
		require.Equal(t, http.StatusBadRequest, a.status, body)
		var said struct {
			Message  string         `json:"message"`
			ID       string         `json:"error_id"`
			Resource string         `json:"resource"`
			Details  map[string]any `json:"details"`
		}
		a.into(t, &said)
		require.Equal(t, "invalid-data", said.ID)
		require.Equal(t, "groups", said.Resource)
		require.Contains(t, said.Details, "name", "it names the field")
		if message != "" {
			require.Equal(t, message, said.Message)
		}
	}
	text := fmt.Sprintf(`{"name": "%s"}`, "group-"+random(6))
	status, _, body := s.raw(t, fmt.Sprintf("POST /0.1/groups HTTP/1.1\r\nHost: x\r\nX-Auth-Token: %s\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", token, len(text), text))
	require.Equal(t, http.StatusOK, status, "%s", body)
}

func otherOrigins(t *testing.T, s *stack) {
	for _, c := range []struct {
		name, method, path string
		send               map[string]string
		status             int
		want               map[string]string
	}{
		{"no origin", "GET", "/backends", nil, 200, map[string]string{"Access-Control-Allow-Origin": "*", "Vary": ""}},
		{"an origin", "GET", "/backends", map[string]string{"Origin": "https://a.example"}, 200, map[string]string{"Access-Control-Allow-Origin": "https://a.example", "Vary": "Origin", "Access-Control-Allow-Methods": ""}},
		{"no route", "GET", "/nowhere", map[string]string{"Origin": "null"}, 404, map[string]string{"Access-Control-Allow-Origin": "null", "Vary": "Origin"}},
		{"another method", "PUT", "/backends", nil, 405, map[string]string{"Access-Control-Allow-Origin": "*"}},
		{"no token", "GET", "/users", map[string]string{"Origin": "https://a.example"}, 401, map[string]string{"Access-Control-Allow-Origin": "https://a.example"}},
		{"a preflight", "OPTIONS", "/users", map[string]string{"Origin": "https://a.example", "Access-Control-Request-Method": "GET",
			"Access-Control-Request-Headers": "X-AUTH-token, wazo-tenant,content-type, Wazo-Session-Type, authorization, X-Evil"}, 200,
			map[string]string{"Access-Control-Allow-Origin": "https://a.example", "Access-Control-Allow-Methods": "DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT",
				"Access-Control-Allow-Headers": "Wazo-Session-Type, X-AUTH-token, authorization, content-type, wazo-tenant"}},
		{"a preflight without headers", "OPTIONS", "/users", map[string]string{"Origin": "https://a.example", "Access-Control-Request-Method": "GET"}, 200,
			map[string]string{"Access-Control-Allow-Methods": "DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT", "Access-Control-Allow-Headers": ""}},
		{"OPTIONS without a wish", "OPTIONS", "/users", map[string]string{"Origin": "https://a.example"}, 200,
			map[string]string{"Access-Control-Allow-Methods": "", "Allow": "GET, HEAD, OPTIONS, POST"}},
	} {
		h := http.Header{}
		for k, v := range c.send {
			h.Set(k, v)
		}
		a := s.ask(t, s.apis[0], request{method: c.method, path: c.path, header: h})
		require.Equal(t, c.status, a.status, c.name)
		for k, v := range c.want {
			require.Equal(t, v, a.header.Get(k), "%s: %s", c.name, k)
		}
		for _, k := range []string{"Access-Control-Max-Age", "Access-Control-Expose-Headers", "Access-Control-Allow-Credentials"} {
			require.NotContains(t, a.header, k, c.name)
		}
	}
}

func commonHeaders(t *testing.T, s *stack) {
	token := s.login(t, s.apis[0], s.root, nil).Token
	for _, r := range []request{
		{method: "GET", path: "/backends"}, {method: "GET", path: "/users"}, {method: "GET", path: "/nowhere"}, {method: "PUT", path: "/backends"},
		{method: "HEAD", path: "/status"}, {method: "GET", path: "/users", token: token}, {method: "DELETE", path: "/sessions/" + unknown, token: token},
	} {
		a := s.ask(t, s.apis[0], r)
		for _, k := range []string{"Date", "Server", "Access-Control-Allow-Origin", "Content-Type"} {
			require.NotEmpty(t, a.header.Get(k), "%s %s: %s", r.method, r.path, k)
		}
		for _, k := range []string{"X-Powered-By", "Cache-Control", "Expires", "Etag", "Www-Authenticate"} {
			require.NotContains(t, a.header, k, "%s %s", r.method, r.path)
		}
		if a.header.Get("Content-Type") == "application/json" && len(a.body) > 0 {
			require.True(t, bytes.HasSuffix(a.body, []byte("\n")) && !bytes.HasSuffix(a.body, []byte("\n\n")), "one line feed at the end")
		}
		if a.status == http.StatusNoContent {
			require.Equal(t, "application/json", a.header.Get("Content-Type"))
			require.NotContains(t, a.header, "Content-Length")
		}
	}
	status := s.ask(t, s.apis[0], request{method: "HEAD", path: "/status"})
	require.Equal(t, "3", status.header.Get("Content-Length"))
	require.Equal(t, "HEAD, OPTIONS", s.ask(t, s.apis[0], request{method: "GET", path: "/status"}).header.Get("Allow"))
}

func clientAddress(t *testing.T, s *stack) {
	for sent, want := range map[string]string{
		"":                          "127.0.0.1",
		"1.2.3.4":                   "1.2.3.4",
		"1.2.3.4, 5.6.7.8":          "5.6.7.8",
		"1.2.3.4,  not an address ": "not an address",
	} {
		r := s.loginRequest(s.root, fields{})
		r.header = http.Header{"X-Real-Ip": {"9.9.9.9"}, "Forwarded": {"for=9.9.9.9"}}
		if sent != "" {
			r.header.Set("X-Forwarded-For", sent)
		}
		require.Equal(t, want, s.ask(t, s.apis[0], r).token(t).RemoteAddr, sent)
	}
}

func tenantHeader(t *testing.T, s *stack) {
	below := s.addTenant(t, uuid.Nil)
	token := s.login(t, s.apis[0], s.root, nil).Token
	ask := func(tenant string) answer {
		return s.ask(t, s.apis[0], request{method: "GET", path: "/groups", token: token, header: http.Header{"Wazo-Tenant": {tenant}}})
	}
	for _, good := range []string{"", below.String()} {
		require.Equal(t, http.StatusOK, ask(good).status, good)
	}
	for _, bad := range []string{"nonsense", strings.ToUpper(below.String()), unknown, "{" + below.String() + "}"} {
		a := ask(bad)
		require.Equal(t, http.StatusUnauthorized, a.status, bad)
		var said refusal
		a.into(t, &said)
		require.Equal(t, "unauthorized-tenant", said.ID)
		require.Equal(t, bad, said.Details["tenant_uuid"])
	}
}

func repeatedParameters(t *testing.T, s *stack) {
	token := s.login(t, s.apis[0], s.root, nil).Token
	for _, p := range pathsOfDescription(t) {
		get := p.operations[http.MethodGet]
		if get == nil || strings.Contains(p.template, "{") || get.Parameters.GetByInAndName("query", "limit") == nil {
			continue
		}
		var got struct{ Items []any }
		s.ask(t, s.apis[0], request{method: "GET", path: p.template + "?limit=0&limit=nonsense&unknown=1&recurse=yes", token: token}).into(t, &got)
		require.Empty(t, got.Items)
		for query, field := range map[string]string{"limit=-1": "limit", "limit=": "limit", "limit=1.5": "limit", "limit=true": "limit", "offset=x": "offset",
			"limit=99999999999999999999": "limit", "order=": "order", "order=nonsense": "order", "direction=ASC": "direction", "direction=": "direction", "recurse=maybe": "recurse"} {
			a := s.ask(t, s.apis[0], request{method: "GET", path: p.template + "?" + query, token: token})
			require.Equal(t, http.StatusBadRequest, a.status, "%s?%s", p.template, query)
			var said struct {
				Message  map[string]any `json:"message"`
				ID       string         `json:"error_id"`
				Resource string         `json:"resource"`
				Details  map[string]any `json:"details"`
			}
			a.into(t, &said)
			require.Contains(t, said.Message, field, "%s?%s", p.template, query)
			require.Equal(t, "invalid-list-param", said.ID)
			require.Equal(t, "users", said.Resource)
			require.Empty(t, said.Details)
		}
	}
}
