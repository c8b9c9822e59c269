package events

import "github.com/google/uuid"

const everyone = "*"

// TenantAdded is told when a tenant was made.
type TenantAdded struct {
	UUID        uuid.UUID `json:"uuid"`
	Name        *string   `json:"name"`
	Slug        string    `json:"slug"`
	DomainNames []string  `json:"domain_names"`
}

// Describe implements Event.
func (e TenantAdded) Describe() Description {
	if e.DomainNames == nil {
		e.DomainNames = []string{}
	}
	return Description{Name: "auth_tenant_added", RoutingKey: key("auth.tenants", e.UUID.String(), "created"), Tenant: e.UUID, Audience: everyone, Data: e}
}

// TenantUpdated is told when a tenant was changed, even if nothing is different.
type TenantUpdated struct {
	UUID uuid.UUID `json:"uuid"`
	Name *string   `json:"name"`
}

// Describe implements Event.
func (e TenantUpdated) Describe() Description {
	return Description{Name: "auth_tenant_updated", RoutingKey: key("auth.tenants", e.UUID.String(), "updated"), Tenant: e.UUID, Audience: everyone, Data: e}
}

// TenantDeleted is told when a tenant went, with everything in it: nothing is told of its users and sessions.
type TenantDeleted struct {
	UUID uuid.UUID `json:"uuid"`
}

// Describe implements Event.
func (e TenantDeleted) Describe() Description {
	return Description{Name: "auth_tenant_deleted", RoutingKey: key("auth.tenants", e.UUID.String(), "deleted"), Tenant: e.UUID, Audience: everyone, Data: e}
}
