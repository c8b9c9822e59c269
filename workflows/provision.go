package workflows

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/operatorservice/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"google.golang.org/protobuf/types/known/durationpb"
)

const (
	// Retention is how long ended lifetimes stay visible in a namespace that we make.
	Retention = 7 * 24 * time.Hour
	// usableWait bounds the wait for caches of the cluster after something was registered.
	usableWait = time.Minute
	probePause = 200 * time.Millisecond
)

// searchAttributes are the attributes a namespace needs.
func searchAttributes() map[string]enums.IndexedValueType {
	return map[string]enums.IndexedValueType{
		AuthIDKey.GetName():     AuthIDKey.GetValueType(),
		TenantUUIDKey.GetName(): TenantUUIDKey.GetValueType(),
		BackendKey.GetName():    BackendKey.GetValueType(),
		ExpiresAtKey.GetName():  ExpiresAtKey.GetValueType(),
		OutcomeKey.GetName():    OutcomeKey.GetValueType(),
	}
}

// Provision makes the namespace and its search attributes where they are missing and waits, up to a minute, until they
// can be used. It may be called by any number of workers, at every start. Where a managed cluster does not allow it, it
// warns: lifetimes then run without search attributes. Its error is that of a cluster that is out of reach; call again.
func Provision(ctx context.Context, c client.Client, namespace string, logger *slog.Logger) error {
	if err := provideNamespace(ctx, c, namespace); err != nil {
		return fmt.Errorf("provide Temporal namespace %q: %w", namespace, err)
	}
	err := provideSearchAttributes(ctx, c, namespace)
	if OutOfReach(err) {
		return fmt.Errorf("provide search attributes: %w", err)
	}
	if err != nil {
		logger.WarnContext(ctx, "Temporal refuses search attributes; lifetimes cannot be searched by user, tenant, backend or outcome",
			"namespace", namespace, "error", err)
		return nil
	}
	if err := untilUsable(ctx, c, namespace); err != nil {
		return fmt.Errorf("wait for search attributes: %w", err)
	}
	return nil
}

func provideNamespace(ctx context.Context, c client.Client, namespace string) error {
	call, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	_, err := c.WorkflowService().DescribeNamespace(call, &workflowservice.DescribeNamespaceRequest{Namespace: namespace})
	var missing *serviceerror.NamespaceNotFound
	if !errors.As(err, &missing) {
		var denied *serviceerror.PermissionDenied
		if errors.As(err, &denied) {
			return nil // who may not look may still work in it; if not, the worker will say so
		}
		return err
	}
	_, err = c.WorkflowService().RegisterNamespace(call, &workflowservice.RegisterNamespaceRequest{
		Namespace: namespace, Description: "xivo-auth: the lives of tokens", WorkflowExecutionRetentionPeriod: durationpb.New(Retention)})
	var exists *serviceerror.NamespaceAlreadyExists
	if errors.As(err, &exists) { // another worker was faster
		return nil
	}
	return err
}

// provideSearchAttributes adds what is missing, tried again until the cluster knows a namespace that was just made.
func provideSearchAttributes(ctx context.Context, c client.Client, namespace string) error {
	return retry(ctx, func(ctx context.Context) error {
		present, err := c.OperatorService().ListSearchAttributes(ctx, &operatorservice.ListSearchAttributesRequest{Namespace: namespace})
		if err != nil {
			return err
		}
		missing := searchAttributes()
		for name, kind := range present.GetCustomAttributes() {
			if wanted, ours := missing[name]; ours && wanted != kind {
				return serviceerror.NewInvalidArgumentf("search attribute %s is a %s, not a %s", name, kind, wanted)
			}
			delete(missing, name)
		}
		if len(missing) == 0 {
			return nil
		}
		_, err = c.OperatorService().AddSearchAttributes(ctx, &operatorservice.AddSearchAttributesRequest{Namespace: namespace, SearchAttributes: missing})
		var exists *serviceerror.AlreadyExists
		if errors.As(err, &exists) {
			return nil
		}
		return err
	})
}

// untilUsable waits until the frontend knows all attributes.
func untilUsable(ctx context.Context, c client.Client, namespace string) error {
	const query = "AuthId = '' AND TenantUuid = '' AND Backend = '' AND Outcome = '' AND ExpiresAt < '2000-01-01T00:00:00Z'"
	ctx, cancel := context.WithTimeout(ctx, usableWait)
	defer cancel()
	for {
		err := retry(ctx, func(ctx context.Context) error {
			_, err := c.WorkflowService().CountWorkflowExecutions(ctx, &workflowservice.CountWorkflowExecutionsRequest{Namespace: namespace, Query: query})
			return err
		})
		var unknown *serviceerror.InvalidArgument
		if !errors.As(err, &unknown) {
			return err
		}
		if !pause(ctx, probePause) {
			return err
		}
	}
}

// retry repeats a call while the namespace is not yet known everywhere, up to usableWait.
func retry(ctx context.Context, call func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, usableWait)
	defer cancel()
	for {
		once, stop := context.WithTimeout(ctx, callTimeout)
		err := call(once)
		stop()
		var unknown *serviceerror.NamespaceNotFound
		if !errors.As(err, &unknown) || !pause(ctx, probePause) {
			return err
		}
	}
}

// pause waits; false when ctx ended first.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// OutOfReach tells a cluster that could not answer, or does not know the namespace yet, from one that said no: the call
// may succeed later as it is.
func OutOfReach(err error) bool {
	var unavailable *serviceerror.Unavailable
	var late *serviceerror.DeadlineExceeded
	var busy *serviceerror.ResourceExhausted
	var canceled *serviceerror.Canceled
	var unknown *serviceerror.NamespaceNotFound
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) || errors.As(err, &unavailable) ||
		errors.As(err, &late) || errors.As(err, &busy) || errors.As(err, &canceled) || errors.As(err, &unknown)
}
