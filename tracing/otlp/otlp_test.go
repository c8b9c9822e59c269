package otlp

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/protobuf/proto"
)

// unset clears what the machine may have.
func unset(t *testing.T) {
	t.Helper()
	for _, v := range []string{"OTEL_SDK_DISABLED", "OTEL_TRACES_EXPORTER", "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
		"OTEL_EXPORTER_OTLP_PROTOCOL", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_SERVICE_NAME", "OTEL_TRACES_SAMPLER"} {
		t.Setenv(v, "")
	}
}

func TestTracingIsOffUnlessConfigured(t *testing.T) {
	for name, c := range map[string]struct {
		environment map[string]string
		warning     string
	}{
		"nothing is set":      {nil, ""},
		"none":                {map[string]string{"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}, ""},
		"disabled":            {map[string]string{"OTEL_SDK_DISABLED": "true", "OTEL_TRACES_EXPORTER": "otlp"}, ""},
		"another exporter":    {map[string]string{"OTEL_TRACES_EXPORTER": "zipkin"}, "otlp or none"},
		"another protocol":    {map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4317", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "http/protobuf"},
		"another one of ours": {map[string]string{"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/json"}, "http/protobuf"},
	} {
		t.Run(name, func(t *testing.T) {
			unset(t)
			for k, v := range c.environment {
				t.Setenv(k, v)
			}
			var log bytes.Buffer
			off, err := Start(t.Context(), "xivo-auth-api", slog.New(slog.NewTextHandler(&log, nil)))
			require.NoError(t, err)
			require.Nil(t, off)
			require.Contains(t, log.String(), c.warning)
			require.Equal(t, c.warning == "", log.Len() == 0)
			require.True(t, off.Tracer() == nil && off.Statements() == nil && !off.Sampled(), "callers see by nil that there is nothing to do")
			off.Stop()
		})
	}
}

func TestSpansReachTheCollectorAtTheEndAtTheLatest(t *testing.T) {
	unset(t)
	got := make(chan *collector.ExportTraceServiceRequest, 1)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var body io.Reader = r.Body
		if r.Header.Get("Content-Encoding") == "gzip" {
			body, _ = gzip.NewReader(r.Body)
		}
		text, _ := io.ReadAll(body)
		request := &collector.ExportTraceServiceRequest{}
		if r.URL.Path == "/v1/traces" && proto.Unmarshal(text, request) == nil {
			got <- request
		}
	}))
	defer server.Close()
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", server.URL)
	t.Setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment=test")
	on, err := Start(t.Context(), "xivo-auth-api", slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	_, span := on.Tracer().Start(t.Context(), "request")
	span.End()
	on.Stop()
	resource := (<-got).GetResourceSpans()[0]
	require.Equal(t, "request", resource.GetScopeSpans()[0].GetSpans()[0].GetName())
	about := map[string]string{}
	for _, a := range resource.GetResource().GetAttributes() {
		about[a.GetKey()] = a.GetValue().GetStringValue()
	}
	require.Equal(t, "xivo-auth-api", about["service.name"])
	require.Equal(t, "test", about["deployment.environment"])
}

func TestACollectorThatHangsDoesNotHoldUpTheEnd(t *testing.T) {
	unset(t)
	release := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	defer server.Close()
	defer close(release)
	t.Setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", server.URL)
	t.Setenv("OTEL_SERVICE_NAME", "other")
	var log bytes.Buffer
	on, err := Start(t.Context(), "xivo-auth-api", slog.New(slog.NewTextHandler(&log, nil)))
	require.NoError(t, err)
	_, span := on.Tracer().Start(t.Context(), "request")
	span.End()
	began := time.Now()
	on.Stop()
	require.Less(t, time.Since(began), 2*patience)
	require.Contains(t, log.String(), "the last spans were not sent")
}

func TestStatementsAreNamedAndShowNoValues(t *testing.T) {
	t.Parallel()
	spans := tracetest.NewSpanRecorder()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans))
	s := newStatements(provider)
	ctx, _ := provider.Tracer("").Start(t.Context(), "request")
	run := func(ctx context.Context, sql string, err error) {
		s.TraceQueryEnd(s.TraceQueryStart(ctx, nil, pgx.TraceQueryStartData{SQL: sql, Args: []any{"hunter2"}}), nil, pgx.TraceQueryEndData{Err: err})
	}
	run(ctx, "-- name: TokenIssue :one\nINSERT INTO tokens VALUES ($1)", &pgconn.PgError{Code: "22P02", Message: `invalid input: "hunter2"`})
	run(ctx, "begin", errors.New("unable to encode hunter2"))
	run(ctx, "commit;", nil)
	run(t.Context(), "SELECT 1", nil)
	var names []string
	for _, span := range spans.Ended() {
		names = append(names, span.Name())
		for _, a := range span.Attributes() {
			require.NotContains(t, a.Value.String(), "hunter2")
		}
		for _, e := range span.Events() {
			for _, a := range e.Attributes {
				require.NotContains(t, a.Value.String(), "hunter2")
			}
		}
		require.NotContains(t, span.Status().Description, "hunter2")
	}
	require.Equal(t, []string{"TokenIssue", "begin", "commit"}, names, "what no request caused has no span")
}
