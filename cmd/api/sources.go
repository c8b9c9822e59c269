package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/xivo-auth/xivo-auth/backends"
	"github.com/xivo-auth/xivo-auth/backends/metadata"
	"github.com/xivo-auth/xivo-auth/backends/mock"
	"github.com/xivo-auth/xivo-auth/backends/native"
	"github.com/xivo-auth/xivo-auth/backends/plugin"
	"github.com/xivo-auth/xivo-auth/config"
	"github.com/xivo-auth/xivo-auth/ops"
	"github.com/xivo-auth/xivo-auth/password"
	"github.com/xivo-auth/xivo-auth/token"
)

// Priorities of the sources of this build; those of plug-ins are configured, 100 by default.
const (
	mockPriority   = 100
	nativePriority = 1 << 30 // it claims every request with credentials: always last
)

type sourceDeps struct {
	pool    *pgxpool.Pool
	hasher  *password.Hasher
	wake    func()
	log     *slog.Logger
	metrics prometheus.Registerer
}

// sources are who decides about logins in this process.
type sources struct {
	registry *backends.Registry
	plugins  *plugin.Host
	log      *slog.Logger
}

// loadSources makes the enabled sources of this build and starts the enabled plug-ins.
func loadSources(ctx context.Context, cfg config.API, d sourceDeps) (*sources, error) {
	var xivoUUID *string
	if cfg.UUID != "" {
		xivoUUID = &cfg.UUID
	}
	composed := &laterMetadata{}
	local := native.New(native.Deps{Pool: d.pool, Hasher: d.hasher, Log: d.log, Metadata: composed, DefaultPolicy: cfg.DefaultUserPolicy, BackendPolicies: cfg.BackendPolicies})
	builtIn := map[string]bool{native.Name: true, mock.Name: true}
	o := plugin.Options{Dir: cfg.PluginsDir, BuiltIn: []backends.Backend{local}, Settings: cfg.PluginSettings, Checksums: cfg.PluginChecksums,
		XivoUUID: xivoUUID, Providers: map[string]int{}, Log: d.log, Metrics: d.metrics,
		ServiceURL: "http://" + net.JoinHostPort(cfg.REST.Listen, strconv.Itoa(cfg.REST.Port)), ServiceToken: serviceTokens(d)}
	for name, on := range cfg.EnabledBackendPlugins {
		if on && !builtIn[name] {
			o.Backends = append(o.Backends, name)
		}
	}
	known := map[string]bool{}
	available := metadata.BuiltIn(d.pool, xivoUUID)
	for _, p := range available {
		known[p.Name()] = true
	}
	for name, on := range cfg.EnabledMetadataPlugins {
		if on && !known[name] {
			o.Metadata = append(o.Metadata, name)
		}
	}
	for name, idp := range cfg.IDPPlugins {
		if idp.Enabled && name != "ldap" && name != "saml" { // these are to come with this build; the default enables them
			o.Providers[name] = idp.Priority
		}
	}
	host, err := plugin.Load(ctx, o)
	if err != nil {
		return nil, fmt.Errorf("load plug-ins: %w", err)
	}
	for _, p := range host.Metadata() {
		available = append(available, p)
	}
	composed.Purposes = metadata.New(d.log, available, cfg.EnabledMetadataPlugins, cfg.PurposeMetadataMapping)
	entries, names := append(host.Providers(), backends.Entry{Provider: local, Priority: nativePriority}), append(host.BackendNames(), native.Name)
	if cfg.EnabledBackendPlugins[mock.Name] {
		entries, names = append(entries, backends.Entry{Provider: mock.Source{XivoUUID: xivoUUID}, Priority: mockPriority}), append(names, mock.Name)
	}
	return &sources{registry: backends.NewRegistry(d.log, entries, names), plugins: host, log: d.log}, nil
}

// laterMetadata closes a circle: plug-ins that fill metadata are loaded with the native backend at hand, which asks them.
type laterMetadata struct{ *metadata.Purposes }

// serviceTokens makes the tokens that plug-ins call the service's own API with.
func serviceTokens(d sourceDeps) func(ctx context.Context, accesses []string) (string, time.Time, error) {
	tokens := token.New(token.Deps{Pool: d.pool, Log: d.log, Wake: d.wake})
	return func(ctx context.Context, accesses []string) (string, time.Time, error) {
		made, err := tokens.IssueService(ctx, accesses)
		return made.Secret, made.ExpiresAt, err
	}
}

// probe shows the plug-ins in /readyz. One that is down does not make the process unfit.
func (s *sources) probe() ops.Probe {
	return ops.Probe{Name: "plugins", Look: func(context.Context) (any, error) { return s.plugins.Health(), nil }}
}

func (s *sources) close() {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := s.plugins.Close(ctx); err != nil {
		s.log.Error("plug-ins could not be stopped in time", "error", err)
	}
}
