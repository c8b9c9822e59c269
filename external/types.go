package external

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/xivo-auth/xivo-auth/db"
	"github.com/xivo-auth/xivo-auth/events"
	"github.com/xivo-auth/xivo-auth/fault"
)

// Types of this build. Others are declared by plug-ins.
const (
	Google    = "google"
	Microsoft = "microsoft"
	Mobile    = "mobile"
)

// BuiltIn tells whether a type is part of this build.
func BuiltIn(name string) bool { return name == Google || name == Microsoft || name == Mobile }

// MaxType is the longest name of a type, in bytes.
const MaxType = 256

// Sealer closes secrets at rest and opens them. Additional data bind a sealed value to its place.
type Sealer interface {
	Seal(plaintext, aad []byte) (sealed []byte, keyID string, err error)
	Open(sealed []byte, keyID string, aad []byte) ([]byte, error)
}

// Events owes events to the bus inside the caller's transaction.
type Events interface {
	Add(ctx context.Context, tx db.DBTX, list ...events.Event) error
}

// Plugin is the program behind a declared type.
type Plugin interface {
	// Info is the constant object that lists show of the type.
	Info() map[string]any
	// Safe are the fields of the stored data that lists may show.
	Safe() []SafeField
	// Prepare gives what is to be stored for a body, and the state of a consent to wait for, if any.
	Prepare(ctx context.Context, user, tenant uuid.UUID, body json.RawMessage) (data json.RawMessage, state string, err error)
	// Authorized gives what is to be stored when a consent arrived; nil leaves the data as they are.
	Authorized(ctx context.Context, user, tenant uuid.UUID, data, message json.RawMessage) (json.RawMessage, error)
}

// SafeField is a member of the stored data that lists may show, if it is of this kind: string, strings, integer or boolean.
type SafeField struct{ Name, Kind string }

// Provider is an OAuth2 provider and its part of the synchronisation service.
type Provider struct {
	AuthorizationURL, RedirectURI, TokenURL, WebsocketHost string
	Scope                                                  []string
	// Offline asks for a refresh token in google's way.
	Offline bool
}

// Deps are what the service works with.
type Deps struct {
	Pool   *pgxpool.Pool
	Sealer Sealer
	Events Events
	// Wake tells the relays, after a commit, that events or consents are due.
	Wake func()
	Log  *slog.Logger
	// Enabled are the names of the enabled types, with or without a plug-in.
	Enabled   []string
	Providers map[string]Provider
	Plugins   map[string]Plugin
	// CallbackURL is the websocket of plug-ins' consents, with {state} in it.
	CallbackURL string
	// ConsentTimeout is how long a consent is waited for; MaxConsents how many at a time, of all users.
	ConsentTimeout time.Duration
	MaxConsents    int
}

// Service is the keyring. Safe for concurrent use.
type Service struct {
	d    Deps
	q    *db.Queries
	http *http.Client
	// dialer opens websockets.
	dialer *http.Client
}

// New makes the service.
func New(d Deps) *Service {
	slices.Sort(d.Enabled)
	d.Enabled = slices.Compact(d.Enabled)
	transport, _ := http.DefaultTransport.(*http.Transport)
	transport = transport.Clone()
	transport.MaxIdleConnsPerHost, transport.ResponseHeaderTimeout = 8, exchangeTimeout
	return &Service{d: d, q: db.New(), dialer: dialClient(), http: &http.Client{Transport: transport, Timeout: exchangeTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

// Enabled tells whether a type is enabled and can do something: it is of this build, or its plug-in is loaded.
func (s *Service) Enabled(typ string) bool {
	_, plugged := s.d.Plugins[typ]
	return slices.Contains(s.d.Enabled, typ) && (plugged || BuiltIn(typ))
}

// PluggedTypes are the types that loaded plug-ins declare, sorted.
func (s *Service) PluggedTypes() []string {
	var names []string
	for _, name := range s.d.Enabled {
		if s.d.Plugins[name] != nil && !BuiltIn(name) {
			names = append(names, name)
		}
	}
	return names
}

// KnowEnabled makes the enabled types known, at the start of a process.
func (s *Service) KnowEnabled(ctx context.Context) error {
	err := db.Retry(ctx, func() error { return s.q.ExternalTypeAdd(ctx, s.d.Pool, s.d.Enabled) })
	if err != nil {
		return fmt.Errorf("make external types known: %w", err)
	}
	return nil
}

func unknownType(typ string) error {
	return fault.Modern(fault.NotFound, "unknown-external-auth-type", "external", `No such auth type: "`+typ+`"`, ofType(typ))
}

func noAccount(typ string) error {
	return fault.Modern(fault.NotFound, "unknown-external-auth", typ, `No such external auth: "`+typ+`"`, ofType(typ))
}

func noConfig(typ string) error {
	return fault.Modern(fault.NotFound, "unknown-external-auth", typ, `No config found for this external auth type: "`+typ+`"`, ofType(typ))
}

func undefinedConfig(typ string) error {
	return fault.Modern(fault.NotFound, "unknown-config", typ, `Configuration for this external auth type "`+typ+`" is not defined.`, ofType(typ))
}

func conflict(typ, what string) error {
	return fault.Modern(fault.Conflict, "conflict", typ, `This external authentication `+what+` has already been set: "`+typ+`"`, ofType(typ))
}

func ofType(typ string) map[string]any { return map[string]any{"type": typ} }

// usable tells whether a text from a path can be the name of a type at all.
func usable(typ string) bool {
	if len(typ) > MaxType || !utf8.ValidString(typ) {
		return false
	}
	return !slices.Contains([]byte(typ), 0)
}

func none(err error) bool { return errors.Is(err, pgx.ErrNoRows) }
