package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/spf13/cobra"

	"github.com/xivo-auth/xivo-auth/config"
	"github.com/xivo-auth/xivo-auth/db"
	"github.com/xivo-auth/xivo-auth/outbox"
	"github.com/xivo-auth/xivo-auth/token"
)

// relay shows and retries what the relay gave up.
func relay() *cobra.Command {
	c := &cobra.Command{Use: "relay", Short: "Look after what the relay parked"}
	l := listing[parkedRow]{columns: []string{"session_uuid", "wanted", "failures", "created_at", "last_error"}}
	parked := &cobra.Command{
		Use:   "parked",
		Short: "List the rows that failed too often (100 at most)",
		Args:  cobra.NoArgs,
		RunE: withDatabase(func(ctx context.Context, _ config.Tool, pool *pgxpool.Pool, _ *slog.Logger) error {
			found, err := db.New().LifetimeDueParked(ctx, pool, 100)
			if err != nil {
				return err
			}
			rows := make([]parkedRow, len(found))
			for i, r := range found {
				rows[i] = parkedRow{r.SessionUUID, r.Wanted, int(r.Failures), r.CreatedAt.UTC(), r.LastError}
			}
			return l.print(os.Stdout, rows)
		}),
	}
	l.flags(parked)
	c.AddCommand(parked, &cobra.Command{
		Use:   "retry",
		Short: "Let the relay try all parked rows again",
		Args:  cobra.NoArgs,
		RunE: withDatabase(func(ctx context.Context, _ config.Tool, pool *pgxpool.Pool, _ *slog.Logger) error {
			n, err := db.New().LifetimeDueUnpark(ctx, pool)
			if err != nil {
				return err
			}
			if err := db.New().LifetimeDueNotify(ctx, pool); err != nil {
				return err
			}
			fmt.Printf("%d rows will be tried again\n", n)
			return nil
		}),
	})
	return c
}

// parkedRow is a row of the relay as it is printed.
type parkedRow struct {
	Session   uuid.UUID `json:"session_uuid"`
	Wanted    string    `json:"wanted"`
	Failures  int       `json:"failures"`
	Since     time.Time `json:"created_at"`
	LastError *string   `json:"last_error"`
}

// revoke ends tokens by the time they were issued: after a restore, which brings revoked tokens back.
func revoke() *cobra.Command {
	c := &cobra.Command{
		Use:   "revoke",
		Short: "End all tokens issued before a moment",
		Long: "End all tokens issued before a moment: after a restore or a failover that lost commits, revoked tokens are alive\n" +
			"again; end everything that the lost part of history may have revoked. Users log in again.",
		Args: cobra.NoArgs,
	}
	before := c.Flags().String("issued-before", "", "the moment, as in 2026-11-24T13:00:00Z")
	c.RunE = withDatabase(func(ctx context.Context, cfg config.Tool, pool *pgxpool.Pool, log *slog.Logger) error {
		moment, err := time.Parse(time.RFC3339, *before)
		if err != nil {
			return errors.New("--issued-before: must be a moment such as 2026-11-24T13:00:00Z")
		}
		n, err := token.New(token.Deps{Pool: pool, Log: log, Wake: func() {}, Events: outbox.NewEvents(cfg.AMQP.BusEnabled())}).RevokeIssuedBefore(ctx, moment)
		fmt.Printf("ended %d tokens\n", n)
		return errors.Join(err, db.New().LifetimeDueNotify(ctx, pool))
	})
	return c
}

// healthcheck is for containers that have no other program to ask with.
func healthcheck() *cobra.Command {
	return &cobra.Command{
		Use:   "healthcheck URL",
		Short: "Succeed if a GET of the URL is answered with 200 within 3 seconds",
		Args:  cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			ctx, cancel := context.WithTimeout(c.Context(), 3*time.Second)
			defer cancel()
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, args[0], nil)
			if err != nil {
				return err
			}
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				return err
			}
			defer func() { _ = resp.Body.Close() }()
			if resp.StatusCode != http.StatusOK {
				return fmt.Errorf("%s: %s", args[0], resp.Status)
			}
			return nil
		},
	}
}
