package sources

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/xivo-auth/xivo-auth/backends"
	"github.com/xivo-auth/xivo-auth/backends/ldap"
	"github.com/xivo-auth/xivo-auth/backends/metadata"
	"github.com/xivo-auth/xivo-auth/backends/mock"
	"github.com/xivo-auth/xivo-auth/backends/native"
	"github.com/xivo-auth/xivo-auth/backends/plugin"
	"github.com/xivo-auth/xivo-auth/backends/saml"
	"github.com/xivo-auth/xivo-auth/config"
	"github.com/xivo-auth/xivo-auth/identity"
)

// Priorities of the sources of this build; those of plug-ins are configured, 100 by default.
const (
	mockPriority   = 100
	nativePriority = 1 << 30 // it claims every request with credentials: always last
)

// closeTimeout is how long plug-ins have to end.
const closeTimeout = 5 * time.Second

// Deps are what sources work with.
type Deps struct {
	Pool   *pgxpool.Pool
	Hasher native.Hasher
	// LDAP has the directories of tenants.
	LDAP *identity.LDAPConfigs
	// SAML has the identity providers of tenants.
	SAML *identity.SAML
	Log  *slog.Logger
	// Metrics of plug-ins; may be nil.
	Metrics prometheus.Registerer
	// ServiceToken makes the tokens that plug-ins call the service's own API with (plugin.Options).
	ServiceToken func(ctx context.Context, accesses []string) (token string, expires time.Time, err error)
}

// Sources are who decides about logins in a process.
type Sources struct {
	Registry *backends.Registry
	// Providers are those of the registry, in the order in which they are asked.
	Providers []backends.Entry
	Plugins   *plugin.Host
	// SAML makes the browser's way to identity providers, whether or not the provider saml is enabled.
	SAML *saml.Service
	ldap *ldap.Source // nil: not loaded
	log  *slog.Logger
}

// BuiltIn tells whether a backend of this name is part of this build.
func BuiltIn(name string) bool {
	return name == native.Name || name == mock.Name || name == ldap.BackendName
}

// BuiltInProvider tells whether an identity provider of this name is part of this build.
func BuiltInProvider(name string) bool { return name == ldap.Name || name == saml.Name }

// Load makes the enabled sources of this build and starts the enabled plug-ins. Close must be called.
func Load(ctx context.Context, cfg config.API, d Deps) (*Sources, error) {
	var xivoUUID *string
	if cfg.UUID != "" {
		xivoUUID = &cfg.UUID
	}
	composed := &laterMetadata{}
	local := native.New(native.Deps{Pool: d.Pool, Hasher: d.Hasher, Log: d.Log, Metadata: composed, DefaultPolicy: cfg.DefaultUserPolicy, BackendPolicies: cfg.BackendPolicies})
	o := plugin.Options{Dir: cfg.PluginsDir, BuiltIn: []backends.Backend{local}, Settings: cfg.PluginSettings, Checksums: cfg.PluginChecksums,
		XivoUUID: xivoUUID, Providers: map[string]int{}, External: externalNames(cfg.External), RedirectURL: cfg.SyncRedirect, Email: mailPlugin(cfg.Driver), Log: d.Log, Metrics: d.Metrics,
		ServiceURL: "http://" + net.JoinHostPort(cfg.REST.Listen, strconv.Itoa(cfg.REST.Port)), ServiceToken: d.ServiceToken}
	for name, on := range cfg.EnabledBackendPlugins {
		if on && !BuiltIn(name) {
			o.Backends = append(o.Backends, name)
		}
	}
	known := map[string]bool{}
	available := metadata.BuiltIn(d.Pool, xivoUUID)
	for _, p := range available {
		known[p.Name()] = true
	}
	for name, on := range cfg.EnabledMetadataPlugins {
		if on && !known[name] {
			o.Metadata = append(o.Metadata, name)
		}
	}
	for name, idp := range cfg.IDPPlugins {
		if idp.Enabled && !BuiltInProvider(name) {
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
	composed.Purposes = metadata.New(d.Log, available, cfg.EnabledMetadataPlugins, cfg.PurposeMetadataMapping)
	entries, names := append(host.Providers(), backends.Entry{Provider: local, Priority: nativePriority}), append(host.BackendNames(), native.Name)
	if cfg.EnabledBackendPlugins[mock.Name] {
		entries, names = append(entries, backends.Entry{Provider: mock.Source{XivoUUID: xivoUUID}, Priority: mockPriority}), append(names, mock.Name)
	}
	directories := loadLDAP(cfg, d, local)
	if directories != nil && cfg.IDPPlugins[ldap.Name].Enabled {
		entries = append(entries, backends.Entry{Provider: directories, Priority: cfg.IDPPlugins[ldap.Name].Priority})
	}
	if directories != nil {
		names = append(names, ldap.BackendName)
	}
	single := NewSAML(cfg.SAML, d, local)
	if cfg.IDPPlugins[saml.Name].Enabled {
		entries = append(entries, backends.Entry{Provider: single, Priority: cfg.IDPPlugins[saml.Name].Priority})
	}
	slices.SortStableFunc(entries, func(a, b backends.Entry) int { return cmp.Compare(a.Priority, b.Priority) })
	return &Sources{Registry: backends.NewRegistry(d.Log, entries, names), Providers: entries, Plugins: host, SAML: single, ldap: directories, log: d.Log}, nil
}

// loadLDAP makes the source of users of directories if its backend is enabled: without that its provider is left out.
func loadLDAP(cfg config.API, d Deps, users backends.Backend) *ldap.Source {
	if cfg.EnabledBackendPlugins[ldap.BackendName] {
		return ldap.New(ldap.Deps{Directory: directory{d.LDAP}, Users: users, Log: d.Log})
	}
	if cfg.IDPPlugins[ldap.Name].Enabled {
		d.Log.Error("the identity provider ldap needs the backend ldap_user, which is not enabled; it is left out")
	}
	return nil
}

// laterMetadata closes a circle: plug-ins that fill metadata are loaded with the native backend at hand, which asks them.
type laterMetadata struct{ *metadata.Purposes }

// Close stops the plug-ins and closes connections; a plug-in that cannot be stopped in time is an error line.
func (s *Sources) Close() {
	if s.ldap != nil {
		s.ldap.Close()
	}
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	if err := s.Plugins.Close(ctx); err != nil {
		s.log.Error("plug-ins could not be stopped in time", "error", err)
	}
}
