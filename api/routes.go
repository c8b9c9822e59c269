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
}

// routes is the table of what exists: each resource's file has its part. A GET route serves HEAD too, unless HEAD has a row
// of its own.
func (s *server) routes() []route {
	return slices.Concat(
		s.tokenRoutes(), s.refreshTokenRoutes(), s.sessionRoutes(), s.serviceRoutes(),
	)
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
		methods := byPath[p]
		if get, ok := methods["GET"]; ok && methods["HEAD"] == nil {
			methods["HEAD"] = get
		}
		allowed := []string{"OPTIONS"}
		for m := range methods {
			allowed = append(allowed, m)
		}
		slices.Sort(allowed)
		allow := strings.Join(allowed, ", ")
		for _, m := range []string{"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"} {
			switch h := methods[m]; {
			case h != nil:
				g.Handle(m, p, h)
			case m == "OPTIONS":
				g.Handle(m, p, s.wellFormed(func(c *gin.Context) {
					c.Header("Allow", allow)
					c.Data(http.StatusOK, "text/html; charset=utf-8", nil)
				}))
			default:
				g.Handle(m, p, s.wellFormed(func(c *gin.Context) {
					c.Header("Allow", allow)
					s.fail(c, errMethod)
				}))
			}
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
	if !strings.Contains(v, "%") {
		return v
	}
	kept := strings.NewReplacer("%2F", "%252F", "%2f", "%252f").Replace(v)
	if text, err := url.PathUnescape(kept); err == nil {
		return text
	}
	return v
}
