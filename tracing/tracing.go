// Package tracing carries traces over what the database keeps: a request's W3C traceparent goes into the rows that it
// leaves behind, and who works them off goes on in the same trace. It knows the interfaces of OpenTelemetry only; package
// otlp makes the tracers. Where tracing is off no tracer exists, contexts hold no span, and rows no traceparent.
package tracing

import (
	"context"

	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// Name is the instrumentation scope of every span of ours.
const Name = "github.com/xivo-auth/xivo-auth"

// Propagator reads and writes the headers traceparent and tracestate of W3C Trace Context.
var Propagator propagation.TextMapPropagator = propagation.TraceContext{}

const header = "traceparent"

// Traceparent is the span of a context as the rows keep it: nil without a span that is sampled.
func Traceparent(ctx context.Context) *string {
	if !trace.SpanContextFromContext(ctx).IsSampled() {
		return nil
	}
	carrier := propagation.MapCarrier{}
	Propagator.Inject(ctx, carrier)
	text := carrier[header]
	return &text
}

// Resume begins a span below the one that a row keeps. Without a tracer or a traceparent, or for a text that is none, the
// context stays as it is and the span is nil; End bears that.
func Resume(ctx context.Context, t trace.Tracer, traceparent *string, name string, kind trace.SpanKind) (context.Context, trace.Span) {
	if t == nil || traceparent == nil {
		return ctx, nil
	}
	parent := Propagator.Extract(ctx, propagation.MapCarrier{header: *traceparent})
	if !trace.SpanContextFromContext(parent).IsRemote() {
		return ctx, nil
	}
	return t.Start(parent, name, trace.WithSpanKind(kind))
}
