package sources

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"

	"github.com/google/uuid"

	"github.com/xivo-auth/xivo-auth/backends"
	"github.com/xivo-auth/xivo-auth/backends/saml"
	"github.com/xivo-auth/xivo-auth/config"
	"github.com/xivo-auth/xivo-auth/identity"
)

// NewSAML makes single sign-on out of what keeps its configurations and logins, and the backend of the users who log in.
func NewSAML(cfg config.SAML, d Deps, users backends.Backend) *saml.Service {
	return saml.New(saml.Deps{Store: samlStore{d.SAML}, Users: users, Log: d.Log, SessionLifetime: cfg.SessionLifetime, ClockSkew: cfg.ClockSkew,
		RedirectOrigins: cfg.RedirectOrigins})
}

// samlStore shows configurations and logins to what works with them.
type samlStore struct{ *identity.SAML }

var _ saml.Store = samlStore{}

// OfDomain implements saml.Store.
func (s samlStore) OfDomain(ctx context.Context, name string) (*saml.Config, error) {
	c, err := s.SAML.OfDomain(ctx, name)
	return (*saml.Config)(c), err
}

// OfDomainUUID implements saml.Store.
func (s samlStore) OfDomainUUID(ctx context.Context, domain uuid.UUID) (*saml.Config, error) {
	c, err := s.SAML.OfDomainUUID(ctx, domain)
	return (*saml.Config)(c), err
}

// Metadata implements saml.Store.
func (s samlStore) Metadata(ctx context.Context, tenant uuid.UUID, hash []byte) ([]byte, error) {
	return s.MetadataByHash(ctx, tenant, hash)
}

// Begin implements saml.Store.
func (s samlStore) Begin(ctx context.Context, b saml.Begun) error {
	return s.SAML.Begin(ctx, identity.SAMLBegun(b))
}

// ByRelay implements saml.Store.
func (s samlStore) ByRelay(ctx context.Context, relay []byte) (*saml.Login, error) {
	l, err := s.SAML.ByRelay(ctx, relay)
	return (*saml.Login)(l), err
}

// Accept implements saml.Store.
func (s samlStore) Accept(ctx context.Context, login uuid.UUID, o saml.Outcome) (bool, error) {
	out := identity.SAMLOutcome{Login: o.Login, SessionIndex: o.SessionIndex, AnswerHash: o.AnswerHash, ProviderUntil: o.ProviderUntil}
	if o.NameID != nil {
		text, err := json.Marshal(o.NameID)
		if err != nil {
			return false, fmt.Errorf("encode a name id: %w", err)
		}
		out.NameID = text
	}
	return s.SAML.Accept(ctx, login, out)
}

// OfSession implements saml.Store.
func (s samlStore) OfSession(ctx context.Context, hash []byte) (*saml.Exchange, error) {
	x, err := s.SAML.OfSession(ctx, hash)
	if x == nil || err != nil {
		return nil, err
	}
	out := &saml.Exchange{UUID: x.UUID, Login: x.Login}
	if u := x.User; u != nil {
		out.User = &backends.User{UUID: u.UUID, TenantUUID: u.Tenant, Purpose: u.Purpose, Method: u.Method}
	}
	return out, nil
}

// OfToken implements saml.Store.
func (s samlStore) OfToken(ctx context.Context, secret string) (*saml.Ending, error) {
	e, err := s.SAML.OfToken(ctx, secret)
	if e == nil || err != nil {
		return nil, err
	}
	out := &saml.Ending{UUID: e.UUID, Domain: e.Domain, RedirectURL: e.RedirectURL, SessionIndex: e.SessionIndex, ProviderKnows: e.ProviderKnows}
	if e.NameID != nil {
		if err := json.Unmarshal(e.NameID, &out.NameID); err != nil {
			return nil, fmt.Errorf("decode a name id: %w", err)
		}
	}
	return out, nil
}

// Pair implements saml.Store.
func (s samlStore) Pair(ctx context.Context) (*tls.Certificate, error) { return s.SAML.Pair(ctx) }
