package plugin

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/xivo-auth/xivo-auth/backends"
	pluginpb "github.com/xivo-auth/xivo-auth/backends/plugin/proto"
)

// Kinds of plug-ins; each is a folder of Options.Dir.
const (
	KindBackend  = pluginpb.KindBackend
	KindIDP      = pluginpb.KindIDP
	KindMetadata = pluginpb.KindMetadata
	// KindExternalAuth and KindEmail know nothing of logins.
	KindExternalAuth = pluginpb.KindExternalAuth
	KindEmail        = pluginpb.KindEmail
)

// ErrNotRunning and ErrBusy are why a call was not even tried: the plug-in is down, or has as many calls as it may have.
// ErrTimeout is that it let its time pass: not an error of the context, which would be an outage of ours (503, not 500).
var (
	ErrNotRunning = errors.New("the plug-in is not running")
	ErrBusy       = errors.New("the plug-in has too many calls already")
	ErrTimeout    = errors.New("the plug-in took too long")
)

// Options say which plug-ins run, and within which limits. Zero limits mean the defaults.
type Options struct {
	// Dir holds the programs as <kind>/<name>. Empty means that none is installed.
	Dir string
	// Backends and Metadata are the enabled names that are not built in.
	Backends, Metadata []string
	// Providers are the enabled identity providers that are not built in, with their priorities. A name without a program of
	// kind idp, but of an enabled backend plug-in, makes that backend its own provider: it claims requests with credentials
	// whose body names it in the field backend, and its users need not be users of ours.
	Providers map[string]int
	// External are the enabled types of external accounts that are not built in, Email the name of whoever sends mails, empty
	// where that is built in.
	External []string
	Email    string
	// RedirectURL is where providers of external types send the browser, with {auth_type} in it.
	RedirectURL string
	// BuiltIn are backends that an identity provider may name besides plug-ins.
	BuiltIn []backends.Backend
	// Settings are handed to the plug-in when it is loaded, and Checksums are the hex SHA-256 of its program, by "<kind>/<name>".
	// A program without a checksum is not checked.
	Settings  map[string]map[string]any
	Checksums map[string]string
	// XivoUUID is the installation's name in tokens, or nil.
	XivoUUID *string
	// ServiceURL and ServiceToken let plug-ins use the service's own API. ServiceToken makes a token with the access list
	// that a plug-in declared, and is asked again 30 s before its expiry. Nil: a plug-in that declares one is dropped.
	ServiceURL   string
	ServiceToken func(ctx context.Context, accesses []string) (token string, expires time.Time, err error)

	Log *slog.Logger
	// Metrics may be nil.
	Metrics prometheus.Registerer

	// Timeout of one call, 5 s; ClaimsTimeout of one question whether a login is a provider's own, 250 ms; StartTimeout of the
	// start and again of the load step, 10 s each.
	Timeout, ClaimsTimeout, StartTimeout time.Duration
	// MaxConcurrent calls of one plug-in at a time, 64.
	MaxConcurrent int
	// MaxMemory in bytes that one plug-in may hold in RAM before it is restarted (Linux), 512 MiB.
	MaxMemory int64
	// HealthInterval between health checks, 10 s; 3 failures in a row restart the plug-in.
	HealthInterval time.Duration
	// MinBackoff and MaxBackoff bound the pause before a restart, 200 ms and 30 s. It doubles each time and begins anew
	// when the plug-in has run for HealthyAfter, 1 min.
	MinBackoff, MaxBackoff, HealthyAfter time.Duration
}

// Limits of what a plug-in may answer.
const (
	maxMessage  = 1 << 20 // bytes
	maxAccesses = 20_000
	maxMetadata = 64 << 10 // bytes of JSON
	maxLogin    = 4096     // bytes
)

func (o *Options) defaults() {
	for _, d := range []struct {
		v   *time.Duration
		def time.Duration
	}{
		{&o.Timeout, 5 * time.Second}, {&o.ClaimsTimeout, 250 * time.Millisecond}, {&o.StartTimeout, 10 * time.Second},
		{&o.HealthInterval, 10 * time.Second}, {&o.MinBackoff, 200 * time.Millisecond}, {&o.MaxBackoff, 30 * time.Second},
		{&o.HealthyAfter, time.Minute},
	} {
		if *d.v <= 0 {
			*d.v = d.def
		}
	}
	if o.MaxConcurrent <= 0 {
		o.MaxConcurrent = 64
	}
	if o.MaxMemory <= 0 {
		o.MaxMemory = 512 << 20
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
}

// validName tells whether a configured name may be a file of a plug-in: no path, nothing hidden.
func validName(name string) error {
	if name == "" || len(name) > 64 || name[0] == '.' || name[0] == '-' {
		return fmt.Errorf("%q is no name of a plug-in", name)
	}
	for _, c := range name {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '_', c == '-', c == '.':
		default:
			return fmt.Errorf("%q is no name of a plug-in", name)
		}
	}
	return nil
}

// State of a plug-in.
type State string

// The states.
const (
	StateUp      State = "up"
	StateDown    State = "down"    // died, or not asked for a while; it comes back by itself
	StateDropped State = "dropped" // did not load; not used until the service is restarted
)

// Status is the health detail of one plug-in.
type Status struct {
	Kind     string    `json:"kind"`
	Name     string    `json:"name"`
	State    State     `json:"state"`
	Since    time.Time `json:"since"`
	Restarts int       `json:"restarts"`
	// Error is why it is not up, or was not the last time.
	Error string `json:"error,omitempty"`
}
