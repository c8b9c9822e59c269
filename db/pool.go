package db

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/xivo-auth/xivo-auth/fault"
)

// Options of a pool.
type Options struct {
	// URI is a PostgreSQL connection URI. It may hold a password: it never appears in an error.
	URI string
	// MaxConns bounds the pool.
	MaxConns int32
	// StatementTimeout ends a statement that runs longer; 0 leaves the server's setting.
	StatementTimeout time.Duration
	// Name is shown in pg_stat_activity.
	Name string
	// Tracer sees the statements of contexts with a span; nil where tracing is off.
	Tracer pgx.QueryTracer
	// GenericPlans plans a prepared statement once and for all, which pays where the same few short ones run all the time.
	GenericPlans bool
	// AsyncCommit lets commits return before they are on disk: for work that is found and done again after a crash.
	// Revocations commit durably all the same (TokenCommitDurably).
	AsyncCommit bool
}

// Open makes a pool. It does not connect: a database that is away now may be back for the first request.
func Open(ctx context.Context, o Options) (*pgxpool.Pool, error) {
	c, err := pgxpool.ParseConfig(o.URI)
	if err != nil {
		return nil, errors.New("db: the database URI cannot be parsed")
	}
	c.MaxConns = max(o.MaxConns, 1)
	c.MinConns = min(2, c.MaxConns)
	c.MaxConnIdleTime = 5 * time.Minute
	c.HealthCheckPeriod = 10 * time.Second
	// A connection that cannot be had at once is an outage, which clients should learn of within a second.
	c.ConnConfig.ConnectTimeout = 900 * time.Millisecond
	c.ConnConfig.Tracer = o.Tracer
	if c.ConnConfig.RuntimeParams["application_name"] == "" {
		c.ConnConfig.RuntimeParams["application_name"] = o.Name
	}
	if o.StatementTimeout > 0 {
		c.ConnConfig.RuntimeParams["statement_timeout"] = fmt.Sprint(o.StatementTimeout.Milliseconds())
	}
	if o.GenericPlans {
		c.ConnConfig.RuntimeParams["plan_cache_mode"] = "force_generic_plan"
	}
	if o.AsyncCommit {
		c.ConnConfig.RuntimeParams["synchronous_commit"] = "off"
	}
	p, err := pgxpool.NewWithConfig(ctx, c)
	if err != nil {
		return nil, fmt.Errorf("db: open pool: %w", err)
	}
	return p, nil
}

// Beginner starts transactions: a pool, or a connection.
type Beginner interface {
	Begin(ctx context.Context) (pgx.Tx, error)
}

// InTx runs f in a transaction and commits it if f returns nil. A broken connection that the pool handed out (the server
// was restarted) is replaced and f runs again, and so it does after a deadlock: nothing had been committed then.
func InTx(ctx context.Context, p Beginner, f func(tx pgx.Tx) error) error {
	return Retry(ctx, func() (err error) {
		ctx, span := startSpan(ctx)
		defer func() { endSpan(span, err) }()
		tx, err := p.Begin(ctx)
		if err != nil {
			return fmt.Errorf("begin transaction: %w", err)
		}
		if span != nil {
			tx = spannedTx{tx, span}
		}
		defer func() {
			// After a commit this does nothing; otherwise the connection is given back clean even if ctx is over.
			rollback, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
			defer cancel()
			_ = tx.Rollback(rollback)
		}()
		if err := f(tx); err != nil {
			return err
		}
		if err := tx.Commit(ctx); err != nil {
			// Whether a commit happened is unknown when its answer was lost: never run f again.
			return fmt.Errorf("commit: %w", finalError{err})
		}
		return nil
	})
}

// finalError hides from Retry what must not be tried again; errors.Is and errors.As see through it.
type finalError struct{ error }

func (e finalError) Unwrap() error { return e.error }

// Retry runs f again when it failed because its connection turned out to be dead: once for every connection that the pool
// may have kept from before a restart of the server, and no more; or because the database ended its transaction to resolve
// a deadlock. f must be safe to repeat after a lost connection. A database that is away is fault.Unavailable.
func Retry(ctx context.Context, f func() error) error {
	var err error
	for range 5 {
		if err = f(); err == nil || !deadConnection(err) && !deadlock(err) || ctx.Err() != nil {
			break
		}
	}
	if _, told := fault.As(err); told || !Unavailable(err) {
		return err
	}
	away := fault.Historic(fault.Unavailable, "The service cannot answer at the moment")
	away.RetryAfter = time.Second
	return away.Because(err)
}

// deadlock tells whether the database ended a transaction that was in the way of another one.
func deadlock(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && pg.Code == "40P01"
}

// deadConnection tells whether a statement failed since its connection had been cut before: by a restart of the server
// (57P01 to 57P03), or without a word.
func deadConnection(err error) bool {
	var final finalError
	if errors.As(err, &final) {
		return false
	}
	var refused *pgconn.ConnectError
	if errors.As(err, &refused) {
		return false
	}
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return pg.Code == "57P01" || pg.Code == "57P02" || pg.Code == "57P03"
	}
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		return false
	}
	return pgconn.SafeToRetry(err) || brokenPipe(err)
}

// Unavailable tells whether an error means that the database cannot be reached or cannot answer now, as opposed to a
// statement that is wrong.
func Unavailable(err error) bool {
	if err == nil || errors.Is(err, pgx.ErrNoRows) {
		return false
	}
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		switch pg.Code[:2] {
		case "08", "53", "57": // connection, insufficient resources, operator intervention (shutdown, time-out)
			return true
		}
		return false
	}
	var refused *pgconn.ConnectError
	var network net.Error
	return errors.As(err, &refused) || errors.As(err, &network) || errors.Is(err, context.DeadlineExceeded) || brokenPipe(err) ||
		pgconn.SafeToRetry(err)
}

// UniqueViolation tells whether a statement failed on the named unique constraint.
func UniqueViolation(err error, constraint string) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && pg.Code == "23505" && pg.ConstraintName == constraint
}
