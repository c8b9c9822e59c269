package workflows

import (
	"os"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/interceptor"
	sdklog "go.temporal.io/sdk/log"
)

func TestALifetimeIsTracedAndItsExpiryIsATraceOfItsOwn(t *testing.T) {
	t.Parallel()
	server(t).Close() // for its skip
	name, err := namespace()
	require.NoError(t, err)
	spans := tracetest.NewSpanRecorder()
	tracer := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans)).Tracer("test")
	tracing, err := Tracing(tracer)
	require.NoError(t, err)
	c, err := client.NewLazyClient(client.Options{HostPort: os.Getenv(addressVariable), Namespace: name, Identity: "test",
		Logger: sdklog.NewStructuredLogger(silent()), Interceptors: []interceptor.ClientInterceptor{tracing}})
	require.NoError(t, err)
	t.Cleanup(c.Close)
	i := install(t, c, 0)

	ctx, login := tracer.Start(t.Context(), "login")
	s := i.token(time.Second)
	require.NoError(t, i.client.Start(ctx, s))
	id := LifetimeID(uuid.MustParse(s.Input.SessionUUID))
	require.Equal(t, LifetimeResult{Outcome: Expired}, i.result(t, id))
	of := func(name string) (found []sdktrace.ReadOnlySpan) {
		for _, span := range spans.Ended() {
			for _, a := range span.Attributes() {
				if span.Name() == name && a == attribute.String("temporalWorkflowID", id) {
					found = append(found, span)
				}
			}
		}
		return found
	}
	started, ran, deleted := of("StartWorkflow:TokenLifetime"), of("RunWorkflow:TokenLifetime"), of("RunActivity:DeleteExpiredToken")
	require.Len(t, started, 1)
	require.Len(t, ran, 1, "once, although the second task ran it from the beginning")
	require.Len(t, deleted, 1)
	require.Equal(t, login.SpanContext().SpanID(), started[0].Parent().SpanID())
	require.Equal(t, started[0].SpanContext().SpanID(), ran[0].Parent().SpanID())
	require.Equal(t, login.SpanContext().TraceID(), ran[0].SpanContext().TraceID())
	require.False(t, deleted[0].Parent().IsValid())
	require.NotEqual(t, login.SpanContext().TraceID(), deleted[0].SpanContext().TraceID())
	require.Len(t, deleted[0].Links(), 1)
	require.Equal(t, started[0].SpanContext().SpanID(), deleted[0].Links()[0].SpanContext.SpanID())
	require.Equal(t, login.SpanContext().TraceID(), deleted[0].Links()[0].SpanContext.TraceID())

	s = i.token(time.Hour)
	require.NoError(t, i.client.Start(ctx, s))
	id = LifetimeID(uuid.MustParse(s.Input.SessionUUID))
	i.asleep(t, id)
	logoutCtx, logout := tracer.Start(t.Context(), "logout")
	require.NoError(t, i.client.Revoke(logoutCtx, uuid.MustParse(s.Input.SessionUUID), ReasonLogout))
	i.result(t, id)
	signalled := of("SignalWorkflow:" + SignalRevoke)
	require.Len(t, signalled, 1)
	require.Equal(t, logout.SpanContext().SpanID(), signalled[0].Parent().SpanID())
	require.Len(t, of("RunWorkflow:TokenLifetime"), 1)

	s = i.token(time.Hour)
	require.NoError(t, i.client.Start(t.Context(), s))
	id = LifetimeID(uuid.MustParse(s.Input.SessionUUID))
	i.asleep(t, id)
	require.Empty(t, of("StartWorkflow:TokenLifetime"), "a login that nobody traces begins no trace here")
	require.Empty(t, of("RunWorkflow:TokenLifetime"))
	require.NoError(t, i.client.Revoke(t.Context(), uuid.MustParse(s.Input.SessionUUID), ReasonLogout))
	i.result(t, id)
}
