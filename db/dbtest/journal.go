package dbtest

import (
	"context"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"
)

// Statement is one that was sent to the database.
type Statement struct {
	SQL  string
	Args []any
}

// Journal notes every statement of a pool.
type Journal struct {
	mu         sync.Mutex
	statements []Statement
}

// Noted is a pool on a fresh database whose statements are noted.
func Noted(tb testing.TB) (*pgxpool.Pool, *Journal) {
	tb.Helper()
	c, err := pgxpool.ParseConfig(URI(tb))
	require.NoError(tb, err)
	j := &Journal{}
	c.ConnConfig.Tracer = j
	pool, err := pgxpool.NewWithConfig(context.Background(), c)
	require.NoError(tb, err)
	tb.Cleanup(pool.Close)
	return pool, j
}

// Take gives what was noted since the last time, without what begins and ends transactions.
func (j *Journal) Take() (taken []Statement) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, s := range j.statements {
		if s.SQL != "begin" && s.SQL != "commit" && s.SQL != "rollback" {
			taken = append(taken, s)
		}
	}
	j.statements = nil
	return taken
}

// TraceQueryStart implements pgx.QueryTracer.
func (j *Journal) TraceQueryStart(ctx context.Context, _ *pgx.Conn, d pgx.TraceQueryStartData) context.Context {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.statements = append(j.statements, Statement{d.SQL, d.Args})
	return ctx
}

// TraceQueryEnd implements pgx.QueryTracer.
func (*Journal) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}
