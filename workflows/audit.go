package workflows

import (
	"strconv"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"
)

// AuditInput is what one audit is asked to do.
type AuditInput struct {
	// Full compares every token, whatever the counts say. Without it that happens when they differ, and daily.
	Full bool `json:"full,omitempty"`
	// Grace is the age below which nothing is repaired, in nanoseconds; 0 means DefaultGrace.
	Grace time.Duration `json:"grace,omitempty"`
}

// DefaultGrace leaves the relay and the list of Temporal time to catch up (decision 26).
const DefaultGrace = 5 * time.Minute

// fullInterval is the longest time between two full comparisons.
const fullInterval = 24 * time.Hour

// AuditResult says what an audit counted and repaired.
type AuditResult struct {
	Live    int64 `json:"live"`    // tokens alive in the database
	Running int64 `json:"running"` // lifetimes that run in Temporal
	Full    bool  `json:"full"`    // every token was compared
	// Repairs.
	Overdue   int `json:"overdue"`   // tokens deleted that had expired
	Restarted int `json:"restarted"` // live tokens without a lifetime that were given one
	Ended     int `json:"ended"`     // lifetimes without a token that were ended
	// AccessLists that no token named any more; tidying, not a repair.
	AccessLists int `json:"access_lists"`
	// Fuse: more was wrong than an audit may repair in one run. It stopped and left the rest as it was.
	Fuse bool `json:"fuse"`
	// LastFull is when a full comparison was last completed; zero for never.
	LastFull time.Time `json:"last_full,omitzero"`
}

// Repairs is the number of things that were wrong and have been mended.
func (r AuditResult) Repairs() int { return r.Overdue + r.Restarted + r.Ended }

// AuditStep is the input of an activity that repairs.
type AuditStep struct {
	Grace time.Duration `json:"grace"`
	// Allowed is how many repairs are left before the fuse blows.
	Allowed int `json:"allowed"`
}

// AuditRepaired is what such an activity did.
type AuditRepaired struct {
	Repaired int  `json:"repaired"`
	Fuse     bool `json:"fuse"`
}

// AuditCounts are the two sums that should be equal.
type AuditCounts struct {
	Live    int64 `json:"live"`
	Running int64 `json:"running"`
}

// auditOptions: pages live inside the activities, which note in their heartbeat where they are; a worker that dies
// costs one page. What fails ten times in a row fails the audit, visibly; the next one begins anew.
var auditOptions = workflow.ActivityOptions{
	StartToCloseTimeout: 6 * time.Hour,
	HeartbeatTimeout:    time.Minute,
	RetryPolicy:         &temporal.RetryPolicy{InitialInterval: time.Second, BackoffCoefficient: 2, MaximumInterval: time.Minute, MaximumAttempts: 10},
}

// LifetimeAudit compares the database with Temporal and repairs what differs: tokens that should be gone are deleted,
// live tokens without a lifetime get one, lifetimes without a token are ended. It counts first and compares every token
// only when the counts differ, daily, or when asked to. A fuse (decision 26) keeps it from acting on a great scale, as
// after a restore of the wrong database.
func LifetimeAudit(ctx workflow.Context, in AuditInput) (AuditResult, error) {
	a := audit{grace: in.Grace}
	if a.grace <= 0 {
		a.grace = DefaultGrace
	}
	if workflow.HasLastCompletionResult(ctx) {
		var last AuditResult
		if workflow.GetLastCompletionResult(ctx, &last) == nil {
			a.LastFull = last.LastFull
		}
	}
	err := a.run(ctx, in.Full)
	workflow.SetCurrentDetails(ctx, a.details())
	return a.AuditResult, err
}

type audit struct {
	AuditResult
	grace   time.Duration
	allowed int
}

func (a *audit) run(ctx workflow.Context, full bool) error {
	var counts AuditCounts
	if err := call(ctx, CountLifetimes, "count tokens and lifetimes", nil, &counts); err != nil {
		return err
	}
	a.Live, a.Running = counts.Live, counts.Running
	a.allowed = max(1000, int(a.Live/20))
	if err := a.repair(ctx, SweepOverdueTokens, "delete tokens that are overdue", &a.Overdue); err != nil || a.Fuse {
		return err
	}
	started := workflow.Now(ctx)
	if full || a.Live != a.Running || started.Sub(a.LastFull) >= fullInterval {
		if err := a.repair(ctx, RestartLifetimes, "start the lifetimes that are missing", &a.Restarted); err != nil || a.Fuse {
			return err
		}
		if err := a.repair(ctx, EndOrphanedLifetimes, "end the lifetimes without a token", &a.Ended); err != nil || a.Fuse {
			return err
		}
		a.Full, a.LastFull = true, started
	}
	return call(ctx, SweepStaleAccessLists, "sweep access lists that no token names", nil, &a.AccessLists)
}

// repair runs one activity that repairs, within what the fuse still allows.
func (a *audit) repair(ctx workflow.Context, activity, summary string, count *int) error {
	var out AuditRepaired
	if err := call(ctx, activity, summary, AuditStep{Grace: a.grace, Allowed: a.allowed - a.Repairs()}, &out); err != nil {
		return err
	}
	*count, a.Fuse = out.Repaired, out.Fuse
	if a.Fuse {
		workflow.GetLogger(ctx).Error("The audit found more to repair than it may and stopped; nothing more was changed",
			"step", activity, "repaired", a.Repairs(), "allowed", a.allowed, "live", a.Live, "running", a.Running)
	}
	return nil
}

func (a *audit) details() string {
	state := "done"
	if a.Fuse {
		state = "**stopped by the fuse: more to repair than one audit may**"
	}
	return state + "\n\n- live tokens: " + strconv.FormatInt(a.Live, 10) +
		"\n- running lifetimes: " + strconv.FormatInt(a.Running, 10) +
		"\n- compared in full: " + strconv.FormatBool(a.Full) +
		"\n- overdue tokens deleted: " + strconv.Itoa(a.Overdue) +
		"\n- lifetimes restarted: " + strconv.Itoa(a.Restarted) +
		"\n- lifetimes ended: " + strconv.Itoa(a.Ended) +
		"\n- access lists swept: " + strconv.Itoa(a.AccessLists) + "\n"
}

func call(ctx workflow.Context, activity, summary string, in, out any) error {
	options := auditOptions
	options.Summary = summary
	var args []any
	if in != nil {
		args = append(args, in)
	}
	return workflow.ExecuteActivity(workflow.WithActivityOptions(ctx, options), activity, args...).Get(ctx, out)
}
