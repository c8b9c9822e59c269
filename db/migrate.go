package db

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

//go:embed schema/*.sql
var migrations embed.FS

// ErrSchema says that the database's schema is older than this build needs.
var ErrSchema = errors.New("the database schema is not up to date: run `xivo-auth migrate`")

func provider(uri string) (*goose.Provider, *sql.DB, error) {
	c, err := pgx.ParseConfig(uri)
	if err != nil {
		return nil, nil, errors.New("db: the database URI cannot be parsed")
	}
	files, err := fs.Sub(migrations, "schema")
	if err != nil {
		return nil, nil, fmt.Errorf("db: embedded schema: %w", err)
	}
	// Several processes may start at once with migrations on: the first one does it, the others wait.
	locker, err := lock.NewPostgresSessionLocker()
	if err != nil {
		return nil, nil, fmt.Errorf("db: migration lock: %w", err)
	}
	std := stdlib.OpenDB(*c)
	p, err := goose.NewProvider(goose.DialectPostgres, std, files, goose.WithSessionLocker(locker))
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("db: read migrations: %w", err), std.Close())
	}
	return p, std, nil
}

// Migrate brings the schema to what this build needs and returns the names of the steps it took.
func Migrate(ctx context.Context, uri string) (steps []string, err error) {
	p, std, err := provider(uri)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, std.Close()) }()
	results, err := p.Up(ctx)
	if err != nil {
		return nil, fmt.Errorf("db: migrate: %w", err)
	}
	for _, r := range results {
		steps = append(steps, r.Source.Path)
	}
	return steps, nil
}

// CheckSchema returns ErrSchema when the schema is older than this build needs. A newer one is fine: schema changes are
// made so that the release before still runs on them.
func CheckSchema(ctx context.Context, q DBTX) error {
	var have int64
	err := q.QueryRow(ctx, "SELECT coalesce(max(version_id), 0) FROM goose_db_version WHERE is_applied").Scan(&have)
	var pg *pgconn.PgError
	if errors.As(err, &pg) && pg.Code == "42P01" { // the table is not there: an empty database
		return ErrSchema
	}
	if err != nil {
		return fmt.Errorf("db: read schema version: %w", err)
	}
	if need := newestVersion(); have < need {
		return fmt.Errorf("%w (it is at %d, this build needs %d)", ErrSchema, have, need)
	}
	return nil
}

// newestVersion is the number that the last embedded migration's file name begins with.
func newestVersion() int64 {
	names, _ := fs.Glob(migrations, "schema/*.sql")
	var newest int64
	for _, n := range names {
		if v, err := goose.NumericComponent(n); err == nil {
			newest = max(newest, v)
		}
	}
	return newest
}
