package api

import (
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// addressOfOthers is what a browser would load, or send something to.
var addressOfOthers = regexp.MustCompile(`(?i)(src|href|action)\s*=\s*["']?\s*(https?:)?//|url\(\s*["']?\s*(https?:)?//|@import|https?://`)

func TestTheViewerLoadsNothingFromElsewhere(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, f := range viewerFiles {
		a := b.do(t, "GET", f.path, "", nil)
		require.Equal(t, http.StatusOK, a.status, f.path)
		require.Equal(t, f.kind, a.header.Get("Content-Type"), f.path)
		require.NotEmpty(t, a.text)
		require.Equal(t, viewerPolicy, a.header.Get("Content-Security-Policy"), f.path)
		require.Equal(t, "nosniff", a.header.Get("X-Content-Type-Options"), f.path)
		head := b.do(t, "HEAD", f.path, "", nil)
		require.Equal(t, http.StatusOK, head.status, f.path)
		require.Empty(t, head.text)
		switch {
		case strings.HasSuffix(f.path, "bundle.js"): // addresses in texts and namespaces; the policy keeps it from others
			require.Contains(t, a.text, "SwaggerUIBundle")
		case strings.HasSuffix(f.path, ".css"): // namespaces of the pictures in it
			require.NotRegexp(t, addressOfOthers, regexp.MustCompile(`http://www\.w3\.org/[0-9]+/svg`).ReplaceAllString(a.text, ""), f.path)
		default:
			require.NotRegexp(t, addressOfOthers, a.text, f.path)
		}
	}
	for directive := range strings.SplitSeq(viewerPolicy, "; ") {
		_, sources, _ := strings.Cut(directive, " ")
		for s := range strings.FieldsSeq(sources) {
			require.Contains(t, []string{"'none'", "'self'", "data:"}, s)
		}
	}
}

// TestTheViewerIsRelativeToItsPage makes it work behind a proxy that takes a prefix off.
func TestTheViewerIsRelativeToItsPage(t *testing.T) {
	t.Parallel()
	b := setup(t)
	proxy := httptest.NewServer(http.StripPrefix("/api/auth", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Header.Set("X-Script-Name", "/api/auth")
		b.server.Config.Handler.ServeHTTP(w, r)
	})))
	t.Cleanup(proxy.Close)
	behind := *b
	behind.server = proxy
	page := behind.do(t, "GET", "/api/auth/docs", "", nil)
	require.Equal(t, http.StatusOK, page.status)
	named := regexp.MustCompile(`(?:src|href)="([^"]+)"`).FindAllStringSubmatch(page.text, -1)
	require.Len(t, named, len(viewerFiles)-1)
	for _, n := range named {
		require.Equal(t, http.StatusOK, behind.do(t, "GET", "/api/auth/"+n[1], "", nil).status, n[1])
	}
	start := behind.do(t, "GET", "/api/auth/docs/start.js", "", nil)
	description := regexp.MustCompile(`url: '([^']+)'`).FindStringSubmatch(start.text)
	require.Len(t, description, 2)
	require.Contains(t, behind.do(t, "GET", "/api/auth/"+description[1], "", nil).text, "basePath: /api/auth/0.1")
}

func TestTheViewerSaysWhatItCannotDo(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a := b.do(t, "POST", "/docs", "{}", nil)
	require.Equal(t, http.StatusMethodNotAllowed, a.status)
	require.Equal(t, "GET, HEAD, OPTIONS", a.header.Get("Allow"))
	for _, p := range []string{"/docs/", "/docs/index.html", "/docs/swagger-ui-bundle.js.gz", "/docs/../docs.go", "/0.1/docs"} {
		require.Equal(t, http.StatusNotFound, b.do(t, "GET", p, "", nil).status, p)
	}
	packed := b.do(t, "GET", "/docs/swagger-ui.css", "", headers{"Accept-Encoding": "gzip"})
	require.Equal(t, "gzip", packed.header.Get("Content-Encoding"))
	require.True(t, strings.HasPrefix(packed.text, "\x1f\x8b"))
}
