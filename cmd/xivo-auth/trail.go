package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/spf13/cobra"

	"github.com/xivo-auth/xivo-auth/config"
	"github.com/xivo-auth/xivo-auth/trail"
)

// readTrail shows the record of who changed what.
func readTrail() *cobra.Command {
	var since, until, user, tenant, action string
	var limit int
	c := &cobra.Command{
		Use:   "trail",
		Short: "Show who did what, on whom, from where and when",
		Long: "Show the newest entries of the trail, the newest last: every change of users, tenants, groups, policies and the\n" +
			"rest, and every login. The worker deletes entries older than trail.retention_days.",
		Example: "  xivo-auth trail --since 24h --action login\n" +
			"  xivo-auth trail --user 741b66b4-16a3-4701-8e78-8ab5a57d5a98 -f json",
		Args: cobra.NoArgs,
	}
	flags := c.Flags()
	flags.StringVar(&since, "since", "", "only from this moment on: as in 2026-11-24T13:00:00Z, or so long ago, as in 90m or 24h")
	flags.StringVar(&until, "until", "", "only before this moment, likewise")
	flags.StringVar(&user, "user", "", "only what this user (a UUID) did, or what was done to them")
	flags.StringVar(&tenant, "tenant", "", "only what belongs to this tenant (a UUID)")
	flags.StringVar(&action, "action", "", `only this action, as in "user created", or all of a resource ("user") or a verb ("deleted")`)
	flags.IntVar(&limit, "limit", 100, fmt.Sprintf("the most entries to show, 1 to %d", trail.MaxEntries))
	l := listing[trailRow]{columns: []string{"happened_at", "action", "subject_uuid", "actor", "remote_addr", "request_id", "details"}}
	l.flags(c)
	run := withDatabase(func(ctx context.Context, _ config.Tool, pool *pgxpool.Pool, _ *slog.Logger) error {
		f, err := trailFilter(time.Now(), since, until, user, tenant, action)
		if err != nil {
			return err
		}
		records, err := trail.List(ctx, pool, f, limit)
		if err != nil {
			return err
		}
		return l.print(c.OutOrStdout(), trailRows(records))
	})
	c.RunE = func(c *cobra.Command, args []string) error { // what is wrong with the command is told without a database
		if err := l.valid(); err != nil {
			return err
		}
		if limit < 1 || limit > trail.MaxEntries {
			return fmt.Errorf("--limit: must be 1 to %d", trail.MaxEntries)
		}
		if _, err := trailFilter(time.Now(), since, until, user, tenant, action); err != nil {
			return err
		}
		return run(c, args)
	}
	return c
}

func trailFilter(now time.Time, since, until, user, tenant, action string) (f trail.Filter, err error) {
	if f.Since, err = moment(now, since); err != nil {
		return f, fmt.Errorf("--since: %w", err)
	}
	if f.Until, err = moment(now, until); err != nil {
		return f, fmt.Errorf("--until: %w", err)
	}
	if f.User, err = optionalUUID(user); err != nil {
		return f, fmt.Errorf("--user: %w", err)
	}
	if f.Tenant, err = optionalUUID(tenant); err != nil {
		return f, fmt.Errorf("--tenant: %w", err)
	}
	if action != "" {
		f.Action = &action
	}
	return f, nil
}

// moment is a point in time, or so long before now; nil for no text.
func moment(now time.Time, text string) (*time.Time, error) {
	if text == "" {
		return nil, nil //nolint:nilnil // no bound
	}
	if at, err := time.Parse(time.RFC3339, text); err == nil {
		return &at, nil
	}
	ago, err := time.ParseDuration(text)
	if err != nil || ago < 0 {
		return nil, errors.New("must be a moment such as 2026-11-24T13:00:00Z, or a time such as 90m or 24h")
	}
	at := now.Add(-ago)
	return &at, nil
}

func optionalUUID(text string) (*uuid.UUID, error) {
	if text == "" {
		return nil, nil //nolint:nilnil // none given
	}
	id, err := uuid.Parse(text)
	if err != nil {
		return nil, errors.New("must be a UUID")
	}
	return &id, nil
}

// trailRow is an entry as it is printed.
type trailRow struct {
	ID         int64           `json:"id"`
	At         time.Time       `json:"happened_at"`
	Action     string          `json:"action"`
	Subject    *uuid.UUID      `json:"subject_uuid"`
	Tenant     *uuid.UUID      `json:"tenant_uuid"`
	Actor      string          `json:"actor"`
	Session    *uuid.UUID      `json:"actor_session_uuid"`
	RemoteAddr string          `json:"remote_addr"`
	RequestID  string          `json:"request_id"`
	Details    json.RawMessage `json:"details"`
}

func trailRows(records []trail.Record) []trailRow {
	rows := make([]trailRow, len(records))
	for i, r := range records {
		rows[i] = trailRow{r.ID, r.At.UTC(), r.Action, r.Subject, r.Tenant, r.AuthID, r.Session, r.RemoteAddr, r.RequestID, r.Details}
	}
	return rows
}
