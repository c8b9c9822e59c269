package client

import (
	"context"
	"net/http"
)

// Tenants are what users, groups and policies belong to; they form a tree.
type Tenants struct{ c *Client }

// Tenant is one of them.
type Tenant struct {
	UUID                        string   `json:"uuid,omitempty"`
	Parent                      string   `json:"parent_uuid,omitempty"`
	Name                        *string  `json:"name"`
	Slug                        string   `json:"slug,omitempty"`
	Contact                     *string  `json:"contact"`
	Phone                       *string  `json:"phone"`
	DefaultAuthenticationMethod string   `json:"default_authentication_method,omitempty"`
	DomainNames                 []string `json:"domain_names,omitempty"`
	Address                     *Address `json:"address,omitempty"`
}

// Address of a tenant.
type Address struct {
	Line1   *string `json:"line_1"`
	Line2   *string `json:"line_2"`
	City    *string `json:"city"`
	State   *string `json:"state"`
	Country *string `json:"country"`
	ZipCode *string `json:"zip_code"`
}

// List lists the tenant of the call and everything below it.
func (t Tenants) List(ctx context.Context, o ListOptions) (Page[Tenant], error) {
	return list[Tenant](ctx, t.c, "/tenants", o)
}

// Create makes a tenant below the one of the call: In chooses the parent.
func (t Tenants) Create(ctx context.Context, n Tenant) (Tenant, error) {
	var out Tenant
	err := t.c.do(ctx, call{method: http.MethodPost, path: "/tenants", body: n}, &out)
	return out, err
}

// Get reads a tenant.
func (t Tenants) Get(ctx context.Context, tenant string) (Tenant, error) {
	var out Tenant
	err := t.c.do(ctx, call{method: http.MethodGet, path: path("tenants", tenant)}, &out)
	return out, err
}

// Update replaces what can be changed of a tenant.
func (t Tenants) Update(ctx context.Context, tenant string, changed Tenant) (Tenant, error) {
	var out Tenant
	err := t.c.do(ctx, call{method: http.MethodPut, path: path("tenants", tenant), body: changed}, &out)
	return out, err
}

// Delete removes a tenant without children, and everything in it.
func (t Tenants) Delete(ctx context.Context, tenant string) error {
	return t.c.do(ctx, call{method: http.MethodDelete, path: path("tenants", tenant)}, nil)
}

// Groups hold users, and policies for all of them.
type Groups struct{ c *Client }

// Group is one of them.
type Group struct {
	UUID          string `json:"uuid,omitempty"`
	Tenant        string `json:"tenant_uuid,omitempty"`
	Name          string `json:"name"`
	Slug          string `json:"slug,omitempty"`
	ReadOnly      bool   `json:"read_only"`
	SystemManaged bool   `json:"system_managed"`
}

// List lists the tenant's groups.
func (g Groups) List(ctx context.Context, o ListOptions) (Page[Group], error) {
	return list[Group](ctx, g.c, "/groups", o)
}

// Create makes a group.
func (g Groups) Create(ctx context.Context, n Group) (Group, error) {
	var out Group
	err := g.c.do(ctx, call{method: http.MethodPost, path: "/groups", body: n}, &out)
	return out, err
}

// Get reads a group.
func (g Groups) Get(ctx context.Context, group string) (Group, error) {
	var out Group
	err := g.c.do(ctx, call{method: http.MethodGet, path: path("groups", group)}, &out)
	return out, err
}

// Rename gives a group another name; its slug stays.
func (g Groups) Rename(ctx context.Context, group, name string) (Group, error) {
	var out Group
	err := g.c.do(ctx, call{method: http.MethodPut, path: path("groups", group), body: map[string]string{"name": name}}, &out)
	return out, err
}

// Delete removes a group; its users and policies stay.
func (g Groups) Delete(ctx context.Context, group string) error {
	return g.c.do(ctx, call{method: http.MethodDelete, path: path("groups", group)}, nil)
}

// Users lists the members of a group.
func (g Groups) Users(ctx context.Context, group string, o ListOptions) (Page[User], error) {
	return list[User](ctx, g.c, path("groups", group, "users"), o)
}

// AddUser makes a user a member.
func (g Groups) AddUser(ctx context.Context, group, user string) error {
	return g.c.do(ctx, call{method: http.MethodPut, path: path("groups", group, "users", user)}, nil)
}

// RemoveUser ends a membership.
func (g Groups) RemoveUser(ctx context.Context, group, user string) error {
	return g.c.do(ctx, call{method: http.MethodDelete, path: path("groups", group, "users", user)}, nil)
}

// Policies lists the policies of a group.
func (g Groups) Policies(ctx context.Context, group string, o ListOptions) (Page[Policy], error) {
	return list[Policy](ctx, g.c, path("groups", group, "policies"), o)
}

// AddPolicy gives a group a policy, by uuid or slug.
func (g Groups) AddPolicy(ctx context.Context, group, policy string) error {
	return g.c.do(ctx, call{method: http.MethodPut, path: path("groups", group, "policies", policy)}, nil)
}

// RemovePolicy takes it away.
func (g Groups) RemovePolicy(ctx context.Context, group, policy string) error {
	return g.c.do(ctx, call{method: http.MethodDelete, path: path("groups", group, "policies", policy)}, nil)
}

// Policies are named access lists.
type Policies struct{ c *Client }

// Policy is one of them.
type Policy struct {
	UUID        string   `json:"uuid,omitempty"`
	Tenant      string   `json:"tenant_uuid,omitempty"`
	Name        string   `json:"name"`
	Slug        string   `json:"slug,omitempty"`
	Description *string  `json:"description"`
	ACL         []string `json:"acl"`
	ReadOnly    bool     `json:"read_only"`
	Shared      bool     `json:"shared"`
}

// List lists the policies that the tenant sees.
func (p Policies) List(ctx context.Context, o ListOptions) (Page[Policy], error) {
	return list[Policy](ctx, p.c, "/policies", o)
}

// Create makes a policy. Nobody grants what they lack.
func (p Policies) Create(ctx context.Context, n Policy) (Policy, error) {
	if n.ACL == nil {
		n.ACL = []string{}
	}
	var out Policy
	err := p.c.do(ctx, call{method: http.MethodPost, path: "/policies", body: n}, &out)
	return out, err
}

// Get reads a policy, by uuid or slug.
func (p Policies) Get(ctx context.Context, policy string) (Policy, error) {
	var out Policy
	err := p.c.do(ctx, call{method: http.MethodGet, path: path("policies", policy)}, &out)
	return out, err
}

// Update replaces name, description and access list.
func (p Policies) Update(ctx context.Context, policy string, changed Policy) (Policy, error) {
	if changed.ACL == nil {
		changed.ACL = []string{}
	}
	var out Policy
	err := p.c.do(ctx, call{method: http.MethodPut, path: path("policies", policy), body: changed}, &out)
	return out, err
}

// Delete removes a policy from everybody who has it.
func (p Policies) Delete(ctx context.Context, policy string) error {
	return p.c.do(ctx, call{method: http.MethodDelete, path: path("policies", policy)}, nil)
}

// AddAccess adds an access to a policy.
func (p Policies) AddAccess(ctx context.Context, policy, access string) error {
	return p.c.do(ctx, call{method: http.MethodPut, path: path("policies", policy, "acl", access)}, nil)
}

// RemoveAccess takes one out.
func (p Policies) RemoveAccess(ctx context.Context, policy, access string) error {
	return p.c.do(ctx, call{method: http.MethodDelete, path: path("policies", policy, "acl", access)}, nil)
}
