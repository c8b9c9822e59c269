package activities

import (
	"context"
	"time"

	"github.com/google/uuid"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"

	"github.com/xivo-auth/xivo-auth/workflows"
)

// AuditStore is the database's side of the audit. Grace is measured by the database's clock.
type AuditStore interface {
	// LiveCount counts the tokens that have not expired.
	LiveCount(ctx context.Context) (int64, error)
	// SweepOverdue deletes up to limit tokens that expired longer than grace ago.
	SweepOverdue(ctx context.Context, grace time.Duration, limit int) (deleted int, err error)
	// LivePage lists up to limit live tokens issued longer than grace ago, without a due row, after this session, in the
	// order of sessions.
	LivePage(ctx context.Context, after uuid.UUID, grace time.Duration, limit int) ([]uuid.UUID, error)
	// RequestRun owes a lifetime to those that still live and returns how many.
	RequestRun(ctx context.Context, sessions []uuid.UUID) (int, error)
	// MissingTokens returns those that have neither a token nor a due row.
	MissingTokens(ctx context.Context, sessions []uuid.UUID) ([]uuid.UUID, error)
	// RequestEnd owes the end of the lifetimes of those that have no token and returns how many.
	RequestEnd(ctx context.Context, sessions []uuid.UUID) (int, error)
	// SweepAccessLists deletes up to limit access lists that no token names.
	SweepAccessLists(ctx context.Context, limit int) (int, error)
}

const (
	pageSize = 200
	// pagePause keeps the audit from crowding out others: a cluster allows ten visibility queries a second by default.
	pagePause = 200 * time.Millisecond
	// sweepSize is the number of rows of one deleting statement.
	sweepSize = 500
	// countTries: the two counts are not of one instant, and the list lags; equal once is equal.
	countTries = 3
	countPause = time.Second
	queryTime  = 10 * time.Second
)

// Audit has the activities of workflows.LifetimeAudit. Those that go through pages note their page in the heartbeat and
// resume there.
type Audit struct {
	Store     AuditStore
	Temporal  client.Client
	TaskQueue string // of this installation: no other's lifetimes are looked at
	Metrics   *Metrics
	// Sweeps are done with that of the access lists, in their order.
	Sweeps []Sweep
}

// Sweep tidies one kind of rows that have had their time.
type Sweep struct {
	What string // for messages, as in "sweep the trail"
	// Do deletes up to limit rows and tells how many; fewer than limit says that none is left.
	Do func(ctx context.Context, limit int) (int, error)
}

// progress is the heartbeat of an activity that goes through pages.
type progress struct {
	After    uuid.UUID `json:"after"`
	Page     []byte    `json:"page,omitempty"`
	Before   time.Time `json:"before,omitzero"` // only lifetimes that began before this; the same on all pages
	Repaired int       `json:"repaired"`
}

// CountLifetimes counts live tokens and running lifetimes.
func (a *Audit) CountLifetimes(ctx context.Context) (workflows.AuditCounts, error) {
	var counts workflows.AuditCounts
	for try := 1; ; try++ {
		var err error
		if counts.Live, err = a.Store.LiveCount(ctx); err != nil {
			return counts, plain(ctx, "count live tokens", err)
		}
		if counts.Running, err = a.countRunning(ctx); err != nil {
			return counts, plain(ctx, "count running lifetimes", err)
		}
		if counts.Live == counts.Running || try == countTries {
			return counts, nil
		}
		activity.RecordHeartbeat(ctx)
		if err := sleep(ctx, countPause); err != nil {
			return counts, err
		}
	}
}

func (a *Audit) countRunning(ctx context.Context) (int64, error) {
	ctx, cancel := context.WithTimeout(ctx, queryTime)
	defer cancel()
	answer, err := a.Temporal.CountWorkflow(ctx, &workflowservice.CountWorkflowExecutionsRequest{Query: workflows.RunningLifetimes(a.TaskQueue)})
	return answer.GetCount(), err
}

// SweepOverdueTokens deletes tokens whose lifetime has not done it.
func (a *Audit) SweepOverdueTokens(ctx context.Context, in workflows.AuditStep) (workflows.AuditRepaired, error) {
	at := resume(ctx)
	for {
		left := in.Allowed - at.Repaired
		if left <= 0 {
			// Whether there was more cannot be known without deleting it.
			return a.blown(ctx, "delete overdue tokens", at.Repaired), nil
		}
		size := min(sweepSize, left)
		deleted, err := a.Store.SweepOverdue(ctx, in.Grace, size)
		if err != nil {
			return workflows.AuditRepaired{}, plain(ctx, "delete overdue tokens", err)
		}
		a.repaired(ctx, repairOverdue, deleted)
		at.Repaired += deleted
		activity.RecordHeartbeat(ctx, at)
		if deleted < size {
			return workflows.AuditRepaired{Repaired: at.Repaired}, nil
		}
		if err := sleep(ctx, pagePause); err != nil {
			return workflows.AuditRepaired{}, err
		}
	}
}

// SweepStaleAccessLists deletes access lists that no token names any more, and tells how many; then whatever else has had
// its time.
func (a *Audit) SweepStaleAccessLists(ctx context.Context) (int, error) {
	at := resume(ctx)
	if err := sweep(ctx, &at, Sweep{What: "sweep access lists", Do: a.Store.SweepAccessLists}, func(n int) { at.Repaired += n }); err != nil {
		return 0, err
	}
	for _, s := range a.Sweeps {
		swept := 0
		if err := sweep(ctx, &at, s, func(n int) { swept += n }); err != nil {
			return 0, err
		}
		if swept > 0 {
			activity.GetLogger(ctx).Info("The audit tidied up", "step", s.What, "number", swept)
		}
	}
	return at.Repaired, nil
}

// sweep does one sweep to its end, batch by batch.
func sweep(ctx context.Context, at *progress, s Sweep, count func(n int)) error {
	for {
		deleted, err := s.Do(ctx, sweepSize)
		if err != nil {
			return plain(ctx, s.What, err)
		}
		count(deleted)
		activity.RecordHeartbeat(ctx, *at)
		if deleted < sweepSize {
			return nil
		}
		if err := sleep(ctx, pagePause); err != nil {
			return err
		}
	}
}

// resume is where an earlier attempt of this activity came to.
func resume(ctx context.Context) progress {
	var at progress
	if activity.HasHeartbeatDetails(ctx) && activity.GetHeartbeatDetails(ctx, &at) != nil {
		return progress{}
	}
	return at
}

func (a *Audit) repaired(ctx context.Context, kind string, n int) {
	if n == 0 {
		return
	}
	a.Metrics.repairs.WithLabelValues(kind).Add(float64(n))
	activity.GetLogger(ctx).Warn("The audit repaired", "kind", kind, "number", n)
}

// blown stops the audit: decision 26.
func (a *Audit) blown(ctx context.Context, what string, repaired int) workflows.AuditRepaired {
	a.Metrics.fuse.Inc()
	activity.GetLogger(ctx).Error("The audit found more to repair than it may and stops", "step", what, "repaired", repaired)
	return workflows.AuditRepaired{Repaired: repaired, Fuse: true}
}

// sleep waits; an error when the activity has to end.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
