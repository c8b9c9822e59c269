package main

import (
	"context"
	"fmt"
	"log/slog"
	"slices"

	"github.com/xivo-auth/xivo-auth/backends/plugin"
	"github.com/xivo-auth/xivo-auth/config"
	"github.com/xivo-auth/xivo-auth/identity"
	"github.com/xivo-auth/xivo-auth/sources"
)

// methods are the authentication methods that GET /idp lists, and what users and tenants may be given: these, and the names
// of the loaded providers, which may differ from their methods (identity.md section 16).
func methods(cfg *config.API, loaded *sources.Sources) (listed []string, known identity.Methods) {
	listed = []string{"native", "default"}
	for _, p := range loaded.Plugins.Providers() {
		listed = append(listed, p.Provider.Method())
	}
	plugins := map[string]bool{}
	for _, p := range loaded.Plugins.Health() {
		if p.State != plugin.StateDropped && (p.Kind == plugin.KindIDP || p.Kind == plugin.KindBackend) {
			plugins[p.Name] = true
		}
	}
	for name, idp := range cfg.IDPPlugins {
		switch {
		case !idp.Enabled:
		case sources.BuiltInProvider(name) && slices.Contains(loaded.Registry.Methods(), name):
			listed = append(listed, name)
		case plugins[name]:
			known = append(known, name)
		}
	}
	slices.Sort(listed)
	listed = slices.Compact(listed)
	return listed, append(known, listed...)
}

// checkMethods warns of tenants and users whose authentication method no loaded provider offers (backends.md section 3):
// their logins are refused. Nothing is changed, and a failure only costs the warnings.
func checkMethods(ctx context.Context, d *identity.Directory, methods []string, log *slog.Logger) {
	log.InfoContext(ctx, "Checking configured authentication methods for missing implementations")
	found, err := d.WithoutMethods(ctx, append([]string{"native", "default"}, methods...))
	if err != nil {
		log.ErrorContext(ctx, "the authentication methods in use could not be checked", "error", err)
		return
	}
	told := map[string]bool{}
	for _, x := range found {
		if !told[x.Method] {
			told[x.Method] = true
			log.WarnContext(ctx, fmt.Sprintf("Authentication method %s is in use but is not available", x.Method))
		}
		what := "authentication method"
		if x.Kind == "Tenant" {
			what = "default authentication method"
		}
		log.WarnContext(ctx, fmt.Sprintf("%s (uuid=%s) has no available idp implementation for %s %s", x.Kind, x.UUID, what, x.Method))
	}
}
