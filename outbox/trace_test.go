package outbox_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/xivo-auth/xivo-auth/db"
	"github.com/xivo-auth/xivo-auth/events/amqp/amqptest"
	"github.com/xivo-auth/xivo-auth/outbox"
	"github.com/xivo-auth/xivo-auth/tracing"
)

// tracer is one whose spans can be looked at.
func tracer() (trace.Tracer, *tracetest.SpanRecorder) {
	spans := tracetest.NewSpanRecorder()
	return sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans)).Tracer(tracing.Name), spans
}

// named waits for an ended span.
func named(t *testing.T, spans *tracetest.SpanRecorder, name string) sdktrace.ReadOnlySpan {
	t.Helper()
	var found sdktrace.ReadOnlySpan
	require.Eventually(t, func() bool {
		for _, s := range spans.Ended() {
			if s.Name() == name {
				found = s
			}
		}
		return found != nil
	}, time.Minute, 10*time.Millisecond, name)
	return found
}

// tracedSink hears in which trace it is called.
type tracedSink struct {
	*sink
	spans chan trace.SpanContext
}

func (s tracedSink) EndLifetime(ctx context.Context, session uuid.UUID, reason string) error {
	s.spans <- trace.SpanContextFromContext(ctx)
	return s.sink.EndLifetime(ctx, session, reason)
}

func TestTheRelayGoesOnInTheTraceOfTheRequest(t *testing.T) {
	t.Parallel()
	b := setup(t)
	relayed, spans := tracer()
	ctx, request := relayed.Start(t.Context(), "request")
	traced, other := uuid.New(), uuid.New()
	require.NoError(t, db.New().LifetimeDueEnd(t.Context(), b.pool, db.LifetimeDueEndParams{Sessions: []uuid.UUID{traced}, Reason: "logout", Traceparent: tracing.Traceparent(ctx)}))
	require.NoError(t, db.New().LifetimeDueEnd(t.Context(), b.pool, db.LifetimeDueEndParams{Sessions: []uuid.UUID{other}, Reason: "logout"}))
	s := tracedSink{newSink(), make(chan trace.SpanContext, 2)}
	b.relay(t, s, func(o *outbox.Options) { o.Tracer, o.Concurrency = relayed, 1 })
	span := named(t, spans, "relay end lifetime")
	require.Equal(t, request.SpanContext().SpanID(), span.Parent().SpanID())
	require.Equal(t, request.SpanContext().TraceID(), span.SpanContext().TraceID())
	require.ElementsMatch(t, []trace.SpanContext{span.SpanContext(), {}}, []trace.SpanContext{<-s.spans, <-s.spans}, "the sink is called in the span, or in none")
	b.drained(t)
	require.Len(t, spans.Ended(), 1)
}

func TestAnEventIsPublishedInTheTraceOfTheRequestAndDoesNotSaySo(t *testing.T) {
	t.Parallel()
	b, broker := setup(t), amqptest.Start(t)
	published, spans := tracer()
	heard := broker.Listen(t, "")
	b.publisher(t, broker, func(o *outbox.PublisherOptions) { o.Tracer = published })
	b.owe(t, sessionEvent(uuid.New(), 1))
	plain := heard.Next(t)
	b.toldAll(t)
	require.Empty(t, spans.Started())

	ctx, request := published.Start(t.Context(), "request")
	session := uuid.New()
	err := db.InTx(ctx, b.pool, func(tx pgx.Tx) error { return outbox.NewEvents(true).Add(ctx, tx, sessionEvent(session, 2)) })
	require.NoError(t, err)
	require.NoError(t, db.New().LifetimeDueNotify(t.Context(), b.pool))
	told := heard.Next(t)
	require.Len(t, told.Headers, len(plain.Headers), "the same headers as without a trace")
	require.NotContains(t, string(told.Body), request.SpanContext().TraceID().String())
	span := named(t, spans, "publish auth_session_deleted")
	require.Equal(t, request.SpanContext().SpanID(), span.Parent().SpanID())
	require.Equal(t, request.SpanContext().TraceID(), span.SpanContext().TraceID())
}
