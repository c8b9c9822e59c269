package api

import (
	"errors"

	"github.com/gin-gonic/gin"

	"github.com/xivo-auth/xivo-auth/fault"
	"github.com/xivo-auth/xivo-auth/identity"
	"github.com/xivo-auth/xivo-auth/token"
)

func (s *server) passwordResetRoutes() []route {
	if s.Mail.Service == nil {
		return nil
	}
	return []route{
		{method: "GET", path: "/users/password/reset", open: s.requestReset, plugin: "password_reset"},
		{method: "POST", path: "/users/password/reset", open: s.resetPassword, plugin: "password_reset"},
	}
}

// resetParameters are those of GET /users/password/reset, in the order in which faults are told.
var resetParameters = []field{
	{name: "username", read: sized(1, 256)},
	{name: "email", read: address},
	{name: "login", read: sized(1, 256)},
}

// requestReset answers 204 whatever was found and whatever became of the mail (identity.md section 9).
func (s *server) requestReset(c *gin.Context) {
	q, given := query{values: c.Request.URL.Query()}, map[string]any{}
	for _, f := range resetParameters {
		if v, ok := q.get(f.name); ok {
			given[f.name] = v
		}
	}
	v, failed := check(given, resetParameters)
	if len(failed.names) > 0 {
		message, _ := failed.lead()
		s.fail(c, invalidReset(message))
		return
	}
	if len(v) != 1 {
		s.fail(c, invalidReset([]string{`"username" or "email" or "login" should be used`}))
		return
	}
	link, err := s.link(c)
	if err != nil {
		s.fail(c, err)
		return
	}
	err = s.Mail.Service.RequestReset(c.Request.Context(), &identity.ResetRequest{Username: textOrNil(v, "username"), Email: textOrNil(v, "email"),
		Login: textOrNil(v, "login"), Link: link, Client: s.source(c)})
	if err != nil {
		s.fail(c, err)
		return
	}
	noContent(c)
}

// resetFields is the body of POST /users/password/reset.
var resetFields = []field{{name: "password", required: true, nullable: true, read: newPassword}}

func (s *server) resetPassword(c *gin.Context) {
	user, given := c.GetQuery("user_uuid")
	if !given {
		user = "None"
	}
	secret := mailedSecret(c)
	refused := fault.Modern(fault.Unauthenticated, "unauthorized", "", "Unauthorized", map[string]any{"invalid_token": token.Masked(secret)})
	who, err := s.admit(c, "auth.users.password.reset."+user+".create", secret)
	if errors.Is(err, fault.Unauthenticated) {
		err = refused // it does not tell why
	}
	if err != nil {
		s.fail(c, err)
		return
	}
	body, ok, err := readObject(c, s.MaxBody)
	if err != nil {
		s.fail(c, err)
		return
	}
	if !ok {
		s.fail(c, invalidReset(errInput.Message))
		return
	}
	v, failed := check(body, resetFields)
	s.refuseWeak(v, &failed)
	if len(failed.names) > 0 {
		message, _ := failed.lead()
		s.fail(c, invalidReset(message))
		return
	}
	err = s.Mail.Service.ResetPassword(c.Request.Context(), identity.NewPassword{User: user, Password: textOrNil(v, "password"), Scope: who.realm(),
		MailSession: mailedSession(who)})
	if f, ok := fault.As(err); ok && f.ID == refused.ID {
		err = refused
	}
	if err != nil {
		s.fail(c, err)
		return
	}
	noContent(c)
}

// invalidReset is a failure of these routes: a text, or a list of them, and no details.
func invalidReset(message any) error {
	f := fault.Modern(fault.Invalid, "invalid-data", "reset", "invalid data", map[string]any{allFields: message})
	if text, ok := message.(string); ok {
		f.Message, f.Details = text, nil
	}
	return f
}
