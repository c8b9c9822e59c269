package workflows

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
)

// StartConsent starts the wait for a consent, at most once: one that runs or has ended is success. Errors are those of
// Temporal and may be retried.
func (c *Client) StartConsent(ctx context.Context, in ConsentInput) error {
	id, err := uuid.Parse(in.ConsentUUID)
	if err != nil {
		return errors.New("a consent needs a uuid")
	}
	in.Type, in.Deadline = clean(in.Type, maxAttribute), in.Deadline.UTC()
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	_, err = c.temporal.ExecuteWorkflow(ctx, client.StartWorkflowOptions{
		ID:                                       ConsentID(id),
		TaskQueue:                                c.taskQueue,
		EnableEagerStart:                         true,
		WorkflowIDReusePolicy:                    enums.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE,
		WorkflowIDConflictPolicy:                 enums.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING,
		WorkflowExecutionErrorWhenAlreadyStarted: true,
		StaticSummary:                            escape(clean(in.Type, maxWho)) + " account of user " + in.UserUUID + ", until " + stamp(in.Deadline),
	}, ExternalConsentType, in)
	var started *serviceerror.WorkflowExecutionAlreadyStarted
	if err == nil || errors.As(err, &started) {
		return nil
	}
	return fmt.Errorf("start the wait for consent %s: %w", id, err)
}

// ConsentActivities wait for consents, and end those that are cancelled while nobody waits.
type ConsentActivities interface {
	AwaitConsent(ctx context.Context, in AwaitConsentInput) (ConsentResult, error)
	CancelConsent(ctx context.Context, in CancelConsentInput) (ConsentResult, error)
}

// NewConsentWorker makes the worker that holds the websockets of at most so many consents; the caller starts and stops it
// beside that of NewWorker, which has the workflows.
func NewConsentWorker(c client.Client, taskQueue string, acts ConsentActivities, most int, opts ...func(*worker.Options)) worker.Worker {
	options := worker.Options{
		DisableWorkflowWorker:              true,
		MaxConcurrentActivityExecutionSize: most,
		MaxConcurrentActivityTaskPollers:   2,
		MaxHeartbeatThrottleInterval:       consentHeartbeat / 3,
		DefaultHeartbeatThrottleInterval:   consentHeartbeat / 3,
		WorkerStopTimeout:                  workerStopTimeout,
		DisableRegistrationAliasing:        true,
	}
	for _, opt := range opts {
		opt(&options)
	}
	w := worker.New(c, consentQueue(taskQueue), options)
	w.RegisterActivityWithOptions(acts.AwaitConsent, activity.RegisterOptions{Name: AwaitConsent})
	w.RegisterActivityWithOptions(acts.CancelConsent, activity.RegisterOptions{Name: CancelConsent})
	return w
}
