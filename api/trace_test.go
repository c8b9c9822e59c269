package api

import (
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
)

const (
	callersTrace = "0af7651916cd43dd8448eb211c80319c"
	callersSpan  = "b7ad6b7169203331"
	traced       = "00-" + callersTrace + "-" + callersSpan + "-01"
	notTraced    = "00-" + callersTrace + "-" + callersSpan + "-00"
)

// tracedSetup is setup with tracing on.
func tracedSetup(t *testing.T, allChecks bool) (*bundle, *tracetest.SpanRecorder) {
	t.Helper()
	b, spans := setup(t), tracetest.NewSpanRecorder()
	b.deps.Tracing = Tracing{Tracer: sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans)).Tracer("test"), Checks: allChecks}
	b.server.Close()
	b.server = httptest.NewServer(New(b.deps))
	t.Cleanup(b.server.Close)
	return b, spans
}

// traceparents are those of the rows that requests left behind; an empty text for none.
func (b *bundle) traceparents(t *testing.T) []string {
	t.Helper()
	var list []string
	require.NoError(t, b.pool.QueryRow(t.Context(), "SELECT array_agg(coalesce(traceparent, '')) FROM lifetime_due").Scan(&list))
	return list
}

func TestARequestIsASpanBelowItsCaller(t *testing.T) {
	t.Parallel()
	b, spans := tracedSetup(t, false)
	_, login := b.user(t, b.top, "#")
	a := b.do(t, "POST", "/0.1/token", `{}`, headers{"Authorization": basic(login, goodPassword), "Traceparent": traced, "Tracestate": "vendor=1"})
	require.Equal(t, 200, a.status, a.text)
	require.Len(t, spans.Ended(), 2, "the request and its transaction")
	transaction, request := spans.Ended()[0], spans.Ended()[1]
	require.Equal(t, "transaction", transaction.Name())
	require.Equal(t, request.SpanContext().SpanID(), transaction.Parent().SpanID())
	require.Equal(t, "POST /0.1/token", request.Name())
	require.Equal(t, callersTrace, request.SpanContext().TraceID().String())
	require.Equal(t, callersSpan, request.Parent().SpanID().String())
	require.Equal(t, "vendor=1", request.SpanContext().TraceState().String())
	id := request.SpanContext().SpanID().String()
	require.Equal(t, []string{"00-" + callersTrace + "-" + id + "-01"}, b.traceparents(t), "the lifetime is owed in the same trace")
	require.Contains(t, b.log.String(), `"trace_id":"`+callersTrace+`","span_id":"`+id+`"`)
	attributes := map[string]string{}
	for _, x := range request.Attributes() {
		attributes[string(x.Key)] = x.Value.String()
	}
	require.Equal(t, map[string]string{"http.request.method": "POST", "http.route": "/0.1/token", "http.response.status_code": "200"}, attributes)
}

func TestChecksAreTracedWhereTheirCallersAre(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		all         bool
		traceparent string
		spans       int
	}{
		"no caller's trace":                   {false, "", 0},
		"a caller that is not sampled":        {false, notTraced, 0},
		"a caller that is sampled":            {false, traced, 1},
		"a sampler that decides of all":       {true, "", 1},
		"... heeds a caller's decision still": {true, notTraced, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, spans := tracedSetup(t, c.all)
			_, login := b.user(t, b.top, "#")
			secret := str(t, b.login(t, login, `{}`, nil), "token")
			before := len(spans.Ended())
			h := headers{}
			if c.traceparent != "" {
				h["Traceparent"] = c.traceparent
			}
			require.Equal(t, 204, b.do(t, "HEAD", "/0.1/token/"+secret, "", h).status)
			ended := spans.Ended()[before:]
			require.Len(t, ended, c.spans)
			for _, s := range ended {
				require.Equal(t, "HEAD /0.1/token/:token", s.Name())
				for _, a := range s.Attributes() {
					require.NotContains(t, a.Value.String(), secret, "no token in a span")
				}
			}
		})
	}
}

// Not parallel: it watches the provider of the whole process.
func TestWithTracingOffThereIsNoSpan(t *testing.T) { //nolint:paralleltest // see above
	before := otel.GetTracerProvider()
	spans := tracetest.NewSpanRecorder()
	otel.SetTracerProvider(sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans)))
	defer otel.SetTracerProvider(before)
	b := setup(t)
	_, login := b.user(t, b.top, "#")
	a := b.do(t, "POST", "/0.1/token", `{}`, headers{"Authorization": basic(login, goodPassword), "Traceparent": traced})
	require.Equal(t, 200, a.status, a.text)
	require.Empty(t, spans.Started())
	require.Equal(t, []string{""}, b.traceparents(t))
	require.Contains(t, b.log.String(), `"trace_id":"`+callersTrace+`"`)
	require.NotContains(t, b.log.String(), "span_id")
}
