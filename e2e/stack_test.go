package e2e

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
)

// options of a stack. What lies between the processes and their servers is a proxy each where asked for.
type options struct {
	apis, workers                               int
	apiDatabase, workerDatabase, workerTemporal bool
	settings                                    map[string]string // more configuration, by key
}

// stack is one installation: a database, a namespace, and processes. Its tests may run side by side.
type stack struct {
	apis, workers                               []*process
	apiDatabase, workerDatabase, workerTemporal *proxy
	uri                                         string // of the database, directly
	db                                          *pgxpool.Pool
	temporal                                    client.Client
	namespace                                   string
	root                                        string // the first user
	password, wrong                             string // every user's password, and one that nobody has
	http                                        *http.Client
	common                                      map[string]string

	mu      sync.Mutex
	secrets map[string]bool // every token and refresh token that was handed out, and what else must not be seen
	// disobeyed is what api.yml describes otherwise, in words that hold no secret.
	disobeyed map[string]bool
}

// unknown is a token, or a refresh token, that nobody ever got. It could be somebody's elsewhere.
const unknown = "8015b733-29f7-4b55-9839-debcc409101f"

const (
	// Limits for what usually takes a moment, on a machine that other tests keep busy.
	startTime = 2 * time.Minute
	bearable  = 90 * time.Second
)

// newStack starts an installation and waits until it is of use.
func newStack(t *testing.T, o options) *stack {
	t.Helper()
	bin := program(t, "xivo-auth")
	s := &stack{namespace: "e2e-" + random(6), root: "root", password: "Wort-" + random(12), wrong: "Falsch-" + random(12), secrets: map[string]bool{}, disobeyed: map[string]bool{},
		http: &http.Client{Timeout: bearable, Transport: &http.Transport{MaxIdleConnsPerHost: 256}}}
	t.Cleanup(s.http.CloseIdleConnections)
	t.Cleanup(func() { s.reportDisobedience(t) })
	key := make([]byte, 32)
	_, err := rand.Read(key)
	require.NoError(t, err)
	s.secret(s.password, s.wrong, unknown, base64.StdEncoding.EncodeToString(key))
	s.uri = database(t)
	s.db, err = pgxpool.New(t.Context(), s.uri)
	require.NoError(t, err)
	t.Cleanup(s.db.Close)
	s.temporal = dialTemporal(t, s.namespace)

	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "config.yml"), nil, 0o600))
	s.common = map[string]string{"config_file": filepath.Join(dir, "config.yml"), "extra_config_files": dir, "state_dir": dir,
		"db_uri": s.uri, "db_max_connections": "8", "db_connect_retry_timeout_seconds": "30", "log_level": "debug",
		"password_hash.memory_kib": "8192", "password_hash.iterations": "1", "password_hash.queue": "1000",
		"sealing_keys": "first:" + base64.StdEncoding.EncodeToString(key), "XIVO_UUID": "e2e", "TZ": "UTC",
		"GORACE": "halt_on_error=1"}
	maps.Copy(s.common, o.settings)
	out, code := command(t, env(s.common), bin, "migrate")
	require.Zero(t, code, out)
	first := maps.Clone(s.common)
	first["bootstrap_user_username"], first["bootstrap_user_password"] = s.root, s.password
	out, code = command(t, env(first), bin, "bootstrap", "initial-user")
	require.Zero(t, code, out)

	s.addProcesses(t, o)
	for _, p := range append(s.apis[:len(s.apis):len(s.apis)], s.workers...) {
		t.Cleanup(func() { s.end(t, p) })
		p.start(t)
	}
	for _, p := range s.workers {
		s.awaitWorker(t, p)
	}
	for _, p := range s.apis {
		s.awaitAPI(t, p)
	}
	return s
}

func (s *stack) addProcesses(t *testing.T, o options) {
	t.Helper()
	server, err := url.Parse(s.uri)
	require.NoError(t, err)
	through := func(wanted bool, target string, slot **proxy) string {
		if !wanted {
			return target
		}
		*slot = newProxy(t, target)
		return (*slot).address
	}
	uri := func(host string) string { u := *server; u.Host = host; return u.String() }
	apiDatabase := uri(through(o.apiDatabase, server.Host, &s.apiDatabase))
	workerDatabase := uri(through(o.workerDatabase, server.Host, &s.workerDatabase))
	temporal := through(o.workerTemporal, os.Getenv(temporalVariable), &s.workerTemporal)
	for i := range o.apis {
		s.apis = append(s.apis, s.process(t, fmt.Sprint("api ", i+1), "api", map[string]string{"db_uri": apiDatabase}))
	}
	for i := range o.workers {
		s.workers = append(s.workers, s.process(t, fmt.Sprint("worker ", i+1), "worker", map[string]string{
			"db_uri": workerDatabase, "temporal.address": temporal, "temporal.namespace": s.namespace}))
	}
}

func (s *stack) process(t *testing.T, name, kind string, settings map[string]string) *process {
	t.Helper()
	p := &process{name: name, path: program(t, kind), log: &journal{}}
	all := maps.Clone(s.common)
	maps.Copy(all, settings)
	internal := freeAddress(t)
	p.internal = "http://" + internal
	_, all["internal.port"], _ = net.SplitHostPort(internal)
	if kind == "api" {
		address := freeAddress(t)
		p.url = "http://" + address
		_, all["rest_api.port"], _ = net.SplitHostPort(address)
	}
	p.env = env(all)
	return p
}

// end stops a process at the end of a test, and shows what it said if the test failed.
func (s *stack) end(t *testing.T, p *process) {
	p.kill()
	if strings.Contains(p.log.String(), "WARNING: DATA RACE") {
		t.Errorf("%s: a data race", p.name)
	}
	if t.Failed() {
		t.Logf("--- %s\n%s", p.name, p.log.tail())
	}
}

func (s *stack) awaitAPI(t *testing.T, p *process) {
	t.Helper()
	await(t, startTime, p.name+" serves", func() error {
		if err := s.probe(p.url + "/0.1/backends"); err != nil {
			return err
		}
		return s.probe(p.internal + "/readyz")
	})
}

// awaitWorker waits until the worker has said so in its present life.
func (s *stack) awaitWorker(t *testing.T, p *process) {
	t.Helper()
	await(t, startTime, p.name+" works", func() error {
		text := p.log.String()
		if strings.LastIndex(text, "working on lifetimes") > strings.LastIndex(text, restartMark) {
			return nil
		}
		return errors.New("it has not said so")
	})
}

// restartMark in a journal begins another life of the process.
const restartMark = "--- started again ---"

func (s *stack) restart(t *testing.T, p *process) {
	t.Helper()
	_, _ = p.log.Write([]byte(restartMark + "\n"))
	p.start(t)
	if p.url == "" {
		s.awaitWorker(t, p)
	} else {
		s.awaitAPI(t, p)
	}
}

// probe wants 200.
func (s *stack) probe(address string) error {
	status, err := s.status(address)
	if err == nil && status != http.StatusOK {
		return fmt.Errorf("%s: %d", address, status)
	}
	return err
}

func (s *stack) status(address string) (int, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return 0, err
	}
	resp, err := s.http.Do(req)
	if err != nil {
		return 0, err
	}
	_ = resp.Body.Close()
	return resp.StatusCode, nil
}

// secret notes texts that must not be seen anywhere.
func (s *stack) secret(texts ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, x := range texts {
		if x != "" {
			s.secrets[x] = true
		}
	}
}

// database makes an empty database, dropped after the test, and gives its URI.
func database(t *testing.T) string {
	t.Helper()
	server := os.Getenv(databaseVariable)
	name := "e2e_" + random(8)
	run := func(ctx context.Context, statement string) {
		conn, err := pgx.Connect(ctx, server)
		require.NoError(t, err)
		defer func() { _ = conn.Close(ctx) }()
		_, err = conn.Exec(ctx, statement)
		require.NoError(t, err)
	}
	run(t.Context(), "CREATE DATABASE "+name)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), bearable)
		defer cancel()
		run(ctx, "DROP DATABASE IF EXISTS "+name+" WITH (FORCE)")
	})
	u, err := url.Parse(server)
	require.NoError(t, err)
	u.Path = "/" + name
	return u.String()
}

func random(bytes int) string {
	b := make([]byte, bytes)
	_, _ = rand.Read(b)
	return hex.EncodeToString(b)
}
