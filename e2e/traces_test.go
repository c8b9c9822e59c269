package e2e

import (
	"compress/gzip"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	trace "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// traces is a collector that keeps everything.
type traces struct {
	mu    sync.Mutex
	raw   [][]byte
	spans []span
}

// span is one with the service that sent it.
type span struct {
	*trace.Span
	service string
}

func collectTraces(t *testing.T) (*traces, string) {
	t.Helper()
	c := &traces{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := c.take(r); err != nil {
			t.Errorf("what was sent to the collector: %v", err)
			w.WriteHeader(http.StatusBadRequest)
		}
	}))
	t.Cleanup(server.Close)
	return c, server.URL
}

func (c *traces) take(r *http.Request) error {
	var body io.Reader = r.Body
	if r.Header.Get("Content-Encoding") == "gzip" {
		unzipped, err := gzip.NewReader(r.Body)
		if err != nil {
			return err
		}
		body = unzipped
	}
	raw, err := io.ReadAll(body)
	if err != nil {
		return err
	}
	var sent collector.ExportTraceServiceRequest
	if err := proto.Unmarshal(raw, &sent); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.raw = append(c.raw, raw)
	for _, resource := range sent.GetResourceSpans() {
		var service string
		for _, a := range resource.GetResource().GetAttributes() {
			if a.GetKey() == "service.name" {
				service = a.GetValue().GetStringValue()
			}
		}
		for _, scope := range resource.GetScopeSpans() {
			for _, s := range scope.GetSpans() {
				c.spans = append(c.spans, span{s, service})
			}
		}
	}
	return nil
}

// await waits for a span that is wanted.
func (c *traces) await(t *testing.T, what string, wanted func(span) bool) span {
	t.Helper()
	var found span
	await(t, bearable, what, func() error {
		c.mu.Lock()
		defer c.mu.Unlock()
		i := slices.IndexFunc(c.spans, wanted)
		if i < 0 {
			return fmt.Errorf("not among %d spans", len(c.spans))
		}
		found = c.spans[i]
		return nil
	})
	return found
}

func TestTraces(t *testing.T) {
	t.Parallel()
	c, address := collectTraces(t)
	s := newStack(t, options{apis: 1, workers: 1, settings: map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": address, "OTEL_BSP_SCHEDULE_DELAY": "100"}})
	api := s.apis[0]
	const traceID, caller = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
	r := s.loginRequest(s.root, fields{"expiration": 3})
	r.header = http.Header{"Traceparent": {"00-" + traceID + "-" + caller + "-01"}}
	login := s.ask(t, api, r).token(t)
	r = checkRequest(login.Token, noScope)
	r.header = http.Header{"Traceparent": {"00-" + traceID + "-" + caller + "-01"}}
	require.Equal(t, http.StatusNoContent, s.ask(t, api, r).status)
	s.ask(t, api, request{method: http.MethodGet, path: "/token/" + login.Token})

	one := func(service, name string) span {
		return c.await(t, name, func(x span) bool {
			return x.service == service && x.GetName() == name && hex.EncodeToString(x.GetTraceId()) == traceID
		})
	}
	answered := one("xivo-auth-api", "POST /0.1/token")
	require.Equal(t, caller, hex.EncodeToString(answered.GetParentSpanId()))
	transaction := one("xivo-auth-api", "transaction")
	require.Equal(t, answered.GetSpanId(), transaction.GetParentSpanId())
	for _, statement := range []string{"begin", "TokenIssue", "commit"} {
		require.Equal(t, transaction.GetSpanId(), one("xivo-auth-api", statement).GetParentSpanId(), statement)
	}
	relayed := one("xivo-auth-worker", "relay run lifetime")
	require.Equal(t, answered.GetSpanId(), relayed.GetParentSpanId())
	started := one("xivo-auth-worker", "StartWorkflow:TokenLifetime")
	require.Equal(t, relayed.GetSpanId(), started.GetParentSpanId())
	require.Equal(t, started.GetSpanId(), one("xivo-auth-worker", "RunWorkflow:TokenLifetime").GetParentSpanId())
	one("xivo-auth-api", "HEAD /0.1/token/:token")

	expired := c.await(t, "the expiry", func(x span) bool {
		return x.GetName() == "RunActivity:DeleteExpiredToken" && len(x.GetLinks()) == 1
	})
	require.Equal(t, "xivo-auth-worker", expired.service)
	require.Equal(t, traceID, hex.EncodeToString(expired.GetLinks()[0].GetTraceId()))
	require.Equal(t, started.GetSpanId(), expired.GetLinks()[0].GetSpanId())
	require.NotEqual(t, traceID, hex.EncodeToString(expired.GetTraceId()))
	require.Empty(t, expired.GetParentSpanId())
	c.await(t, "the deletion", func(x span) bool {
		return x.GetName() == "TokenDeleteExpired" && slices.Equal(x.GetParentSpanId(), expired.GetSpanId())
	})

	f := s.finder()
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, raw := range c.raw {
		require.Empty(t, f.find(raw), "a secret in what the collector got")
	}
	for _, x := range c.spans {
		require.NotEqual(t, "GET /0.1/token/:token", x.GetName(), "a check that its caller does not trace")
	}
	require.Contains(t, api.log.String(), `"trace_id":"`+traceID+`","span_id":"`+hex.EncodeToString(answered.GetSpanId())+`"`)
}
