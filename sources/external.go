package sources

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/xivo-auth/xivo-auth/backends/plugin"
	"github.com/xivo-auth/xivo-auth/config"
	"github.com/xivo-auth/xivo-auth/external"
)

// External is the part of external.Deps that the configuration and the loaded plug-ins decide.
func External(cfg config.External, h *plugin.Host, log *slog.Logger) external.Deps {
	d := external.Deps{Plugins: map[string]external.Plugin{}, CallbackURL: cfg.SyncWebsocket, ConsentTimeout: cfg.ConsentTimeout, MaxConsents: cfg.MaxConsents, Log: log,
		Providers: map[string]external.Provider{external.Google: provider(cfg.Google, true), external.Microsoft: provider(cfg.Microsoft, false)}}
	for name, on := range cfg.EnabledExternalAuthPlugins {
		if on {
			d.Enabled = append(d.Enabled, name)
		}
	}
	for name, p := range h.External() {
		d.Plugins[name] = declaredType{p}
	}
	return d
}

func provider(c config.OAuth2, offline bool) external.Provider {
	return external.Provider{AuthorizationURL: c.AuthorizationBaseURL, RedirectURI: c.RedirectURI, TokenURL: c.TokenURL, WebsocketHost: c.WebsocketHost,
		Scope: c.Scope, Offline: offline}
}

// externalNames are the enabled types that are plug-ins.
func externalNames(cfg config.External) (names []string) {
	for name, on := range cfg.EnabledExternalAuthPlugins {
		if on && !external.BuiltIn(name) {
			names = append(names, name)
		}
	}
	return names
}

// LoadExternal starts the plug-ins of a worker: those whose consents it waits for. They get no service token. Close must be
// called on the host.
func LoadExternal(ctx context.Context, cfg config.Worker, log *slog.Logger, reg prometheus.Registerer) (*plugin.Host, error) {
	o := plugin.Options{Dir: cfg.PluginsDir, Settings: cfg.PluginSettings, Checksums: cfg.PluginChecksums, External: externalNames(cfg.External),
		RedirectURL: cfg.SyncRedirect, Log: log, Metrics: reg}
	if cfg.UUID != "" {
		o.XivoUUID = &cfg.UUID
	}
	h, err := plugin.Load(ctx, o)
	if err != nil {
		return nil, fmt.Errorf("load plug-ins: %w", err)
	}
	return h, nil
}

// declaredType is a plug-in as package external wants it.
type declaredType struct{ plugin.ExternalAuth }

// Safe implements external.Plugin.
func (d declaredType) Safe() []external.SafeField {
	var out []external.SafeField
	for _, f := range d.ExternalAuth.Safe() {
		out = append(out, external.SafeField(f))
	}
	return out
}

var _ external.Plugin = declaredType{}

// mailPlugin is the name of whoever sends mails, empty where this build does.
func mailPlugin(driver string) string {
	if driver == "smtp" {
		return ""
	}
	return driver
}
