package api

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/gin-gonic/gin"
)

// route is a row of the contract's table (section 17).
type route struct {
	method, path string
	// access is the template of the access string; empty where no token is asked for.
	access string
	// open serves a route without a token, authorized one with it.
	open       gin.HandlerFunc
	authorized func(c *gin.Context, who *caller)
	// plugin is the part of the interface, by wazo-auth's name for it, that the configuration can switch off together with
	// the route; without one the route is always there.
	plugin string
}

// routes is the table of what exists: each resource's file has its part. A GET route serves HEAD too, unless HEAD has a row
// of its own.
func (s *server) routes() []route {
	return slices.DeleteFunc(slices.Concat(
		s.tokenRoutes(), s.refreshTokenRoutes(), s.sessionRoutes(), s.serviceRoutes(), s.tenantRoutes(), s.policyRoutes(), s.policyLinkRoutes(), s.configRoutes(), s.groupRoutes(), s.userRoutes(), s.userEmailRoutes(), s.passwordResetRoutes(), s.emailConfirmRoutes(), s.registrationRoutes(), s.idpRoutes(), s.ldapConfigRoutes(), s.samlConfigRoutes(), s.samlRoutes(), s.externalRoutes(),
	), func(r route) bool { return r.plugin != "" && s.Config != nil && !s.Config.HTTPPlugin(r.plugin) })
}

// register gives every known path an answer to every method: the route, what OPTIONS says, or 405.
func (s *server) register(e *gin.Engine) {
	g := e.Group("/0.1")
	byPath := map[string]map[string]gin.HandlerFunc{}
	var order []string
	for _, r := range s.routes() {
		if byPath[r.path] == nil {
			byPath[r.path] = map[string]gin.HandlerFunc{}
			order = append(order, r.path)
		}
		byPath[r.path][r.method] = s.serve(r)
	}
	for _, p := range order {
		s.answerEvery(g, p, byPath[p])
	}
}

// methods are those of HTTP.
var methods = []string{"CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE"}

// answerEvery registers what a path has, and answers for the methods that it has not.
func (s *server) answerEvery(g gin.IRoutes, path string, has map[string]gin.HandlerFunc) {
	if get, ok := has["GET"]; ok && has["HEAD"] == nil {
		has["HEAD"] = get
	}
	allowed := []string{"OPTIONS"}
	for m := range has {
		allowed = append(allowed, m)
	}
	slices.Sort(allowed)
	allow := strings.Join(allowed, ", ")
	for _, m := range methods {
		switch h := has[m]; {
		case h != nil:
			g.Handle(m, path, h)
		case m == "OPTIONS":
			g.Handle(m, path, s.wellFormed(func(c *gin.Context) {
				c.Header("Allow", allow)
				c.Data(http.StatusOK, "text/html; charset=utf-8", nil)
			}))
		default:
			g.Handle(m, path, s.wellFormed(func(c *gin.Context) {
				c.Header("Allow", allow)
				s.fail(c, errMethod)
			}))
		}
	}
}

// serve puts a route's checks before its handler.
func (s *server) serve(r route) gin.HandlerFunc {
	h := r.open
	if r.authorized != nil {
		h = func(c *gin.Context) {
			who, err := s.authenticate(c, r.access)
			if err != nil {
				s.fail(c, err)
				return
			}
			r.authorized(c, who)
		}
	}
	return s.wellFormed(h)
}

// wellFormed makes a path whose UUID segments are none a page that is not there, before anything else (section 1).
func (s *server) wellFormed(h gin.HandlerFunc) gin.HandlerFunc {
	return func(c *gin.Context) {
		for _, p := range c.Params {
			if (p.Key == "token" || strings.HasSuffix(p.Key, "_uuid")) && !isUUID(p.Value) {
				notFoundPage(c)
				return
			}
		}
		h(c)
	}
}

// isUUID is the exact form of section 1: 8-4-4-4-12 hexadecimal digits, any case, any version.
func isUUID(s string) bool {
	if len(s) != 36 {
		return false
	}
	for i := range len(s) {
		switch b := s[i]; i {
		case 8, 13, 18, 23:
			if b != '-' {
				return false
			}
		default:
			if (b < '0' || b > '9') && (b < 'a' || b > 'f') && (b < 'A' || b > 'F') {
				return false
			}
		}
	}
	return true
}

// segment is a path parameter: UUIDs in lower case, percent-encoding undone except for %2F, which is never a slash.
func segment(c *gin.Context, name string) string {
	v := c.Param(name)
	if isUUID(v) {
		return strings.ToLower(v)
	}
	if c.Request.URL.RawPath == "" || !strings.Contains(v, "%") { // net/http decoded the path already, or there is nothing to decode
		return v
	}
	kept := strings.NewReplacer("%2F", "%252F", "%2f", "%252f").Replace(v)
	if text, err := url.PathUnescape(kept); err == nil {
		return text
	}
	return v
}
