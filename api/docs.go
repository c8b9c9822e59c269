package api

import (
	"bytes"
	"compress/gzip"
	"embed"
	"io"
	"io/fs"
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"
	"github.com/swaggest/swgui/v5/static"
)

// viewer is the page that shows api.yml to people. It runs Swagger UI, which comes from within the program too.
//
//go:embed viewer
var viewer embed.FS

// viewerPolicy lets the page load from, and talk to, nothing but the service itself. Swagger UI has its pictures in data
// addresses.
const viewerPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// viewerFiles are what is served below /docs, and at it.
var viewerFiles = []struct {
	path, kind string
	from       fs.ReadFileFS
	name       string // ending in .gz: it is kept packed
}{
	{"/docs", "text/html; charset=utf-8", viewer, "viewer/index.html"},
	{"/docs/start.js", "text/javascript; charset=utf-8", viewer, "viewer/start.js"},
	{"/docs/swagger-ui-bundle.js", "text/javascript; charset=utf-8", static.FS, "swagger-ui-bundle.js.gz"},
	{"/docs/swagger-ui.css", "text/css; charset=utf-8", static.FS, "swagger-ui.css.gz"},
	{"/docs/favicon-32x32.png", "image/png", static.FS, "favicon-32x32.png"},
}

// registerViewer adds the viewer. It needs no token: the description is public, and what it tries out asks for one.
func (s *server) registerViewer(g gin.IRoutes) {
	for _, f := range viewerFiles {
		s.answerEvery(g, f.path, map[string]gin.HandlerFunc{http.MethodGet: func(c *gin.Context) {
			content, err := f.from.ReadFile(f.name)
			if err != nil {
				s.fail(c, err)
				return
			}
			c.Header("Content-Security-Policy", viewerPolicy)
			c.Header("X-Content-Type-Options", "nosniff")
			c.Header("Referrer-Policy", "no-referrer")
			if strings.HasSuffix(f.name, ".gz") {
				c.Writer.Header().Add("Vary", "Accept-Encoding")
				if strings.Contains(c.GetHeader("Accept-Encoding"), "gzip") {
					c.Header("Content-Encoding", "gzip")
				} else if content, err = unpacked(content); err != nil {
					s.fail(c, err)
					return
				}
			}
			c.Data(http.StatusOK, f.kind, content)
		}})
	}
}

func unpacked(packed []byte) ([]byte, error) {
	r, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}
