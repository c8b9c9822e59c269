package api

import (
	"net/http"

	"github.com/gin-gonic/gin"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/xivo-auth/xivo-auth/tracing"
)

// Tracing makes a span of each request, below the one that its traceparent names. Spans hold the route and never the
// address, in which tokens are.
type Tracing struct {
	// Tracer is nil where tracing is off.
	Tracer trace.Tracer
	// Checks leaves the checks to the sampler like all other requests. Otherwise, as they may be tens of thousands a second,
	// only those are traced whose caller traces them.
	Checks bool
}

// begin puts a span into the request's context; the caller calls end when it is answered.
func (t Tracing) begin(c *gin.Context, check bool) (end func()) {
	ctx := tracing.Propagator.Extract(c.Request.Context(), propagation.HeaderCarrier(c.Request.Header))
	if check && !t.Checks && !trace.SpanContextFromContext(ctx).IsSampled() {
		return func() {}
	}
	name := c.Request.Method
	attributes := []attribute.KeyValue{attribute.String("http.request.method", name)}
	if route := c.FullPath(); route != "" {
		name += " " + route
		attributes = append(attributes, attribute.String("http.route", route))
	}
	ctx, span := t.Tracer.Start(ctx, name, trace.WithSpanKind(trace.SpanKindServer), trace.WithAttributes(attributes...))
	c.Request = c.Request.WithContext(ctx)
	return func() {
		status := c.Writer.Status()
		span.SetAttributes(attribute.Int("http.response.status_code", status))
		if status >= http.StatusInternalServerError {
			span.SetStatus(codes.Error, "")
		}
		span.End()
	}
}
