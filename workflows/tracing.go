package workflows

import (
	"context"
	"fmt"
	"strings"

	"go.opentelemetry.io/otel/trace"
	"go.temporal.io/sdk/contrib/opentelemetry"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/workflow"
)

// Tracing makes the interceptor of a client and its workers. What starts or signals a workflow, and its first workflow task,
// belong to the trace of the context that Start or Revoke was called with; an activity begins a trace of its own, which is
// linked to that one: a token may expire weeks after its login. Nothing is traced that no trace began, but activities.
//
// A trace travels in headers, of which no decision of workflow code depends: histories replay with and without it.
func Tracing(t trace.Tracer) (interceptor.Interceptor, error) {
	begins, err := newInterceptor(t, "RunActivity:", "StartWorkflow:", "SignalWorkflow:", "HandleSignal:", "RunWorkflow:")
	if err != nil {
		return nil, err
	}
	goesOn, err := newInterceptor(t, "RunActivity:", "HandleSignal:")
	if err != nil {
		return nil, err
	}
	return tracingInterceptor{Interceptor: begins, goesOn: goesOn}, nil
}

// newInterceptor makes spans of these operations only; others hand on the span above them.
func newInterceptor(t trace.Tracer, operations ...string) (interceptor.Interceptor, error) {
	i, err := opentelemetry.NewTracingInterceptor(opentelemetry.TracerOptions{Tracer: t, DisableQueryTracing: true, DisableUpdateTracing: true,
		DisableBaggage: true, AllowInvalidParentSpans: true,
		SpanStarter: func(ctx context.Context, t trace.Tracer, name string, opts ...trace.SpanStartOption) trace.Span {
			above := trace.SpanContextFromContext(ctx)
			for _, o := range operations {
				if !strings.HasPrefix(name, o) {
					continue
				}
				if o == "RunActivity:" {
					opts = append(opts, trace.WithNewRoot())
					if above.IsValid() {
						opts = append(opts, trace.WithLinks(trace.Link{SpanContext: above}))
					}
				} else if !above.IsValid() {
					break
				}
				_, span := t.Start(ctx, name, opts...)
				return span
			}
			return trace.SpanFromContext(ctx)
		}})
	if err != nil {
		return nil, fmt.Errorf("trace Temporal: %w", err)
	}
	return i, nil
}

// tracingInterceptor makes a span of a workflow's first task. Later ones run the workflow from its beginning, as nothing is
// cached, and are not told again; the next leg of a long lifetime is not either.
type tracingInterceptor struct {
	interceptor.Interceptor
	goesOn interceptor.WorkerInterceptor
}

// InterceptWorkflow is called for each task.
func (i tracingInterceptor) InterceptWorkflow(ctx workflow.Context, next interceptor.WorkflowInboundInterceptor) interceptor.WorkflowInboundInterceptor {
	if workflow.IsReplaying(ctx) || workflow.GetInfo(ctx).ContinuedExecutionRunID != "" {
		return i.goesOn.InterceptWorkflow(ctx, next)
	}
	return i.Interceptor.InterceptWorkflow(ctx, next)
}
