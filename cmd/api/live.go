package main

import (
	"context"
	"log/slog"
	"maps"
	"slices"

	"github.com/xivo-auth/xivo-auth/config"
	"github.com/xivo-auth/xivo-auth/db"
	"github.com/xivo-auth/xivo-auth/trail"
)

// checkHTTPPlugins reports parts of the REST interface that the configuration names and nobody knows.
func checkHTTPPlugins(cfg *config.API, log *slog.Logger) {
	known := config.DefaultAPI().EnabledHTTPPlugins
	for _, name := range slices.Sorted(maps.Keys(cfg.EnabledHTTPPlugins)) {
		if _, ok := known[name]; !ok {
			log.Error("enabled_http_plugins names a plug-in that does not exist", "name", name)
		}
	}
}

// recordConfig writes changes of the running configuration to the trail.
func recordConfig(pool db.DBTX) func(ctx context.Context, changes []config.Change) error {
	return func(ctx context.Context, changes []config.Change) error {
		set := make(map[string]any, len(changes))
		for _, x := range changes {
			set[x.Key] = x.On
		}
		return trail.Add(ctx, pool, trail.Entry{Action: "config updated", Details: set})
	}
}
