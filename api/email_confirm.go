package api

import (
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"

	"github.com/xivo-auth/xivo-auth/fault"
	"github.com/xivo-auth/xivo-auth/identity"
)

func (s *server) emailConfirmRoutes() []route {
	if s.Mail.Service == nil {
		return nil
	}
	const access = "auth.emails.{email_uuid}.confirm.update"
	return []route{
		{method: "GET", path: "/users/:user_uuid/emails/:email_uuid/confirm", access: "auth.users.{user_uuid}.emails.{email_uuid}.confirm.read",
			authorized: s.requestConfirmation, plugin: "user_email"},
		{method: "GET", path: "/emails/:email_uuid/confirm", open: s.linked(access, s.confirmByLink), plugin: "email_confirm"},
		{method: "HEAD", path: "/emails/:email_uuid/confirm", open: s.linked(access, s.headConfirm), plugin: "email_confirm"},
		{method: "PUT", path: "/emails/:email_uuid/confirm", access: access, authorized: s.confirm, plugin: "email_confirm"},
	}
}

// requestConfirmation sends a mail. It ignores Wazo-Tenant: the user must be in the caller's own tenant or below it.
func (s *server) requestConfirmation(c *gin.Context, who *caller) {
	r := identity.ConfirmationRequest{Client: s.source(c)}
	var err error
	if r.User, err = uuid.Parse(segment(c, "user_uuid")); err != nil {
		s.fail(c, err)
		return
	}
	if who.owner.Tenant == nil {
		s.fail(c, fault.UnknownUser(r.User.String()))
		return
	}
	r.Scope = *who.owner.Tenant
	if r.Email, err = uuid.Parse(segment(c, "email_uuid")); err != nil {
		s.fail(c, err)
		return
	}
	if r.Link, err = s.link(c); err != nil {
		s.fail(c, err)
		return
	}
	if err := s.Mail.Service.RequestConfirmation(c.Request.Context(), &r); err != nil {
		s.fail(c, err)
		return
	}
	noContent(c)
}

// linked is authenticate for the link of a mail, which brings its token in the query.
func (s *server) linked(access string, h func(c *gin.Context, who *caller)) gin.HandlerFunc {
	return func(c *gin.Context) {
		who, err := s.admit(c, accessString(c, access), mailedSecret(c))
		if err != nil {
			s.fail(c, err)
			return
		}
		h(c, who)
	}
}

// confirmByLink confirms an address and shows the page. The page comes first: without it nothing is confirmed.
func (s *server) confirmByLink(c *gin.Context, who *caller) {
	text, err := s.Mail.Page()
	if err == nil {
		err = s.confirmEmail(c, who)
	}
	if err != nil {
		s.fail(c, err)
		return
	}
	c.Data(http.StatusOK, s.pageType(), []byte(text))
}

// headConfirm is what programs that look at links in mails ask for: it has no effect.
func (s *server) headConfirm(c *gin.Context, who *caller) {
	email, err := uuid.Parse(segment(c, "email_uuid"))
	if err == nil {
		err = s.Mail.Service.Confirmable(c.Request.Context(), who.realm(), email)
	}
	if err != nil {
		s.fail(c, err)
		return
	}
	c.Header("Content-Type", s.pageType())
	c.Status(http.StatusOK)
	c.Writer.WriteHeaderNow()
}

func (s *server) confirm(c *gin.Context, who *caller) {
	if err := s.confirmEmail(c, who); err != nil {
		s.fail(c, err)
		return
	}
	noContent(c)
}

func (s *server) confirmEmail(c *gin.Context, who *caller) error {
	email, err := uuid.Parse(segment(c, "email_uuid"))
	if err != nil {
		return err
	}
	return s.Mail.Service.Confirm(c.Request.Context(), who.realm(), email)
}

func (s *server) pageType() string {
	if t := s.Mail.PageType; strings.HasPrefix(t, "text/") && !strings.Contains(t, ";") {
		return t + "; charset=utf-8"
	}
	return s.Mail.PageType
}
