package api

import (
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/xivo-auth/xivo-auth/identity"
)

func (s *server) registrationRoutes() []route {
	if s.Mail.Service == nil {
		return nil
	}
	return []route{{method: "POST", path: "/users/register", open: s.registerUser, plugin: "user_registration"}}
}

// registrationFields is the body of POST /users/register (identity.md section 8), in its order of declaration.
var registrationFields = []field{
	{name: "username", required: true, read: sized(1, 256)},
	{name: "password", required: true, read: newPassword},
	{name: "firstname", nullable: true, read: longText},
	{name: "lastname", nullable: true, read: longText},
	{name: "email_address", required: true, read: address},
}

func (s *server) registerUser(c *gin.Context) {
	v, err := s.userBody(c, registrationFields)
	if err != nil {
		s.fail(c, err)
		return
	}
	link, err := s.link(c)
	if err != nil {
		s.fail(c, err)
		return
	}
	made, err := s.Mail.Service.Register(c.Request.Context(), &identity.Registration{Username: text(v, "username"), Password: text(v, "password"),
		Firstname: textOrNil(v, "firstname"), Lastname: textOrNil(v, "lastname"), EmailAddress: text(v, "email_address"), Link: link, Client: s.source(c)})
	if err != nil {
		s.fail(c, err)
		return
	}
	writeJSON(c, http.StatusOK, userJSON(made))
}
