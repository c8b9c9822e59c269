package workflows

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"
)

var issued = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

const session = "7f3a4c1e-2b54-4c7e-9a3b-0d6f6f1f2a10"

// world is the database of one token, with a clock of its own, and the testsuite's clock.
type world struct {
	now       func() time.Time
	offset    time.Duration // the database's clock minus the worker's
	expiresAt time.Time
	fail      int // so many calls fail

	mu             sync.Mutex
	gone           bool
	deleted        time.Time
	local, regular int
	announced      []time.Time
	revokedFor     []string
}

func (w *world) begin(ctx context.Context) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if activity.GetInfo(ctx).IsLocalActivity {
		w.local++
	} else {
		w.regular++
	}
	if w.fail > 0 {
		w.fail--
		return errors.New("the database is away")
	}
	return nil
}

func (w *world) DeleteExpiredToken(ctx context.Context, _ DeleteExpiredInput) (DeleteExpiredOutput, error) {
	if err := w.begin(ctx); err != nil {
		return DeleteExpiredOutput{}, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	now := w.now()
	left := w.expiresAt.Sub(now.Add(w.offset))
	switch {
	case w.gone:
		return DeleteExpiredOutput{}, nil
	case left > 0:
		return DeleteExpiredOutput{Remaining: left}, nil
	}
	w.gone, w.deleted = true, now
	return DeleteExpiredOutput{Deleted: true}, nil
}

func (w *world) RevokeToken(ctx context.Context, in RevokeInput) (RevokeOutput, error) {
	if err := w.begin(ctx); err != nil {
		return RevokeOutput{}, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	existed := !w.gone
	w.gone, w.revokedFor = true, append(w.revokedFor, in.Reason)
	return RevokeOutput{Existed: existed}, nil
}

func (w *world) AnnounceExpiry(ctx context.Context, _ AnnounceExpiryInput) error {
	if err := w.begin(ctx); err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.announced = append(w.announced, w.now())
	return nil
}

type course struct {
	*testsuite.TestWorkflowEnvironment
	*world
}

// newCourse is a token's life in virtual time, which begins at issued.
func newCourse(ttl time.Duration) course {
	env := new(testsuite.WorkflowTestSuite).NewTestWorkflowEnvironment()
	env.SetStartTime(issued)
	w := &world{expiresAt: issued.Add(ttl), now: func() time.Time { return env.Now().UTC() }}
	env.RegisterWorkflowWithOptions(TokenLifetime, workflow.RegisterOptions{Name: TokenLifetimeType})
	for name, fn := range map[string]any{DeleteExpiredToken: w.DeleteExpiredToken, RevokeToken: w.RevokeToken, AnnounceExpiry: w.AnnounceExpiry} {
		env.RegisterActivityWithOptions(fn, activity.RegisterOptions{Name: name})
	}
	return course{env, w}
}

func (c course) input() LifetimeInput {
	return LifetimeInput{SessionUUID: session, AuthID: "6b0f5b1c-1f8a-4b43-8f9e-5e5f7d3c2b1a", TenantUUID: "t", Backend: "wazo_user", Kind: "user",
		IssuedAt: issued, ExpiresAt: c.expiresAt}
}

// live runs the workflow, through all its legs, and returns how it ended and when.
func (c course) live(t *testing.T, in LifetimeInput) (LifetimeResult, time.Duration) {
	t.Helper()
	c.ExecuteWorkflow(TokenLifetimeType, in)
	require.True(t, c.IsWorkflowCompleted())
	require.NoError(t, c.GetWorkflowError())
	var result LifetimeResult
	require.NoError(t, c.GetWorkflowResult(&result))
	return result, c.Now().Sub(issued)
}

func TestTokenExpiresAtItsTime(t *testing.T) {
	t.Parallel()
	for _, ttl := range []time.Duration{time.Second, 2 * time.Hour, 30 * 24 * time.Hour} {
		t.Run(ttl.String(), func(t *testing.T) {
			t.Parallel()
			c := newCourse(ttl)
			result, took := c.live(t, c.input())
			require.Equal(t, LifetimeResult{Outcome: Expired}, result)
			require.Equal(t, c.expiresAt, c.deleted)
			require.Equal(t, ttl, took)
			require.Equal(t, 1, c.local)
			require.Zero(t, c.regular)
		})
	}
}

func TestTokenThatHasExpiredAlreadyIsDeletedAtOnce(t *testing.T) {
	t.Parallel()
	c := newCourse(-time.Hour)
	in := c.input()
	in.NoticeAt = in.ExpiresAt.Add(-time.Minute)
	result, took := c.live(t, in)
	require.Equal(t, LifetimeResult{Outcome: Expired}, result)
	require.Zero(t, took)
	require.Empty(t, c.announced, "what has expired does not expire soon")
}

func TestTokenOfTenYearsSleepsInLegs(t *testing.T) {
	t.Parallel()
	const years = 3650 * 24 * time.Hour
	in := newCourse(years).input()
	in.NoticeAt = in.ExpiresAt.Add(-time.Hour)
	now, legs, announced := issued, 0, []time.Time{}
	for {
		c := newCourse(years)
		c.SetStartTime(now)
		c.ExecuteWorkflow(TokenLifetimeType, in)
		require.True(t, c.IsWorkflowCompleted())
		require.LessOrEqual(t, c.Now().Sub(now), leg+time.Hour)
		now, announced = c.Now().UTC(), append(announced, c.announced...)
		var next *workflow.ContinueAsNewError
		if !errors.As(c.GetWorkflowError(), &next) {
			require.NoError(t, c.GetWorkflowError())
			require.Equal(t, c.expiresAt, c.deleted)
			break
		}
		legs++
		require.Equal(t, TokenLifetimeType, next.WorkflowType.Name)
		in = LifetimeInput{}
		require.NoError(t, converter.GetDefaultDataConverter().FromPayloads(next.Input, &in))
		require.Less(t, legs, 200)
	}
	require.Equal(t, 121, legs, "3650 days are 121 legs and what is left")
	require.Equal(t, []time.Time{issued.Add(years - time.Hour)}, announced, "once, not once a leg")
}

func TestSignalDuringALaterLegEndsIt(t *testing.T) {
	t.Parallel()
	c := newCourse(100 * 24 * time.Hour)
	c.SetStartTime(issued.Add(leg))
	c.RegisterDelayedCallback(func() { c.SignalWorkflow(SignalRevoke, RevokeSignal{Reason: ReasonLogout}) }, leg-time.Millisecond)
	result, took := c.live(t, c.input())
	require.Equal(t, LifetimeResult{Outcome: Revoked, Reason: ReasonLogout}, result)
	require.Equal(t, 2*leg-time.Millisecond, took)
}

func TestRevocationEndsItAtOnce(t *testing.T) {
	t.Parallel()
	for reason, want := range map[string]LifetimeResult{
		ReasonLogout:          {Revoked, ReasonLogout},
		ReasonSessionDeleted:  {Revoked, ReasonSessionDeleted},
		ReasonReplaced:        {Revoked, ReasonReplaced},
		ReasonPasswordChanged: {Revoked, ReasonPasswordChanged},
		ReasonUserDisabled:    {Revoked, ReasonUserDisabled},
		ReasonUserDeleted:     {Revoked, ReasonUserDeleted},
		ReasonTenantDeleted:   {Revoked, ReasonTenantDeleted},
		ReasonCancelled:       {Revoked, ReasonCancelled},
		ReasonGone:            {Gone, ""},
	} {
		t.Run(reason, func(t *testing.T) {
			t.Parallel()
			c := newCourse(time.Hour)
			c.RegisterDelayedCallback(func() { c.SignalWorkflow(SignalRevoke, RevokeSignal{Reason: reason}) }, 10*time.Minute)
			result, took := c.live(t, c.input())
			require.Equal(t, want, result)
			require.Equal(t, 10*time.Minute, took)
			require.Zero(t, c.local+c.regular, "the revocation has deleted the row")
		})
	}
}

func TestSignalThatSaysNothingIsIgnored(t *testing.T) {
	t.Parallel()
	for name, payload := range map[string]any{"unknown reason": RevokeSignal{Reason: "for fun"}, "no reason": RevokeSignal{}, "other shape": "logout"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCourse(time.Hour)
			c.RegisterDelayedCallback(func() { c.SignalWorkflow(SignalRevoke, payload) }, time.Minute)
			result, took := c.live(t, c.input())
			require.Equal(t, LifetimeResult{Outcome: Expired}, result)
			require.Equal(t, time.Hour, took)
		})
	}
}

func TestDatabaseClockDecides(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		offset, took time.Duration
		asked        int
	}{
		"ahead":         {offset: time.Minute, took: time.Hour, asked: 1},
		"behind":        {offset: -90 * time.Second, took: time.Hour + 90*time.Second + time.Millisecond, asked: 2},
		"a hair behind": {offset: -10 * time.Microsecond, took: time.Hour + time.Millisecond, asked: 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCourse(time.Hour)
			c.offset = test.offset
			result, took := c.live(t, c.input())
			require.Equal(t, LifetimeResult{Outcome: Expired}, result)
			require.Equal(t, test.took, took)
			require.Equal(t, test.asked, c.local)
		})
	}
}

func TestDeletionThatFailsIsTriedAgainWithoutEnd(t *testing.T) {
	t.Parallel()
	c := newCourse(time.Hour)
	c.fail = 3 + 40
	result, took := c.live(t, c.input())
	require.Equal(t, LifetimeResult{Outcome: Expired}, result)
	require.Equal(t, 3, c.local)
	require.Equal(t, 41, c.regular)
	require.Less(t, took, time.Hour+41*regularOptions.RetryPolicy.MaximumInterval)
}

func TestRevocationEndsADeletionThatHangs(t *testing.T) {
	t.Parallel()
	c := newCourse(time.Hour)
	c.fail = 1 << 20
	c.RegisterDelayedCallback(func() { c.SignalWorkflow(SignalRevoke, RevokeSignal{Reason: ReasonUserDeleted}) }, time.Hour+10*time.Minute)
	result, took := c.live(t, c.input())
	require.Equal(t, LifetimeResult{Outcome: Revoked, Reason: ReasonUserDeleted}, result)
	require.Equal(t, time.Hour+10*time.Minute, took)
}

func TestRowThatHasVanishedIsGone(t *testing.T) {
	t.Parallel()
	c := newCourse(time.Hour)
	c.gone = true
	result, _ := c.live(t, c.input())
	require.Equal(t, LifetimeResult{Outcome: Gone}, result)
}

func TestCancellingRevokes(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		after time.Duration
		fail  int
	}{
		"asleep":                     {after: 10 * time.Minute},
		"before the notice":          {after: 40 * time.Minute},
		"after the notice":           {after: 55 * time.Minute},
		"while the database is away": {after: 55 * time.Minute, fail: 20},
		"while deleting":             {after: time.Hour + time.Minute, fail: 12},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCourse(time.Hour)
			c.fail = test.fail
			in := c.input()
			if test.fail == 0 {
				in.NoticeAt = in.ExpiresAt.Add(-15 * time.Minute)
			}
			c.RegisterDelayedCallback(c.CancelWorkflow, test.after)
			result, _ := c.live(t, in)
			require.Equal(t, LifetimeResult{Outcome: Revoked, Reason: ReasonCancelled}, result)
			require.Equal(t, []string{ReasonCancelled}, c.revokedFor)
		})
	}
}

func TestNoticeIsGivenOnce(t *testing.T) {
	t.Parallel()
	c := newCourse(time.Hour)
	in := c.input()
	in.NoticeAt = in.ExpiresAt.Add(-10 * time.Minute)
	result, took := c.live(t, in)
	require.Equal(t, LifetimeResult{Outcome: Expired}, result)
	require.Equal(t, time.Hour, took)
	require.Equal(t, []time.Time{issued.Add(50 * time.Minute)}, c.announced)
	require.Equal(t, 2, c.local)
}

func TestNoticeThatFailsDoesNotDelayExpiry(t *testing.T) {
	t.Parallel()
	c := newCourse(time.Hour)
	c.fail = 1 << 20
	c.RegisterDelayedCallback(func() { c.mu.Lock(); c.fail = 0; c.mu.Unlock() }, time.Hour)
	in := c.input()
	in.NoticeAt = in.ExpiresAt.Add(-10 * time.Minute)
	result, took := c.live(t, in)
	require.Equal(t, LifetimeResult{Outcome: Expired}, result)
	require.Empty(t, c.announced)
	require.LessOrEqual(t, took, time.Hour+time.Minute)
}

func TestInputThatIsNoTokenFails(t *testing.T) {
	t.Parallel()
	for name, in := range map[string]LifetimeInput{"no session": {ExpiresAt: issued}, "no expiry": {SessionUUID: session}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCourse(time.Hour)
			c.ExecuteWorkflow(TokenLifetimeType, in)
			require.Error(t, c.GetWorkflowError())
		})
	}
}

func TestStatusTellsStateAndRest(t *testing.T) {
	t.Parallel()
	c := newCourse(time.Hour)
	status := func() (s LifetimeStatus) {
		answer, err := c.QueryWorkflow(QueryStatus)
		require.NoError(t, err)
		require.NoError(t, answer.Get(&s))
		return s
	}
	in := c.input()
	in.NoticeAt = in.ExpiresAt.Add(-10 * time.Minute)
	var early, late LifetimeStatus
	c.RegisterDelayedCallback(func() { early = status() }, time.Minute)
	c.RegisterDelayedCallback(func() { late = status() }, 55*time.Minute)
	c.live(t, in)
	require.Equal(t, stateActive, early.State)
	require.Equal(t, in.ExpiresAt, early.ExpiresAt)
	require.Equal(t, stateExpiresSoon, late.State)
	require.Equal(t, LifetimeStatus{State: Expired, ExpiresAt: in.ExpiresAt}, status())
}
