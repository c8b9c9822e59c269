package api

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"log/slog"
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/xivo-auth/xivo-auth/logging"
	"github.com/xivo-auth/xivo-auth/token"
	"github.com/xivo-auth/xivo-auth/trail"
)

// requestTimeout is below the 10 s after which clients give up: a failure is answered too (conventions.md section 15).
const requestTimeout = 9 * time.Second

var serverName = []string{"xivo-auth"}

// observe gives a request its id and writes its one log line when it is answered. The checks, of which there may be tens
// of thousands a second, get both only when it matters: an answer of 500 and above, or a caller that traces.
func (s *server) observe(c *gin.Context) {
	start := time.Now()
	c.Writer.Header()["Server"] = serverName
	quiet := s.checksAreQuiet(c)
	if s.Tracing.Tracer != nil {
		defer s.Tracing.begin(c, quiet)()
	}
	if !quiet { // the checks have a deadline of their own
		ctx, cancel := context.WithTimeout(logContext(c), requestTimeout)
		defer cancel()
		ctx = trail.With(ctx, trail.Origin{RemoteAddr: s.clientAddress(c), RequestID: logging.RequestID(ctx)})
		c.Request = c.Request.WithContext(ctx)
	}
	c.Next()
	status := c.Writer.Status()
	level := slog.LevelInfo
	if quiet && status < http.StatusInternalServerError && c.GetHeader("Traceparent") == "" {
		level = slog.LevelDebug
	}
	if !s.log.Enabled(c.Request.Context(), level) {
		return
	}
	s.log.LogAttrs(logContext(c), level, "request", slog.String("method", c.Request.Method), slog.String("url", maskedURL(c)),
		slog.Int("status", status), slog.Duration("duration", time.Since(start)), slog.String("remote_addr", s.clientAddress(c)))
}

// checksAreQuiet tells whether a request is one of the checks.
func (s *server) checksAreQuiet(c *gin.Context) bool {
	switch c.FullPath() {
	case "/0.1/token/:token", "/0.1/token/:token/scopes/check":
		return c.Request.Method != http.MethodDelete
	}
	return false
}

// logContext is the request's context with its id and trace id, which every log line made with it carries.
func logContext(c *gin.Context) context.Context {
	ctx := c.Request.Context()
	if logging.RequestID(ctx) != "" {
		return ctx
	}
	var id [8]byte
	_, _ = rand.Read(id[:])
	return logging.WithRequest(ctx, hex.EncodeToString(id[:]), traceID(c.GetHeader("Traceparent")))
}

// traceID is the trace id of a W3C traceparent header, or nothing.
func traceID(header string) string {
	parts := strings.Split(header, "-")
	if len(parts) < 4 || len(parts[1]) != 32 || strings.Trim(parts[1], "0123456789abcdef") != "" {
		return ""
	}
	return parts[1]
}

// uuidText finds what may be a token in an address that leads nowhere.
var uuidText = regexp.MustCompile(`[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}`)

// maskedURL is the path and query of a request with every token in it masked (section 15), however oddly it is spelled: in
// the paths of tokens, and in those that are none of ours, all UUIDs are.
func maskedURL(c *gin.Context) string {
	p := c.Request.URL.Path
	secret := c.Param("token")
	if secret != "" {
		p = strings.Replace(p, secret, token.Masked(secret), 1)
	}
	if secret != "" || c.Writer.Status() == http.StatusNotFound || c.FullPath() == "" {
		p = uuidText.ReplaceAllStringFunc(p, token.Masked)
	}
	if c.Request.URL.RawQuery == "" {
		return p
	}
	values := c.Request.URL.Query()
	for i, v := range values["token"] {
		values["token"][i] = token.Masked(v)
	}
	return p + "?" + values.Encode()
}
