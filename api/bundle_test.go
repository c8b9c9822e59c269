package api

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/xivo-auth/xivo-auth/backends"
	"github.com/xivo-auth/xivo-auth/backends/metadata"
	"github.com/xivo-auth/xivo-auth/backends/native"
	"github.com/xivo-auth/xivo-auth/config"
	"github.com/xivo-auth/xivo-auth/db/dbtest"
	"github.com/xivo-auth/xivo-auth/db/dbtest/factory"
	"github.com/xivo-auth/xivo-auth/identity"
	"github.com/xivo-auth/xivo-auth/logging"
	"github.com/xivo-auth/xivo-auth/outbox"
	"github.com/xivo-auth/xivo-auth/password"
	"github.com/xivo-auth/xivo-auth/seal"
	"github.com/xivo-auth/xivo-auth/sources"
	"github.com/xivo-auth/xivo-auth/token"
)

const goodPassword = "correct horse"

// bundle is the whole interface on real services and a fresh database.
type bundle struct {
	pool   *pgxpool.Pool
	server *httptest.Server
	log    *safeBuffer
	hash   string
	top    uuid.UUID
	deps   Deps
	live   *config.Live
}

type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

func setup(t *testing.T) *bundle {
	t.Helper()
	return setupOn(t, dbtest.Pool(t))
}

// setupOn is setup with a pool of the caller's.
func setupOn(t *testing.T, pool *pgxpool.Pool) *bundle {
	t.Helper()
	b := &bundle{pool: pool, log: &safeBuffer{}}
	level := new(slog.LevelVar)
	log := logging.New(b.log, "json", level)
	hasher := password.New(password.Params{MemoryKiB: 8192, Iterations: 1, Parallelism: 1}, 2, 100)
	var err error
	b.hash, err = hasher.Hash(t.Context(), goodPassword)
	require.NoError(t, err)
	ring, err := seal.New([]seal.Key{{ID: "k1", Secret: [32]byte{1}}})
	require.NoError(t, err)
	xivo := "the-predefined-xivo-uuid"
	src := native.New(native.Deps{Pool: b.pool, Hasher: hasher, Log: log, Metadata: metadata.Default(&xivo)})
	single := identity.NewSAML(identity.SAMLDeps{Pool: b.pool, Sealer: ring, Log: log, LoginTimeout: 10 * time.Minute, SessionLifetime: 7 * 24 * time.Hour})
	sso := sources.NewSAML(config.DefaultAPI().SAML, sources.Deps{SAML: single, Log: log}, src)
	registry := backends.NewRegistry(log, []backends.Entry{{Provider: sso}, {Provider: src, Priority: 1}}, []string{native.Name})
	tokens := token.New(token.Deps{Pool: b.pool, Sources: registry, Sealer: ring, Log: log, Wake: func() {}, DefaultLifetime: 2 * time.Hour, MaxSessions: 5})
	utcPlus1 := time.FixedZone("UTC+1", -3600)
	b.live = live(b.pool, level, nil)
	b.deps = Deps{Checker: token.NewChecker(b.pool), Tokens: tokens, Directory: identity.NewDirectory(b.pool),
		Tenants: identity.NewTenants(b.pool, tokens, outbox.NewEvents(true), identity.Methods{"ldap", "saml"}, config.Content{}, log, func() {}),
		Users:   identity.NewUsers(b.pool, hasher, tokens, identity.Methods{"ldap", "saml"}, func() {}), Methods: []string{"native", "default", "ldap", "saml"}, Groups: identity.NewGroups(b.pool), Policies: identity.NewPolicies(b.pool), LDAPConfigs: identity.NewLDAPConfigs(b.pool, ring), SAMLConfigs: single.Ending(tokens, func() {}), SAML: sso, ACSURLTemplate: "https://{{STACK_URL}}/acs",
		Backends: registry.Names(), Log: log, Metrics: NewMetrics(prometheus.NewRegistry(), registry.Names()), Location: utcPlus1,
		NumProxies: 1, MaxBody: 1 << 20, CORS: CORS{Enabled: true, AllowHeaders: []string{"Content-Type", "X-Auth-Token"}},
		Config: b.live}
	b.server = httptest.NewServer(New(b.deps))
	t.Cleanup(b.server.Close)
	b.top = factory.TopTenant(t.Context(), t, b.pool)
	return b
}

func (b *bundle) user(t *testing.T, tenant uuid.UUID, acl ...string) (uuid.UUID, string) {
	t.Helper()
	login := "user-" + uuid.NewString()
	if acl == nil {
		acl = []string{}
	}
	return factory.User(t.Context(), t, b.pool, factory.UserOpts{Tenant: tenant, Username: login, PasswordHash: b.hash, ACL: acl}), login
}

// answer is a response read to its end.
type answer struct {
	status int
	header http.Header
	text   string
	body   map[string]any
}

type headers map[string]string

func (b *bundle) do(t *testing.T, method, path, body string, h headers) answer {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	var r io.Reader
	if body != "" {
		r = strings.NewReader(body)
	}
	req, err := http.NewRequestWithContext(ctx, method, b.server.URL+path, r)
	require.NoError(t, err)
	for k, v := range h {
		req.Header.Set(k, v)
	}
	req.Host = h["Host"]
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Do(req)
	require.NoError(t, err)
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	a := answer{status: resp.StatusCode, header: resp.Header, text: string(text)}
	_ = json.Unmarshal(text, &a.body)
	return a
}

func basic(login, password string) string {
	r, _ := http.NewRequestWithContext(context.Background(), http.MethodGet, "http://x", nil)
	r.SetBasicAuth(login, password)
	return r.Header.Get("Authorization")
}

// login logs in and gives the data of the answer.
func (b *bundle) login(t *testing.T, login, body string, h headers) map[string]any {
	t.Helper()
	all := headers{"Authorization": basic(login, goodPassword)}
	for k, v := range h {
		all[k] = v
	}
	a := b.do(t, "POST", "/0.1/token", body, all)
	require.Equal(t, http.StatusOK, a.status, a.text)
	data, ok := a.body["data"].(map[string]any)
	require.True(t, ok)
	return data
}

func str(t *testing.T, m map[string]any, name string) string {
	t.Helper()
	s, ok := m[name].(string)
	require.True(t, ok, "%s is %v", name, m[name])
	return s
}

func reason(a answer) string {
	list, _ := a.body["reason"].([]any)
	if len(list) != 1 {
		return ""
	}
	s, _ := list[0].(string)
	return s
}
