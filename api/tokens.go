package api

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/xivo-auth/xivo-auth/backends"
	"github.com/xivo-auth/xivo-auth/fault"
	"github.com/xivo-auth/xivo-auth/token"
)

func (s *server) tokenRoutes() []route {
	return []route{
		{method: "POST", path: "/token", open: s.createToken, plugin: "tokens"},
		{method: "GET", path: "/token/:token", open: s.getToken, plugin: "tokens"},
		{method: "HEAD", path: "/token/:token", open: s.headToken, plugin: "tokens"},
		{method: "DELETE", path: "/token/:token", open: s.deleteToken, plugin: "tokens"},
		{method: "POST", path: "/token/:token/scopes/check", open: s.checkScopes, plugin: "tokens"},
	}
}

// tokenFields is the body of POST /token (tokens.md section 3), in its order of declaration.
var tokenFields = []field{
	{name: "backend", read: anyString},
	{name: "expiration", read: integer(int64(token.MinLifetime/time.Second), int64(token.MaxLifetime/time.Second))},
	{name: "access_type", read: oneOf("online", "offline")},
	{name: "client_id", read: sized(1, 1024)},
	{name: "saml_session_id", read: sized(1, 1024)},
	{name: "refresh_token", read: anyString},
	{name: "tenant_id", read: anyString},
	{name: "domain_name", read: anyString},
}

func (s *server) createToken(c *gin.Context) {
	req, err := s.tokenRequest(c)
	if err != nil {
		s.fail(c, err)
		return
	}
	t, err := s.Tokens.Issue(c.Request.Context(), req)
	s.Metrics.login(req, err)
	if err != nil {
		s.fail(c, err)
		return
	}
	c.Header("Wazo-Sessions-Revoked", strconv.Itoa(t.Revoked))
	body := s.tokenBody(t.Secret, &t.Token)
	if t.RefreshToken != "" {
		body["refresh_token"] = t.RefreshToken
	}
	writeJSON(c, http.StatusOK, gin.H{"data": body})
}

// tokenRequest reads everything that a login brings: credentials, body and headers.
func (s *server) tokenRequest(c *gin.Context) (*token.Request, error) {
	body, ok, err := readObject(c, s.MaxBody)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, fault.Historic(fault.Invalid, "_schema: Invalid input type.")
	}
	v, failed := check(body, tokenFields)
	if len(failed.names) > 0 {
		return nil, failed.historic()
	}
	text := func(name string) string { t, _ := v[name].(string); return t }
	if err := crossCheck(text); err != nil {
		return nil, err
	}
	r := &token.Request{
		Request: backends.Request{Backend: "wazo_user", Raw: body, Mobile: strings.EqualFold(c.GetHeader("Wazo-Session-Type"), "mobile"),
			UserAgent: storable(c.GetHeader("User-Agent")), RemoteAddr: storable(s.clientAddress(c))},
		Offline: text("access_type") == "offline", ClientID: text("client_id"),
	}
	if b, ok := v["backend"].(string); ok {
		r.Request.Backend = b
	}
	if seconds, ok := v["expiration"].(int64); ok {
		r.Lifetime = time.Duration(seconds) * time.Second
	}
	if refresh, ok := v["refresh_token"].(string); ok {
		if _, ok := v["client_id"]; ok { // present, even if empty: this source and no other
			r.RefreshToken = &refresh
		}
	}
	r.Source = s.source(c)
	r.Login, r.Password = basicCredentials(c.GetHeader("Authorization"))
	return r, nil
}

// crossCheck applies the rules between fields; all that are broken are told at once.
func crossCheck(text func(string) string) error {
	var broken []string
	refresh, offline := text("refresh_token") != "", text("access_type") == "offline"
	if offline && refresh {
		broken = append(broken, `cannot use the "access_type" "offline" with a refresh token`)
	}
	if offline && text("client_id") == "" {
		broken = append(broken, `"client_id" must be specified when using "access_type" is "offline"`)
	}
	if text("tenant_id") != "" && text("domain_name") != "" {
		broken = append(broken, `"tenant_id" and "domain_name" must be mutually exclusive`)
	}
	if refresh && text("client_id") == "" {
		broken = append(broken, `"client_id" must be specified when using a "refresh_token"`)
	}
	if refresh && text("saml_session_id") != "" {
		broken = append(broken, `Cannot use a "saml_session_id" and a "refresh_token" at the same time`)
	}
	if len(broken) == 0 {
		return nil
	}
	return fault.Historic(fault.Invalid, strings.Join(broken, "; "))
}

func (s *server) getToken(c *gin.Context) {
	id := segment(c, "token")
	_, err := s.Checker.Check(c.Request.Context(), id, question(c))
	s.Metrics.check(err)
	if err != nil {
		s.fail(c, err)
		return
	}
	t, err := s.Tokens.Get(c.Request.Context(), id)
	if err != nil {
		s.fail(c, err)
		return
	}
	writeJSON(c, http.StatusOK, gin.H{"data": s.tokenBody(id, &t)})
}

// headToken is the check that every request of every service makes.
func (s *server) headToken(c *gin.Context) {
	_, err := s.Checker.Check(c.Request.Context(), segment(c, "token"), question(c))
	s.Metrics.check(err)
	if err != nil {
		s.failHead(c, err)
		return
	}
	noContent(c)
}

func question(c *gin.Context) token.Question {
	var q token.Question
	if c.Request.URL.RawQuery == "" {
		return q
	}
	values := c.Request.URL.Query()
	if v, ok := values["scope"]; ok {
		q.Scope = &v[0]
	}
	q.Tenant = values.Get("tenant")
	return q
}

// deleteToken succeeds whatever the token is, or was.
func (s *server) deleteToken(c *gin.Context) {
	if err := s.Tokens.Revoke(c.Request.Context(), segment(c, "token")); err != nil {
		s.fail(c, err)
		return
	}
	writeJSON(c, http.StatusOK, gin.H{"data": gin.H{"message": "success"}})
}

// scopesFields is the body of a scopes check (tokens.md section 5).
var scopesFields = []field{
	{name: "scopes", required: true, read: listOfStrings(10_000, 64<<10)},
	{name: "tenant_uuid", nullable: true, read: anyString},
}

func (s *server) checkScopes(c *gin.Context) {
	body, ok, err := readObject(c, s.MaxBody)
	if err == nil && !ok {
		err = fault.Historic(fault.Invalid, "_schema: Invalid input type.")
	}
	if err != nil {
		s.fail(c, err)
		return
	}
	v, failed := check(body, scopesFields)
	if len(failed.names) > 0 {
		s.fail(c, failed.historic())
		return
	}
	scopes, _ := v["scopes"].([]string)
	tenant, _ := v["tenant_uuid"].(string)
	granted, err := s.Checker.CheckScopes(c.Request.Context(), segment(c, "token"), scopes, tenant)
	s.Metrics.check(err)
	if err != nil {
		s.fail(c, err)
		return
	}
	writeJSON(c, http.StatusOK, gin.H{"scopes": granted})
}

// Layouts of the times in token bodies: always six digits, never an offset.
const tokenTime = "2006-01-02T15:04:05.000000"

// tokenBody is the body of tokens.md section 2. The old spelling acls comes along for xivo-auth 17's clients.
func (s *server) tokenBody(secret string, t *token.Token) gin.H {
	body := gin.H{
		"token": secret, "auth_id": t.AuthID, "xivo_user_uuid": t.Metadata["pbx_user_uuid"], "xivo_uuid": t.Metadata["xivo_uuid"],
		"issued_at": t.IssuedAt.In(s.Location).Format(tokenTime), "expires_at": t.ExpiresAt.In(s.Location).Format(tokenTime),
		"utc_issued_at": t.IssuedAt.UTC().Format(tokenTime), "utc_expires_at": t.ExpiresAt.UTC().Format(tokenTime),
		"acl": t.AccessList, "acls": t.AccessList, "metadata": t.Metadata, "session_uuid": t.Session,
		"remote_addr": t.RemoteAddr, "user_agent": t.UserAgent,
	}
	return body
}
