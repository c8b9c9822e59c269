package main

import (
	"context"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/xivo-auth/xivo-auth/backends/plugin"
	"github.com/xivo-auth/xivo-auth/ops"
	"github.com/xivo-auth/xivo-auth/token"
)

// serviceTokens makes the tokens that plug-ins call the service's own API with.
func serviceTokens(pool *pgxpool.Pool, wake func(), log *slog.Logger) func(ctx context.Context, accesses []string) (string, time.Time, error) {
	tokens := token.New(token.Deps{Pool: pool, Log: log, Wake: wake})
	return func(ctx context.Context, accesses []string) (string, time.Time, error) {
		made, err := tokens.IssueService(ctx, accesses)
		return made.Secret, made.ExpiresAt, err
	}
}

// pluginsProbe shows the plug-ins in /readyz. One that is down does not make the process unfit.
func pluginsProbe(h *plugin.Host) ops.Probe {
	return ops.Probe{Name: "plugins", Look: func(context.Context) (any, error) { return h.Health(), nil }}
}
