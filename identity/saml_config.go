package identity

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/xivo-auth/xivo-auth/db"
	"github.com/xivo-auth/xivo-auth/fault"
	"github.com/xivo-auth/xivo-auth/trail"
)

// SAMLTokens end what logins of single sign-on were exchanged for, inside a transaction.
type SAMLTokens interface {
	RevokeIn(ctx context.Context, tx pgx.Tx, secret string) (bool, error)
	DeleteRefreshTokenIn(ctx context.Context, tx pgx.Tx, user, refresh uuid.UUID) error
}

// SAMLDeps are what the service works with.
type SAMLDeps struct {
	Pool   *pgxpool.Pool
	Sealer Sealer
	Log    *slog.Logger
	// KeyFile and CertFile are the service provider's key pair; both empty: one is made and kept in the database.
	KeyFile, CertFile string
	// LoginTimeout is how long an answer is waited for, SessionLifetime how long a login is kept from its beginning.
	LoginTimeout, SessionLifetime time.Duration
}

// SAML keeps the identity providers of tenants, at most one each, and the logins on their way (backends.md sections 9, 10).
type SAML struct {
	d      SAMLDeps
	q      *db.Queries
	tokens SAMLTokens
	wake   func()

	mu   sync.Mutex
	pair *tls.Certificate // nil: not read yet
}

// NewSAML makes the service. Whoever logs out needs Ending.
func NewSAML(d SAMLDeps) *SAML {
	return &SAML{d: d, q: db.New(), wake: func() {}}
}

// Ending gives the service what ends tokens: those are issued by what needs the service first.
func (s *SAML) Ending(tokens SAMLTokens, wake func()) *SAML {
	s.tokens, s.wake = tokens, wake
	return s
}

// SAMLConfig is what a tenant has with an identity provider.
type SAMLConfig struct {
	Tenant, Domain   uuid.UUID
	EntityID, ACSURL string
}

// SAMLConfigChange is what a configuration is to be; nil is kept. Metadata are well-formed XML. A Domain that is no uuid is
// nobody's domain.
type SAMLConfigChange struct {
	Domain, EntityID, ACSURL *string
	Metadata                 []byte
}

func unknownSAMLConfig(tenant uuid.UUID) error {
	return fault.Modern(fault.NotFound, "unknown-saml-config", "saml_config", `No SAML IDP config found for this tenant: "`+tenant.String()+`"`,
		map[string]any{"uuid": tenant.String()})
}

// BadSAMLConfig is what is wrong with a form, apart from its fields.
func BadSAMLConfig(tenant uuid.UUID, message string) error {
	return fault.Modern(fault.Invalid, "unknown-saml-config", "saml_config", message, map[string]any{"uuid": tenant.String()})
}

func notItsDomain(tenant uuid.UUID) error { return BadSAMLConfig(tenant, "Domain not from tenant") }

// Get is the configuration of a tenant; fault.NotFound without one.
func (s *SAML) Get(ctx context.Context, tenant uuid.UUID) (SAMLConfig, error) {
	var row db.SAMLConfigGetRow
	err := db.Retry(ctx, func() (err error) {
		row, err = s.q.SAMLConfigGet(ctx, s.d.Pool, tenant)
		return err
	})
	if errors.Is(err, pgx.ErrNoRows) {
		return SAMLConfig{}, unknownSAMLConfig(tenant)
	}
	if err != nil {
		return SAMLConfig{}, fmt.Errorf("read a SAML configuration: %w", err)
	}
	return SAMLConfig{Tenant: row.TenantUUID, Domain: row.DomainUUID, EntityID: row.EntityID, ACSURL: row.AcsURL}, nil
}

// Metadata are what was uploaded for a tenant, byte for byte; fault.NotFound without a configuration.
func (s *SAML) Metadata(ctx context.Context, tenant uuid.UUID) ([]byte, error) {
	var text []byte
	err := db.Retry(ctx, func() (err error) {
		text, err = s.q.SAMLConfigMetadata(ctx, s.d.Pool, tenant)
		return err
	})
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, unknownSAMLConfig(tenant)
	}
	if err != nil {
		return nil, fmt.Errorf("read SAML metadata: %w", err)
	}
	return text, nil
}

// Create makes the configuration of a tenant from a change that has everything. Errors in their order: fault.Conflict when
// there is one, fault.Invalid for a domain that is not the tenant's.
func (s *SAML) Create(ctx context.Context, tenant uuid.UUID, in SAMLConfigChange) (SAMLConfig, error) {
	hash := sha256.Sum256(in.Metadata)
	made := SAMLConfig{Tenant: tenant, EntityID: *in.EntityID, ACSURL: *in.ACSURL}
	made.Domain, _ = uuid.Parse(*in.Domain) // the nil uuid is no domain
	err := db.InTx(ctx, s.d.Pool, func(tx pgx.Tx) error {
		n, err := s.q.SAMLConfigInsert(ctx, tx, db.SAMLConfigInsertParams{TenantUUID: tenant, DomainUUID: made.Domain, EntityID: made.EntityID,
			AcsURL: made.ACSURL, Metadata: in.Metadata, MetadataHash: hash[:]})
		if foreign(err, "saml_configs_domain_fkey") {
			return notItsDomain(tenant)
		}
		if err != nil {
			return fmt.Errorf("write a SAML configuration: %w", err)
		}
		if n == 0 {
			return fault.Modern(fault.Conflict, "conflict", "saml_config", "Conflict detected",
				map[string]any{"tenant_uuid": map[string]any{"constraint_id": "unique", "message": "Duplicated SAML config exists"}})
		}
		return trail.Add(ctx, tx, trail.Entry{Action: "saml_config created", Tenant: &tenant,
			Details: map[string]any{"domain_uuid": made.Domain, "entity_id": made.EntityID, "acs_url": made.ACSURL}})
	})
	return made, err
}

// foreign tells whether a statement failed on the named foreign key.
func foreign(err error, constraint string) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && pg.Code == "23503" && pg.ConstraintName == constraint
}

// Update changes the configuration of a tenant. Errors in their order: fault.Invalid for a domain that is not the tenant's,
// fault.NotFound without a configuration.
func (s *SAML) Update(ctx context.Context, tenant uuid.UUID, in SAMLConfigChange) error {
	p := db.SAMLConfigUpdateParams{TenantUUID: tenant, EntityID: in.EntityID, AcsURL: in.ACSURL}
	if in.Metadata != nil {
		hash := sha256.Sum256(in.Metadata)
		p.Metadata, p.MetadataHash = in.Metadata, hash[:]
	}
	if in.Domain != nil {
		id, err := uuid.Parse(*in.Domain)
		if err != nil {
			return notItsDomain(tenant)
		}
		p.DomainUUID = &id
	}
	return db.InTx(ctx, s.d.Pool, func(tx pgx.Tx) error {
		if p.DomainUUID != nil {
			_, err := s.q.SAMLConfigKeepDomain(ctx, tx, db.SAMLConfigKeepDomainParams{DomainUUID: *p.DomainUUID, TenantUUID: tenant})
			if errors.Is(err, pgx.ErrNoRows) {
				return notItsDomain(tenant)
			}
			if err != nil {
				return fmt.Errorf("find the domain of a SAML configuration: %w", err)
			}
		}
		n, err := s.q.SAMLConfigUpdate(ctx, tx, p)
		if err != nil {
			return fmt.Errorf("write a SAML configuration: %w", err)
		}
		if n == 0 {
			return unknownSAMLConfig(tenant)
		}
		return trail.Add(ctx, tx, trail.Entry{Action: "saml_config updated", Tenant: &tenant, Details: map[string]any{"domain_uuid": p.DomainUUID,
			"entity_id": in.EntityID, "acs_url": in.ACSURL, "metadata": in.Metadata != nil}})
	})
}

// Delete removes the configuration of a tenant, if there is one.
func (s *SAML) Delete(ctx context.Context, tenant uuid.UUID) error {
	return db.InTx(ctx, s.d.Pool, func(tx pgx.Tx) error {
		n, err := s.q.SAMLConfigDelete(ctx, tx, tenant)
		if err != nil {
			return fmt.Errorf("delete a SAML configuration: %w", err)
		}
		if n == 0 {
			return nil
		}
		return trail.Add(ctx, tx, trail.Entry{Action: "saml_config deleted", Tenant: &tenant})
	})
}
