package api

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"

	"github.com/xivo-auth/xivo-auth/fault"
	"github.com/xivo-auth/xivo-auth/identity"
	"github.com/xivo-auth/xivo-auth/list"
)

// Tenants makes, changes and lists tenants.
type Tenants interface {
	List(ctx context.Context, scope uuid.UUID, f identity.TenantFilter, p list.Page) (items []identity.Tenant, total, filtered int64, err error)
	Get(ctx context.Context, scope, tenant uuid.UUID) (identity.Tenant, error)
	Create(ctx context.Context, parent uuid.UUID, in identity.NewTenant) (identity.Tenant, error)
	Update(ctx context.Context, scope, tenant uuid.UUID, in identity.TenantChange) (identity.Tenant, error)
	Delete(ctx context.Context, scope, tenant uuid.UUID) error
	Domains(ctx context.Context, scope, tenant uuid.UUID) ([]identity.Domain, error)
	Move(ctx context.Context, scope, tenant, parent uuid.UUID) error
	KnowsMethod(method string) bool
}

func (s *server) tenantRoutes() []route {
	return []route{
		{method: "GET", path: "/tenants", access: "auth.tenants.read", authorized: s.listTenants, plugin: "tenants"},
		{method: "POST", path: "/tenants", access: "auth.tenants.create", authorized: s.createTenant, plugin: "tenants"},
		{method: "GET", path: "/tenants/:tenant_uuid", access: "auth.tenants.{tenant_uuid}.read", authorized: s.getTenant, plugin: "tenants"},
		{method: "PUT", path: "/tenants/:tenant_uuid", access: "auth.tenants.{tenant_uuid}.update", authorized: s.updateTenant, plugin: "tenants"},
		{method: "DELETE", path: "/tenants/:tenant_uuid", access: "auth.tenants.{tenant_uuid}.delete", authorized: s.deleteTenant, plugin: "tenants"},
		{method: "GET", path: "/tenants/:tenant_uuid/domains", access: "auth.tenants.{tenant_uuid}.domains.read", authorized: s.listTenantDomains, plugin: "tenants"},
		{method: "PUT", path: "/tenants/:tenant_uuid/parent/:parent_tenant_uuid", access: "auth.tenants.{tenant_uuid}.parent.{parent_tenant_uuid}.update", authorized: s.moveTenant, plugin: "tenants"},
	}
}

const (
	tenantSlugPattern = `^[a-zA-Z0-9_]+$`
	// mostDomains of one tenant is a limit of ours.
	mostDomains = 10_000
	mostUUIDs   = 25
)

// creationTable and changeTable are the fields of organisation.md section 3.1 in their order.
var (
	addressTable = []field{
		{name: "line_1", nullable: true, read: sized(1, 256)},
		{name: "line_2", nullable: true, read: sized(1, 256)},
		{name: "city", nullable: true, read: sized(1, 128)},
		{name: "state", nullable: true, read: sized(1, 128)},
		{name: "country", nullable: true, read: sized(1, 128)},
		{name: "zip_code", nullable: true, read: sized(1, 16)},
	}
	tenantUUID  = field{name: "uuid", nullable: true, read: identifier}
	tenantName  = field{name: "name", nullable: true, read: sized(1, 128)}
	tenantOther = []field{
		{name: "contact", nullable: true, read: identifier},
		{name: "phone", nullable: true, read: sized(1, 32)},
		{name: "domain_names", read: listOf(mostDomains, domainName)},
		{name: "address", read: falsyObject(object(addressTable, noObject()))},
	}
	tenantCreation = append([]field{tenantUUID, tenantName,
		{name: "slug", nullable: true, read: matching(1, 10, regexp.MustCompile(tenantSlugPattern), tenantSlugPattern)}}, tenantOther...)
	tenantChange = append([]field{tenantUUID, tenantName}, tenantOther...)
)

func domainName(v any) (value, failure any) {
	s, ok := v.(string)
	if !ok {
		return nil, errString
	}
	if !identity.DomainName(s) {
		return nil, []fieldError{errPattern(identity.DomainPattern)}
	}
	return s, nil
}

func noObject() *fieldErrors {
	failed := &fieldErrors{}
	failed.add("_schema", errInput)
	return failed
}

// falsyObject takes an empty value of another type for {}.
func falsyObject(read reader) reader {
	return func(v any) (value, failure any) {
		switch x := v.(type) {
		case string:
			if x == "" {
				v = map[string]any{}
			}
		case []any:
			if len(x) == 0 {
				v = map[string]any{}
			}
		case bool:
			if !x {
				v = map[string]any{}
			}
		case json.Number:
			if f, err := x.Float64(); err == nil && f == 0 {
				v = map[string]any{}
			}
		}
		return read(v)
	}
}

// tenantBody reads a body by one of the tables; the method is looked at when everything else is right.
func (s *server) tenantBody(c *gin.Context, table []field) (values map[string]any, in identity.TenantChange, err error) {
	body, ok, err := readObject(c, s.MaxBody)
	if err != nil {
		return nil, in, err
	}
	values, failed := check(body, table)
	if !ok {
		failed = *noObject()
	}
	if err := failed.first("tenants"); err != nil {
		return nil, in, err
	}
	in = identity.TenantChange{Name: textOrNil(values, "name"), Contact: idOrNil(values, "contact"), Phone: textOrNil(values, "phone"), Method: "native"}
	if method, present := body["default_authentication_method"]; present {
		name, isText := method.(string)
		if !isText || !s.Tenants.KnowsMethod(name) {
			return nil, in, fault.Modern(fault.Invalid, "invalid-data", "tenants", "Invalid default authentication method "+shown(method),
				map[string]any{"default_authentication_method": method})
		}
		in.Method = name
	}
	domains, _ := values["domain_names"].([]any)
	for _, d := range domains {
		in.Domains = append(in.Domains, d.(string)) //nolint:forcetypeassert // domainName gives strings
	}
	if a, ok := values["address"].(map[string]any); ok {
		in.Address = identity.Address{Line1: textOrNil(a, "line_1"), Line2: textOrNil(a, "line_2"), City: textOrNil(a, "city"),
			State: textOrNil(a, "state"), Country: textOrNil(a, "country"), ZipCode: textOrNil(a, "zip_code")}
	}
	return values, in, nil
}

// shown is a value of a body inside a message.
func shown(v any) string {
	switch v := v.(type) {
	case nil:
		return "None"
	case string:
		return v
	case bool:
		if v {
			return "True"
		}
		return "False"
	}
	return fmt.Sprint(v)
}

func tenantJSON(t identity.Tenant) gin.H {
	return gin.H{"uuid": t.UUID, "parent_uuid": t.Parent, "name": t.Name, "slug": t.Slug, "contact": t.Contact, "phone": t.Phone,
		"default_authentication_method": t.Method, "domain_names": t.Domains, "address": t.Address}
}

// oneTenant ends a request whose answer is a tenant.
func (s *server) oneTenant(c *gin.Context, t identity.Tenant, err error) {
	if err != nil {
		s.fail(c, err)
		return
	}
	writeJSON(c, http.StatusOK, tenantJSON(t))
}

// scopedTenant is the tenant of the path together with the scoping one; whether it is in there, the service finds out.
func (s *server) scopedTenant(c *gin.Context, who *caller) (scope, tenant uuid.UUID, err error) {
	if scope, err = s.scope(c.Request.Context(), c, who); err != nil {
		return scope, tenant, err
	}
	tenant, err = uuid.Parse(segment(c, "tenant_uuid"))
	return scope, tenant, err
}

// among reads a parameter that may be given several times. Texts that are no uuid match nothing.
func (q *query) among(name string, most int) []uuid.UUID {
	texts, ok := q.values[name]
	if !ok {
		return nil
	}
	if len(texts) > most {
		q.failed.add(name, []fieldError{errLonger(most)})
		return nil
	}
	ids := []uuid.UUID{}
	for _, s := range texts {
		if u, err := uuid.Parse(s); err == nil && u.String() == s {
			ids = append(ids, u)
		}
	}
	return ids
}

func (s *server) listTenants(c *gin.Context, who *caller) {
	ctx := c.Request.Context()
	scope, err := s.scope(ctx, c, who)
	if err != nil {
		s.fail(c, err)
		return
	}
	q := query{values: c.Request.URL.Query()}
	page, _ := q.page("name", "name", "slug")
	f := identity.TenantFilter{Search: q.text("search"), UUID: q.equal("uuid"), Among: q.among("uuids", mostUUIDs), Name: q.text("name"),
		Slug: q.text("slug"), Domain: q.text("domain_name")}
	if f.Domain != nil && *f.Domain == "" {
		f.Domain = nil
	}
	if err := q.err(); err != nil {
		s.fail(c, err)
		return
	}
	tenants, total, filtered, err := s.Tenants.List(ctx, scope, f, page)
	if err != nil {
		s.fail(c, err)
		return
	}
	items := make([]gin.H, len(tenants))
	for i, t := range tenants {
		items[i] = tenantJSON(t)
	}
	writeJSON(c, http.StatusOK, gin.H{"items": items, "total": total, "filtered": filtered})
}

func (s *server) createTenant(c *gin.Context, who *caller) {
	ctx := c.Request.Context()
	scope, err := s.scope(ctx, c, who)
	if err != nil {
		s.fail(c, err)
		return
	}
	values, in, err := s.tenantBody(c, tenantCreation)
	if err != nil {
		s.fail(c, err)
		return
	}
	t, err := s.Tenants.Create(ctx, scope, identity.NewTenant{UUID: idOrNil(values, "uuid"), Slug: textOrNil(values, "slug"), TenantChange: in})
	s.oneTenant(c, t, err)
}

func (s *server) getTenant(c *gin.Context, who *caller) {
	scope, tenant, err := s.scopedTenant(c, who)
	if err != nil {
		s.fail(c, err)
		return
	}
	t, err := s.Tenants.Get(c.Request.Context(), scope, tenant)
	s.oneTenant(c, t, err)
}

// updateTenant looks at the body before it looks for the tenant.
func (s *server) updateTenant(c *gin.Context, who *caller) {
	scope, tenant, err := s.scopedTenant(c, who)
	if err != nil {
		s.fail(c, err)
		return
	}
	_, in, err := s.tenantBody(c, tenantChange)
	if err != nil {
		s.fail(c, err)
		return
	}
	t, err := s.Tenants.Update(c.Request.Context(), scope, tenant, in)
	s.oneTenant(c, t, err)
}

func (s *server) deleteTenant(c *gin.Context, who *caller) {
	scope, tenant, err := s.scopedTenant(c, who)
	if err == nil {
		err = s.Tenants.Delete(c.Request.Context(), scope, tenant)
	}
	if err != nil {
		s.fail(c, err)
		return
	}
	noContent(c)
}

func (s *server) listTenantDomains(c *gin.Context, who *caller) {
	scope, tenant, err := s.scopedTenant(c, who)
	if err != nil {
		s.fail(c, err)
		return
	}
	domains, err := s.Tenants.Domains(c.Request.Context(), scope, tenant)
	if err != nil {
		s.fail(c, err)
		return
	}
	writeJSON(c, http.StatusOK, gin.H{"items": domains, "total": len(domains)})
}

func (s *server) moveTenant(c *gin.Context, who *caller) {
	scope, tenant, err := s.scopedTenant(c, who)
	if err != nil {
		s.fail(c, err)
		return
	}
	parent, err := uuid.Parse(segment(c, "parent_tenant_uuid"))
	if err == nil {
		err = s.Tenants.Move(c.Request.Context(), scope, tenant, parent)
	}
	if err != nil {
		s.fail(c, err)
		return
	}
	noContent(c)
}
