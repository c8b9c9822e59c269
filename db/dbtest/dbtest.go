// Package dbtest gives each test a fresh database of the newest schema on a real server: a migrated template is made once
// and cloned, which takes some tens of milliseconds. The server comes from XIVO_AUTH_TEST_DATABASE_URL, which
// `make test` sets.
package dbtest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/xivo-auth/xivo-auth/db"
)

// ServerEnv names the variable with the URL of a maintenance database, as a superuser.
const ServerEnv = "XIVO_AUTH_TEST_DATABASE_URL"

// Server is the URL of the test server's maintenance database. Without one the test is skipped, saying why, or fails
// where CI is set.
func Server(tb testing.TB) string {
	tb.Helper()
	u := os.Getenv(ServerEnv)
	if u != "" {
		return u
	}
	if os.Getenv("CI") != "" {
		tb.Fatalf("%s is not set: run the tests with `make test`", ServerEnv)
	}
	tb.Skipf("needs PostgreSQL: %s is not set; run the tests with `make test`, or one package with `bin/dev exec -- go test ./...`", ServerEnv)
	return ""
}

// URI makes a fresh database, dropped after the test, and gives its URI.
func URI(tb testing.TB) string {
	tb.Helper()
	server := Server(tb)
	template := templateFor(tb, server)
	name := "test_" + hex.EncodeToString(randomBytes())
	admin(tb, server, "CREATE DATABASE "+name+" TEMPLATE "+template+" STRATEGY file_copy")
	tb.Cleanup(func() { admin(tb, server, "DROP DATABASE IF EXISTS "+name+" WITH (FORCE)") })
	return withDatabase(tb, server, name)
}

// Empty makes a database without any schema.
func Empty(tb testing.TB) string {
	tb.Helper()
	server := Server(tb)
	name := "test_" + hex.EncodeToString(randomBytes())
	admin(tb, server, "CREATE DATABASE "+name)
	tb.Cleanup(func() { admin(tb, server, "DROP DATABASE IF EXISTS "+name+" WITH (FORCE)") })
	return withDatabase(tb, server, name)
}

// Pool is a pool on a fresh database.
func Pool(tb testing.TB) *pgxpool.Pool {
	tb.Helper()
	return PoolOn(tb, URI(tb))
}

// PoolOn is a pool on a database of URI or Empty.
func PoolOn(tb testing.TB, uri string) *pgxpool.Pool {
	tb.Helper()
	p, err := db.Open(context.Background(), db.Options{URI: uri, MaxConns: 10, Name: "test"})
	require.NoError(tb, err)
	tb.Cleanup(p.Close)
	return p
}

func randomBytes() []byte {
	id := uuid.New()
	return id[:8]
}

var (
	templateOnce sync.Once
	templateName string
)

// templateFor makes the template unless another test process has. Its name holds a digest of the migrations, so that a
// long-lived server serves every version of them.
func templateFor(tb testing.TB, server string) string {
	tb.Helper()
	templateOnce.Do(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		name := "template_" + digest(tb)
		conn, err := pgx.Connect(ctx, server)
		require.NoError(tb, err)
		defer func() { _ = conn.Close(ctx) }()
		const lock = 7_203_417
		_, err = conn.Exec(ctx, "SELECT pg_advisory_lock($1)", lock)
		require.NoError(tb, err)
		var exists bool
		require.NoError(tb, conn.QueryRow(ctx, "SELECT EXISTS (SELECT 1 FROM pg_database WHERE datname = $1 AND datistemplate)", name).Scan(&exists))
		if !exists {
			_, err = conn.Exec(ctx, "DROP DATABASE IF EXISTS "+name)
			require.NoError(tb, err)
			_, err = conn.Exec(ctx, "CREATE DATABASE "+name)
			require.NoError(tb, err)
			_, err = db.Migrate(ctx, withDatabase(tb, server, name))
			require.NoError(tb, err)
			_, err = conn.Exec(ctx, "ALTER DATABASE "+name+" WITH is_template true")
			require.NoError(tb, err)
		}
		templateName = name
	})
	if templateName == "" {
		tb.Fatal("the template database could not be made; see the first test that needed it")
	}
	return templateName
}

func digest(tb testing.TB) string {
	tb.Helper()
	_, here, _, _ := runtime.Caller(0)
	files, err := filepath.Glob(filepath.Join(filepath.Dir(here), "..", "schema", "*.sql"))
	require.NoError(tb, err)
	h := sha256.New()
	for _, f := range files {
		text, err := os.ReadFile(f) //nolint:gosec // our own schema
		require.NoError(tb, err)
		h.Write(text)
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}

func withDatabase(tb testing.TB, server, name string) string {
	tb.Helper()
	u, err := url.Parse(server)
	require.NoError(tb, err)
	u.Path = "/" + name
	return u.String()
}

// admin runs a statement on the maintenance database. A template that is being cloned is "in use" for a moment.
func admin(tb testing.TB, server, statement string) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	conn, err := pgx.Connect(ctx, server)
	require.NoError(tb, err)
	defer func() { _ = conn.Close(ctx) }()
	for {
		_, err = conn.Exec(ctx, statement)
		var pg *pgconn.PgError
		if err == nil || !errors.As(err, &pg) || pg.Code != "55006" || ctx.Err() != nil {
			break
		}
		select {
		case <-ctx.Done():
		case <-time.After(20 * time.Millisecond):
		}
	}
	require.NoError(tb, err)
}
