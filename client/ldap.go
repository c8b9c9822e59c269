package client

import (
	"context"
	"net/http"
)

// LDAPConfigs are the directories that users of tenants log in with. In chooses the tenant.
type LDAPConfigs struct{ c *Client }

// LDAPConfig is the directory of a tenant.
type LDAPConfig struct {
	// Tenant is empty where there is no configuration.
	Tenant          string `json:"tenant_uuid,omitempty"`
	Host            string `json:"host"`
	Port            int    `json:"port"`
	ProtocolVersion int    `json:"protocol_version,omitempty"`
	// ProtocolSecurity is tls or ldaps; nil for none.
	ProtocolSecurity   *string `json:"protocol_security"`
	BindDN             *string `json:"bind_dn"`
	UserBaseDN         string  `json:"user_base_dn"`
	UserLoginAttribute string  `json:"user_login_attribute"`
	UserEmailAttribute string  `json:"user_email_attribute"`
	SearchFilters      *string `json:"search_filters"`
}

// LDAPConfigChange is what a directory is to be.
type LDAPConfigChange struct {
	Host                                               string
	Port                                               int
	UserBaseDN, UserLoginAttribute, UserEmailAttribute string
	// ProtocolVersion is 3 where it is 0.
	ProtocolVersion int
	// Nil keeps what there is, an empty text removes it.
	ProtocolSecurity, BindDN, BindPassword, SearchFilters *string
}

// Get reads the configuration; all fields are empty without one.
func (l LDAPConfigs) Get(ctx context.Context) (LDAPConfig, error) {
	var out LDAPConfig
	err := l.c.do(ctx, call{method: http.MethodGet, path: "/backends/ldap"}, &out)
	return out, err
}

// Update creates or changes the configuration.
func (l LDAPConfigs) Update(ctx context.Context, changed LDAPConfigChange) (LDAPConfig, error) {
	body := map[string]any{"host": changed.Host, "port": changed.Port, "user_base_dn": changed.UserBaseDN,
		"user_login_attribute": changed.UserLoginAttribute, "user_email_attribute": changed.UserEmailAttribute}
	if changed.ProtocolVersion != 0 {
		body["protocol_version"] = changed.ProtocolVersion
	}
	for name, v := range map[string]*string{"protocol_security": changed.ProtocolSecurity, "bind_dn": changed.BindDN,
		"bind_password": changed.BindPassword, "search_filters": changed.SearchFilters} {
		switch {
		case v == nil:
		case *v == "":
			body[name] = nil
		default:
			body[name] = *v
		}
	}
	var out LDAPConfig
	err := l.c.do(ctx, call{method: http.MethodPut, path: "/backends/ldap", body: body}, &out)
	return out, err
}

// Delete removes the configuration; without one it changes nothing.
func (l LDAPConfigs) Delete(ctx context.Context) error {
	return l.c.do(ctx, call{method: http.MethodDelete, path: "/backends/ldap"}, nil)
}
