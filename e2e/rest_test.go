package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

// fields is a JSON object.
type fields = map[string]any

// request is one call of the REST interface; err instead of an answer is a broken connection.
type request struct {
	method, path   string
	user, password string // Basic credentials, when user is not empty
	token          string // X-Auth-Token
	body           any    // an object to encode, or a string to send as it is
	header         http.Header
}

type answer struct {
	status int
	header http.Header
	body   []byte
	began  time.Time
	took   time.Duration
}

// tokenBody is what a login answers, as far as the tests look at it.
type tokenBody struct {
	Token        string         `json:"token"`
	RefreshToken string         `json:"refresh_token"`
	Session      uuid.UUID      `json:"session_uuid"`
	AuthID       string         `json:"auth_id"`
	ExpiresAt    string         `json:"utc_expires_at"`
	IssuedAt     string         `json:"utc_issued_at"`
	ACL          []string       `json:"acl"`
	Metadata     map[string]any `json:"metadata"`
	UserAgent    string         `json:"user_agent"`
	RemoteAddr   string         `json:"remote_addr"`
}

func (b tokenBody) expires(t *testing.T) time.Time {
	t.Helper()
	at, err := time.Parse("2006-01-02T15:04:05.000000", b.ExpiresAt)
	require.NoError(t, err)
	return at
}

// do sends a request to an API. What it hands out is noted as a secret.
func (s *stack) do(p *process, r request) (answer, error) {
	var body io.Reader
	switch b := r.body.(type) {
	case nil:
	case string:
		body = bytes.NewBufferString(b)
	default:
		text, err := json.Marshal(b)
		if err != nil {
			return answer{}, err
		}
		body = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(context.Background(), r.method, p.url+"/0.1"+r.path, body)
	if err != nil {
		return answer{}, err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	for k, v := range r.header {
		req.Header[k] = v
	}
	if r.user != "" {
		req.SetBasicAuth(r.user, r.password)
	}
	if r.token != "" {
		req.Header.Set("X-Auth-Token", r.token)
	}
	a := answer{began: time.Now()}
	resp, err := s.http.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = resp.Body.Close() }()
	a.status, a.header = resp.StatusCode, resp.Header
	a.body, err = io.ReadAll(resp.Body)
	a.took = time.Since(a.began)
	if err == nil {
		err = s.obey(r, a)
	}
	if err == nil && r.method == http.MethodPost && r.path == "/token" && a.status == http.StatusOK {
		var got struct{ Data tokenBody }
		if err = json.Unmarshal(a.body, &got); err == nil {
			s.secret(got.Data.Token, got.Data.RefreshToken)
		}
	}
	return a, err
}

// expect is do for one status.
func (s *stack) expect(status int, p *process, r request) (answer, error) {
	a, err := s.do(p, r)
	if err == nil && a.status != status {
		err = fmt.Errorf("%s %s: %d, not %d", r.method, p.name, a.status, status)
	}
	return a, err
}

// ask is do for a network that works.
func (s *stack) ask(t *testing.T, p *process, r request) answer {
	t.Helper()
	a, err := s.do(p, r)
	require.NoError(t, err, "%s %s", r.method, p.name)
	return a
}

func (a answer) token(t *testing.T) tokenBody {
	t.Helper()
	require.Equal(t, http.StatusOK, a.status, "the login: %s", a.body)
	var got struct{ Data tokenBody }
	require.NoError(t, json.Unmarshal(a.body, &got))
	require.NotEmpty(t, got.Data.Token)
	return got.Data
}

func (a answer) into(t *testing.T, v any) {
	t.Helper()
	require.NoError(t, json.Unmarshal(a.body, v), "%d %s", a.status, a.body)
}

func (s *stack) loginRequest(user string, body fields) request {
	return request{method: http.MethodPost, path: "/token", user: user, password: s.password, body: body}
}

// login logs in with the password that every user has.
func (s *stack) login(t *testing.T, p *process, user string, body fields) tokenBody {
	t.Helper()
	if body == nil {
		body = fields{}
	}
	return s.ask(t, p, s.loginRequest(user, body)).token(t)
}

// purse buys tokens without the cost of a hash.
type purse struct {
	refresh, client string
}

func (s *stack) purse(t *testing.T, p *process, user string) purse {
	t.Helper()
	c := "client-" + random(4)
	return purse{s.login(t, p, user, fields{"access_type": "offline", "client_id": c}).RefreshToken, c}
}

func (b purse) request(seconds int) request {
	return request{method: http.MethodPost, path: "/token", body: fields{"refresh_token": b.refresh, "client_id": b.client, "expiration": seconds}}
}

// noScope as the scope of a check asks for none.
const noScope = "-"

func checkRequest(token, scope string) request {
	r := request{method: http.MethodHead, path: "/token/" + token}
	if scope != noScope {
		r.path += "?scope=" + url.QueryEscape(scope)
	}
	return r
}

func (s *stack) check(t *testing.T, p *process, token, scope string) int {
	t.Helper()
	return s.ask(t, p, checkRequest(token, scope)).status
}

func (s *stack) revoke(t *testing.T, p *process, token string) {
	t.Helper()
	require.Equal(t, http.StatusOK, s.ask(t, p, request{method: http.MethodDelete, path: "/token/" + token}).status)
}

// awaitCheck waits until a check gives this status.
func (s *stack) awaitCheck(t *testing.T, p *process, token string, status int) {
	t.Helper()
	await(t, bearable, fmt.Sprint("a check gives ", status), func() error {
		_, err := s.expect(status, p, checkRequest(token, noScope))
		return err
	})
}

// tokenOf is the token of a login's answer, empty when there is none.
func tokenOf(a answer) string {
	var got struct{ Data tokenBody }
	if json.Unmarshal(a.body, &got) != nil {
		return ""
	}
	return got.Data.Token
}
