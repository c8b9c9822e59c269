package api

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"maps"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/xivo-auth/xivo-auth/fault"
	"github.com/xivo-auth/xivo-auth/token"
)

// statuses is the only table from what went wrong to a status code.
var statuses = map[fault.Kind]int{
	fault.Invalid:         http.StatusBadRequest,
	fault.Unauthenticated: http.StatusUnauthorized,
	fault.Forbidden:       http.StatusForbidden,
	fault.NotFound:        http.StatusNotFound,
	fault.NotAllowed:      http.StatusMethodNotAllowed,
	fault.Conflict:        http.StatusConflict,
	fault.Exhausted:       http.StatusTooManyRequests,
	fault.Unavailable:     http.StatusServiceUnavailable,
	fault.Failed:          http.StatusInternalServerError,
}

// Errors of the framework shape (section 7, C): only a message.
var (
	errMalformedBody = &frameworkError{http.StatusBadRequest, "The browser (or proxy) sent a request that this server could not understand."}
	errBodyTooLarge  = &frameworkError{http.StatusRequestEntityTooLarge, "The data value transmitted exceeds the capacity limit."}
	errMethod        = &frameworkError{http.StatusMethodNotAllowed, "The method is not allowed for the requested URL."}
	errInternal      = &frameworkError{http.StatusInternalServerError, "Internal Server Error"}
)

type frameworkError struct {
	status  int
	message string
}

func (e *frameworkError) Error() string { return e.message }

// render turns an error into a status code and a body (section 7). What it does not know is an internal error, of which
// clients learn nothing.
func render(err error, now time.Time) (status int, body any, retryAfter time.Duration) {
	var framework *frameworkError
	if errors.As(err, &framework) {
		return framework.status, gin.H{"message": framework.message}, 0
	}
	f, ok := fault.As(err)
	if !ok && errors.Is(err, context.DeadlineExceeded) { // whatever it waited for: it may come again
		f, ok = fault.Historic(fault.Unavailable, "The service cannot answer at the moment"), true
		f.RetryAfter = time.Second
	}
	status, known := statuses[kindOf(f)]
	if !ok || !known {
		return errInternal.status, gin.H{"message": errInternal.message}, 0
	}
	seconds := float64(now.UnixMicro()) / 1e6
	if f.ID == "" {
		return status, gin.H{"reason": []string{f.Message}, "timestamp": []float64{seconds}, "status_code": status}, f.RetryAfter
	}
	var message any = f.Message
	details := f.Details
	if fields, ok := details[allFields]; ok { // the message is the object of all errors
		message, details = fields, nil
	}
	if details == nil {
		details = map[string]any{}
	}
	h := gin.H{"message": message, "error_id": f.ID, "details": details, "timestamp": seconds}
	if f.Resource != "" {
		h["resource"] = f.Resource
	}
	return status, h, f.RetryAfter
}

func kindOf(f *fault.Error) fault.Kind {
	if f == nil {
		return ""
	}
	return f.Kind
}

// fail ends a request with an error. Handlers hand errors over to it and return.
func (s *server) fail(c *gin.Context, err error) {
	status, body := s.failure(c, err)
	writeJSON(c, status, body)
}

// failHead ends a check by HEAD with an error: the status and headers of the GET answer and no body. The length keeps
// simple clients from waiting for one.
func (s *server) failHead(c *gin.Context, err error) {
	status, _ := s.failure(c, err)
	h := c.Writer.Header()
	h["Content-Type"], h["Content-Length"] = contentTypeJSON, zeroLength
	c.Status(status)
	c.Writer.WriteHeaderNow()
}

// failure is what both do before they answer.
func (s *server) failure(c *gin.Context, err error) (status int, body any) {
	if f, ok := fault.As(err); ok && f.ID == "unauthorized" && f.Details["invalid_token"] == nil { // refused by a service, which knows no token
		err = fault.Modern(f.Kind, f.ID, f.Resource, f.Message, merged(f.Details, "invalid_token", token.Masked(c.GetHeader("X-Auth-Token"))))
	}
	status, body, retryAfter := render(err, time.Now())
	if retryAfter > 0 {
		c.Header("Retry-After", strconv.Itoa(int(math.Ceil(retryAfter.Seconds()))))
	}
	if status >= http.StatusInternalServerError {
		level := slog.LevelError
		if errors.Is(c.Request.Context().Err(), context.Canceled) { // the client has gone: nobody's failure
			level = slog.LevelDebug
		}
		s.log.LogAttrs(logContext(c), level, "request failed", slog.Int("status", status),
			slog.String("method", c.Request.Method), slog.String("route", c.FullPath()), slog.Any("error", err))
	}
	c.Abort()
	return status, body
}

func merged(details map[string]any, name string, value any) map[string]any {
	m := maps.Clone(details)
	if m == nil {
		m = map[string]any{}
	}
	m[name] = value
	return m
}

// writeJSON is every JSON answer: one line feed at the end, no charset (section 3).
func writeJSON(c *gin.Context, status int, body any) {
	text, err := json.Marshal(body)
	if err != nil {
		status, text = http.StatusInternalServerError, []byte(`{"message": "Internal Server Error"}`)
	}
	h := c.Writer.Header()
	h["Content-Type"] = contentTypeJSON
	h.Set("Content-Length", strconv.Itoa(len(text)+1)) // long bodies too, so that HEAD can say what GET does
	if c.Request.Method == http.MethodHead {
		c.Status(status)
		c.Writer.WriteHeaderNow()
		return
	}
	c.Status(status)
	_, _ = c.Writer.Write(append(text, '\n'))
}

// noContent is every answer without a body.
func noContent(c *gin.Context) {
	c.Writer.Header()["Content-Type"] = contentTypeJSON
	c.Status(http.StatusNoContent)
	c.Writer.WriteHeaderNow()
}

// Header values that every check needs, shared so that none is allocated.
var (
	contentTypeJSON = []string{"application/json"}
	zeroLength      = []string{"0"}
)

// notFoundPage is the answer for what is no route, which is not JSON (section 1).
func notFoundPage(c *gin.Context) {
	c.Abort()
	c.Data(http.StatusNotFound, "text/html; charset=utf-8", []byte("<!doctype html>\n<html lang=en>\n<title>404 Not Found</title>\n"+
		"<h1>Not Found</h1>\n<p>The requested URL was not found on the server.</p>\n"))
}
