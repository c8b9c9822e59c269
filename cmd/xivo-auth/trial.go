package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/xivo-auth/xivo-auth/backends"
	"github.com/xivo-auth/xivo-auth/backends/native"
	"github.com/xivo-auth/xivo-auth/backends/plugin"
	"github.com/xivo-auth/xivo-auth/config"
	"github.com/xivo-auth/xivo-auth/db"
	"github.com/xivo-auth/xivo-auth/fault"
	"github.com/xivo-auth/xivo-auth/sources"
	"github.com/xivo-auth/xivo-auth/token"
)

// nativeNames are the names of the source that needs no switching on.
var nativeNames = []string{native.Name, native.Method}

// shownKeys is how many keys of metadata are named.
const shownKeys = 50

// trial is one login with one source, told step by step.
type trial struct {
	name string
	cfg  config.API
	out  io.Writer
	// From here on, once they are loaded.
	sources *sources.Sources
	pool    *pgxpool.Pool
}

func (t *trial) sayf(step, format string, a ...any) {
	_, _ = fmt.Fprintf(t.out, "%-12s %s\n", step, fmt.Sprintf(format, a...))
}

// configured tells what the configuration and the disk say about the source; an error if it cannot take part in logins.
func (t *trial) configured() error {
	if slices.Contains(nativeNames, t.name) {
		t.sayf("enabled", "always; asked when no other source claims a login")
		return nil
	}
	idp := t.cfg.IDPPlugins[t.name]
	isBackend, isProvider := t.cfg.EnabledBackendPlugins[t.name], idp.Enabled
	var how []string
	if isBackend {
		how = append(how, "as a backend")
	}
	if isProvider {
		how = append(how, fmt.Sprintf("as an identity provider of priority %d", idp.Priority))
	}
	if len(how) == 0 {
		t.sayf("enabled", "no, neither in enabled_backend_plugins nor in idp_plugins")
		return fmt.Errorf("%s is not enabled", t.name)
	}
	t.sayf("enabled", "%s", strings.Join(how, ", "))
	if sources.BuiltIn(t.name) || sources.BuiltInProvider(t.name) {
		t.sayf("installed", "part of xivo-auth")
		return nil
	}
	found := 0
	for _, k := range []struct {
		kind    string
		enabled bool
	}{{plugin.KindBackend, isBackend}, {plugin.KindIDP, isProvider}} {
		path := filepath.Join(t.cfg.PluginsDir, k.kind, t.name)
		_, err := os.Stat(path)
		switch {
		case !k.enabled:
		case err == nil:
			found++
			t.sayf("installed", "%s", path)
		case k.kind == plugin.KindIDP && found > 0:
			t.sayf("installed", "no %s: the backend is its own identity provider, for requests whose body names it", path)
		default:
			t.sayf("installed", "no %s", path)
		}
	}
	if found == 0 {
		return fmt.Errorf("%s is not installed in plugins_dir (%s)", t.name, t.cfg.PluginsDir)
	}
	return nil
}

// run tries a login the way the API would, up to the token. It is nil if the login would get one from this source.
func (t *trial) run(ctx context.Context, r *backends.Request) error {
	if err := t.started(); err != nil {
		return err
	}
	claimed := t.claims(ctx, r)
	if claimed == nil {
		t.direct(ctx, r)
		return errors.New("no source claims the login: a client gets 401")
	}
	begun := time.Now()
	accepted, err := claimed.Provider.Verify(ctx, r)
	took := time.Since(begun).Round(time.Millisecond)
	if err != nil {
		t.sayf("verify", "%s, after %s", outcome(err), took)
		if !t.is(*claimed) {
			t.direct(ctx, r)
			return fmt.Errorf("the login was not for %s, and failed", t.name)
		}
		return failure("the login", err)
	}
	t.sayf("verify", "accepted after %s: login %q, backend %s", took, accepted.Login, accepted.Backend.Name())
	subject, err := t.subject(ctx, claimed.Provider, accepted)
	if err != nil {
		return err
	}
	if err := t.describe(ctx, accepted.Backend, subject, r); err != nil {
		return err
	}
	if !t.is(*claimed) && accepted.Backend.Name() != t.name {
		t.direct(ctx, r)
		return fmt.Errorf("the login gets a token, but not from %s", t.name)
	}
	t.sayf("result", "a client gets a token")
	return nil
}

// started tells which programs of the source run.
func (t *trial) started() error {
	var up, down int
	for _, s := range t.sources.Plugins.Health() {
		if s.Name != t.name || s.Kind == plugin.KindMetadata {
			continue
		}
		if s.State == plugin.StateUp {
			up++
			t.sayf("loaded", "%s/%s", s.Kind, s.Name)
			continue
		}
		down++
		t.sayf("loaded", "%s/%s is left out: %s", s.Kind, s.Name, s.Error)
	}
	if down > 0 && up == 0 {
		return fmt.Errorf("%s does not load", t.name)
	}
	return nil
}

// claims asks the providers one after the other whose the login is.
func (t *trial) claims(ctx context.Context, r *backends.Request) *backends.Entry {
	for _, e := range t.sources.Providers {
		who := e.Provider.Method()
		if who != native.Method {
			who = fmt.Sprintf("%s (priority %d)", who, e.Priority)
		}
		mine, err := e.Provider.Claims(ctx, r)
		switch {
		case err != nil:
			t.sayf("claimed by", "%s: could not tell, the next one is asked: %s", who, err)
		case !mine:
			t.sayf("claimed by", "%s: no", who)
		default:
			t.sayf("claimed by", "%s: yes", who)
			return &e
		}
	}
	return nil
}

// is tells whether a provider is the source that is checked. The method of an identity provider need not be its name.
func (t *trial) is(e backends.Entry) bool {
	method := e.Provider.Method()
	if method == native.Method {
		return slices.Contains(nativeNames, t.name)
	}
	if p, ok := e.Provider.(plugin.Provider); ok {
		return p.Name() == t.name
	}
	return method == t.name
}

// subject finds the user of an accepted login and compares the method.
func (t *trial) subject(ctx context.Context, p backends.Provider, a backends.Accepted) (backends.Subject, error) {
	s := backends.Subject{Login: a.Login, User: a.User}
	if s.User == nil {
		row, err := db.New().UserByLogin(ctx, t.pool, db.LoginKey(a.Login))
		switch {
		case err == nil:
			s.User = &backends.User{UUID: row.UUID, TenantUUID: row.TenantUUID, Purpose: row.Purpose, Method: row.Method}
		case !errors.Is(err, pgx.ErrNoRows):
			return s, fmt.Errorf("find user by login: %w", err)
		}
	}
	switch u := s.User; {
	case u == nil && a.Foreign:
		t.sayf("user", "none of ours, which this source allows")
	case u == nil:
		t.sayf("user", "no enabled user of ours has this login")
		return s, errors.New("no user of ours has the login, and the source wants one: a client gets 401")
	default:
		t.sayf("user", "%s, tenant %s, purpose %s", u.UUID, u.TenantUUID, u.Purpose)
		if u.Method != p.Method() {
			t.sayf("method", "does not fit: the user's is %s, the source's %s", u.Method, p.Method())
			return s, fmt.Errorf("the user's authentication method is %s, not %s: a client gets 401", u.Method, p.Method())
		}
		t.sayf("method", "fits: %s", u.Method)
	}
	return s, nil
}

// describe asks what the token would say. Values of metadata are not shown.
func (t *trial) describe(ctx context.Context, b backends.Backend, s backends.Subject, r *backends.Request) error {
	access, err := b.AccessList(ctx, s, r)
	if err != nil {
		t.sayf("access list", "%s", outcome(err))
		return failure("the access list", err)
	}
	t.sayf("access list", "entries: %d", len(access))
	m, err := b.Metadata(ctx, s)
	if err != nil {
		t.sayf("metadata", "%s", outcome(err))
		return failure("the metadata", err)
	}
	keys := slices.Sorted(maps.Keys(m))
	more := ""
	if len(keys) > shownKeys {
		keys, more = keys[:shownKeys], fmt.Sprintf(" and %d more", len(keys)-shownKeys)
	}
	t.sayf("metadata", "%q%s", keys, more)
	switch id, _ := m["auth_id"].(string); id {
	case "":
		return errors.New("the metadata have no auth_id: a client gets 500")
	case token.InternalAuthID:
		return errors.New("auth_id is that of the service's own tokens: a client gets 401")
	}
	return nil
}

// direct asks a backend plug-in that the login does not reach.
func (t *trial) direct(ctx context.Context, r *backends.Request) {
	for _, b := range t.sources.Plugins.Backends() {
		if b.Name() != t.name {
			continue
		}
		ok, err := b.VerifyPassword(ctx, r.Login, r.Password, r)
		switch {
		case err != nil:
			t.sayf("directly", "%s itself: %s", t.name, outcome(err))
		case ok:
			t.sayf("directly", "%s itself accepts the password", t.name)
		default:
			t.sayf("directly", "%s itself refuses the password", t.name)
		}
	}
}

// outcome tells a refusal from a failure.
func outcome(err error) string {
	if errors.Is(err, backends.ErrRejected) {
		return "refused"
	}
	return "could not tell: " + err.Error()
}

// failure says what a client gets.
func failure(what string, err error) error {
	if errors.Is(err, backends.ErrRejected) {
		return fmt.Errorf("%s was refused: a client gets 401", what)
	}
	if f, ok := fault.As(err); ok {
		return fmt.Errorf("%s failed: a client gets the source's own error, %w (%q)", what, f.Kind, f.Message)
	}
	return fmt.Errorf("%s failed: a client gets 500", what)
}
