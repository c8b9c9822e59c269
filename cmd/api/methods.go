package main

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/xivo-auth/xivo-auth/identity"
)

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
