package ldap

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"github.com/google/uuid"

	"github.com/xivo-auth/xivo-auth/backends"
)

// What configuration, users and tenants call this source.
const (
	// Name is the provider's, and Method that of its users.
	Name   = "ldap"
	Method = "ldap"
	// BackendName is the backend's.
	BackendName = "ldap_user"
)

// How a connection is secured.
const (
	SecurityNone  = ""
	SecurityTLS   = "tls"
	SecurityLDAPS = "ldaps"
)

// Config is the directory of a tenant.
type Config struct {
	Tenant uuid.UUID
	Host   string
	Port   int
	// Security is one of the three constants.
	Security string
	// BindDN and BindPassword are the service account that looks entries up; if either is empty there is none.
	BindDN, BindPassword           string
	BaseDN                         string
	LoginAttribute, EmailAttribute string
	// SearchFilters is the template of the filter; empty for that of the login attribute.
	SearchFilters string
}

// String keeps the password out of logs.
func (c *Config) String() string { return fmt.Sprintf("directory of tenant %s", c.Tenant) }

// Directory knows which tenant has which directory, and its users. Nil is none. Errors are failures, but for
// fault.NotFound of a tenant that is not there.
type Directory interface {
	OfDomain(ctx context.Context, domain string) (*Config, error)
	OfTenant(ctx context.Context, uuidOrSlug string) (*Config, error)
	// User is the enabled user of a tenant with this login.
	User(ctx context.Context, tenant uuid.UUID, login string) (*backends.User, error)
}

// Deps are what the source works with.
type Deps struct {
	Directory Directory
	// Users is the backend of our own users: access lists and metadata are theirs.
	Users backends.Backend
	Log   *slog.Logger
	// Roots are the trusted authorities; nil for the system's.
	Roots *x509.CertPool
}

// Source is the provider.
type Source struct {
	d       Deps
	pool    pool
	gate    gate
	backend backend
}

var (
	_ backends.Provider = (*Source)(nil)
	_ backends.Backend  = backend{}
)

// New makes the source. Close ends its connections.
func New(d Deps) *Source {
	s := &Source{d: d}
	s.backend = backend{Backend: d.Users, source: s}
	return s
}

// Close closes the connections that are kept.
func (s *Source) Close() { s.pool.close() }

// Backend describes the accepted logins.
func (s *Source) Backend() backends.Backend { return s.backend }

// Method is "ldap".
func (s *Source) Method() string { return Method }

// Claims requests with credentials that name a tenant or its domain, be it by an empty text.
func (s *Source) Claims(_ context.Context, r *backends.Request) (bool, error) {
	_, byDomain := r.Raw["domain_name"].(string)
	_, byTenant := r.Raw["tenant_id"].(string)
	return r.HasCredentials() && (byDomain || byTenant), nil
}

// Verify has the directory of the tenant verify the password. The login from here on is the e-mail address that the
// directory tells.
func (s *Source) Verify(ctx context.Context, r *backends.Request) (backends.Accepted, error) {
	return s.verify(ctx, r, r.Login, r.Password)
}

// BackendFor is the backend: refresh tokens need no directory.
func (s *Source) BackendFor(context.Context, string) (backends.Backend, error) { return s.backend, nil }

func (s *Source) verify(ctx context.Context, r *backends.Request, login, password string) (backends.Accepted, error) {
	if err := ctx.Err(); err != nil {
		return backends.Accepted{}, err
	}
	c, err := s.config(ctx, r)
	if err != nil {
		return backends.Accepted{}, err
	}
	if c == nil {
		return backends.Accepted{}, fmt.Errorf("no directory for the tenant or domain: %w", backends.ErrRejected)
	}
	email, err := s.ask(ctx, c, login, password)
	if err != nil {
		return backends.Accepted{}, s.refused(ctx, c, err)
	}
	u, err := s.d.Directory.User(ctx, c.Tenant, email)
	if err != nil {
		return backends.Accepted{}, err
	}
	if u == nil {
		return backends.Accepted{}, s.refused(ctx, c, &refusal{why: "no enabled user of the tenant has the address of the entry, confirmed, or as the username"})
	}
	return backends.Accepted{Login: email, Backend: s.backend, User: u}, nil
}

// config is the directory that a request is for; nil if there is none.
func (s *Source) config(ctx context.Context, r *backends.Request) (*Config, error) {
	if domain, ok := r.Raw["domain_name"].(string); ok {
		if domain == "" {
			return nil, nil //nolint:nilnil // nobody's domain
		}
		return s.d.Directory.OfDomain(ctx, domain)
	}
	id, ok := r.Raw["tenant_id"].(string)
	if !ok {
		return nil, nil //nolint:nilnil // it was not claimed
	}
	s.d.Log.WarnContext(ctx, "a login names its tenant by tenant_id, which is deprecated: use domain_name")
	return s.d.Directory.OfTenant(ctx, id)
}

// ask has a place among the logins that wait for servers while it talks to one.
func (s *Source) ask(ctx context.Context, c *Config, login, password string) (email string, err error) {
	switch {
	case login == "" || password == "":
		return "", &refusal{why: "no login or no password"}
	case len(login) > maxLogin || strings.ContainsRune(login, 0) || strings.ContainsRune(password, 0):
		// Some servers end a password there.
		return "", &refusal{why: "the login is too long, or there is a U+0000"}
	}
	if !s.gate.enter(c.Tenant) {
		return "", &refusal{why: "too many logins wait for servers", cause: errors.New("the limit is reached")}
	}
	defer s.gate.leave(c.Tenant)
	return s.authenticate(ctx, c, login, password)
}

// refusal is a login that a directory did not accept: with a cause it could not tell, without one it said no.
type refusal struct {
	why   string
	cause error
}

// Error says why, without anything that the server said.
func (r *refusal) Error() string {
	if r.cause != nil {
		return r.why + ": " + reason(r.cause)
	}
	return r.why
}

// refused logs why a login was refused. A context that ended is no refusal: nobody knows.
func (s *Source) refused(ctx context.Context, c *Config, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("ask the directory of tenant %s: %w", c.Tenant, ctx.Err())
	}
	var r *refusal
	if !errors.As(err, &r) {
		r = &refusal{why: "the directory failed", cause: err}
	}
	if r.cause != nil {
		s.d.Log.WarnContext(ctx, "a directory could not verify a login", "tenant_uuid", c.Tenant, "host", c.Host, "error", r.Error())
		return fmt.Errorf("%w: %w", backends.ErrRejected, backends.ErrUndecided)
	}
	s.d.Log.InfoContext(ctx, "a directory refused a login", "tenant_uuid", c.Tenant, "reason", r.why)
	return backends.ErrRejected
}

// backend describes users whose passwords are in a directory like our own users, but for the name that they logged in with.
type backend struct {
	backends.Backend

	source *Source
}

// Name is "ldap_user".
func (b backend) Name() string { return BackendName }

// VerifyPassword asks the directory that the request is for.
func (b backend) VerifyPassword(ctx context.Context, login, password string, r *backends.Request) (bool, error) {
	_, err := b.source.verify(ctx, r, login, password)
	if errors.Is(err, backends.ErrRejected) {
		return false, nil
	}
	return err == nil, err
}

// Metadata have the e-mail address as username.
func (b backend) Metadata(ctx context.Context, sub backends.Subject) (map[string]any, error) {
	m, err := b.Backend.Metadata(ctx, sub)
	if err != nil {
		return nil, err
	}
	m["username"] = strings.ToLower(sub.Login)
	return m, nil
}
