package tracing_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/xivo-auth/xivo-auth/tracing"
)

func TestARowGoesOnWithTheTraceOfItsRequest(t *testing.T) {
	t.Parallel()
	spans := tracetest.NewSpanRecorder()
	tracer := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans)).Tracer(tracing.Name)
	ctx, request := tracer.Start(t.Context(), "request")
	kept := tracing.Traceparent(ctx)
	require.Equal(t, "00-"+request.SpanContext().TraceID().String()+"-"+request.SpanContext().SpanID().String()+"-01", *kept)

	below, span := tracing.Resume(t.Context(), tracer, kept, "relay", trace.SpanKindConsumer)
	require.Equal(t, span.SpanContext(), trace.SpanContextFromContext(below))
	tracing.End(span, errors.New("to ada@example.com"))
	ended := spans.Ended()[0]
	require.Equal(t, request.SpanContext().TraceID(), ended.SpanContext().TraceID())
	require.Equal(t, request.SpanContext().SpanID(), ended.Parent().SpanID())
	require.NotContains(t, ended.Status().Description, "ada", "errors stay in the log")
	require.Empty(t, ended.Events())
}

func TestWithoutATraceNothingIsKeptOrBegun(t *testing.T) {
	t.Parallel()
	spans := tracetest.NewSpanRecorder()
	tracer := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans)).Tracer(tracing.Name)
	require.Nil(t, tracing.Traceparent(t.Context()))
	ctx, _ := sdktrace.NewTracerProvider(sdktrace.WithSampler(sdktrace.NeverSample())).Tracer("").Start(t.Context(), "not sampled")
	require.Nil(t, tracing.Traceparent(ctx))

	valid, broken := "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "00-0af7651916cd43dd8448eb211c80319c"
	for name, row := range map[string]struct {
		tracer      trace.Tracer
		traceparent *string
	}{"tracing is off": {nil, &valid}, "no traceparent": {tracer, nil}, "a text that is none": {tracer, &broken}} {
		same, span := tracing.Resume(t.Context(), row.tracer, row.traceparent, "relay", trace.SpanKindConsumer)
		require.Nil(t, span, name)
		require.Equal(t, t.Context(), same, name)
		tracing.End(span, nil)
	}
	require.Empty(t, spans.Started())
}
