package api

import (
	"encoding/json"
	"net/http"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"

	"github.com/xivo-auth/xivo-auth/fault"
	"github.com/xivo-auth/xivo-auth/token"
)

func (s *server) refreshTokenRoutes() []route {
	return []route{
		{method: "GET", path: "/tokens", access: "auth.tokens.read", authorized: s.listTokens, plugin: "tokens"},
		{method: "GET", path: "/users/me/tokens", access: "auth.users.me.tokens.read", authorized: s.listMyTokens, plugin: "tokens"},
		{method: "DELETE", path: "/users/me/tokens/:client_id", access: "auth.users.me.tokens.{client_id}.delete", authorized: s.deleteMyToken, plugin: "tokens"},
		{method: "GET", path: "/users/:user_uuid/tokens", access: "auth.users.{user_uuid}.tokens.read", authorized: s.listUserTokens, plugin: "tokens"},
		{method: "DELETE", path: "/users/:user_uuid/tokens/:client_id", access: "auth.users.{user_uuid}.tokens.{client_id}.delete", authorized: s.deleteUserToken, plugin: "tokens"},
	}
}

// refreshTokenList reads the query of a list of refresh tokens and writes the page (tokens.md section 8).
func (s *server) refreshTokenList(c *gin.Context, scope uuid.UUID, tenants []uuid.UUID, user *uuid.UUID) {
	ctx := c.Request.Context()
	q := query{values: c.Request.URL.Query()}
	page, recurse := q.page("created_at", "created_at", "client_id", "mobile")
	f := token.RefreshTokenFilter{Search: q.text("search"), ClientID: q.text("client_id"), Mobile: q.boolean("mobile"), CreatedAt: q.instant("created_at")}
	err := q.err()
	if err == nil && user == nil {
		tenants, err = s.tenantsOf(ctx, scope, recurse)
	}
	if err != nil {
		s.fail(c, err)
		return
	}
	list, total, filtered, err := s.Tokens.RefreshTokens(ctx, tenants, user, f, page)
	if err != nil {
		s.fail(c, err)
		return
	}
	items := make([]gin.H, len(list))
	for i, r := range list {
		items[i] = gin.H{"client_id": r.ClientID, "created_at": r.CreatedAt.UTC().Format("2006-01-02T15:04:05.000000-07:00"), "mobile": r.Mobile,
			"user_uuid": r.User, "tenant_uuid": r.Tenant, "metadata": json.RawMessage(r.Metadata)}
	}
	writeJSON(c, http.StatusOK, gin.H{"items": items, "total": total, "filtered": filtered})
}

func (s *server) listTokens(c *gin.Context, who *caller) {
	scope, err := s.scope(c.Request.Context(), c, who)
	if err != nil {
		s.fail(c, err)
		return
	}
	s.refreshTokenList(c, scope, nil, nil)
}

func (s *server) listUserTokens(c *gin.Context, who *caller) {
	user, tenants, err := s.pathUser(c, who)
	if err != nil {
		s.fail(c, err)
		return
	}
	s.refreshTokenList(c, uuid.Nil, tenants, &user)
}

func (s *server) listMyTokens(c *gin.Context, who *caller) {
	user, tenants, err := s.ownUser(c, who)
	if err != nil {
		s.fail(c, err)
		return
	}
	s.refreshTokenList(c, uuid.Nil, tenants, &user)
}

func (s *server) deleteUserToken(c *gin.Context, who *caller) {
	user, _, err := s.pathUser(c, who)
	s.endRefreshToken(c, user, err)
}

func (s *server) deleteMyToken(c *gin.Context, who *caller) {
	user, _, err := s.ownUser(c, who)
	s.endRefreshToken(c, user, err)
}

func (s *server) endRefreshToken(c *gin.Context, user uuid.UUID, err error) {
	if err == nil {
		err = s.Tokens.DeleteRefreshToken(c.Request.Context(), user, segment(c, "client_id"))
	}
	if err != nil {
		s.fail(c, err)
		return
	}
	noContent(c)
}

// ownUser is the user of the token, who must be in the scoping tenant or below it.
func (s *server) ownUser(c *gin.Context, who *caller) (user uuid.UUID, tenants []uuid.UUID, err error) {
	ctx := c.Request.Context()
	scope, err := s.scope(ctx, c, who)
	if err != nil {
		return user, nil, err
	}
	if who.owner.User == nil {
		return user, nil, fault.UnknownUser(who.holder.AuthID)
	}
	tenants, err = s.visibleUser(ctx, scope, *who.owner.User)
	return *who.owner.User, tenants, err
}
