// Package process is what the API and the worker do alike when they start: the logger, the runtime's limits, waiting for
// the database and refusing an old schema, and what /readyz looks at.
package process

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/xivo-auth/xivo-auth/config"
	"github.com/xivo-auth/xivo-auth/db"
	"github.com/xivo-auth/xivo-auth/logging"
	"github.com/xivo-auth/xivo-auth/ops"
	"github.com/xivo-auth/xivo-auth/outbox"
)

// Start applies the settings of the Go runtime and makes the process's logger.
func Start(name string, cfg config.Shared) *slog.Logger {
	return StartAt(new(slog.LevelVar), name, cfg)
}

// StartAt is Start for a process that changes the least level that it logs, through level.
func StartAt(level *slog.LevelVar, name string, cfg config.Shared) *slog.Logger {
	if cfg.GOGC > 0 {
		debug.SetGCPercent(cfg.GOGC)
	}
	if cfg.MemoryLimit > 0 {
		debug.SetMemoryLimit(int64(cfg.MemoryLimit))
	}
	level.Set(cfg.Level())
	return logging.New(os.Stderr, cfg.LogFormat, level).With("process", name)
}

// Reserve gives long computations (password hashes) places beside the ones that the Go scheduler has for the cores, so
// that short work does not queue behind them; the operating system shares the cores out. GOMAXPROCS, when set, stays.
func Reserve(computations int) {
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(runtime.GOMAXPROCS(0) + computations)
	}
}

// AwaitSchema waits for the database, migrates it if configured, and refuses a schema older than this build needs.
func AwaitSchema(ctx context.Context, cfg config.Database, log *slog.Logger) error {
	ctx, cancel := context.WithTimeout(ctx, patience(cfg))
	defer cancel()
	return AwaitDatabase(ctx, cfg, log, func(ctx context.Context) error { return checkSchema(ctx, cfg, log) })
}

func patience(cfg config.Database) time.Duration { return max(cfg.DBConnectRetryTimeout, time.Second) }

// AwaitDatabase does what a start needs the database for, again and again while that cannot be reached, and begins no more
// after db_connect_retry_timeout_seconds. do may be repeated; how long it takes is not bounded here.
func AwaitDatabase(ctx context.Context, cfg config.Database, log *slog.Logger, do func(ctx context.Context) error) error {
	over := time.After(patience(cfg))
	for warned := false; ; {
		err := do(ctx)
		if err == nil || errors.Is(err, db.ErrSchema) || !db.Unavailable(err) {
			return err
		}
		if !warned {
			log.Warn("waiting for the database", "error", err)
			warned = true
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the database did not come: %w", err)
		case <-over:
			return fmt.Errorf("the database did not come: %w", err)
		case <-time.After(500 * time.Millisecond):
		}
	}
}

func checkSchema(ctx context.Context, cfg config.Database, log *slog.Logger) error {
	conn, err := connect(ctx, cfg.DSN())
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	err = db.CheckSchema(ctx, conn)
	if !errors.Is(err, db.ErrSchema) || !cfg.DBUpgradeOnStartup {
		return err
	}
	steps, err := db.Migrate(ctx, cfg.DSN())
	for _, s := range steps {
		log.Info("migrated the database", "step", s)
	}
	return err
}

func connect(ctx context.Context, dsn string) (*pgx.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	c, err := pgx.ParseConfig(dsn)
	if err != nil {
		return nil, errors.New("the database URI cannot be parsed")
	}
	return pgx.ConnectConfig(ctx, c)
}

// Probes are what /readyz looks at: the database and its schema. What Temporal and the bus are owed is shown and
// never makes a process unfit: logins and checks go on without them.
func Probes(pool *pgxpool.Pool) []ops.Probe {
	return []ops.Probe{
		{Name: "database", Look: func(ctx context.Context) (any, error) {
			if err := db.CheckSchema(ctx, pool); err != nil {
				if errors.Is(err, db.ErrSchema) {
					return nil, err
				}
				return nil, errors.New("cannot be reached")
			}
			return "ok", nil
		}},
		{Name: "relay", Look: func(ctx context.Context) (any, error) {
			b, err := outbox.ReadBacklog(ctx, pool)
			if err != nil {
				return "unknown", nil //nolint:nilerr // shown, never failing
			}
			return map[string]any{"depth": b.Depth, "parked": b.Parked, "oldest_seconds": b.OldestSeconds}, nil
		}},
		{Name: "events", Look: func(ctx context.Context) (any, error) {
			b, err := outbox.ReadEventBacklog(ctx, pool)
			if err != nil {
				return "unknown", nil //nolint:nilerr // shown, never failing
			}
			return map[string]any{"depth": b.Depth, "oldest_seconds": b.OldestSeconds}, nil
		}},
	}
}
