package client

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const secret = "5e8b7f2a-1111-4222-8333-444455556666"

// against is a client of a server that answers like this.
func against(t *testing.T, handle http.HandlerFunc) *Client {
	t.Helper()
	server := httptest.NewServer(handle)
	t.Cleanup(server.Close)
	c, err := New(server.URL + "/api/auth/")
	require.NoError(t, err)
	return c.With(secret)
}

func answers(status int, body string, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}
}

func TestErrorsOfEveryShapeAreRead(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		handle http.HandlerFunc
		want   Error
		says   string
	}{
		"modern": {answers(404, `{"message": "No such user", "error_id": "unknown-user", "resource": "users", "details": {"uuid": "x"}, "timestamp": 1.5}`),
			Error{StatusCode: 404, ID: "unknown-user", Message: "No such user", Resource: "users", Details: map[string]any{"uuid": "x"}}, "xivo-auth answered 404: No such user"},
		"historic": {answers(401, `{"reason": ["Authentication Failed", "twice"], "timestamp": [1.5], "status_code": 401}`),
			Error{StatusCode: 401, Message: "Authentication Failed; twice"}, "xivo-auth answered 401: Authentication Failed; twice"},
		"an object as the message": {answers(400, `{"message": {"name": ["missing"]}, "error_id": {"name": 1}, "details": "none"}`), Error{StatusCode: 400, Message: `{"name":["missing"]}`}, ""},
		"come again":               {answers(429, `{"message": "Too many"}`, "Retry-After", "7"), Error{StatusCode: 429, Message: "Too many", RetryAfter: 7 * time.Second}, ""},
		"a proxy's page":           {answers(502, `<html>`), Error{StatusCode: 502}, "xivo-auth answered 502"},
		"a redirect":               {answers(302, ``, "Location", "http://elsewhere.invalid/"), Error{StatusCode: 302}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := against(t, tt.handle).Users.Get(t.Context(), "u")
			var got *Error
			require.ErrorAs(t, err, &got)
			require.Equal(t, tt.want, *got)
			if tt.says != "" {
				require.EqualError(t, err, tt.says)
			}
		})
	}
}

func TestRequestsAreWhatTheServerExpects(t *testing.T) {
	t.Parallel()
	var got *http.Request
	var body map[string]any
	c := against(t, func(w http.ResponseWriter, r *http.Request) {
		got, body = r, nil
		_ = json.NewDecoder(r.Body).Decode(&body)
		_, _ = w.Write([]byte(`{"data": {"token": "made"}, "items": [{"uuid": "1", "name": "n"}], "total": 3, "filtered": 2}`))
	})
	p, err := c.In("tenant").Groups.List(t.Context(), ListOptions{Search: "a b", Order: "name", Direction: "desc", Limit: 2, Offset: 1, Recurse: true, Filters: map[string]string{"name": "é&"}})
	require.NoError(t, err)
	require.Equal(t, Page[Group]{Items: []Group{{UUID: "1", Name: "n"}}, Total: 3, Filtered: 2}, p)
	require.Equal(t, "/api/auth/0.1/groups?direction=desc&limit=2&name=%C3%A9%26&offset=1&order=name&recurse=true&search=a+b", got.RequestURI)
	require.Equal(t, []string{secret, "tenant", "application/json", ""}, []string{got.Header.Get("X-Auth-Token"), got.Header.Get("Wazo-Tenant"), got.Header.Get("Accept"), got.Header.Get("Authorization")})

	for access, want := range map[string]string{"a.#": "a.%23", "a/b": "a%2Fb", "a b?": "a%20b%3F", "%2e": "%252e", "é": "%C3%A9"} {
		require.NoError(t, c.Policies.AddAccess(t.Context(), "p", access))
		require.Equal(t, "/api/auth/0.1/policies/p/acl/"+want, got.RequestURI)
	}
	made, err := c.With("").Tokens.New(t.Context(), Credentials{Username: "ü", Password: "p:w", Expiration: 60, Offline: true, ClientID: "phone", Mobile: true})
	require.NoError(t, err)
	require.Equal(t, "made", made.Token)
	user, password, ok := got.BasicAuth()
	require.True(t, ok)
	require.Equal(t, []string{"ü", "p:w", "mobile", ""}, []string{user, password, got.Header.Get("Wazo-Session-Type"), got.Header.Get("X-Auth-Token")})
	require.Equal(t, map[string]any{"expiration": 60.0, "access_type": "offline", "client_id": "phone"}, body)
	_, err = c.Policies.Create(t.Context(), Policy{Name: "p"})
	require.NoError(t, err)
	require.Equal(t, []any{}, body["acl"])
	require.NotContains(t, body, "uuid")
}

func TestWhatIdentifiesNothingIsNotAsked(t *testing.T) {
	t.Parallel()
	c := against(t, func(http.ResponseWriter, *http.Request) { t.Error("asked") })
	for _, id := range []string{"", ".", ".."} {
		require.ErrorContains(t, c.Users.Delete(t.Context(), id), "identifies nothing")
		require.ErrorContains(t, c.Groups.RemoveUser(t.Context(), id, "u"), "identifies nothing")
	}
}

func TestCheckIsYesOnlyFor204(t *testing.T) {
	t.Parallel()
	for status, want := range map[int]struct{ ok, told bool }{204: {true, true}, 403: {false, true}, 404: {false, true}, 200: {}, 302: {}, 400: {}, 500: {}, 503: {}} {
		ok, err := against(t, answers(status, "")).Tokens.Check(t.Context(), "t", CheckOptions{Scope: "a.b"})
		require.Equal(t, want.ok, ok, status)
		require.Equal(t, want.told, err == nil, status)
	}
}

func TestAnswersAreBounded(t *testing.T) {
	t.Parallel()
	chunk := []byte(strings.Repeat(" ", 1<<20))
	c := against(t, func(w http.ResponseWriter, _ *http.Request) {
		for {
			if _, err := w.Write(chunk); err != nil {
				return
			}
		}
	})
	_, err := c.Users.List(t.Context(), ListOptions{})
	require.ErrorContains(t, err, "an answer of more than")
}

func TestTokensAreNeverInErrors(t *testing.T) {
	t.Parallel()
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	over, cancel := context.WithCancel(t.Context())
	cancel()
	nowhere, err := New(gone.URL)
	require.NoError(t, err)
	cut := against(t, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	broken := against(t, answers(200, `{"data": `))
	for name, call := range map[string]func() error{
		"nobody listens": func() error { return nowhere.With(secret).Tokens.Revoke(t.Context(), secret) },
		"given up":       func() error { return cut.Tokens.Revoke(over, secret) },
		"cut off":        func() error { return cut.Tokens.Revoke(t.Context(), secret) },
		"no JSON":        func() error { _, err := broken.Tokens.Get(t.Context(), secret); return err },
		"no header":      func() error { return cut.With(secret+"\n").Tokens.Revoke(t.Context(), "x") },
	} {
		err := call()
		require.Error(t, err, name)
		require.NotContains(t, err.Error(), secret, name)
	}
	require.ErrorIs(t, cut.Tokens.Revoke(over, secret), context.Canceled)
}

func TestRedirectsDoNotCarryTheTokenAway(t *testing.T) {
	t.Parallel()
	away := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("followed") }))
	t.Cleanup(away.Close)
	c := against(t, answers(307, "", "Location", away.URL))
	_, err := c.Users.List(t.Context(), ListOptions{})
	require.ErrorContains(t, err, "answered 307")
}

func TestAddressesAreHTTPOnly(t *testing.T) {
	t.Parallel()
	for _, address := range []string{"", "127.0.0.1:9497", "ftp://host", "http://", "http://a b", "unix:///x"} {
		_, err := New(address)
		require.Error(t, err, address)
	}
}

func TestCopiesAreIndependent(t *testing.T) {
	t.Parallel()
	seen := make(chan string, 3)
	c := against(t, func(w http.ResponseWriter, r *http.Request) {
		seen <- r.Header.Get("X-Auth-Token") + " " + r.Header.Get("Wazo-Tenant")
		_, _ = w.Write([]byte(`{}`))
	})
	for _, each := range []*Client{c.With("other").In("t"), c.In("t"), c} {
		_, err := each.Sessions.List(t.Context(), ListOptions{})
		require.NoError(t, err)
	}
	require.Equal(t, []string{"other t", secret + " t", secret + " "}, []string{<-seen, <-seen, <-seen})
}
