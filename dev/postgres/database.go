package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// whole is the comment on a database whose first filling came to its end.
const whole = "filled by xivo-auth dev"

// CreateDatabase makes a database unless it exists, and fills it (fill may be nil; it must do nothing where all is done). One
// whose first filling was cut off is thrown away and made anew. The name is a fixed word of this program.
func (c *Cluster) CreateDatabase(ctx context.Context, name string, fill func() error) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	conn, err := pgx.Connect(ctx, c.URL("postgres"))
	if err != nil {
		return fmt.Errorf("create database %s: %w", name, err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	quoted := pgx.Identifier{name}.Sanitize()
	var there, filled bool
	if err := conn.QueryRow(ctx, `SELECT count(*) > 0, coalesce(bool_or(shobj_description(oid, 'pg_database') = $2), false)
		FROM pg_database WHERE datname = $1`, name, whole).Scan(&there, &filled); err != nil {
		return fmt.Errorf("create database %s: %w", name, err)
	}
	if there && !filled {
		if _, err := conn.Exec(ctx, "DROP DATABASE "+quoted+" WITH (FORCE)"); err != nil {
			return fmt.Errorf("drop unfinished database %s: %w", name, err)
		}
		there = false
	}
	if !there {
		if _, err := conn.Exec(ctx, "CREATE DATABASE "+quoted); err != nil {
			return fmt.Errorf("create database %s: %w", name, err)
		}
	}
	if fill != nil {
		if err := fill(); err != nil {
			return fmt.Errorf("fill database %s: %w", name, err)
		}
	}
	if filled {
		return nil
	}
	if _, err := conn.Exec(ctx, "COMMENT ON DATABASE "+quoted+" IS '"+whole+"'"); err != nil {
		return fmt.Errorf("create database %s: %w", name, err)
	}
	return nil
}
