package api

import (
	"net/http"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"
)

func (s *server) idpRoutes() []route {
	return []route{
		{method: "GET", path: "/idp", access: "auth.idp.read", authorized: s.listIDP, plugin: "idp"},
		{method: "PUT", path: "/idp/:idp_type/users", access: "auth.idp.{idp_type}.users.update", authorized: s.setIDPOfUsers, plugin: "idp"},
		{method: "PUT", path: "/idp/:idp_type/users/:user_uuid", access: "auth.idp.{idp_type}.users.{user_uuid}.create", authorized: s.setIDP, plugin: "idp"},
		{method: "DELETE", path: "/idp/:idp_type/users/:user_uuid", access: "auth.idp.{idp_type}.users.{user_uuid}.delete", authorized: s.unsetIDP, plugin: "idp"},
	}
}

var idpUserFields = []field{{name: "users", required: true, read: objects(mostUsers, []field{{name: "uuid", required: true, read: identifier}})}}

func (s *server) listIDP(c *gin.Context, _ *caller) {
	writeJSON(c, http.StatusOK, gin.H{"items": s.Methods, "total": len(s.Methods), "filtered": len(s.Methods)})
}

// idpScope is the type of the path, which must be known before the tenant is looked at, and the scoping tenant.
func (s *server) idpScope(c *gin.Context, who *caller) (name string, scope uuid.UUID, err error) {
	name = segment(c, "idp_type")
	if err = s.Users.IDPType(name); err == nil {
		scope, err = s.scope(c.Request.Context(), c, who)
	}
	return name, scope, err
}

func (s *server) setIDP(c *gin.Context, who *caller) {
	name, scope, err := s.idpScope(c, who)
	if err != nil {
		s.fail(c, err)
		return
	}
	user, err := uuid.Parse(segment(c, "user_uuid"))
	if err == nil {
		err = s.Users.SetMethods(c.Request.Context(), scope, name, []uuid.UUID{user})
	}
	if err != nil {
		s.fail(c, err)
		return
	}
	noContent(c)
}

func (s *server) unsetIDP(c *gin.Context, who *caller) {
	name, scope, err := s.idpScope(c, who)
	if err != nil {
		s.fail(c, err)
		return
	}
	user, err := uuid.Parse(segment(c, "user_uuid"))
	if err == nil {
		err = s.Users.UnsetMethod(c.Request.Context(), scope, name, user)
	}
	if err != nil {
		s.fail(c, err)
		return
	}
	noContent(c)
}

func (s *server) setIDPOfUsers(c *gin.Context, who *caller) {
	name, scope, err := s.idpScope(c, who)
	if err != nil {
		s.fail(c, err)
		return
	}
	values, err := s.everyField(c, idpUserFields, "invalid-list-param", "users")
	if err != nil {
		s.fail(c, err)
		return
	}
	items, _ := values["users"].([]any)
	users := make([]uuid.UUID, len(items))
	for i, x := range items {
		members, _ := x.(map[string]any)
		users[i], _ = members["uuid"].(uuid.UUID)
	}
	if err := s.Users.SetMethods(c.Request.Context(), scope, name, users); err != nil {
		s.fail(c, err)
		return
	}
	noContent(c)
}
