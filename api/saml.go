package api

import (
	"context"
	"net/http"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/gin-gonic/gin"

	"github.com/xivo-auth/xivo-auth/fault"
	"github.com/xivo-auth/xivo-auth/token"
)

// SAML makes the browser's way to an identity provider and back.
type SAML interface {
	Begin(ctx context.Context, domain, redirectURL, source string) (location, session string, err error)
	Answer(ctx context.Context, relayState, posted string) (location string, err error)
	Logout(ctx context.Context, token string) (location string, err error)
	LoggedOut(ctx context.Context, relayState, rawQuery string) (location string, err error)
	// CheckXML tells why a document is no well-formed XML.
	CheckXML(document []byte) error
}

func (s *server) samlRoutes() []route {
	return []route{
		{method: "POST", path: "/saml/sso", open: s.beginSAML, plugin: "saml"},
		{method: "POST", path: "/saml/acs", open: s.answerSAML, plugin: "saml"},
		{method: "GET", path: "/saml/logout", open: s.logoutSAML, plugin: "saml"},
		{method: "GET", path: "/saml/sls", open: s.loggedOutSAML, plugin: "saml"},
	}
}

// samlDomain is a domain name of at least two labels.
var samlDomain = regexp.MustCompile(`^(?:[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?\.)+[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?\.?$`)

const (
	maxDomain = 253
	maxLabel  = 63
)

// ssoFields are in the order in which their faults are told.
var ssoFields = []struct {
	name string
	fits func(value string) bool
}{
	{"redirect_url", func(v string) bool { return v != "" && !strings.ContainsRune(v, 0) }},
	{"domain", func(v string) bool {
		if utf8.RuneCountInString(v) > maxDomain || !samlDomain.MatchString(v) {
			return false
		}
		for label := range strings.SplitSeq(v, ".") {
			if len(label) > maxLabel {
				return false
			}
		}
		return true
	}},
}

func (s *server) beginSAML(c *gin.Context) {
	body, ok, err := readObject(c, s.MaxBody)
	if err != nil {
		s.fail(c, err)
		return
	}
	wrong := func(name string) { s.fail(c, fault.Modern(fault.Invalid, "invalid-data", "saml", name, nil)) }
	if !ok {
		wrong("_schema")
		return
	}
	values := map[string]string{}
	for _, f := range ssoFields {
		v, isText := body[f.name].(string)
		if !isText || !f.fits(v) {
			wrong(f.name)
			return
		}
		values[f.name] = v
	}
	location, session, err := s.SAML.Begin(c.Request.Context(), values["domain"], values["redirect_url"], s.source(c))
	if err != nil {
		s.fail(c, err)
		return
	}
	writeJSON(c, http.StatusOK, gin.H{"location": location, "saml_session_id": session})
}

func (s *server) answerSAML(c *gin.Context) {
	f, err := readForm(c, s.MaxBody)
	if err != nil {
		s.fail(c, err)
		return
	}
	relay, hasRelay := f.values["RelayState"]
	response, hasResponse := f.values["SAMLResponse"]
	if !hasRelay || !hasResponse {
		s.fail(c, fault.Modern(fault.Invalid, "invalid-data", "saml", "RelayState and/or SAMLResponse", nil))
		return
	}
	location, err := s.SAML.Answer(c.Request.Context(), relay, response)
	if err != nil {
		s.fail(c, err)
		return
	}
	redirectBrowser(c, location)
}

// redirectBrowser sends a browser on, whatever it came with.
func redirectBrowser(c *gin.Context, location string) {
	c.Header("Location", location)
	c.Header("Content-Type", "text/html; charset=utf-8")
	c.Status(http.StatusFound)
	c.Writer.WriteHeaderNow()
}

func (s *server) logoutSAML(c *gin.Context) {
	secret := c.GetHeader("X-Auth-Token")
	if secret == "" {
		secret = c.Query("token")
	}
	ctx := c.Request.Context()
	var err error
	if !looksLikeToken(secret) {
		err = token.ErrNoSuchToken()
	} else if _, err = s.Checker.Find(ctx, secret); err == nil {
		var location string
		if location, err = s.SAML.Logout(ctx, secret); err == nil {
			writeJSON(c, http.StatusOK, gin.H{"location": location})
			return
		}
	}
	s.fail(c, err)
}

func (s *server) loggedOutSAML(c *gin.Context) {
	location, err := s.SAML.LoggedOut(c.Request.Context(), c.Query("RelayState"), c.Request.URL.RawQuery)
	if err != nil {
		s.fail(c, err)
		return
	}
	redirectBrowser(c, location)
}
