package api

import (
	"context"
	"log/slog"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"

	"github.com/xivo-auth/xivo-auth/config"
	"github.com/xivo-auth/xivo-auth/list"
	"github.com/xivo-auth/xivo-auth/token"
)

// Checker answers what is asked about tokens.
type Checker interface {
	Check(ctx context.Context, secret string, q token.Question) (*token.Holder, error)
	CheckScopes(ctx context.Context, secret string, scopes []string, tenant string) (map[string]bool, error)
	Find(ctx context.Context, secret string) (*token.Holder, error)
	Owner(ctx context.Context, h *token.Holder) (token.Owner, error)
	Contains(ctx context.Context, ancestor uuid.UUID, tenant string) (bool, error)
	Top(ctx context.Context, tenant uuid.UUID) (bool, error)
}

// Tokens issues and ends tokens, and lists sessions and refresh tokens.
type Tokens interface {
	Issue(ctx context.Context, r *token.Request) (token.Issued, error)
	Get(ctx context.Context, secret string) (token.Token, error)
	Revoke(ctx context.Context, secret string) error
	RevokeSession(ctx context.Context, tenants []uuid.UUID, user *uuid.UUID, session uuid.UUID) error
	Sessions(ctx context.Context, tenants []uuid.UUID, user *uuid.UUID, p list.Page) ([]token.Session, int64, error)
	RefreshTokens(ctx context.Context, tenants []uuid.UUID, user *uuid.UUID, f token.RefreshTokenFilter, p list.Page) (items []token.RefreshToken, total, filtered int64, err error)
	DeleteRefreshToken(ctx context.Context, user uuid.UUID, clientID string) error
}

// Directory knows tenants and users, as far as routes have to find out who may see whom.
type Directory interface {
	Subtree(ctx context.Context, root uuid.UUID) ([]uuid.UUID, error)
	UserTenant(ctx context.Context, user uuid.UUID) (uuid.UUID, error)
}

// PasswordPolicy refuses new passwords: those with fewer characters than least, and known ones.
type PasswordPolicy interface {
	Refuses(password string) (least int, known bool)
}

// Deps are what the interface works with.
type Deps struct {
	// PasswordPolicy may be nil: what the contract accepts passes.
	PasswordPolicy PasswordPolicy
	Checker        Checker
	Tokens         Tokens
	Directory      Directory
	Tenants        Tenants
	Users          Users
	Groups         Groups
	Policies       Policies
	// LDAPConfigs are the directories of tenants.
	LDAPConfigs LDAPConfigs
	// SAMLConfigs are the identity providers of tenants, SAML the browser's way to them.
	SAMLConfigs SAMLConfigs
	SAML        SAML
	// ACSURLTemplate is what clients make the address of POST /saml/acs from.
	ACSURLTemplate string
	// External keeps users' accounts with other services; nil: none of its routes.
	External External
	// Backends are the names of the enabled sources.
	Backends []string
	// Methods are the authentication methods that users may have.
	Methods []string
	Log     *slog.Logger
	Metrics *Metrics
	// Location is where local times of token bodies are.
	Location *time.Location
	// NumProxies is how many trusted reverse proxies stand in front (section 13).
	NumProxies int
	// MaxBody is the size of the largest body that is read, in bytes.
	MaxBody int64
	CORS    CORS
	// Config is what /config shows and changes, and which parts of the interface are there; nil: all, without /config.
	Config *config.Live
	// Tracing of requests; the zero value is off.
	Tracing Tracing
	// Mail is what the routes around mails need.
	Mail MailDeps
}

type server struct {
	Deps
	log *slog.Logger
}

// New makes the handler of everything below /0.1.
func New(d Deps) http.Handler {
	gin.SetMode(gin.ReleaseMode)
	e := gin.New()
	e.RedirectTrailingSlash, e.RedirectFixedPath = false, false
	e.UseRawPath, e.UnescapePathValues = true, false // %2F stays what it is (section 1)
	e.ForwardedByClientIP = false                    // section 13 has rules of its own
	e.HandleMethodNotAllowed = false                 // routes.go answers for the methods that a path does not have
	s := &server{Deps: d, log: d.Log}
	e.Use(s.observe, s.recoverPanic, d.CORS.apply)
	e.NoRoute(s.noRoute)
	s.register(e)
	s.registerViewer(e)
	return knownMethods(e)
}

// knownMethods has verbs that HTTP does not know answered like TRACE, which no path has: 405 and not 404 (section 1).
func knownMethods(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !slices.Contains(methods, r.Method) {
			r.Method = http.MethodTrace
		}
		next.ServeHTTP(w, r)
	})
}

// noRoute redirects paths with doubled slashes; everything else unknown is a page that says so (section 1).
func (s *server) noRoute(c *gin.Context) {
	p := c.Request.URL.EscapedPath()
	if !strings.Contains(p, "//") {
		notFoundPage(c)
		return
	}
	single := path.Clean(p)
	if strings.HasSuffix(p, "/") && single != "/" {
		single += "/"
	}
	to := url.URL{Path: s.scriptName(c) + single, RawQuery: c.Request.URL.RawQuery}
	c.Abort()
	c.Header("Location", to.String())
	c.Data(http.StatusPermanentRedirect, "text/html; charset=utf-8", []byte("<!doctype html>\n<title>Redirecting...</title>\n"))
}

func (s *server) recoverPanic(c *gin.Context) {
	defer func() {
		if p := recover(); p != nil {
			s.log.ErrorContext(logContext(c), "a request panicked", "panic", p, "route", c.FullPath())
			if !c.Writer.Written() {
				writeJSON(c, errInternal.status, gin.H{"message": errInternal.message})
			}
			c.Abort()
		}
	}()
	c.Next()
}
