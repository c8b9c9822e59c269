package api

import (
	"context"
	"math"
	"net/http"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"

	"github.com/xivo-auth/xivo-auth/identity"
)

// LDAPConfigs keeps the directories that tenants' users log in with.
type LDAPConfigs interface {
	Get(ctx context.Context, tenant uuid.UUID) (*identity.LDAPConfig, error)
	Put(ctx context.Context, tenant uuid.UUID, in identity.LDAPConfigChange) (identity.LDAPConfig, error)
	Delete(ctx context.Context, tenant uuid.UUID) error
}

func (s *server) ldapConfigRoutes() []route {
	return []route{
		{method: "GET", path: "/backends/ldap", access: "auth.backends.ldap.read", authorized: s.getLDAPConfig, plugin: "ldap_config"},
		{method: "PUT", path: "/backends/ldap", access: "auth.backends.ldap.update", authorized: s.putLDAPConfig, plugin: "ldap_config"},
		{method: "DELETE", path: "/backends/ldap", access: "auth.backends.ldap.delete", authorized: s.deleteLDAPConfig, plugin: "ldap_config"},
	}
}

// ldapConfigFields are in the order of backends.md section 6.
var ldapConfigFields = []field{
	{name: "host", required: true, read: sized(0, 512)},
	{name: "port", required: true, read: integer(math.MinInt32, math.MaxInt32)},
	{name: "protocol_version", read: integer(2, 3)},
	{name: "protocol_security", nullable: true, read: oneOf("ldaps", "tls")},
	{name: "bind_dn", nullable: true, read: sized(0, 256)},
	{name: "user_base_dn", required: true, read: sized(0, 256)},
	{name: "user_login_attribute", required: true, read: sized(0, 64)},
	{name: "user_email_attribute", required: true, read: sized(0, 64)},
	{name: "search_filters", nullable: true, read: anyString},
	{name: "bind_password", nullable: true, read: anyString},
}

// defaultProtocolVersion holds whenever a body does not say another.
const defaultProtocolVersion = 3

func ldapConfigView(c identity.LDAPConfig) gin.H {
	return gin.H{"tenant_uuid": c.Tenant, "host": c.Host, "port": c.Port, "protocol_version": c.ProtocolVersion, "protocol_security": c.ProtocolSecurity,
		"bind_dn": c.BindDN, "user_base_dn": c.UserBaseDN, "user_login_attribute": c.UserLoginAttribute,
		"user_email_attribute": c.UserEmailAttribute, "search_filters": c.SearchFilters}
}

func (s *server) getLDAPConfig(c *gin.Context, who *caller) {
	ctx := c.Request.Context()
	tenant, err := s.scope(ctx, c, who)
	var found *identity.LDAPConfig
	if err == nil {
		found, err = s.LDAPConfigs.Get(ctx, tenant)
	}
	if err != nil {
		s.fail(c, err)
		return
	}
	if found != nil {
		writeJSON(c, http.StatusOK, ldapConfigView(*found))
		return
	}
	none := ldapConfigView(identity.LDAPConfig{})
	for name := range none {
		none[name] = nil
	}
	writeJSON(c, http.StatusOK, none)
}

func (s *server) putLDAPConfig(c *gin.Context, who *caller) {
	ctx := c.Request.Context()
	tenant, err := s.scope(ctx, c, who)
	if err != nil {
		s.fail(c, err)
		return
	}
	values, err := s.policyBody(c, ldapConfigFields) // both are among the few whose faults are historic
	if err != nil {
		s.fail(c, err)
		return
	}
	port, _ := values["port"].(int64)
	in := identity.LDAPConfigChange{BindPassword: textOrNil(values, "bind_password"), LDAPConfig: identity.LDAPConfig{
		Host: text(values, "host"), Port: int32(port), ProtocolVersion: defaultProtocolVersion, //nolint:gosec // its range was checked
		ProtocolSecurity: textOrNil(values, "protocol_security"), BindDN: textOrNil(values, "bind_dn"), UserBaseDN: text(values, "user_base_dn"),
		UserLoginAttribute: text(values, "user_login_attribute"), UserEmailAttribute: text(values, "user_email_attribute"),
		SearchFilters: textOrNil(values, "search_filters")}}
	if v, ok := values["protocol_version"].(int64); ok {
		in.ProtocolVersion = int32(v) //nolint:gosec // 2 or 3
	}
	for _, f := range ldapConfigFields {
		if _, present := values[f.name]; !present && f.nullable {
			in.Kept = append(in.Kept, f.name)
		}
	}
	stored, err := s.LDAPConfigs.Put(ctx, tenant, in)
	if err != nil {
		s.fail(c, err)
		return
	}
	writeJSON(c, http.StatusOK, ldapConfigView(stored))
}

func (s *server) deleteLDAPConfig(c *gin.Context, who *caller) {
	ctx := c.Request.Context()
	tenant, err := s.scope(ctx, c, who)
	if err == nil {
		err = s.LDAPConfigs.Delete(ctx, tenant)
	}
	if err != nil {
		s.fail(c, err)
		return
	}
	noContent(c)
}
