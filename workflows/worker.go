package workflows

import (
	"context"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
)

// Activities do what workflows ask for; package activities has them.
type Activities struct {
	Lifetime LifetimeActivities
	Audit    AuditActivities
}

// LifetimeActivities are the steps of TokenLifetime. Each may be called any number of times.
type LifetimeActivities interface {
	DeleteExpiredToken(ctx context.Context, in DeleteExpiredInput) (DeleteExpiredOutput, error)
	RevokeToken(ctx context.Context, in RevokeInput) (RevokeOutput, error)
	AnnounceExpiry(ctx context.Context, in AnnounceExpiryInput) error
}

// AuditActivities are the steps of LifetimeAudit.
type AuditActivities interface {
	CountLifetimes(ctx context.Context) (AuditCounts, error)
	SweepOverdueTokens(ctx context.Context, in AuditStep) (AuditRepaired, error)
	RestartLifetimes(ctx context.Context, in AuditStep) (AuditRepaired, error)
	EndOrphanedLifetimes(ctx context.Context, in AuditStep) (AuditRepaired, error)
	SweepStaleAccessLists(ctx context.Context) (int, error)
}

// Concurrency of one worker. A step is one short statement in the database: more at a time would only queue there.
const (
	concurrentWorkflowTasks   = 64
	concurrentLocalActivities = 32
	concurrentActivities      = 16
	mostPollers               = 16
)

// workerStopTimeout is how long a stopping worker lets what it is at come to an end.
const workerStopTimeout = 10 * time.Second

// NewWorker makes a worker for an installation's task queue; the caller starts and stops it. The SDK's cache of sleeping
// workflows is switched off for the whole process: replaying such short histories costs less than keeping them, and
// memory does not grow with the number of tokens.
func NewWorker(c client.Client, taskQueue string, acts Activities, opts ...func(*worker.Options)) worker.Worker {
	worker.SetStickyWorkflowCacheSize(0)
	pollers := worker.NewPollerBehaviorAutoscaling(worker.PollerBehaviorAutoscalingOptions{
		InitialNumberOfPollers: 4, MinimumNumberOfPollers: 1, MaximumNumberOfPollers: mostPollers})
	options := worker.Options{
		MaxConcurrentWorkflowTaskExecutionSize:  concurrentWorkflowTasks,
		MaxConcurrentLocalActivityExecutionSize: concurrentLocalActivities,
		MaxConcurrentActivityExecutionSize:      concurrentActivities,
		WorkflowTaskPollerBehavior:              pollers,
		ActivityTaskPollerBehavior:              pollers,
		WorkerStopTimeout:                       10 * time.Second,
		// A machine under load is not a deadlock.
		DeadlockDetectionTimeout:    5 * time.Second,
		DisableRegistrationAliasing: true,
	}
	for _, opt := range opts {
		opt(&options)
	}
	w := worker.New(c, taskQueue, options)
	register(w, acts)
	return w
}

// register names everything explicitly: a renamed function must not break what sleeps.
func register(w worker.Registry, acts Activities) {
	w.RegisterWorkflowWithOptions(TokenLifetime, workflow.RegisterOptions{Name: TokenLifetimeType})
	w.RegisterWorkflowWithOptions(LifetimeAudit, workflow.RegisterOptions{Name: LifetimeAuditType})
	w.RegisterWorkflowWithOptions(ExternalConsent, workflow.RegisterOptions{Name: ExternalConsentType})
	for name, fn := range map[string]any{
		DeleteExpiredToken:    acts.Lifetime.DeleteExpiredToken,
		RevokeToken:           acts.Lifetime.RevokeToken,
		AnnounceExpiry:        acts.Lifetime.AnnounceExpiry,
		CountLifetimes:        acts.Audit.CountLifetimes,
		SweepOverdueTokens:    acts.Audit.SweepOverdueTokens,
		RestartLifetimes:      acts.Audit.RestartLifetimes,
		EndOrphanedLifetimes:  acts.Audit.EndOrphanedLifetimes,
		SweepStaleAccessLists: acts.Audit.SweepStaleAccessLists,
	} {
		w.RegisterActivityWithOptions(fn, activity.RegisterOptions{Name: name})
	}
}
