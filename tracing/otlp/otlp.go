// Package otlp sends spans to a collector, by OTLP over HTTP. The standard variables OTEL_* configure it and the
// OpenTelemetry SDK reads most of them itself; without them it is off and nothing is made at all.
package otlp

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/xivo-auth/xivo-auth/tracing"
)

// patience is how long the end of a process waits for the collector to take the last spans.
const patience = 5 * time.Second

// Tracing of one process. A nil one is off, and all its methods bear that.
type Tracing struct {
	provider *sdktrace.TracerProvider
	log      *slog.Logger
	sampler  bool
}

// Start begins tracing under a service's name, which OTEL_SERVICE_NAME overrides. It is nil unless OTEL_TRACES_EXPORTER is
// "otlp" or, without it, an endpoint is set (OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT). An exporter
// or a protocol that this program does not have is reported and leaves it off; so does OTEL_SDK_DISABLED=true. A collector
// that cannot be reached ends nothing: spans wait in a bounded queue, then are dropped.
func Start(ctx context.Context, service string, log *slog.Logger) (*Tracing, error) {
	if !wanted(log) {
		return nil, nil //nolint:nilnil // off is an answer here
	}
	exporter, err := otlptracehttp.New(ctx)
	if err != nil {
		return nil, fmt.Errorf("tracing: make the exporter: %w", err)
	}
	about, err := resource.New(ctx, resource.WithAttributes(attribute.String("service.name", service)), resource.WithTelemetrySDK(),
		resource.WithFromEnv())
	if err != nil {
		log.WarnContext(ctx, "tracing: OTEL_RESOURCE_ATTRIBUTES are not used whole", "error", err)
	}
	t := &Tracing{log: log, sampler: os.Getenv("OTEL_TRACES_SAMPLER") != "",
		provider: sdktrace.NewTracerProvider(sdktrace.WithBatcher(exporter), sdktrace.WithResource(about))}
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { log.Warn("tracing", "error", err) }))
	log.InfoContext(ctx, "tracing requests")
	return t, nil
}

func wanted(log *slog.Logger) bool {
	if strings.EqualFold(os.Getenv("OTEL_SDK_DISABLED"), "true") {
		return false
	}
	switch exporter := os.Getenv("OTEL_TRACES_EXPORTER"); exporter {
	case "otlp":
	case "":
		if os.Getenv("OTEL_EXPORTER_OTLP_ENDPOINT") == "" && os.Getenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") == "" {
			return false
		}
	case "none":
		return false
	default:
		log.Warn("tracing is off: OTEL_TRACES_EXPORTER can be otlp or none", "value", exporter)
		return false
	}
	protocol := os.Getenv("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL")
	if protocol == "" {
		protocol = os.Getenv("OTEL_EXPORTER_OTLP_PROTOCOL")
	}
	if protocol != "" && protocol != "http/protobuf" {
		log.Warn("tracing is off: OTEL_EXPORTER_OTLP_PROTOCOL can be http/protobuf only", "value", protocol)
		return false
	}
	return true
}

// Tracer is nil when tracing is off.
func (t *Tracing) Tracer() trace.Tracer {
	if t == nil {
		return nil
	}
	return t.provider.Tracer(tracing.Name)
}

// Sampled tells whether OTEL_TRACES_SAMPLER was set: the operator decided how much is traced.
func (t *Tracing) Sampled() bool { return t != nil && t.sampler }

// Statements traces what a pool does in contexts with a span; nil when tracing is off.
func (t *Tracing) Statements() pgx.QueryTracer {
	if t == nil {
		return nil
	}
	return newStatements(t.provider)
}

// Stop sends what is left, for some seconds at most.
func (t *Tracing) Stop() {
	if t == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := t.provider.Shutdown(ctx); err != nil {
		t.log.Warn("tracing: the last spans were not sent", "error", err)
	}
}
