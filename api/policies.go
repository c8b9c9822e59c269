package api

import (
	"context"
	"net/http"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"

	"github.com/xivo-auth/xivo-auth/fault"
	"github.com/xivo-auth/xivo-auth/identity"
	"github.com/xivo-auth/xivo-auth/list"
)

// Policies makes, changes and lists policies, and says who has which.
type Policies interface {
	Create(ctx context.Context, scope uuid.UUID, g identity.Grants, in identity.NewPolicy) (identity.Policy, error)
	List(ctx context.Context, scope uuid.UUID, recurse bool, f identity.PolicyFilter, p list.Page) (items []identity.Policy, total int64, err error)
	Get(ctx context.Context, scope uuid.UUID, ref identity.PolicyRef) (identity.Policy, error)
	Update(ctx context.Context, scope uuid.UUID, ref identity.PolicyRef, g identity.Grants, c identity.PolicyChange) (identity.Policy, error)
	Delete(ctx context.Context, scope uuid.UUID, ref identity.PolicyRef, g identity.Grants) error
	AddAccess(ctx context.Context, scope uuid.UUID, ref identity.PolicyRef, g identity.Grants, access string) error
	RemoveAccess(ctx context.Context, scope uuid.UUID, ref identity.PolicyRef, g identity.Grants, access string) error

	ListGroup(ctx context.Context, scope, group uuid.UUID, f identity.PolicyFilter, p list.Page) (items []identity.Policy, total, filtered int64, err error)
	CheckGroup(ctx context.Context, scope, group uuid.UUID) error
	AttachGroup(ctx context.Context, scope, group uuid.UUID, ref identity.PolicyRef, g identity.Grants) error
	DetachGroup(ctx context.Context, scope, group uuid.UUID, ref identity.PolicyRef, g identity.Grants) error
	ListUser(ctx context.Context, scope, user uuid.UUID, f identity.PolicyFilter, p list.Page) (items []identity.Policy, total, filtered int64, err error)
	AttachUser(ctx context.Context, scope, user uuid.UUID, ref identity.PolicyRef, g identity.Grants) error
	DetachUser(ctx context.Context, scope, user uuid.UUID, ref identity.PolicyRef, g identity.Grants) error
}

func (s *server) policyRoutes() []route {
	const one = "auth.policies.{policy}."
	return []route{
		{method: "GET", path: "/policies", access: "auth.policies.read", authorized: s.listPolicies, plugin: "policies"},
		{method: "POST", path: "/policies", access: "auth.policies.create", authorized: s.createPolicy, plugin: "policies"},
		{method: "GET", path: "/policies/:policy", access: one + "read", authorized: s.getPolicy, plugin: "policies"},
		{method: "PUT", path: "/policies/:policy", access: one + "update", authorized: s.updatePolicy, plugin: "policies"},
		{method: "DELETE", path: "/policies/:policy", access: one + "delete", authorized: s.deletePolicy, plugin: "policies"},
		{method: "PUT", path: "/policies/:policy/acl/:access", access: one + "update", authorized: s.addAccess, plugin: "policies"},
		{method: "DELETE", path: "/policies/:policy/acl/:access", access: one + "update", authorized: s.removeAccess, plugin: "policies"},
	}
}

var (
	policySlug   = regexp.MustCompile(`^[a-zA-Z0-9_-]+$`)
	policyChange = []field{
		{name: "name", required: true, read: sized(1, identity.MaxPolicyName)},
		{name: "description", nullable: true, read: anyString},
		{name: "acl", read: listOf(identity.MaxAccesses, accessText)},
	}
	newPolicy = []field{
		{name: "name", required: true, read: sized(1, identity.MaxPolicyName)},
		{name: "slug", nullable: true, read: matching(1, identity.MaxPolicySlug, policySlug, policySlug.String())},
		{name: "description", nullable: true, read: anyString},
		{name: "acl", read: listOf(identity.MaxAccesses, accessText)},
		{name: "shared", read: truth},
	}
)

// accessText is an entry of an access list.
func accessText(v any) (value, failure any) {
	if value, failure = anyString(v); failure != nil {
		return nil, failure
	}
	if s, _ := value.(string); len(s) > identity.MaxAccessBytes {
		return nil, []fieldError{errLength(0, identity.MaxAccessBytes)}
	}
	return value, nil
}

// accesses reads what listOf(accessText) has accepted; never nil.
func accesses(values map[string]any) []string {
	list, _ := values["acl"].([]any)
	out := make([]string, 0, len(list))
	for _, v := range list {
		if s, ok := v.(string); ok {
			out = append(out, s)
		}
	}
	return out
}

func policyView(p identity.Policy) gin.H {
	return gin.H{"uuid": p.UUID, "tenant_uuid": p.Tenant, "name": p.Name, "slug": p.Slug, "description": p.Description, "acl": p.ACL,
		"read_only": p.ReadOnly, "shared": p.Shared}
}

func policyViews(policies []identity.Policy) []gin.H {
	views := make([]gin.H, len(policies))
	for i, p := range policies {
		views[i] = policyView(p)
	}
	return views
}

// policyRef is the policy of the path: what has the form of a UUID is one, anything else a slug.
func policyRef(c *gin.Context) identity.PolicyRef {
	name := segment(c, "policy")
	if !isUUID(name) {
		return identity.PolicyRef{Slug: name}
	}
	id := uuid.MustParse(name)
	return identity.PolicyRef{UUID: &id}
}

// policyBody validates a body; its errors are historic and name the first bad field only (organisation.md section 6.3).
func (s *server) policyBody(c *gin.Context, table []field) (map[string]any, error) {
	body, ok, err := readObject(c, s.MaxBody)
	if err != nil {
		return nil, err
	}
	if !ok {
		var failed fieldErrors
		failed.add("_schema", errInput)
		return nil, failed.supplied()
	}
	values, failed := check(body, table)
	return values, failed.supplied()
}

func (s *server) listPolicies(c *gin.Context, who *caller) {
	ctx := c.Request.Context()
	q := query{values: c.Request.URL.Query()}
	page, recurse := q.page("name", "name", "slug", "description", "uuid", "read_only")
	f := identity.PolicyFilter{Search: q.text("search"), UUID: q.equal("uuid"), Name: q.text("name"), Slug: q.text("slug"),
		Tenant: q.equal("tenant_uuid"), User: q.equal("user_uuid"), Group: q.equal("group_uuid"), ReadOnly: q.boolean("read_only")}
	if err := q.err(); err != nil {
		s.fail(c, err)
		return
	}
	scope, err := s.scope(ctx, c, who)
	if err != nil {
		s.fail(c, err)
		return
	}
	if page.OrderBy == "read_only" { // announced, and never understood
		s.fail(c, fault.Historic(fault.Invalid, "Invalid sort column: read_only"))
		return
	}
	policies, total, err := s.Policies.List(ctx, scope, recurse, f, page)
	if err != nil {
		s.fail(c, err)
		return
	}
	writeJSON(c, http.StatusOK, gin.H{"items": policyViews(policies), "total": total})
}

func (s *server) createPolicy(c *gin.Context, who *caller) {
	ctx := c.Request.Context()
	values, err := s.policyBody(c, newPolicy)
	if err != nil {
		s.fail(c, err)
		return
	}
	scope, err := s.scope(ctx, c, who)
	if err != nil {
		s.fail(c, err)
		return
	}
	made, err := s.Policies.Create(ctx, scope, who.holder, identity.NewPolicy{Name: text(values, "name"), Slug: textOrNil(values, "slug"),
		Description: textOrNil(values, "description"), ACL: accesses(values), Shared: yes(values, "shared", false)})
	if err != nil {
		s.fail(c, err)
		return
	}
	writeJSON(c, http.StatusOK, policyView(made))
}

func (s *server) getPolicy(c *gin.Context, who *caller) {
	ctx := c.Request.Context()
	scope, err := s.scope(ctx, c, who)
	if err != nil {
		s.fail(c, err)
		return
	}
	p, err := s.Policies.Get(ctx, scope, policyRef(c))
	if err != nil {
		s.fail(c, err)
		return
	}
	writeJSON(c, http.StatusOK, policyView(p))
}

// updatePolicy reads the body after it has found what a slug means, and before it looks for a uuid (section 6 of
// organisation.md).
func (s *server) updatePolicy(c *gin.Context, who *caller) {
	ctx := c.Request.Context()
	scope, err := s.scope(ctx, c, who)
	ref := policyRef(c)
	if err == nil && ref.UUID == nil {
		_, err = s.Policies.Get(ctx, scope, ref)
	}
	if err != nil {
		s.fail(c, err)
		return
	}
	values, err := s.policyBody(c, policyChange)
	if err != nil {
		s.fail(c, err)
		return
	}
	changed, err := s.Policies.Update(ctx, scope, ref, who.holder, identity.PolicyChange{Name: text(values, "name"),
		Description: textOrNil(values, "description"), ACL: accesses(values)})
	if err != nil {
		s.fail(c, err)
		return
	}
	writeJSON(c, http.StatusOK, policyView(changed))
}

func (s *server) deletePolicy(c *gin.Context, who *caller) {
	ctx := c.Request.Context()
	scope, err := s.scope(ctx, c, who)
	if err == nil {
		err = s.Policies.Delete(ctx, scope, policyRef(c), who.holder)
	}
	if err != nil {
		s.fail(c, err)
		return
	}
	noContent(c)
}

func (s *server) addAccess(c *gin.Context, who *caller) { s.changeAccess(c, who, s.Policies.AddAccess) }

func (s *server) removeAccess(c *gin.Context, who *caller) {
	s.changeAccess(c, who, s.Policies.RemoveAccess)
}

func (s *server) changeAccess(c *gin.Context, who *caller, change func(ctx context.Context, scope uuid.UUID, ref identity.PolicyRef, g identity.Grants, access string) error) {
	ctx := c.Request.Context()
	scope, err := s.scope(ctx, c, who)
	if err != nil {
		s.fail(c, err)
		return
	}
	access := segment(c, "access")
	if !utf8.ValidString(access) || strings.ContainsRune(access, 0) || len(access) > identity.MaxAccessBytes {
		s.fail(c, fault.Historic(fault.Invalid, "Invalid value supplied for field: access"))
		return
	}
	if err := change(ctx, scope, policyRef(c), who.holder, access); err != nil {
		s.fail(c, err)
		return
	}
	noContent(c)
}
