// Package logging makes the processes' logger: one record a line, JSON or text, on standard error, with the id of the
// request that caused it. It masks nothing by itself: who logs a secret has to mask it (token.Masked), and tests search
// whole runs for secrets.
package logging

import (
	"context"
	"io"
	"log/slog"

	"go.opentelemetry.io/otel/trace"
)

type requestKey struct{}

type request struct{ id, trace string }

// WithRequest puts a request's id, and its trace id if it has one, into a context.
func WithRequest(ctx context.Context, id, trace string) context.Context {
	return context.WithValue(ctx, requestKey{}, request{id, trace})
}

// RequestID is the id of the request that a context belongs to, or nothing.
func RequestID(ctx context.Context) string {
	r, _ := ctx.Value(requestKey{}).(request)
	return r.id
}

// New makes a logger. Levels can be changed while it is used through level.
func New(w io.Writer, format string, level *slog.LevelVar) *slog.Logger {
	o := &slog.HandlerOptions{Level: level}
	var h slog.Handler = slog.NewJSONHandler(w, o)
	if format == "text" {
		h = slog.NewTextHandler(w, o)
	}
	return slog.New(handler{h})
}

// handler adds what the context knows of the request, and of the span where tracing is on.
type handler struct{ slog.Handler }

func (h handler) Handle(ctx context.Context, r slog.Record) error {
	span := trace.SpanContextFromContext(ctx)
	if q, ok := ctx.Value(requestKey{}).(request); ok {
		r.AddAttrs(slog.String("request_id", q.id))
		if q.trace != "" && !span.IsValid() {
			r.AddAttrs(slog.String("trace_id", q.trace))
		}
	}
	if span.IsValid() {
		r.AddAttrs(slog.String("trace_id", span.TraceID().String()), slog.String("span_id", span.SpanID().String()))
	}
	return h.Handler.Handle(ctx, r)
}

func (h handler) WithAttrs(a []slog.Attr) slog.Handler { return handler{h.Handler.WithAttrs(a)} }
func (h handler) WithGroup(n string) slog.Handler      { return handler{h.Handler.WithGroup(n)} }
