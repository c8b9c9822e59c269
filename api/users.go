package api

import (
	"context"
	"net/http"
	"unicode/utf8"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"

	"github.com/xivo-auth/xivo-auth/identity"
	"github.com/xivo-auth/xivo-auth/list"
)

// Users makes, changes and lists users.
type Users interface {
	List(ctx context.Context, scope uuid.UUID, recurse bool, f identity.UserFilter, p list.Page) (items []identity.User, total, filtered int64, err error)
	ListGroup(ctx context.Context, scope *uuid.UUID, group uuid.UUID, f identity.UserFilter, p list.Page) (items []identity.User, total, filtered int64, err error)
	Get(ctx context.Context, scope, user uuid.UUID) (identity.User, error)
	Create(ctx context.Context, tenant uuid.UUID, c identity.Creation) (identity.User, error)
	Update(ctx context.Context, scope, user uuid.UUID, c identity.UserChange) (identity.User, error)
	Delete(ctx context.Context, scope, user uuid.UUID) error
	ChangePassword(ctx context.Context, scope *uuid.UUID, user uuid.UUID, a identity.Attempt) error
	SetEmails(ctx context.Context, scope *uuid.UUID, user uuid.UUID, emails []identity.EmailChange) ([]identity.Email, error)
	IDPType(name string) error
	SetMethods(ctx context.Context, scope uuid.UUID, method string, users []uuid.UUID) error
	UnsetMethod(ctx context.Context, scope uuid.UUID, method string, user uuid.UUID) error
}

func (s *server) userRoutes() []route {
	return []route{
		{method: "GET", path: "/users", access: "auth.users.read", authorized: s.listUsers, plugin: "users"},
		{method: "POST", path: "/users", access: "auth.users.create", authorized: s.createUser, plugin: "users"},
		{method: "GET", path: "/users/:user_uuid", access: "auth.users.{user_uuid}.read", authorized: s.getUser, plugin: "users"},
		{method: "PUT", path: "/users/:user_uuid", access: "auth.users.{user_uuid}.update", authorized: s.updateUser, plugin: "users"},
		{method: "DELETE", path: "/users/:user_uuid", access: "auth.users.{user_uuid}.delete", authorized: s.deleteUser, plugin: "users"},
		{method: "PUT", path: "/users/:user_uuid/password", access: "auth.users.{user_uuid}.password.update", authorized: s.changePassword, plugin: "users"},
		{method: "GET", path: "/groups/:group_uuid/users", access: "auth.groups.{group_uuid}.users.read", authorized: s.listGroupUsers, plugin: "user_group"},
	}
}

// Limits of ours on what the contract leaves open, in code points and in bytes.
const (
	longestText     = 64 << 10
	longestPassword = 4096
)

// userFields are what an edit replaces, creationFields what a creation takes besides (identity.md sections 5 and 6).
var (
	userFields = []field{
		{name: "username", nullable: true, read: sized(1, 256)},
		{name: "firstname", nullable: true, read: longText},
		{name: "lastname", nullable: true, read: longText},
		{name: "purpose", read: oneOf(identity.PurposeUser, identity.PurposeInternal, identity.PurposeExternalAPI)},
		{name: "authentication_method", read: longText},
		{name: "enabled", read: truth},
	}
	creationFields = append(userFields[:len(userFields):len(userFields)],
		field{name: "uuid", read: identifier},
		field{name: "password", nullable: true, read: newPassword},
		field{name: "email_address", nullable: true, read: address},
	)
	passwordFields = []field{
		{name: "old_password", required: true, read: atLeastOne},
		{name: "new_password", required: true, read: newPassword},
	}
)

// longText is a string without a limit but ours.
func longText(v any) (value, failure any) {
	if value, failure = anyString(v); failure != nil {
		return nil, failure
	}
	if utf8.RuneCountInString(value.(string)) > longestText { //nolint:forcetypeassert // anyString gives strings
		return nil, []fieldError{errLonger(longestText)}
	}
	return value, nil
}

// atLeastOne is a string that is not empty.
func atLeastOne(v any) (value, failure any) {
	if value, failure = anyString(v); failure == nil && value == "" {
		return nil, []fieldError{errShorter(1)}
	}
	return value, failure
}

// newPassword is a password that can be hashed.
func newPassword(v any) (value, failure any) {
	if value, failure = atLeastOne(v); failure != nil {
		return nil, failure
	}
	if len(value.(string)) > longestPassword { //nolint:forcetypeassert // atLeastOne gives strings
		return nil, []fieldError{errLonger(longestPassword)}
	}
	return value, nil
}

// address is an e-mail address.
func address(v any) (value, failure any) {
	s, ok := v.(string)
	switch {
	case !ok:
		return nil, errEmail
	case len(s) > identity.MaxAddress:
		return nil, []fieldError{errLonger(identity.MaxAddress)}
	case !identity.ValidAddress(s):
		return nil, []fieldError{errEmail}
	}
	return s, nil
}

func userChange(values map[string]any) identity.UserChange {
	c := identity.UserChange{Username: textOrNil(values, "username"), Firstname: textOrNil(values, "firstname"), Lastname: textOrNil(values, "lastname"),
		Purpose: text(values, "purpose"), Method: textOrNil(values, "authentication_method"), Enabled: yes(values, "enabled", true)}
	if c.Purpose == "" {
		c.Purpose = identity.PurposeUser
	}
	return c
}

// userBody reads a body of which only the first fault is told.
func (s *server) userBody(c *gin.Context, table []field) (map[string]any, error) {
	body, ok, err := readObject(c, s.MaxBody)
	if err != nil {
		return nil, err
	}
	values, failed := check(body, table)
	if !ok {
		failed = fieldErrors{}
		failed.add("_schema", errInput)
	}
	s.refuseWeak(values, &failed)
	return values, failed.first("users")
}

// refuseWeak applies the installation's own rules to a password that is to be set.
func (s *server) refuseWeak(values map[string]any, failed *fieldErrors) {
	for _, name := range []string{"password", "new_password"} {
		pw, ok := values[name].(string)
		if !ok || s.PasswordPolicy == nil {
			continue
		}
		switch least, known := s.PasswordPolicy.Refuses(pw); {
		case least > 0:
			failed.add(name, []fieldError{errShorter(least)})
		case known:
			failed.add(name, []fieldError{errKnown})
		}
	}
}

// userJSON is a user with the nine keys of identity.md section 3.
func userJSON(u identity.User) gin.H {
	return gin.H{"uuid": u.UUID, "tenant_uuid": u.Tenant, "username": u.Username, "firstname": u.Firstname, "lastname": u.Lastname,
		"purpose": u.Purpose, "authentication_method": u.Method, "enabled": u.Enabled, "emails": u.Emails}
}

func (s *server) writeUsers(c *gin.Context, users []identity.User, total, filtered int64) {
	items := make([]gin.H, len(users))
	for i, u := range users {
		items[i] = userJSON(u)
	}
	writeJSON(c, http.StatusOK, gin.H{"items": items, "total": total, "filtered": filtered})
}

// filter reads the filters that both lists of users have.
func (q *query) userFilter() identity.UserFilter {
	return identity.UserFilter{Search: q.text("search"), UUID: q.equal("uuid"), Username: q.text("username"), Firstname: q.text("firstname"),
		Lastname: q.text("lastname"), Purpose: q.text("purpose"), EmailAddress: q.text("email_address")}
}

// given tells whether a parameter is there and not empty.
func (q *query) given(name string) bool { s, _ := q.get(name); return s != "" }

func (s *server) listUsers(c *gin.Context, who *caller) {
	ctx := c.Request.Context()
	scope, err := s.scope(ctx, c, who)
	if err != nil {
		s.fail(c, err)
		return
	}
	q := query{values: c.Request.URL.Query()}
	page, recurse := q.page("username", "username", "firstname", "lastname")
	f := q.userFilter()
	f.Group = q.equal("group_uuid")
	for name, slot := range map[string]**uuid.UUID{"policy_uuid": &f.Policy, "has_policy_uuid": &f.HasPolicy} {
		if q.given(name) {
			*slot = q.equal(name)
		}
	}
	for name, slot := range map[string]**string{"policy_slug": &f.PolicySlug, "has_policy_slug": &f.HasPolicySlug} {
		if q.given(name) {
			*slot = q.text(name)
		}
	}
	if err := q.err(); err != nil {
		s.fail(c, err)
		return
	}
	users, total, filtered, err := s.Users.List(ctx, scope, recurse, f, page)
	if err != nil {
		s.fail(c, err)
		return
	}
	s.writeUsers(c, users, total, filtered)
}

func (s *server) listGroupUsers(c *gin.Context, who *caller) {
	group, err := uuid.Parse(segment(c, "group_uuid"))
	if err != nil {
		s.fail(c, err)
		return
	}
	q := query{values: c.Request.URL.Query()}
	page, _ := q.page("username", "username")
	f := q.userFilter()
	if err := q.err(); err != nil {
		s.fail(c, err)
		return
	}
	users, total, filtered, err := s.Users.ListGroup(c.Request.Context(), who.realm(), group, f, page)
	if err != nil {
		s.fail(c, err)
		return
	}
	s.writeUsers(c, users, total, filtered)
}

// realm is, for routes that look at no Wazo-Tenant, the tenant at which the caller's reach ends, with everything below it.
// Nil, for mailed tokens, is no bound but what their access says.
func (w *caller) realm() *uuid.UUID { return w.owner.Tenant }

// scopedUser is the scoping tenant and the user of the path, who may not be visible.
func (s *server) scopedUser(c *gin.Context, who *caller) (scope, user uuid.UUID, err error) {
	if scope, err = s.scope(c.Request.Context(), c, who); err != nil {
		return scope, user, err
	}
	user, err = uuid.Parse(segment(c, "user_uuid"))
	return scope, user, err
}

func (s *server) createUser(c *gin.Context, who *caller) {
	ctx := c.Request.Context()
	scope, err := s.scope(ctx, c, who)
	if err != nil {
		s.fail(c, err)
		return
	}
	values, err := s.userBody(c, creationFields)
	if err != nil {
		s.fail(c, err)
		return
	}
	u, err := s.Users.Create(ctx, scope, identity.Creation{UserChange: userChange(values), UUID: idOrNil(values, "uuid"),
		Password: textOrNil(values, "password"), EmailAddress: textOrNil(values, "email_address")})
	if err != nil {
		s.fail(c, err)
		return
	}
	writeJSON(c, http.StatusOK, userJSON(u))
}

func (s *server) getUser(c *gin.Context, who *caller) {
	scope, user, err := s.scopedUser(c, who)
	if err != nil {
		s.fail(c, err)
		return
	}
	u, err := s.Users.Get(c.Request.Context(), scope, user)
	if err != nil {
		s.fail(c, err)
		return
	}
	writeJSON(c, http.StatusOK, userJSON(u))
}

func (s *server) updateUser(c *gin.Context, who *caller) {
	scope, user, err := s.scopedUser(c, who)
	if err != nil {
		s.fail(c, err)
		return
	}
	values, err := s.userBody(c, userFields)
	if err != nil {
		s.fail(c, err)
		return
	}
	u, err := s.Users.Update(c.Request.Context(), scope, user, userChange(values))
	if err != nil {
		s.fail(c, err)
		return
	}
	writeJSON(c, http.StatusOK, userJSON(u))
}

func (s *server) deleteUser(c *gin.Context, who *caller) {
	scope, user, err := s.scopedUser(c, who)
	if err == nil {
		err = s.Users.Delete(c.Request.Context(), scope, user)
	}
	if err != nil {
		s.fail(c, err)
		return
	}
	noContent(c)
}

func (s *server) changePassword(c *gin.Context, who *caller) {
	values, err := s.userBody(c, passwordFields)
	if err != nil {
		s.fail(c, err)
		return
	}
	user, err := uuid.Parse(segment(c, "user_uuid"))
	if err == nil {
		err = s.Users.ChangePassword(c.Request.Context(), who.realm(), user,
			identity.Attempt{Old: text(values, "old_password"), New: text(values, "new_password"), Source: s.source(c)})
	}
	if err != nil {
		s.fail(c, err)
		return
	}
	noContent(c)
}
