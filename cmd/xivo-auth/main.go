// Command xivo-auth is the operator's command line: it makes and migrates the schema, makes the first user, and mends
// what only somebody with access to the database may mend.
package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/spf13/cobra"

	"github.com/xivo-auth/xivo-auth/config"
	"github.com/xivo-auth/xivo-auth/db"
	"github.com/xivo-auth/xivo-auth/process"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	err := command().ExecuteContext(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "xivo-auth:", visibleLines(err.Error()))
		os.Exit(1)
	}
}

func command() *cobra.Command {
	root := &cobra.Command{
		Use:           "xivo-auth",
		Short:         "Operate xivo-auth",
		Long:          "Operate xivo-auth. The database and the rest come from the same files and variables as for the processes (docs/configuration.md).",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	anywhere(root)
	root.AddCommand(migrate(), bootstrap(), backend(), relay(), revoke(), healthcheck(), readTrail(),
		user(), group(), policy(), tenant(), session(), tokens(), ldap())
	for _, c := range root.Commands() {
		knownOnly(c)
	}
	return root
}

// knownOnly has what is only a group of commands refuse a command that it does not have; cobra would show its help and succeed.
func knownOnly(c *cobra.Command) {
	if c.HasSubCommands() && !c.Runnable() {
		c.Args, c.RunE = cobra.NoArgs, func(c *cobra.Command, _ []string) error { return c.Help() }
	}
	for _, sub := range c.Commands() {
		knownOnly(sub)
	}
}

// withConfig runs f with the configuration and a logger.
func withConfig(f func(ctx context.Context, cfg config.Tool, log *slog.Logger) error) func(*cobra.Command, []string) error {
	return func(c *cobra.Command, _ []string) error {
		var warnings []string
		cfg, err := config.LoadTool(nil, os.Environ(), func(w string) { warnings = append(warnings, w) })
		if err != nil {
			return err
		}
		log := process.Start("xivo-auth", cfg.Shared)
		for _, w := range warnings {
			log.Debug(w)
		}
		return f(c.Context(), cfg, log)
	}
}

// withDatabase runs f with a pool on a database whose schema fits.
func withDatabase(f func(ctx context.Context, cfg config.Tool, pool *pgxpool.Pool, log *slog.Logger) error) func(*cobra.Command, []string) error {
	return withConfig(func(ctx context.Context, cfg config.Tool, log *slog.Logger) error {
		if err := process.AwaitSchema(ctx, cfg.Database, log); err != nil {
			return err
		}
		pool, err := db.Open(ctx, db.Options{URI: cfg.DSN(), MaxConns: 2, Name: "xivo-auth command"})
		if err != nil {
			return err
		}
		defer pool.Close()
		return f(ctx, cfg, pool, log)
	})
}

func migrate() *cobra.Command {
	return &cobra.Command{
		Use:   "migrate",
		Short: "Bring the database schema to what this version needs",
		Args:  cobra.NoArgs,
		RunE: withConfig(func(ctx context.Context, cfg config.Tool, _ *slog.Logger) error {
			steps, err := db.Migrate(ctx, cfg.DSN())
			for _, s := range steps {
				fmt.Println("applied", s)
			}
			if err == nil && len(steps) == 0 {
				fmt.Println("the schema is up to date")
			}
			return err
		}),
	}
}
