package main

import (
	"context"
	"log/slog"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/xivo-auth/xivo-auth/config"
	"github.com/xivo-auth/xivo-auth/external"
	"github.com/xivo-auth/xivo-auth/outbox"
	"github.com/xivo-auth/xivo-auth/seal"
	"github.com/xivo-auth/xivo-auth/sources"
)

// accounts wires users' accounts with other services, and makes the enabled types known.
func accounts(ctx context.Context, cfg *config.API, loaded *sources.Sources, pool *pgxpool.Pool, keys *seal.Keyring, owed *outbox.Events, wake func(), log *slog.Logger) (*external.Service, error) {
	d := sources.External(cfg.External, loaded.Plugins, log)
	d.Pool, d.Sealer, d.Events, d.Wake = pool, keys, owed, wake
	s := external.New(d)
	return s, s.KnowEnabled(ctx)
}
