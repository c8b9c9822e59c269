package api

import (
	"net/http"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"

	"github.com/xivo-auth/xivo-auth/list"
)

func (s *server) sessionRoutes() []route {
	return []route{
		{method: "GET", path: "/sessions", access: "auth.sessions.read", authorized: s.listSessions, plugin: "sessions"},
		{method: "DELETE", path: "/sessions/:session_uuid", access: "auth.sessions.{session_uuid}.delete", authorized: s.deleteSession, plugin: "sessions"},
		{method: "GET", path: "/users/:user_uuid/sessions", access: "auth.users.{user_uuid}.sessions.read", authorized: s.listUserSessions, plugin: "user_session"},
		{method: "DELETE", path: "/users/:user_uuid/sessions/:session_uuid", access: "auth.users.{user_uuid}.sessions.{session_uuid}.delete", authorized: s.deleteUserSession, plugin: "user_session"},
	}
}

// sessionList writes a page of sessions (tokens.md section 9). Its columns cannot be searched: filtered equals total.
func (s *server) sessionList(c *gin.Context, tenants []uuid.UUID, user *uuid.UUID, p list.Page) {
	sessions, total, err := s.Tokens.Sessions(c.Request.Context(), tenants, user, p)
	if err != nil {
		s.fail(c, err)
		return
	}
	items := make([]gin.H, len(sessions))
	for i, x := range sessions {
		items[i] = gin.H{"uuid": x.UUID, "tenant_uuid": x.Tenant, "user_uuid": x.User, "mobile": x.Mobile}
	}
	writeJSON(c, http.StatusOK, gin.H{"items": items, "total": total, "filtered": total})
}

func (s *server) listSessions(c *gin.Context, who *caller) {
	ctx := c.Request.Context()
	scope, err := s.scope(ctx, c, who)
	if err != nil {
		s.fail(c, err)
		return
	}
	q := query{values: c.Request.URL.Query()}
	page, recurse := q.page("", "mobile")
	if err := q.err(); err != nil {
		s.fail(c, err)
		return
	}
	tenants, err := s.tenantsOf(ctx, scope, recurse)
	if err != nil {
		s.fail(c, err)
		return
	}
	s.sessionList(c, tenants, nil, page)
}

func (s *server) listUserSessions(c *gin.Context, who *caller) {
	user, tenants, err := s.pathUser(c, who)
	if err != nil {
		s.fail(c, err)
		return
	}
	q := query{values: c.Request.URL.Query()}
	page, _ := q.page("", "mobile")
	if err := q.err(); err != nil {
		s.fail(c, err)
		return
	}
	s.sessionList(c, tenants, &user, page)
}

// deleteSession answers 204 whether or not there was such a session to see.
func (s *server) deleteSession(c *gin.Context, who *caller) {
	ctx := c.Request.Context()
	scope, err := s.scope(ctx, c, who)
	if err != nil {
		s.fail(c, err)
		return
	}
	tenants, err := s.Directory.Subtree(ctx, scope)
	if err != nil {
		s.fail(c, err)
		return
	}
	s.endSession(c, tenants, nil)
}

func (s *server) deleteUserSession(c *gin.Context, who *caller) {
	user, tenants, err := s.pathUser(c, who)
	if err != nil {
		s.fail(c, err)
		return
	}
	s.endSession(c, tenants, &user)
}

func (s *server) endSession(c *gin.Context, tenants []uuid.UUID, user *uuid.UUID) {
	session, err := uuid.Parse(segment(c, "session_uuid"))
	if err == nil {
		err = s.Tokens.RevokeSession(c.Request.Context(), tenants, user, session)
	}
	if err != nil {
		s.fail(c, err)
		return
	}
	noContent(c)
}

// pathUser is the user of the path, who must be in the scoping tenant or below it.
func (s *server) pathUser(c *gin.Context, who *caller) (user uuid.UUID, tenants []uuid.UUID, err error) {
	ctx := c.Request.Context()
	scope, err := s.scope(ctx, c, who)
	if err != nil {
		return user, nil, err
	}
	if user, err = uuid.Parse(segment(c, "user_uuid")); err != nil {
		return user, nil, err
	}
	tenants, err = s.visibleUser(ctx, scope, user)
	return user, tenants, err
}
