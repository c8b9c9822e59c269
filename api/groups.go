package api

import (
	"context"
	"net/http"
	"regexp"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"

	"github.com/xivo-auth/xivo-auth/fault"
	"github.com/xivo-auth/xivo-auth/identity"
	"github.com/xivo-auth/xivo-auth/list"
)

// Groups makes and changes groups and their memberships.
type Groups interface {
	List(ctx context.Context, scope uuid.UUID, recurse bool, f identity.GroupFilter, p list.Page) (items []identity.Group, total, filtered int64, err error)
	ListOfUser(ctx context.Context, scope, user uuid.UUID, f identity.GroupFilter, p list.Page) (items []identity.Group, total, filtered int64, err error)
	Get(ctx context.Context, scope, group uuid.UUID) (identity.Group, error)
	Create(ctx context.Context, tenant uuid.UUID, name string, slug *string) (identity.Group, error)
	Rename(ctx context.Context, scope, group uuid.UUID, name string) (identity.Group, error)
	Delete(ctx context.Context, scope, group uuid.UUID) error
	AddUser(ctx context.Context, scope, group, user uuid.UUID) error
	RemoveUser(ctx context.Context, scope, group, user uuid.UUID) error
}

func (s *server) groupRoutes() []route {
	return []route{
		{method: "GET", path: "/groups", access: "auth.groups.read", authorized: s.listGroups, plugin: "groups"},
		{method: "POST", path: "/groups", access: "auth.groups.create", authorized: s.createGroup, plugin: "groups"},
		{method: "GET", path: "/groups/:group_uuid", access: "auth.groups.{group_uuid}.read", authorized: s.getGroup, plugin: "groups"},
		{method: "PUT", path: "/groups/:group_uuid", access: "auth.groups.{group_uuid}.update", authorized: s.updateGroup, plugin: "groups"},
		{method: "DELETE", path: "/groups/:group_uuid", access: "auth.groups.{group_uuid}.delete", authorized: s.deleteGroup, plugin: "groups"},
		{method: "PUT", path: "/groups/:group_uuid/users/:user_uuid", access: "auth.groups.{group_uuid}.users.{user_uuid}.create", authorized: s.addGroupUser, plugin: "user_group"},
		{method: "DELETE", path: "/groups/:group_uuid/users/:user_uuid", access: "auth.groups.{group_uuid}.users.{user_uuid}.delete", authorized: s.removeGroupUser, plugin: "user_group"},
		{method: "GET", path: "/users/:user_uuid/groups", access: "auth.users.{user_uuid}.groups.read", authorized: s.listUserGroups, plugin: "user_group"},
	}
}

const groupSlugPattern = `^[a-zA-Z0-9_-]+$`

var (
	groupName   = field{name: "name", required: true, read: sized(1, 128)}
	renameTable = []field{groupName}
	groupTable  = []field{groupName, {name: "slug", nullable: true, read: matching(1, 80, regexp.MustCompile(groupSlugPattern), groupSlugPattern)}}
)

// groupBody reads the body of a group by one of its tables.
func (s *server) groupBody(c *gin.Context, table []field) (map[string]any, error) {
	body, ok, err := readObject(c, s.MaxBody)
	if err != nil {
		return nil, err
	}
	if !ok {
		var failed fieldErrors
		failed.add("_schema", errInput)
		return nil, failed.first("groups")
	}
	values, failed := check(body, table)
	return values, failed.first("groups")
}

func groupJSON(g identity.Group) gin.H {
	return gin.H{"uuid": g.UUID, "tenant_uuid": g.Tenant, "name": g.Name, "slug": g.Slug, "read_only": g.SystemManaged, "system_managed": g.SystemManaged}
}

// oneGroup ends a request whose answer is a group.
func (s *server) oneGroup(c *gin.Context, g identity.Group, err error) {
	if err != nil {
		s.fail(c, err)
		return
	}
	writeJSON(c, http.StatusOK, groupJSON(g))
}

// groupList ends a request whose answer is a page of groups.
func (s *server) groupList(c *gin.Context, groups []identity.Group, total, filtered int64, err error) {
	if err != nil {
		s.fail(c, err)
		return
	}
	items := make([]gin.H, len(groups))
	for i, g := range groups {
		items[i] = groupJSON(g)
	}
	writeJSON(c, http.StatusOK, gin.H{"items": items, "total": total, "filtered": filtered})
}

// listGroups looks at the parameters before the tenant. Two of the announced columns cannot be sorted by (section 7, B).
func (s *server) listGroups(c *gin.Context, who *caller) {
	ctx := c.Request.Context()
	q := query{values: c.Request.URL.Query()}
	page, recurse := q.page("name", "name", "slug", "uuid", "read_only")
	f := identity.GroupFilter{Search: q.text("search"), UUID: q.equal("uuid"), Name: q.text("name"), Slug: q.text("slug"), User: q.equal("user_uuid"),
		SystemManaged: q.boolean("read_only"), Policy: q.equal("policy_uuid"), PolicySlug: q.text("policy_slug")}
	if f.PolicySlug != nil && *f.PolicySlug == "" {
		f.PolicySlug = nil
	}
	err := q.err()
	var scope uuid.UUID
	if err == nil {
		scope, err = s.scope(ctx, c, who)
	}
	if err == nil && (page.OrderBy == "slug" || page.OrderBy == "read_only") {
		err = fault.Historic(fault.Invalid, "Invalid sort column: "+page.OrderBy)
	}
	if err != nil {
		s.fail(c, err)
		return
	}
	groups, total, filtered, err := s.Groups.List(ctx, scope, recurse, f, page)
	s.groupList(c, groups, total, filtered, err)
}

// listUserGroups tells that a user is not there before it tells what is wrong with the parameters.
func (s *server) listUserGroups(c *gin.Context, who *caller) {
	scope, user, err := s.scopedUser(c, who)
	if err != nil {
		s.fail(c, err)
		return
	}
	q := query{values: c.Request.URL.Query()}
	page, _ := q.page("name", "name", "uuid")
	f := identity.GroupFilter{Search: q.text("search"), UUID: q.equal("uuid"), Name: q.text("name")}
	invalid := q.err()
	if invalid != nil {
		page.Limit = new(int64) // only whether there is such a user
	}
	groups, total, filtered, err := s.Groups.ListOfUser(c.Request.Context(), scope, user, f, page)
	if err == nil {
		err = invalid
	}
	s.groupList(c, groups, total, filtered, err)
}

// createGroup looks at the body before the tenant.
func (s *server) createGroup(c *gin.Context, who *caller) {
	ctx := c.Request.Context()
	values, err := s.groupBody(c, groupTable)
	var scope uuid.UUID
	if err == nil {
		scope, err = s.scope(ctx, c, who)
	}
	if err != nil {
		s.fail(c, err)
		return
	}
	g, err := s.Groups.Create(ctx, scope, text(values, "name"), textOrNil(values, "slug"))
	s.oneGroup(c, g, err)
}

func (s *server) getGroup(c *gin.Context, who *caller) {
	scope, group, err := s.scopedGroup(c, who)
	if err != nil {
		s.fail(c, err)
		return
	}
	g, err := s.Groups.Get(c.Request.Context(), scope, group)
	s.oneGroup(c, g, err)
}

// updateGroup tells that a group is not there before it tells what is wrong with the body.
func (s *server) updateGroup(c *gin.Context, who *caller) {
	ctx := c.Request.Context()
	scope, group, err := s.scopedGroup(c, who)
	if err != nil {
		s.fail(c, err)
		return
	}
	values, invalid := s.groupBody(c, renameTable)
	if invalid != nil {
		if _, err = s.Groups.Get(ctx, scope, group); err == nil {
			err = invalid
		}
		s.fail(c, err)
		return
	}
	g, err := s.Groups.Rename(ctx, scope, group, text(values, "name"))
	s.oneGroup(c, g, err)
}

func (s *server) deleteGroup(c *gin.Context, who *caller) {
	scope, group, err := s.scopedGroup(c, who)
	if err == nil {
		err = s.Groups.Delete(c.Request.Context(), scope, group)
	}
	if err != nil {
		s.fail(c, err)
		return
	}
	noContent(c)
}

func (s *server) addGroupUser(c *gin.Context, who *caller) {
	s.changeMember(c, who, s.Groups.AddUser)
}

func (s *server) removeGroupUser(c *gin.Context, who *caller) {
	s.changeMember(c, who, s.Groups.RemoveUser)
}

// changeMember does something with the group and the user of the path.
func (s *server) changeMember(c *gin.Context, who *caller, change func(ctx context.Context, scope, group, user uuid.UUID) error) {
	scope, group, err := s.scopedGroup(c, who)
	var user uuid.UUID
	if err == nil {
		user, err = uuid.Parse(segment(c, "user_uuid"))
	}
	if err == nil {
		err = change(c.Request.Context(), scope, group, user)
	}
	if err != nil {
		s.fail(c, err)
		return
	}
	noContent(c)
}

// scopedGroup are the scoping tenant and the group of the path.
func (s *server) scopedGroup(c *gin.Context, who *caller) (scope, group uuid.UUID, err error) {
	if scope, err = s.scope(c.Request.Context(), c, who); err != nil {
		return scope, group, err
	}
	group, err = uuid.Parse(segment(c, "group_uuid"))
	return scope, group, err
}
