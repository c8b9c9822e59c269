package sources

import (
	"context"

	"github.com/google/uuid"

	"github.com/xivo-auth/xivo-auth/backends"
	"github.com/xivo-auth/xivo-auth/backends/ldap"
	"github.com/xivo-auth/xivo-auth/identity"
)

// directory shows the directories of tenants to the source that asks them.
type directory struct{ configs *identity.LDAPConfigs }

// OfDomain implements ldap.Directory.
func (d directory) OfDomain(ctx context.Context, domain string) (*ldap.Config, error) {
	return ldapConfig(d.configs.OfDomain(ctx, domain))
}

// OfTenant implements ldap.Directory.
func (d directory) OfTenant(ctx context.Context, id string) (*ldap.Config, error) {
	return ldapConfig(d.configs.OfTenant(ctx, id))
}

// User implements ldap.Directory.
func (d directory) User(ctx context.Context, tenant uuid.UUID, login string) (*backends.User, error) {
	u, err := d.configs.User(ctx, tenant, login)
	if u == nil || err != nil {
		return nil, err
	}
	return &backends.User{UUID: u.UUID, TenantUUID: u.Tenant, Purpose: u.Purpose, Method: u.Method}, nil
}

func ldapConfig(c *identity.LDAPDirectory, err error) (*ldap.Config, error) {
	if c == nil || err != nil {
		return nil, err
	}
	return &ldap.Config{Tenant: c.Tenant, Host: c.Host, Port: int(c.Port), Security: orEmpty(c.ProtocolSecurity), BindDN: orEmpty(c.BindDN),
		BindPassword: c.BindPassword, BaseDN: c.UserBaseDN, LoginAttribute: c.UserLoginAttribute, EmailAttribute: c.UserEmailAttribute,
		SearchFilters: orEmpty(c.SearchFilters)}, nil
}

func orEmpty(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
