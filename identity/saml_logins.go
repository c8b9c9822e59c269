package identity

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/xivo-auth/xivo-auth/db"
)

// How many logins may wait for an answer. Beyond that the oldest go: whoever begins many cannot keep others from it, and
// from one address cannot reach the bound of a domain.
const (
	samlWaitingPerSource = 200
	samlWaitingPerDomain = 5000
)

// SAMLProvider is the configuration that logins of a domain use.
type SAMLProvider struct {
	Tenant, Domain   uuid.UUID
	EntityID, ACSURL string
	MetadataHash     []byte
}

// SAMLBegun is a login that somebody is sent away with.
type SAMLBegun struct {
	SessionHash, Relay             []byte
	RequestID, RedirectURL, Source string
	Tenant, Domain                 uuid.UUID
}

// SAMLLogin is one on its way. LogoutRequestID is empty, and AnswerHash nil, before there is one.
type SAMLLogin struct {
	UUID, Domain                            uuid.UUID
	RequestID, RedirectURL, LogoutRequestID string
	Relay, AnswerHash                       []byte
}

// SAMLOutcome is what an identity provider said. NameID is JSON, or nil.
type SAMLOutcome struct {
	Login, SessionIndex string
	AnswerHash          []byte
	NameID              json.RawMessage
	ProviderUntil       time.Time
}

// SAMLExchange is an answered login. User is nil unless an enabled user of the tenant, or of one below it, has it.
type SAMLExchange struct {
	UUID  uuid.UUID
	Login string
	User  *LDAPUser
}

// SAMLEnding is a login that somebody logs out of.
type SAMLEnding struct {
	UUID, Domain              uuid.UUID
	RedirectURL, SessionIndex string
	NameID                    json.RawMessage
	ProviderKnows             bool
}

// OfDomain is the configuration of a domain, by its name, compared exactly; nil without one.
func (s *SAML) OfDomain(ctx context.Context, name string) (*SAMLProvider, error) {
	return s.of(ctx, db.SAMLConfigOfParams{Name: &name})
}

// OfDomainUUID is the same by the domain's uuid.
func (s *SAML) OfDomainUUID(ctx context.Context, domain uuid.UUID) (*SAMLProvider, error) {
	return s.of(ctx, db.SAMLConfigOfParams{DomainUUID: &domain})
}

func (s *SAML) of(ctx context.Context, p db.SAMLConfigOfParams) (*SAMLProvider, error) {
	return found(ctx, "read a SAML configuration", func() (SAMLProvider, error) {
		r, err := s.q.SAMLConfigOf(ctx, s.d.Pool, p)
		return SAMLProvider{Tenant: r.TenantUUID, Domain: r.DomainUUID, EntityID: r.EntityID, ACSURL: r.AcsURL, MetadataHash: r.MetadataHash}, err
	})
}

// found reads a row; nil where there is none.
func found[T any](ctx context.Context, what string, read func() (T, error)) (*T, error) {
	var row T
	err := db.Retry(ctx, func() (err error) {
		row, err = read()
		return err
	})
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil //nolint:nilnil // none is an answer here
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	return &row, nil
}

// MetadataByHash are those of a tenant if they still have the hash; nil otherwise.
func (s *SAML) MetadataByHash(ctx context.Context, tenant uuid.UUID, hash []byte) ([]byte, error) {
	text, err := found(ctx, "read SAML metadata", func() ([]byte, error) {
		return s.q.SAMLConfigMetadataByHash(ctx, s.d.Pool, db.SAMLConfigMetadataByHashParams{TenantUUID: tenant, MetadataHash: hash})
	})
	if text == nil || err != nil {
		return nil, err
	}
	return *text, nil
}

// Begin notes a login. Where too many wait, the oldest of the same address or domain go.
func (s *SAML) Begin(ctx context.Context, b SAMLBegun) error {
	source := b.Source
	if a, ok := parseAddress(source); ok {
		source = network(a)
	}
	return db.InTx(ctx, s.d.Pool, func(tx pgx.Tx) error {
		err := s.q.SAMLLoginInsert(ctx, tx, db.SAMLLoginInsertParams{UUID: uuid.New(), SessionHash: b.SessionHash, Relay: b.Relay, RequestID: b.RequestID,
			RedirectURL: b.RedirectURL, TenantUUID: b.Tenant, DomainUUID: b.Domain, Source: source, LifetimeSeconds: s.d.LoginTimeout.Seconds()})
		if err != nil {
			return fmt.Errorf("note a SAML login: %w", err)
		}
		gone, err := s.q.SAMLLoginEvict(ctx, tx, db.SAMLLoginEvictParams{Source: source, PerSource: samlWaitingPerSource, DomainUUID: b.Domain, PerDomain: samlWaitingPerDomain})
		if err != nil {
			return fmt.Errorf("make room for a SAML login: %w", err)
		}
		if gone > 0 {
			s.d.Log.WarnContext(ctx, "too many SAML logins wait for an answer: the oldest go", "number", gone, "tenant_uuid", b.Tenant, "source", source)
		}
		return nil
	})
}

// ByRelay is a login by what the identity provider hands back; nil without one.
func (s *SAML) ByRelay(ctx context.Context, relay []byte) (*SAMLLogin, error) {
	return found(ctx, "find a SAML login", func() (SAMLLogin, error) {
		r, err := s.q.SAMLLoginByRelay(ctx, s.d.Pool, relay)
		l := SAMLLogin{UUID: r.UUID, Relay: relay, Domain: r.DomainUUID, RequestID: r.RequestID, RedirectURL: r.RedirectURL, AnswerHash: r.AnswerHash}
		if r.LogoutRequestID != nil {
			l.LogoutRequestID = *r.LogoutRequestID
		}
		return l, err
	})
}

// Accept keeps what an identity provider said of a login, unless it has said something before, or the login is over: then
// ok is false.
func (s *SAML) Accept(ctx context.Context, login uuid.UUID, o SAMLOutcome) (ok bool, err error) {
	err = db.InTx(ctx, s.d.Pool, func(tx pgx.Tx) error {
		n, err := s.q.SAMLLoginAccept(ctx, tx, db.SAMLLoginAcceptParams{UUID: login, Login: o.Login, AnswerHash: o.AnswerHash, NameID: o.NameID,
			SessionIndex: o.SessionIndex, ProviderUntil: &o.ProviderUntil, LifetimeSeconds: s.d.SessionLifetime.Seconds()})
		if err != nil {
			return fmt.Errorf("keep the answer to a SAML login: %w", err)
		}
		ok = n > 0
		return nil
	})
	return ok, err
}

// Reject forgets a login that was answered badly, unless it was exchanged already.
func (s *SAML) Reject(ctx context.Context, login uuid.UUID) error {
	return db.InTx(ctx, s.d.Pool, func(tx pgx.Tx) error {
		if _, err := s.q.SAMLLoginReject(ctx, tx, login); err != nil {
			return fmt.Errorf("forget a SAML login: %w", err)
		}
		return nil
	})
}

// OfSession is the answered login of a session id, by its hash; nil without one.
func (s *SAML) OfSession(ctx context.Context, hash []byte) (*SAMLExchange, error) {
	row, err := found(ctx, "find a SAML session", func() (db.SAMLLoginOfSessionRow, error) { return s.q.SAMLLoginOfSession(ctx, s.d.Pool, hash) })
	if row == nil || err != nil {
		return nil, err
	}
	x := &SAMLExchange{UUID: row.UUID, Login: row.Login}
	u, err := found(ctx, "find user by login", func() (db.UserByLoginRow, error) { return s.q.UserByLogin(ctx, s.d.Pool, db.LoginKey(row.Login)) })
	if u == nil || err != nil {
		return x, err
	}
	within, err := found(ctx, "find the tenant of a user", func() (bool, error) {
		return s.q.SAMLLoginTenantContains(ctx, s.d.Pool, db.SAMLLoginTenantContainsParams{TenantUUID: u.TenantUUID, AncestorUUID: row.TenantUUID})
	})
	if within != nil && *within {
		x.User = &LDAPUser{UUID: u.UUID, Tenant: u.TenantUUID, Purpose: u.Purpose, Method: u.Method}
	}
	return x, err
}

// OfToken is the login that a token came from; nil without one.
func (s *SAML) OfToken(ctx context.Context, secret string) (*SAMLEnding, error) {
	hash := sha256.Sum256([]byte(secret))
	return found(ctx, "find the SAML login of a token", func() (SAMLEnding, error) {
		r, err := s.q.SAMLLoginOfToken(ctx, s.d.Pool, hash[:])
		return SAMLEnding{UUID: r.UUID, Domain: r.DomainUUID, RedirectURL: r.RedirectURL, SessionIndex: r.SessionIndex, NameID: r.NameID,
			ProviderKnows: r.ProviderKnows}, err
	})
}

// AwaitLogout notes that the identity provider is asked to end a login, and ends the token.
func (s *SAML) AwaitLogout(ctx context.Context, login uuid.UUID, relay []byte, requestID, token string) error {
	return s.ending(ctx, func(tx pgx.Tx) error {
		if _, err := s.tokens.RevokeIn(ctx, tx, token); err != nil {
			return err
		}
		if _, err := s.q.SAMLLoginAwaitLogout(ctx, tx, db.SAMLLoginAwaitLogoutParams{UUID: login, Relay: relay, LogoutRequestID: requestID}); err != nil {
			return fmt.Errorf("await a SAML logout: %w", err)
		}
		return nil
	})
}

// End deletes a login, the refresh token that it was exchanged for if no other login needs that, and the token, if one is
// given.
func (s *SAML) End(ctx context.Context, login uuid.UUID, token string) error {
	return s.ending(ctx, func(tx pgx.Tx) error {
		tied, err := s.q.SAMLLoginRefreshToken(ctx, tx, login)
		if err != nil && !errors.Is(err, pgx.ErrNoRows) {
			return fmt.Errorf("find the refresh token of a SAML login: %w", err)
		}
		if err == nil && !tied.Shared {
			if err := s.tokens.DeleteRefreshTokenIn(ctx, tx, tied.UserUUID, tied.UUID); err != nil {
				return err
			}
		}
		if token != "" {
			if _, err := s.tokens.RevokeIn(ctx, tx, token); err != nil {
				return err
			}
		}
		// It may have gone with its refresh token.
		if _, err := s.q.SAMLLoginDelete(ctx, tx, login); err != nil {
			return fmt.Errorf("end a SAML login: %w", err)
		}
		return nil
	})
}

// ending does something that tokens end by.
func (s *SAML) ending(ctx context.Context, f func(tx pgx.Tx) error) error {
	if err := db.InTx(ctx, s.d.Pool, f); err != nil {
		return err
	}
	s.wake()
	return nil
}

// SweepSAML deletes logins that are over, so many at most.
func SweepSAML(ctx context.Context, pool db.DBTX, limit int) (int, error) {
	n, err := db.New().SAMLLoginSweep(ctx, pool, int32(limit)) //nolint:gosec // a small limit
	if err != nil {
		return 0, fmt.Errorf("sweep SAML logins: %w", err)
	}
	return int(n), nil
}
