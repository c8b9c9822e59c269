package api

import (
	"context"
	"net/http"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"

	"github.com/xivo-auth/xivo-auth/identity"
)

func (s *server) policyLinkRoutes() []route {
	const group, user = "/groups/:group_uuid/policies", "/users/:user_uuid/policies"
	return []route{
		{method: "GET", path: group, access: "auth.groups.{group_uuid}.policies.read", authorized: s.listGroupPolicies, plugin: "group_policy"},
		{method: "PUT", path: group + "/:policy", access: "auth.groups.{group_uuid}.policies.{policy}.create", authorized: s.attachGroupPolicy, plugin: "group_policy"},
		{method: "DELETE", path: group + "/:policy", access: "auth.groups.{group_uuid}.policies.{policy}.delete", authorized: s.detachGroupPolicy, plugin: "group_policy"},
		{method: "GET", path: user, access: "auth.users.{user_uuid}.policies.read", authorized: s.listUserPolicies, plugin: "user_policy"},
		{method: "PUT", path: user + "/:policy", access: "auth.users.{user_uuid}.policies.{policy}.create", authorized: s.attachUserPolicy, plugin: "user_policy"},
		{method: "DELETE", path: user + "/:policy", access: "auth.users.{user_uuid}.policies.{policy}.delete", authorized: s.detachUserPolicy, plugin: "user_policy"},
	}
}

// listGroupPolicies finds the group before it complains about parameters. recurse makes no difference.
func (s *server) listGroupPolicies(c *gin.Context, who *caller) {
	ctx := c.Request.Context()
	scope, err := s.scope(ctx, c, who)
	if err != nil {
		s.fail(c, err)
		return
	}
	group := uuid.MustParse(segment(c, "group_uuid"))
	q := query{values: c.Request.URL.Query()}
	page, _ := q.page("name", "name", "description", "uuid")
	f := identity.PolicyFilter{Search: q.text("search"), UUID: q.equal("uuid"), Name: q.text("name"), Tenant: q.equal("tenant_uuid"), User: q.equal("user_uuid")}
	if wrong := q.err(); wrong != nil {
		if err := s.Policies.CheckGroup(ctx, scope, group); err != nil {
			wrong = err
		}
		s.fail(c, wrong)
		return
	}
	policies, total, filtered, err := s.Policies.ListGroup(ctx, scope, group, f, page)
	if err != nil {
		s.fail(c, err)
		return
	}
	writeJSON(c, http.StatusOK, gin.H{"items": policyViews(policies), "total": total, "filtered": filtered})
}

// listUserPolicies does not read Wazo-Tenant: it shows the users whom the owner of the token may see, and of any other
// user none, as of an unknown one.
func (s *server) listUserPolicies(c *gin.Context, who *caller) {
	q := query{values: c.Request.URL.Query()}
	page, _ := q.page("name", "name", "description", "uuid")
	f := identity.PolicyFilter{Search: q.text("search"), UUID: q.equal("uuid"), Name: q.text("name"), Tenant: q.equal("tenant_uuid"), Group: q.equal("group_uuid")}
	if err := q.err(); err != nil {
		s.fail(c, err)
		return
	}
	var policies []identity.Policy
	var total, filtered int64
	if who.owner.Tenant != nil {
		var err error
		policies, total, filtered, err = s.Policies.ListUser(c.Request.Context(), *who.owner.Tenant, uuid.MustParse(segment(c, "user_uuid")), f, page)
		if err != nil {
			s.fail(c, err)
			return
		}
	}
	writeJSON(c, http.StatusOK, gin.H{"items": policyViews(policies), "total": total, "filtered": filtered})
}

func (s *server) attachGroupPolicy(c *gin.Context, who *caller) {
	s.changeLink(c, who, "group_uuid", s.Policies.AttachGroup)
}

func (s *server) detachGroupPolicy(c *gin.Context, who *caller) {
	s.changeLink(c, who, "group_uuid", s.Policies.DetachGroup)
}

func (s *server) attachUserPolicy(c *gin.Context, who *caller) {
	s.changeLink(c, who, "user_uuid", s.Policies.AttachUser)
}

func (s *server) detachUserPolicy(c *gin.Context, who *caller) {
	s.changeLink(c, who, "user_uuid", s.Policies.DetachUser)
}

func (s *server) changeLink(c *gin.Context, who *caller, holder string,
	change func(ctx context.Context, scope, holder uuid.UUID, ref identity.PolicyRef, g identity.Grants) error) {
	ctx := c.Request.Context()
	scope, err := s.scope(ctx, c, who)
	if err == nil {
		err = change(ctx, scope, uuid.MustParse(segment(c, holder)), policyRef(c), who.holder)
	}
	if err != nil {
		s.fail(c, err)
		return
	}
	noContent(c)
}
