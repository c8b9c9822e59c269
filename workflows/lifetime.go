package workflows

import (
	"time"

	"github.com/google/uuid"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"
)

// LifetimeInput is what a lifetime knows of its token: nothing one could log in with.
type LifetimeInput struct {
	SessionUUID string    `json:"session_uuid"`
	AuthID      string    `json:"auth_id"`
	TenantUUID  string    `json:"tenant_uuid"`
	Backend     string    `json:"backend"`
	Kind        string    `json:"kind"`
	IssuedAt    time.Time `json:"issued_at"`
	ExpiresAt   time.Time `json:"expires_at"`
	// NoticeAt is when "expires soon" is announced; zero for never (decision 25).
	NoticeAt time.Time `json:"notice_at,omitzero"`
}

// LifetimeResult says how a token ended.
type LifetimeResult struct {
	Outcome string `json:"outcome"`
	// Reason goes with Revoked.
	Reason string `json:"reason,omitempty"`
}

// Outcomes of a lifetime, also the values of the search attribute Outcome.
const (
	Expired = "expired"
	Revoked = "revoked"
	// Gone: the row had vanished when the lifetime came to delete it. An earlier attempt that was cut off after the
	// deletion, the audit or a hand in the database did it.
	Gone = "gone"
)

// Reasons of a revocation: the closed list of decision 22. ReasonGone is the odd one: a signal with it ends the lifetime
// with the outcome Gone.
const (
	ReasonLogout          = "logout"
	ReasonSessionDeleted  = "session deleted"
	ReasonReplaced        = "replaced"
	ReasonPasswordChanged = "password changed"
	ReasonUserDisabled    = "user disabled"
	ReasonUserDeleted     = "user deleted"
	ReasonTenantDeleted   = "tenant deleted"
	ReasonCancelled       = "cancelled in the Web UI"
	ReasonGone            = "gone"
)

// knownReason says whether a revocation may carry this reason.
func knownReason(reason string) bool {
	switch reason {
	case ReasonLogout, ReasonSessionDeleted, ReasonReplaced, ReasonPasswordChanged, ReasonUserDisabled, ReasonUserDeleted,
		ReasonTenantDeleted, ReasonCancelled, ReasonGone:
		return true
	}
	return false
}

// RevokeSignal is the payload of SignalRevoke. One with an unknown reason is ignored: who writes it by hand has not
// revoked the token.
type RevokeSignal struct {
	Reason string `json:"reason"`
}

// leg is the longest sleep of one run. The rest is slept by the next one, so that no history is older than twice this
// and the code of that time may go (decision 24).
const leg = 30 * 24 * time.Hour

// TokenLifetime sleeps until a token expires, announces that shortly before where wanted, has it deleted and completes
// with what happened. A signal "revoke" ends it at once; cancelling it revokes the token. It fails only for an input
// that can be no token's.
func TokenLifetime(ctx workflow.Context, in LifetimeInput) (LifetimeResult, error) {
	l, err := newLifetime(ctx, in)
	if err != nil {
		return LifetimeResult{}, err
	}
	return l.run(ctx)
}

// lifetime is the state of one run.
type lifetime struct {
	in      LifetimeInput
	session uuid.UUID
	signals workflow.ReceiveChannel
	leg     time.Duration // the longest sleep of this run
	state   string
	result  LifetimeResult
}

func newLifetime(ctx workflow.Context, in LifetimeInput) (*lifetime, error) {
	session, err := uuid.Parse(in.SessionUUID)
	if err != nil || in.ExpiresAt.IsZero() {
		return nil, temporal.NewNonRetryableApplicationError("a lifetime needs a session and a time of expiry", "InvalidInput", nil)
	}
	l := &lifetime{in: in, session: session, signals: workflow.GetSignalChannel(ctx, SignalRevoke), leg: leg}
	if err := l.answerStatus(ctx); err != nil {
		return nil, err
	}
	return l, nil
}

// run takes the course and records its outcome. The error is only ever the one that continues in a next run.
func (l *lifetime) run(ctx workflow.Context) (LifetimeResult, error) {
	end, err := l.course(ctx)
	if err != nil {
		return LifetimeResult{}, err
	}
	l.result = *end
	if _, known := workflow.GetTypedSearchAttributes(ctx).GetTime(ExpiresAtKey); known { // else the cluster refused them
		if err := workflow.UpsertTypedSearchAttributes(ctx, OutcomeKey.ValueSet(end.Outcome)); err != nil {
			return LifetimeResult{}, err
		}
	}
	l.enter(ctx, end.Outcome)
	return *end, nil
}

// course is a token's life. Each step returns how the lifetime ended, or nil to go on.
func (l *lifetime) course(ctx workflow.Context) (*LifetimeResult, error) {
	if !l.in.NoticeAt.IsZero() && l.in.NoticeAt.Before(l.in.ExpiresAt) && workflow.Now(ctx).Before(l.in.ExpiresAt) {
		l.enter(ctx, stateActive)
		if end, err := l.sleepUntil(ctx, l.in.NoticeAt, "until it expires soon"); end != nil || err != nil {
			return end, err
		}
		if end := l.announce(ctx); end != nil {
			return end, nil
		}
		l.enter(ctx, stateExpiresSoon)
	} else {
		l.enter(ctx, stateActive)
	}
	l.in.NoticeAt = time.Time{} // not again in the next leg
	if end, err := l.sleepUntil(ctx, l.in.ExpiresAt, "until it expires"); end != nil || err != nil {
		return end, err
	}
	return l.remove(ctx)
}

// sleepUntil returns at the moment t, or earlier when the lifetime ends. What is longer than a leg is left to a next run.
func (l *lifetime) sleepUntil(ctx workflow.Context, t time.Time, summary string) (*LifetimeResult, error) {
	return l.sleep(ctx, t.Sub(workflow.Now(ctx)), summary)
}

func (l *lifetime) sleep(ctx workflow.Context, d time.Duration, summary string) (*LifetimeResult, error) {
	if d <= 0 {
		return l.ended(ctx), nil
	}
	options := workflow.TimerOptions{Summary: summary}
	if d > l.leg {
		if end := l.wait(ctx, workflow.NewTimerWithOptions(ctx, l.leg, options)); end != nil {
			return end, nil
		}
		return l.nextRun(ctx)
	}
	return l.wait(ctx, workflow.NewTimerWithOptions(ctx, d, options)), nil
}

// nextRun goes on in a new run with a fresh history, unless a signal is still waiting here: it would be lost.
func (l *lifetime) nextRun(ctx workflow.Context) (*LifetimeResult, error) {
	if end := l.ended(ctx); end != nil {
		return end, nil
	}
	return nil, workflow.NewContinueAsNewError(ctx, TokenLifetimeType, l.in)
}

// remove has the token deleted. The database's clock decides whether it has expired: as long as it says "not yet", the
// lifetime sleeps what is left and asks again.
func (l *lifetime) remove(ctx workflow.Context) (*LifetimeResult, error) {
	for {
		l.enter(ctx, stateDeleting)
		var out DeleteExpiredOutput
		step := step{activity: DeleteExpiredToken, summary: "delete the expired token", in: DeleteExpiredInput{Session: l.session}, out: &out}
		if end := l.perform(ctx, step); end != nil {
			return end, nil
		}
		if out.Deleted {
			return &LifetimeResult{Outcome: Expired}, nil
		}
		if out.Remaining <= 0 {
			return &LifetimeResult{Outcome: Gone}, nil
		}
		l.enter(ctx, stateActive)
		left := out.Remaining.Truncate(time.Millisecond) + time.Millisecond // timers know milliseconds
		if end, err := l.sleep(ctx, left, "until it expires by the database's clock"); end != nil || err != nil {
			return end, err
		}
		if workflow.GetInfo(ctx).GetContinueAsNewSuggested() {
			return l.nextRun(ctx)
		}
	}
}

// announce owes the notice. It is given up when the token expires meanwhile: expiry never waits for it.
func (l *lifetime) announce(ctx workflow.Context) *LifetimeResult {
	return l.perform(ctx, step{activity: AnnounceExpiry, summary: "announce that the token expires soon",
		in: AnnounceExpiryInput{Session: l.session}, until: l.in.ExpiresAt})
}

// revoke is what cancelling leads to: the token is revoked, and the workflow completes, so that it is not started again.
func (l *lifetime) revoke(ctx workflow.Context) *LifetimeResult {
	ctx, cancel := workflow.NewDisconnectedContext(ctx)
	defer cancel()
	l.enter(ctx, stateRevoking)
	if end := l.perform(ctx, step{activity: RevokeToken, summary: "revoke the token", in: RevokeInput{Session: l.session, Reason: ReasonCancelled}}); end != nil {
		return end
	}
	return &LifetimeResult{Outcome: Revoked, Reason: ReasonCancelled}
}

// wait returns nil when f is ready, or how the lifetime ended before that.
func (l *lifetime) wait(ctx workflow.Context, f workflow.Future) *LifetimeResult {
	for {
		if end := l.ended(ctx); end != nil {
			return end
		}
		if f.IsReady() {
			return nil
		}
		workflow.NewSelector(ctx).
			AddReceive(l.signals, func(workflow.ReceiveChannel, bool) {}).
			AddReceive(ctx.Done(), func(workflow.ReceiveChannel, bool) {}).
			AddFuture(f, func(workflow.Future) {}).
			Select(ctx)
	}
}

// ended says how the lifetime was ended from outside, nil when it was not. A revocation that was signalled goes before
// a cancellation: it says what really happened.
func (l *lifetime) ended(ctx workflow.Context) *LifetimeResult {
	var signal RevokeSignal
	for l.signals.ReceiveAsync(&signal) {
		switch {
		case signal.Reason == ReasonGone:
			return &LifetimeResult{Outcome: Gone}
		case knownReason(signal.Reason):
			return &LifetimeResult{Outcome: Revoked, Reason: signal.Reason}
		}
		workflow.GetLogger(ctx).Warn("A signal to revoke with an unknown reason is ignored", "session_uuid", l.in.SessionUUID)
		signal = RevokeSignal{}
	}
	if ctx.Err() != nil {
		return l.revoke(ctx)
	}
	return nil
}
