package api

import (
	"context"
	"net"
	"net/url"
	"strconv"
	"strings"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"

	"github.com/xivo-auth/xivo-auth/identity"
)

// Mails is what users do by mail.
type Mails interface {
	RequestReset(ctx context.Context, r *identity.ResetRequest) error
	ResetPassword(ctx context.Context, p identity.NewPassword) error
	RequestConfirmation(ctx context.Context, r *identity.ConfirmationRequest) error
	Confirm(ctx context.Context, scope *uuid.UUID, email uuid.UUID) error
	Confirmable(ctx context.Context, scope *uuid.UUID, email uuid.UUID) error
	Register(ctx context.Context, r *identity.Registration) (identity.User, error)
}

// MailDeps are what the routes around mails work with.
type MailDeps struct {
	// Service is nil where nothing is mailed: these routes are not there then.
	Service Mails
	// PublicURL, if not nil, is where links in mails lead to.
	PublicURL *url.URL
	// Page renders what the link of a confirmation mail shows; PageType is its content type.
	Page     func() (string, error)
	PageType string
}

// mailedSecret is the token of a mailed link: in the query, where one that is not empty wins, else in the header.
func mailedSecret(c *gin.Context) string {
	if t := c.Query("token"); t != "" {
		return t
	}
	return c.GetHeader("X-Auth-Token")
}

// mailedSession is the session of a mailed token, nil for another. A mailed token belongs to no tenant: whom it is good for
// is in its access. Others are good for the users of their tenant and below it.
func mailedSession(who *caller) *uuid.UUID {
	if who.owner.Tenant != nil {
		return nil
	}
	session, err := uuid.Parse(who.holder.Session)
	if err != nil {
		return nil
	}
	return &session
}

// link is where the links of a mail lead to: the configured public address, or where the request says it came to (identity.md
// section 12). Whatever is no host and port is refused: it would end up in the mail.
func (s *server) link(c *gin.Context) (identity.Link, error) {
	if u := s.Mail.PublicURL; u != nil {
		l := identity.Link{Scheme: u.Scheme, Hostname: strings.ToLower(u.Hostname()), Prefix: strings.TrimSuffix(u.EscapedPath(), "/")}
		l.Port, _ = strconv.Atoi(u.Port())
		return l, nil
	}
	host := c.Request.Host
	if n := s.NumProxies; n > 0 {
		if values := strings.Split(strings.Join(c.Request.Header.Values("X-Forwarded-Host"), ","), ","); len(values) >= n {
			if v := strings.TrimSpace(values[len(values)-n]); v != "" {
				host = v
			}
		}
	}
	name, port, ok := splitHost(host)
	if !ok {
		return identity.Link{}, errHost
	}
	return identity.Link{Scheme: "https", Hostname: strings.ToLower(name), Port: port, Prefix: s.scriptName(c)}, nil
}

// errHost is answered as the reference does: 500, and nothing is sent.
var errHost = &frameworkError{errInternal.status, errInternal.message}

// splitHost takes a Host header apart; port is 0 for none.
func splitHost(host string) (name string, port int, ok bool) {
	name, digits := host, ""
	switch i := strings.LastIndexByte(host, ':'); {
	case strings.HasPrefix(host, "[") && strings.HasSuffix(host, "]"):
		name = host[1 : len(host)-1]
	case strings.HasPrefix(host, "["):
		var err error
		if name, digits, err = net.SplitHostPort(host); err != nil {
			return "", 0, false
		}
	case i >= 0:
		name, digits = host[:i], host[i+1:]
	}
	allowed := "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-"
	if strings.HasPrefix(host, "[") {
		allowed += ":"
	}
	if name == "" || len(name) > 253 || strings.Trim(name, allowed) != "" {
		return "", 0, false
	}
	if digits == "" {
		return name, 0, true
	}
	if strings.Trim(digits, "0123456789") != "" {
		return "", 0, false
	}
	port, err := strconv.Atoi(digits)
	return name, port, err == nil && port <= 65535
}
