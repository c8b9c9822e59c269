package identity

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/xivo-auth/xivo-auth/db"
	"github.com/xivo-auth/xivo-auth/fault"
	"github.com/xivo-auth/xivo-auth/seal"
	"github.com/xivo-auth/xivo-auth/trail"
)

// Sealer closes secrets at rest and opens them. Additional data bind a sealed value to its place.
type Sealer interface {
	Seal(plaintext, aad []byte) (sealed []byte, keyID string, err error)
	Open(sealed []byte, keyID string, aad []byte) ([]byte, error)
}

// LDAPConfig is the directory that a tenant's users log in with (backends.md section 6), but for the password of BindDN.
type LDAPConfig struct {
	Tenant                                             uuid.UUID
	Host                                               string
	Port, ProtocolVersion                              int32
	ProtocolSecurity                                   *string // tls, ldaps or nil
	BindDN                                             *string
	UserBaseDN, UserLoginAttribute, UserEmailAttribute string
	SearchFilters                                      *string
}

// LDAPConfigChange is what a directory is to be. Fields named in Kept stay as they are where there is a configuration
// already: protocol_security, bind_dn, search_filters, bind_password.
type LDAPConfigChange struct {
	LDAPConfig
	BindPassword *string
	Kept         []string
}

// LDAPDirectory is a configuration with its secret, to log somebody in.
type LDAPDirectory struct {
	LDAPConfig
	BindPassword string
}

// LDAPUser is an enabled user of a tenant as a login finds them.
type LDAPUser struct {
	UUID, Tenant uuid.UUID
	Purpose      string
	// Method is the effective authentication method.
	Method string
}

// LDAPConfigs keeps the directories of tenants: at most one each, none inherited.
type LDAPConfigs struct {
	pool   *pgxpool.Pool
	q      *db.Queries
	sealer Sealer
}

// NewLDAPConfigs makes the service.
func NewLDAPConfigs(pool *pgxpool.Pool, sealer Sealer) *LDAPConfigs {
	return &LDAPConfigs{pool: pool, q: db.New(), sealer: sealer}
}

// Get is the configuration of a tenant, nil without one.
func (l *LDAPConfigs) Get(ctx context.Context, tenant uuid.UUID) (*LDAPConfig, error) {
	row, err := l.row(ctx, func() (db.LDAPConfig, error) { return l.q.LDAPConfigGet(ctx, l.pool, tenant) })
	if row == nil || err != nil {
		return nil, err
	}
	c := ldapConfig(*row)
	return &c, nil
}

// Put creates or changes the configuration of a tenant. A tenant that was deleted meanwhile is nobody's:
// fault.Unauthenticated.
func (l *LDAPConfigs) Put(ctx context.Context, tenant uuid.UUID, in LDAPConfigChange) (LDAPConfig, error) {
	p := db.LDAPConfigPutParams{TenantUUID: tenant, Host: in.Host, Port: in.Port, ProtocolVersion: in.ProtocolVersion, ProtocolSecurity: in.ProtocolSecurity,
		BindDN: in.BindDN, UserBaseDN: in.UserBaseDN, UserLoginAttribute: in.UserLoginAttribute, UserEmailAttribute: in.UserEmailAttribute,
		SearchFilters: in.SearchFilters, Kept: in.Kept}
	if in.BindPassword != nil && *in.BindPassword != "" { // an empty one is none
		sealed, keyID, err := l.sealer.Seal([]byte(*in.BindPassword), bindPasswordOf(tenant))
		if err != nil {
			return LDAPConfig{}, fmt.Errorf("seal a bind password: %w", err)
		}
		p.SealedBindPassword, p.KeyID = sealed, &keyID
	}
	var row db.LDAPConfig
	err := db.InTx(ctx, l.pool, func(tx pgx.Tx) (err error) {
		if _, err = l.q.LDAPConfigKeepTenant(ctx, tx, tenant); errors.Is(err, pgx.ErrNoRows) {
			return fault.Modern(fault.Unauthenticated, "unauthorized-tenant", "", "Unauthorized tenant", map[string]any{"tenant_uuid": tenant.String()})
		}
		if err != nil {
			return fmt.Errorf("find tenant of a directory: %w", err)
		}
		if row, err = l.q.LDAPConfigPut(ctx, tx, p); err != nil {
			return fmt.Errorf("write configuration of a directory: %w", err)
		}
		return trail.Add(ctx, tx, trail.Entry{Action: "ldap_config updated", Tenant: &tenant, Details: map[string]any{"host": row.Host, "port": row.Port,
			"protocol_security": row.ProtocolSecurity, "service_account": row.BindDN != nil && row.SealedBindPassword != nil}})
	})
	if err != nil {
		return LDAPConfig{}, err
	}
	return ldapConfig(row), nil
}

// Delete removes the configuration of a tenant, if there is one.
func (l *LDAPConfigs) Delete(ctx context.Context, tenant uuid.UUID) error {
	return db.InTx(ctx, l.pool, func(tx pgx.Tx) error {
		n, err := l.q.LDAPConfigDelete(ctx, tx, tenant)
		if err != nil {
			return fmt.Errorf("delete configuration of a directory: %w", err)
		}
		if n == 0 {
			return nil
		}
		return trail.Add(ctx, tx, trail.Entry{Action: "ldap_config deleted", Tenant: &tenant})
	})
}

// OfDomain is the directory of the tenant that owns a domain, compared exactly; nil without such a domain or directory.
func (l *LDAPConfigs) OfDomain(ctx context.Context, name string) (*LDAPDirectory, error) {
	row, err := l.row(ctx, func() (db.LDAPConfig, error) { return l.q.LDAPConfigOfDomain(ctx, l.pool, name) })
	return l.open(row, err)
}

// OfTenant is the directory of the tenant of a uuid or a slug, compared exactly; nil without a directory. fault.NotFound
// without such a tenant.
func (l *LDAPConfigs) OfTenant(ctx context.Context, id string) (*LDAPDirectory, error) {
	p := db.LDAPConfigTenantParams{Slug: id}
	if u, err := uuid.Parse(id); err == nil && u.String() == id {
		p.UUID = &u
	}
	var tenant uuid.UUID
	err := db.Retry(ctx, func() (err error) {
		tenant, err = l.q.LDAPConfigTenant(ctx, l.pool, p)
		return err
	})
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, fault.UnknownTenant(id)
	}
	if err != nil {
		return nil, fmt.Errorf("find tenant of a login: %w", err)
	}
	row, err := l.row(ctx, func() (db.LDAPConfig, error) { return l.q.LDAPConfigGet(ctx, l.pool, tenant) })
	return l.open(row, err)
}

// User is the enabled user of a tenant who may log in with a confirmed address or a username; nil if there is none.
func (l *LDAPConfigs) User(ctx context.Context, tenant uuid.UUID, login string) (*LDAPUser, error) {
	var row db.UserByLoginRow
	err := db.Retry(ctx, func() (err error) {
		row, err = l.q.UserByLogin(ctx, l.pool, db.LoginKey(login))
		return err
	})
	if errors.Is(err, pgx.ErrNoRows) || err == nil && row.TenantUUID != tenant {
		return nil, nil //nolint:nilnil // nobody is an answer here
	}
	if err != nil {
		return nil, fmt.Errorf("find user by login: %w", err)
	}
	return &LDAPUser{UUID: row.UUID, Tenant: row.TenantUUID, Purpose: row.Purpose, Method: row.Method}, nil
}

func (l *LDAPConfigs) row(ctx context.Context, read func() (db.LDAPConfig, error)) (*db.LDAPConfig, error) {
	var row db.LDAPConfig
	err := db.Retry(ctx, func() (err error) {
		row, err = read()
		return err
	})
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil //nolint:nilnil // none is an answer here
	}
	if err != nil {
		return nil, fmt.Errorf("read configuration of a directory: %w", err)
	}
	return &row, nil
}

func (l *LDAPConfigs) open(row *db.LDAPConfig, err error) (*LDAPDirectory, error) {
	if row == nil || err != nil {
		return nil, err
	}
	d := &LDAPDirectory{LDAPConfig: ldapConfig(*row)}
	if row.KeyID != nil {
		password, err := l.sealer.Open(row.SealedBindPassword, *row.KeyID, bindPasswordOf(row.TenantUUID))
		if err != nil {
			return nil, fmt.Errorf("open the bind password of tenant %s: %w", row.TenantUUID, err)
		}
		d.BindPassword = string(password)
	}
	return d, nil
}

// bindPasswordOf is the place that a sealed password is bound to.
func bindPasswordOf(tenant uuid.UUID) []byte {
	return seal.AAD("ldap_configs", tenant.String(), "", "bind_password")
}

func ldapConfig(r db.LDAPConfig) LDAPConfig {
	return LDAPConfig{Tenant: r.TenantUUID, Host: r.Host, Port: r.Port, ProtocolVersion: r.ProtocolVersion, ProtocolSecurity: r.ProtocolSecurity, BindDN: r.BindDN,
		UserBaseDN: r.UserBaseDN, UserLoginAttribute: r.UserLoginAttribute, UserEmailAttribute: r.UserEmailAttribute, SearchFilters: r.SearchFilters}
}
