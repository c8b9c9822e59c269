package saml

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/xivo-auth/xivo-auth/backends"
	"github.com/xivo-auth/xivo-auth/fault"
)

// maxRedirectURL is the longest address that a login may send the browser to, characters.
const maxRedirectURL = 512

// Config is what a tenant has with an identity provider. MetadataHash is the SHA-256 of the metadata.
type Config struct {
	Tenant, Domain   uuid.UUID
	EntityID, ACSURL string
	MetadataHash     []byte
}

// Begun is a login that the browser is sent away with.
type Begun struct {
	SessionHash, Relay             []byte
	RequestID, RedirectURL, Source string
	Tenant, Domain                 uuid.UUID
}

// Login is one on its way.
type Login struct {
	UUID, Domain uuid.UUID
	// LogoutRequestID is the request that the identity provider was sent last to end it; empty before.
	RequestID, RedirectURL, LogoutRequestID string
	// AnswerHash is that of the answer that was accepted; nil before.
	Relay, AnswerHash []byte
}

// Outcome is what a good answer says of a login.
type Outcome struct {
	Login, SessionIndex string
	AnswerHash          []byte
	NameID              *NameID
	// ProviderUntil is how long the identity provider can be asked to log out.
	ProviderUntil time.Time
}

// Exchange is a login that can be exchanged for a token: of whom, if it is an enabled user of the tenant or below it.
type Exchange struct {
	UUID  uuid.UUID
	Login string
	User  *backends.User
}

// Ending is a login that somebody logs out of.
type Ending struct {
	UUID, Domain              uuid.UUID
	RedirectURL, SessionIndex string
	NameID                    *NameID
	// ProviderKnows says that the identity provider has a session that can be ended.
	ProviderKnows bool
}

// Store keeps configurations and logins, for all processes. What is not there is nil without an error.
type Store interface {
	OfDomain(ctx context.Context, name string) (*Config, error)
	OfDomainUUID(ctx context.Context, domain uuid.UUID) (*Config, error)
	// Metadata are those of a tenant if they still have the hash; nil otherwise.
	Metadata(ctx context.Context, tenant uuid.UUID, hash []byte) ([]byte, error)
	Begin(ctx context.Context, b Begun) error
	ByRelay(ctx context.Context, relay []byte) (*Login, error)
	// Accept keeps an outcome, unless there is one already: then ok is false.
	Accept(ctx context.Context, login uuid.UUID, o Outcome) (ok bool, err error)
	Reject(ctx context.Context, login uuid.UUID) error
	OfSession(ctx context.Context, hash []byte) (*Exchange, error)
	OfToken(ctx context.Context, token string) (*Ending, error)
	// AwaitLogout notes the request for a logout and ends the token.
	AwaitLogout(ctx context.Context, login uuid.UUID, relay []byte, requestID, token string) error
	// End deletes a login with the refresh token that nothing else needs then; and the token, if one is given.
	End(ctx context.Context, login uuid.UUID, token string) error
	// Pair is the service provider's key pair.
	Pair(ctx context.Context) (*tls.Certificate, error)
}

// Deps are what the service works with.
type Deps struct {
	Store Store
	// Users is the backend of the users who log in: they are ours.
	Users backends.Backend
	Log   *slog.Logger
	// SessionLifetime is added to the time for which an identity provider knows somebody.
	SessionLifetime, ClockSkew time.Duration
	// RedirectOrigins are where logins may send the browser to; none: everywhere.
	RedirectOrigins []string
}

// Service makes the browser's way to the identity provider and back.
type Service struct {
	d Deps

	mu sync.Mutex
	// parsed metadata by their hash.
	parsed map[[sha256.Size]byte]*idp
}

// New makes the service.
func New(d Deps) *Service { return &Service{d: d, parsed: map[[sha256.Size]byte]*idp{}} }

// Failures of the routes, in the words of backends.md section 10.
func notConfigured(domain string) *fault.Error {
	return fault.Modern(fault.Failed, "configuration-error", "saml", "SAML client for domain not found or failed", map[string]any{"domain": domain})
}

func processing(kind fault.Kind, text string) *fault.Error {
	return fault.Modern(kind, "processing-error", "saml", "SAML processing failed", map[string]any{"error": text})
}

func noContext() error { return processing(fault.NotFound, "Context not found") }

// Begin starts a login of somebody of a domain: where the browser is to go, and the secret that the login can be exchanged
// with later. fault.Failed without a usable configuration; fault.Invalid for a redirect URL that is not allowed.
func (s *Service) Begin(ctx context.Context, domain, redirectURL, source string) (location, session string, err error) {
	if len([]rune(redirectURL)) > maxRedirectURL {
		return "", "", notConfigured(domain)
	}
	if !s.allowed(redirectURL) {
		return "", "", fault.Modern(fault.Invalid, "invalid-data", "saml", "redirect_url", nil)
	}
	c, err := s.d.Store.OfDomain(ctx, domain)
	if err != nil {
		return "", "", err
	}
	if c == nil {
		return "", "", notConfigured(domain)
	}
	provider, err := s.provider(ctx, c)
	if err == nil && provider.signOn == "" {
		err = unusableError{errors.New("the metadata have no sign-on endpoint for HTTP-Redirect")}
	}
	var pair *tls.Certificate
	if err == nil {
		pair, err = s.pair(ctx)
	}
	if errors.As(err, &unusableError{}) {
		return "", "", notConfigured(domain).Because(err)
	}
	if err != nil {
		return "", "", err
	}
	var secret [16]byte
	_, _ = rand.Read(secret[:]) // never fails: see crypto/rand
	session = base64.RawURLEncoding.EncodeToString(secret[:])
	relay, id := sha256.Sum256([]byte(session)), newID()
	location, err = redirect(provider.signOn, authnRequest(id, provider.signOn, c, time.Now()), base64.URLEncoding.EncodeToString(relay[:]), pair)
	if err != nil {
		return "", "", notConfigured(domain).Because(err)
	}
	hash := SessionHash(session)
	err = s.d.Store.Begin(ctx, Begun{SessionHash: hash[:], Relay: relay[:], RequestID: id, RedirectURL: redirectURL, Source: source, Tenant: c.Tenant, Domain: c.Domain})
	if err != nil {
		return "", "", err
	}
	return location, session, nil
}

// SessionHash is what the database knows of a session id. It is not the relay state, which strangers see.
func SessionHash(session string) [sha256.Size]byte {
	return sha256.Sum256([]byte("xivo-auth/saml/session/1\x00" + session))
}

// allowed tells whether a login may send the browser to an address.
func (s *Service) allowed(address string) bool {
	if len(s.d.RedirectOrigins) == 0 {
		return true
	}
	u, err := url.Parse(address)
	return err == nil && u.User == nil && slices.Contains(s.d.RedirectOrigins, u.Scheme+"://"+u.Host)
}

// Answer takes what an identity provider posts through the browser, and says where that goes next: to where the login was to
// lead, whether the answer is good or not. fault.NotFound without a login, fault.Failed when its configuration is gone.
func (s *Service) Answer(ctx context.Context, relayState, posted string) (location string, err error) {
	l, err := s.byRelay(ctx, relayState)
	if err != nil {
		return "", err
	}
	if l == nil {
		return "", noContext()
	}
	c, err := s.d.Store.OfDomainUUID(ctx, l.Domain)
	if err != nil {
		return "", err
	}
	if c == nil {
		return "", processing(fault.Failed, "Unexpected error").Because(errors.New("the domain has no configuration any more"))
	}
	provider, err := s.provider(ctx, c)
	if errors.As(err, &unusableError{}) {
		return "", processing(fault.Failed, "Unexpected error").Because(err)
	}
	if err != nil {
		return "", err
	}
	if err := s.answer(ctx, l, c, provider, posted); err != nil {
		var wrong wrongAnswerError
		if !errors.As(err, &wrong) {
			return "", err
		}
		s.d.Log.WarnContext(ctx, "refused the answer of an identity provider", "reason", wrong.error.Error(), "tenant_uuid", c.Tenant, "request", l.RequestID)
		if err := s.d.Store.Reject(ctx, l.UUID); err != nil {
			return "", err
		}
		return extend(l.RedirectURL, "login_failure_code=500"), nil
	}
	return l.RedirectURL, nil
}

// wrongAnswerError is a refusal, as opposed to something that could not be done.
type wrongAnswerError struct{ error }

// answer keeps what a good answer says. The same answer once more changes nothing.
func (s *Service) answer(ctx context.Context, l *Login, c *Config, provider *idp, posted string) error {
	document, err := decodePosted(posted)
	if err != nil {
		return wrongAnswerError{errors.New("not base64")}
	}
	var own error
	x := expected{provider: provider, config: c, requestID: l.RequestID, now: time.Now(), skew: s.d.ClockSkew, pair: func() (pair *tls.Certificate, err error) {
		pair, own = s.pair(ctx)
		return pair, own
	}}
	said, err := x.read(document)
	if own != nil && !errors.As(own, &unusableError{}) {
		return fmt.Errorf("open an encrypted assertion: %w", own)
	}
	if err != nil {
		return wrongAnswerError{err}
	}
	hash := sha256.Sum256(document)
	if l.AnswerHash == nil {
		ok, err := s.d.Store.Accept(ctx, l.UUID, Outcome{Login: said.login, SessionIndex: said.sessionIndex, AnswerHash: hash[:], NameID: said.nameID,
			ProviderUntil: said.until.Add(s.d.SessionLifetime)})
		if err != nil || ok {
			return err
		}
		again, err := s.d.Store.ByRelay(ctx, l.Relay)
		if err != nil {
			return err
		}
		if again == nil {
			return wrongAnswerError{errors.New("the login went meanwhile")}
		}
		l = again
	}
	if !bytes.Equal(l.AnswerHash, hash[:]) {
		return wrongAnswerError{errors.New("another answer was accepted before")}
	}
	return nil
}

// byRelay finds a login by what the identity provider hands back; nil if there is none.
func (s *Service) byRelay(ctx context.Context, relayState string) (*Login, error) {
	relay, err := base64.URLEncoding.DecodeString(relayState)
	if err != nil || len(relay) != sha256.Size || base64.URLEncoding.EncodeToString(relay) != relayState {
		return nil, nil //nolint:nilnil,nilerr // none is an answer here
	}
	return s.d.Store.ByRelay(ctx, relay)
}

// unusableError is a configuration that cannot be worked with.
type unusableError struct{ error }

// pair is the service provider's key pair; unusableError without one.
func (s *Service) pair(ctx context.Context) (*tls.Certificate, error) {
	pair, err := s.d.Store.Pair(ctx)
	if _, told := fault.As(err); err != nil && !told && ctx.Err() == nil {
		return nil, unusableError{fmt.Errorf("the service provider's key: %w", err)}
	}
	return pair, err
}

// maxParsed bounds how many metadata are kept parsed.
const maxParsed = 256

// provider is the identity provider of a configuration. What was parsed is kept under the hash of its text, so a change is
// seen at once by every process.
func (s *Service) provider(ctx context.Context, c *Config) (*idp, error) {
	var key [sha256.Size]byte
	copy(key[:], c.MetadataHash)
	s.mu.Lock()
	found := s.parsed[key]
	s.mu.Unlock()
	if found == nil {
		text, err := s.d.Store.Metadata(ctx, c.Tenant, c.MetadataHash)
		if err != nil {
			return nil, err
		}
		if found, err = readMetadata(text); err != nil {
			s.d.Log.WarnContext(ctx, "the configuration of an identity provider cannot be used", "tenant_uuid", c.Tenant, "error", err)
			return nil, unusableError{err}
		}
		s.mu.Lock()
		if len(s.parsed) >= maxParsed {
			clear(s.parsed)
		}
		s.parsed[key] = found
		s.mu.Unlock()
	}
	if u := found.validUntil; !u.IsZero() && !time.Now().Before(u) {
		return nil, unusableError{errors.New("the metadata have expired")}
	}
	return found, nil
}

// CheckXML tells why a document is no well-formed XML; see Check.
func (s *Service) CheckXML(document []byte) error { return Check(document) }
