package tracing

import (
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
)

// End ends a span that may be nil. A failure marks it without the error's text, which may hold names and addresses: the
// log has that, under the trace's id.
func End(span trace.Span, err error) {
	if span == nil {
		return
	}
	if err != nil {
		span.SetStatus(codes.Error, "see the log")
	}
	span.End()
}
