package workflows

import (
	"time"

	"github.com/google/uuid"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"
)

// DeleteExpiredInput names the token to delete if it has expired.
type DeleteExpiredInput struct {
	Session uuid.UUID `json:"session_uuid"`
}

// DeleteExpiredOutput says what became of it. Neither deleted nor anything remaining: the row is gone.
type DeleteExpiredOutput struct {
	Deleted bool `json:"deleted,omitempty"`
	// Remaining is the time left by the database's clock, in nanoseconds.
	Remaining time.Duration `json:"remaining,omitempty"`
}

// RevokeInput names the token to revoke and why.
type RevokeInput struct {
	Session uuid.UUID `json:"session_uuid"`
	Reason  string    `json:"reason"`
}

// RevokeOutput says whether there was something to revoke.
type RevokeOutput struct {
	Existed bool `json:"existed"`
}

// AnnounceExpiryInput names the token that expires soon.
type AnnounceExpiryInput struct {
	Session uuid.UUID `json:"session_uuid"`
}

// step is something to be done to the world.
type step struct {
	activity, summary string
	in, out           any
	// until, if set, is when the step has become pointless.
	until time.Time
}

// localOptions allow a few tries within one workflow task (10 s): the cheapest way, and enough when all is well.
var localOptions = workflow.LocalActivityOptions{
	ScheduleToCloseTimeout: 5 * time.Second,
	StartToCloseTimeout:    2 * time.Second,
	RetryPolicy: &temporal.RetryPolicy{InitialInterval: 100 * time.Millisecond, BackoffCoefficient: 2,
		MaximumInterval: 500 * time.Millisecond, MaximumAttempts: 3},
}

// regularOptions retry without end; the Web UI shows the activity as pending, with its last error.
var regularOptions = workflow.ActivityOptions{
	StartToCloseTimeout: 10 * time.Second,
	RetryPolicy: &temporal.RetryPolicy{InitialInterval: time.Second, BackoffCoefficient: 2,
		MaximumInterval: 30 * time.Second},
}

// perform does a step: as a local activity and, when that fails, as a regular one. It returns nil when the step is done
// or has become pointless, or how the lifetime ended meanwhile.
func (l *lifetime) perform(ctx workflow.Context, s step) *LifetimeResult {
	local := localOptions
	local.Summary = s.summary
	done := workflow.ExecuteLocalActivity(workflow.WithLocalActivityOptions(ctx, local), s.activity, s.in)
	if end := l.wait(ctx, done); end != nil || done.Get(ctx, s.out) == nil {
		return end
	}
	for {
		regular := regularOptions
		regular.Summary = s.summary
		if !s.until.IsZero() {
			regular.ScheduleToCloseTimeout = s.until.Sub(workflow.Now(ctx))
			if regular.ScheduleToCloseTimeout <= 0 {
				return nil
			}
		}
		done = workflow.ExecuteActivity(workflow.WithActivityOptions(ctx, regular), s.activity, s.in)
		if end := l.wait(ctx, done); end != nil {
			return end
		}
		err := done.Get(ctx, s.out)
		if err == nil || (!s.until.IsZero() && !workflow.Now(ctx).Before(s.until)) {
			return nil
		}
		// Retries have no end, so this is an answer that cannot be read or an activity that nobody knows: a worker of
		// another version. It may be there again later.
		workflow.GetLogger(ctx).Error("A step of a lifetime failed for good", "activity", s.activity, "session_uuid", l.in.SessionUUID, "error", err)
		pause := workflow.NewTimerWithOptions(ctx, time.Minute, workflow.TimerOptions{Summary: "until the next attempt"})
		if end := l.wait(ctx, pause); end != nil {
			return end
		}
	}
}
