package api

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"

	"github.com/xivo-auth/xivo-auth/external"
	"github.com/xivo-auth/xivo-auth/list"
)

// External keeps the accounts that users have with other services.
type External interface {
	Enabled(typ string) bool
	PluggedTypes() []string
	List(ctx context.Context, w external.Whose, f external.Filter, p list.Page) (items []external.Item, total, filtered int, err error)
	Users(ctx context.Context, scope uuid.UUID, recurse bool, typ string, p list.Page) (users []uuid.UUID, total int64, err error)

	Config(ctx context.Context, tenant uuid.UUID, typ string) (json.RawMessage, error)
	CreateConfig(ctx context.Context, tenant uuid.UUID, typ string, value json.RawMessage) error
	UpdateConfig(ctx context.Context, tenant uuid.UUID, typ string, value json.RawMessage) error
	DeleteConfig(ctx context.Context, tenant uuid.UUID, typ string) error

	Get(ctx context.Context, w external.Whose) (json.RawMessage, error)
	Create(ctx context.Context, w external.Whose, data json.RawMessage) error
	Put(ctx context.Context, w external.Whose, data json.RawMessage) error
	Update(ctx context.Context, w external.Whose, data json.RawMessage) error
	Delete(ctx context.Context, w external.Whose) error

	SenderID(ctx context.Context, w external.Whose, tenant uuid.UUID) (json.RawMessage, error)
	StartConsent(ctx context.Context, w external.Whose, tenant uuid.UUID, scopes []string) (external.Consent, error)
	Token(ctx context.Context, w external.Whose, tenant func() (uuid.UUID, error)) (external.Token, error)
	Prepare(ctx context.Context, w external.Whose, body json.RawMessage) (json.RawMessage, error)
}

// externalRoutes are those of external.md section 2. A type has routes if it is enabled and there is something behind it.
func (s *server) externalRoutes() []route {
	if s.External == nil {
		return nil
	}
	const user, config, users = "/users/:user_uuid/external", "/external/:type/config", "/external/:type/users"
	routes := []route{
		{method: "GET", path: user, access: "auth.users.{user_uuid}.external.read", authorized: s.listExternal, plugin: "external"},
		{method: "GET", path: config, access: "auth.{type}.external.config.read", authorized: s.getExternalConfig, plugin: "external"},
		{method: "POST", path: config, access: "auth.{type}.external.config.create", authorized: s.createExternalConfig, plugin: "external"},
		{method: "PUT", path: config, access: "auth.{type}.external.config.update", authorized: s.updateExternalConfig, plugin: "external"},
		{method: "DELETE", path: config, access: "auth.{type}.external.config.delete", authorized: s.deleteExternalConfig, plugin: "external"},
		{method: "GET", path: users, access: "auth.{type}.external.users.read", authorized: s.listExternalUsers, plugin: "external"},
	}
	if s.External.Enabled(external.Mobile) {
		access := accessTo(external.Mobile)
		routes = append(routes,
			route{method: "GET", path: user + "/mobile", access: access + "read", authorized: s.getExternal(external.Mobile, mobileView)},
			route{method: "POST", path: user + "/mobile", access: access + "create", authorized: s.createMobile},
			route{method: "PUT", path: user + "/mobile", access: access + "update", authorized: s.putMobile},
			route{method: "DELETE", path: user + "/mobile", access: access + "delete", authorized: s.deleteExternal(external.Mobile)},
			route{method: "GET", path: user + "/mobile/sender_id", access: access + "sender_id.read", authorized: s.getSenderID})
	}
	for _, typ := range []string{external.Google, external.Microsoft} {
		if s.External.Enabled(typ) {
			path, access := user+"/"+typ, accessTo(typ)
			routes = append(routes,
				route{method: "POST", path: path, access: access + "create", authorized: s.startConsent(typ)},
				route{method: "GET", path: path, access: access + "read", authorized: s.getExternalToken(typ)},
				route{method: "DELETE", path: path, access: access + "delete", authorized: s.deleteExternal(typ)})
		}
	}
	for _, typ := range s.External.PluggedTypes() {
		path, access := user+"/"+typ, accessTo(typ)
		routes = append(routes,
			route{method: "POST", path: path, access: access + "create", authorized: s.prepareExternal(typ)},
			route{method: "GET", path: path, access: access + "read", authorized: s.getExternal(typ, asStored)},
			route{method: "PUT", path: path, access: access + "update", authorized: s.updateExternal(typ)},
			route{method: "DELETE", path: path, access: access + "delete", authorized: s.deleteExternal(typ)})
	}
	return routes
}

// accessTo begins the accesses of a user's account of a type.
func accessTo(typ string) string { return "auth.users.{user_uuid}.external." + typ + "." }

// whose is the account of the path. The user must be of the tenant of the token's owner or below it, whatever the header
// says; a token without a tenant, of a mail, finds nobody.
func whose(c *gin.Context, who *caller, typ string) external.Whose {
	scope := who.owner.Tenant
	if scope == nil {
		scope = &uuid.Nil
	}
	return external.Whose{Scope: scope, User: uuid.MustParse(segment(c, "user_uuid")), Type: typ}
}

func (s *server) listExternal(c *gin.Context, who *caller) {
	q := query{values: c.Request.URL.Query()}
	page, _ := q.page("type", "type")
	f := external.Filter{Type: q.text("type"), Search: q.text("search")}
	if err := q.err(); err != nil {
		s.fail(c, err)
		return
	}
	items, total, filtered, err := s.External.List(c.Request.Context(), whose(c, who, ""), f, page)
	if err != nil {
		s.fail(c, err)
		return
	}
	writeJSON(c, http.StatusOK, gin.H{"items": items, "total": total, "filtered": filtered})
}

func (s *server) listExternalUsers(c *gin.Context, who *caller) {
	ctx := c.Request.Context()
	q := query{values: c.Request.URL.Query()}
	page, recurse := q.page("", []string{}...) // nothing to order by
	if err := q.err(); err != nil {
		s.fail(c, err)
		return
	}
	scope, err := s.scope(ctx, c, who)
	if err != nil {
		s.fail(c, err)
		return
	}
	users, total, err := s.External.Users(ctx, scope, recurse, segment(c, "type"), page)
	if err != nil {
		s.fail(c, err)
		return
	}
	items := make([]gin.H, len(users))
	for i, u := range users {
		items[i] = gin.H{"uuid": u}
	}
	writeJSON(c, http.StatusOK, gin.H{"items": items, "total": total, "filtered": total})
}

func (s *server) getExternalConfig(c *gin.Context, who *caller) {
	ctx := c.Request.Context()
	tenant, err := s.scope(ctx, c, who)
	var value json.RawMessage
	if err == nil {
		value, err = s.External.Config(ctx, tenant, segment(c, "type"))
	}
	if err != nil {
		s.fail(c, err)
		return
	}
	writeJSON(c, http.StatusOK, value)
}

func (s *server) createExternalConfig(c *gin.Context, who *caller) {
	if s.storeExternalConfig(c, who, s.External.CreateConfig) {
		writeJSON(c, http.StatusCreated, "")
	}
}

func (s *server) updateExternalConfig(c *gin.Context, who *caller) {
	if s.storeExternalConfig(c, who, s.External.UpdateConfig) {
		noContent(c)
	}
}

// storeExternalConfig stores any JSON value, and answers what went wrong.
func (s *server) storeExternalConfig(c *gin.Context, who *caller, store func(ctx context.Context, tenant uuid.UUID, typ string, value json.RawMessage) error) bool {
	ctx := c.Request.Context()
	v, err := readValue(c, s.MaxBody)
	var text []byte
	if err == nil {
		text, err = json.Marshal(v)
	}
	var tenant uuid.UUID
	if err == nil {
		tenant, err = s.scope(ctx, c, who)
	}
	if err == nil {
		err = store(ctx, tenant, segment(c, "type"), text)
	}
	if err != nil {
		s.fail(c, err)
		return false
	}
	return true
}

func (s *server) deleteExternalConfig(c *gin.Context, who *caller) {
	ctx := c.Request.Context()
	tenant, err := s.scope(ctx, c, who)
	if err == nil {
		err = s.External.DeleteConfig(ctx, tenant, segment(c, "type"))
	}
	if err != nil {
		s.fail(c, err)
		return
	}
	noContent(c)
}

// externalBody reads the object of a body and checks it against a table; its errors tell the first bad field.
func (s *server) externalBody(c *gin.Context, table []field) (body, values map[string]any, err error) {
	body, ok, err := readObject(c, s.MaxBody)
	if err != nil {
		return nil, nil, err
	}
	values, failed := check(body, table)
	if !ok {
		failed = *noObject()
	}
	return body, values, failed.first("users")
}

// asStored shows what is stored as it is.
func asStored(data json.RawMessage) any { return data }

func (s *server) getExternal(typ string, view func(json.RawMessage) any) func(c *gin.Context, who *caller) {
	return func(c *gin.Context, who *caller) {
		data, err := s.External.Get(c.Request.Context(), whose(c, who, typ))
		if err != nil {
			s.fail(c, err)
			return
		}
		writeJSON(c, http.StatusOK, view(data))
	}
}

func (s *server) deleteExternal(typ string) func(c *gin.Context, who *caller) {
	return func(c *gin.Context, who *caller) {
		if err := s.External.Delete(c.Request.Context(), whose(c, who, typ)); err != nil {
			s.fail(c, err)
			return
		}
		noContent(c)
	}
}

// prepareExternal and updateExternal take any object, for a type that a plug-in declares.
func (s *server) prepareExternal(typ string) func(c *gin.Context, who *caller) {
	return func(c *gin.Context, who *caller) {
		s.storePlugged(c, func(ctx context.Context, body json.RawMessage) (json.RawMessage, error) {
			return s.External.Prepare(ctx, whose(c, who, typ), body)
		})
	}
}

func (s *server) updateExternal(typ string) func(c *gin.Context, who *caller) {
	return func(c *gin.Context, who *caller) {
		s.storePlugged(c, func(ctx context.Context, body json.RawMessage) (json.RawMessage, error) {
			return body, s.External.Update(ctx, whose(c, who, typ), body)
		})
	}
}

func (s *server) storePlugged(c *gin.Context, store func(ctx context.Context, body json.RawMessage) (json.RawMessage, error)) {
	body, _, err := s.externalBody(c, nil)
	var text []byte
	if err == nil {
		text, err = json.Marshal(body)
	}
	var stored json.RawMessage
	if err == nil {
		stored, err = store(c.Request.Context(), text)
	}
	if err != nil {
		s.fail(c, err)
		return
	}
	writeJSON(c, http.StatusOK, stored)
}
