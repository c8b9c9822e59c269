package workflows

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	sdklog "go.temporal.io/sdk/log"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
)

const addressVariable = "XIVO_AUTH_TEST_TEMPORAL_ADDRESS"

func silent() *slog.Logger { return slog.New(slog.DiscardHandler) }

// namespace is one that Provision made, shared by all tests of this run.
var namespace = sync.OnceValues(func() (string, error) {
	name := "workflows-" + uuid.NewString()[:8]
	c, err := connect(name)
	if err != nil {
		return "", err
	}
	defer c.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	return name, Provision(ctx, c, name, slog.Default())
})

func connect(namespace string) (client.Client, error) {
	return client.NewLazyClient(client.Options{HostPort: os.Getenv(addressVariable), Namespace: namespace,
		Identity: "test", Logger: sdklog.NewStructuredLogger(silent())})
}

// server skips a test where no Temporal is, and fails it in CI.
func server(t *testing.T) client.Client {
	t.Helper()
	if os.Getenv(addressVariable) == "" {
		const how = addressVariable + " is not set; run: bin/dev exec -- go test ./workflows/... ./activities/..."
		require.Empty(t, os.Getenv("CI"), how)
		t.Skip(how)
	}
	name, err := namespace()
	require.NoError(t, err)
	c, err := connect(name)
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c
}

// installation is a worker and a client of one installation, and the world its one token lives in.
type installation struct {
	*world
	temporal client.Client
	client   *Client
	queue    string
	log      *bytes.Buffer
}

// install starts a worker; maxLeg, if set, takes the place of 30 days.
func install(t *testing.T, c client.Client, maxLeg time.Duration) installation {
	t.Helper()
	w := &world{now: time.Now, expiresAt: time.Now().Add(time.Hour)}
	var log bytes.Buffer
	i := installation{world: w, temporal: c, queue: TaskQueue(uuid.New()), log: &log}
	i.client = NewClient(c, i.queue, slog.New(slog.NewTextHandler(&log, nil)))
	var run worker.Worker
	if maxLeg == 0 {
		run = NewWorker(c, i.queue, Activities{Lifetime: w, Audit: noAudit{}})
	} else {
		worker.SetStickyWorkflowCacheSize(0)
		run = worker.New(c, i.queue, worker.Options{})
		run.RegisterWorkflowWithOptions(func(ctx workflow.Context, in LifetimeInput) (LifetimeResult, error) {
			l, err := newLifetime(ctx, in)
			if err != nil {
				return LifetimeResult{}, err
			}
			l.leg = maxLeg
			return l.run(ctx)
		}, workflow.RegisterOptions{Name: TokenLifetimeType})
		run.RegisterActivityWithOptions(w.DeleteExpiredToken, activity.RegisterOptions{Name: DeleteExpiredToken})
	}
	require.NoError(t, run.Start())
	t.Cleanup(run.Stop)
	return i
}

type noAudit struct{}

func (noAudit) CountLifetimes(context.Context) (AuditCounts, error) { return AuditCounts{}, nil }
func (noAudit) SweepOverdueTokens(context.Context, AuditStep) (AuditRepaired, error) {
	return AuditRepaired{}, nil
}
func (noAudit) RestartLifetimes(context.Context, AuditStep) (AuditRepaired, error) {
	return AuditRepaired{}, nil
}
func (noAudit) EndOrphanedLifetimes(context.Context, AuditStep) (AuditRepaired, error) {
	return AuditRepaired{}, nil
}
func (noAudit) SweepStaleAccessLists(context.Context) (int, error) { return 0, nil }

// token is a fresh token of the installation's world.
func (i installation) token(ttl time.Duration) StartLifetime {
	now := time.Now()
	i.mu.Lock()
	defer i.mu.Unlock()
	i.expiresAt, i.gone = now.Add(ttl), false
	return StartLifetime{UserAgent: "curl/8", RemoteAddr: "192.0.2.7", Input: LifetimeInput{SessionUUID: uuid.NewString(),
		AuthID: uuid.NewString(), TenantUUID: uuid.NewString(), Backend: "wazo_user", Kind: "user", IssuedAt: now, ExpiresAt: i.expiresAt}}
}

// breakDown makes the next calls fail.
func (i installation) breakDown(calls int) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.fail = calls
}

func (i installation) notices() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return len(i.announced)
}

func (i installation) revocations() []string {
	i.mu.Lock()
	defer i.mu.Unlock()
	return slices.Clone(i.revokedFor)
}

func (i installation) start(t *testing.T, s StartLifetime) string {
	t.Helper()
	require.NoError(t, i.client.Start(t.Context(), s))
	return LifetimeID(uuid.MustParse(s.Input.SessionUUID))
}

// result waits for the end of a lifetime.
func (i installation) result(t *testing.T, id string) LifetimeResult {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var result LifetimeResult
	require.NoError(t, i.temporal.GetWorkflow(ctx, id, "").Get(ctx, &result))
	return result
}

func (i installation) describe(t *testing.T, id string) *workflowservice.DescribeWorkflowExecutionResponse {
	t.Helper()
	d, err := i.temporal.DescribeWorkflowExecution(t.Context(), id, "")
	require.NoError(t, err)
	return d
}

// asleep waits until the first timer of a lifetime is durable.
func (i installation) asleep(t *testing.T, id string) {
	t.Helper()
	i.happened(t, id, enums.EVENT_TYPE_TIMER_STARTED)
}

func (i installation) happened(t *testing.T, id string, event enums.EventType) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for events := i.temporal.GetWorkflowHistory(ctx, id, "", true, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT); events.HasNext(); {
		e, err := events.Next()
		require.NoError(t, err)
		if e.GetEventType() == event {
			return
		}
	}
	require.Fail(t, "never happened", "%s of %s", event, id)
}

func TestLifetimeCostsFewStateTransitions(t *testing.T) {
	t.Parallel()
	t.Run("expired", func(t *testing.T) {
		t.Parallel()
		i := install(t, server(t), 0)
		id := i.start(t, i.token(time.Second))
		require.Equal(t, LifetimeResult{Outcome: Expired}, i.result(t, id))
		require.LessOrEqual(t, i.describe(t, id).GetWorkflowExecutionInfo().GetStateTransitionCount(), int64(5))
	})
	t.Run("expired after a notice", func(t *testing.T) {
		t.Parallel()
		i := install(t, server(t), 0)
		s := i.token(2 * time.Second)
		s.Input.NoticeAt = s.Input.ExpiresAt.Add(-time.Second)
		id := i.start(t, s)
		require.Equal(t, LifetimeResult{Outcome: Expired}, i.result(t, id))
		require.Equal(t, 1, i.notices())
		require.LessOrEqual(t, i.describe(t, id).GetWorkflowExecutionInfo().GetStateTransitionCount(), int64(8))
	})
	t.Run("revoked", func(t *testing.T) {
		t.Parallel()
		i := install(t, server(t), 0)
		s := i.token(time.Hour)
		id := i.start(t, s)
		i.asleep(t, id)
		require.NoError(t, i.client.Revoke(t.Context(), uuid.MustParse(s.Input.SessionUUID), ReasonLogout))
		require.Equal(t, LifetimeResult{Outcome: Revoked, Reason: ReasonLogout}, i.result(t, id))
		require.LessOrEqual(t, i.describe(t, id).GetWorkflowExecutionInfo().GetStateTransitionCount(), int64(5))
	})
}

func TestLifetimeIsStartedOnce(t *testing.T) {
	t.Parallel()
	i := install(t, server(t), 0)
	s := i.token(time.Hour)
	id := i.start(t, s)
	run := func() string { return i.describe(t, id).GetWorkflowExecutionInfo().GetExecution().GetRunId() }
	first := run()
	i.start(t, s)
	require.Equal(t, first, run(), "it runs already")

	require.NoError(t, i.temporal.TerminateWorkflow(t.Context(), id, "", "by hand"))
	i.start(t, s)
	second := run()
	require.NotEqual(t, first, second, "one that was terminated is started anew")

	require.NoError(t, i.client.Revoke(t.Context(), uuid.MustParse(s.Input.SessionUUID), ReasonLogout))
	i.result(t, id)
	i.start(t, s)
	require.Equal(t, second, run(), "it has completed")
	require.NoError(t, i.client.Revoke(t.Context(), uuid.MustParse(s.Input.SessionUUID), ReasonLogout), "it has completed")

	s.Repair = true
	i.start(t, s)
	require.NotEqual(t, second, run(), "the audit knows better")
}

func TestRevokingWhatNeverRanIsSuccess(t *testing.T) {
	t.Parallel()
	i := install(t, server(t), 0)
	require.NoError(t, i.client.Revoke(t.Context(), uuid.New(), ReasonLogout))
	require.ErrorContains(t, i.client.Revoke(t.Context(), uuid.New(), "for fun"), "unknown reason")
}

func TestTokenThatHasExpiredAlreadyIsDeletedByTheServerToo(t *testing.T) {
	t.Parallel()
	i := install(t, server(t), 0)
	require.Equal(t, LifetimeResult{Outcome: Expired}, i.result(t, i.start(t, i.token(-time.Minute))))
}

func TestCancellingInTheWebUIRevokesAndCompletes(t *testing.T) {
	t.Parallel()
	i := install(t, server(t), 0)
	id := i.start(t, i.token(time.Hour))
	i.asleep(t, id)
	require.NoError(t, i.temporal.CancelWorkflow(t.Context(), id, ""))
	require.Equal(t, LifetimeResult{Outcome: Revoked, Reason: ReasonCancelled}, i.result(t, id))
	require.Equal(t, []string{ReasonCancelled}, i.revocations())
	require.Equal(t, enums.WORKFLOW_EXECUTION_STATUS_COMPLETED, i.describe(t, id).GetWorkflowExecutionInfo().GetStatus())
}

func TestLifetimeReadsWellInTheWebUI(t *testing.T) {
	t.Parallel()
	i := install(t, server(t), 0)
	s := i.token(time.Hour)
	s.Input.AuthID = strings.Repeat("*_`<b>", 300)
	s.UserAgent = strings.Repeat("\u202eagent\n", 1000)
	s.Input.Backend = strings.Repeat("é", 150)
	id := i.start(t, s)
	i.asleep(t, id)

	require.Eventually(t, func() bool {
		found, err := i.temporal.ListWorkflow(t.Context(), &workflowservice.ListWorkflowExecutionsRequest{
			Query: fmt.Sprintf("%s AND AuthId = '%s' AND TenantUuid = '%s' AND ExpiresAt > '%s'", RunningLifetimes(i.queue),
				cleanAuthID(s.Input.AuthID), s.Input.TenantUUID, time.Now().UTC().Format(time.RFC3339))})
		return err == nil && len(found.GetExecutions()) == 1
	}, 20*time.Second, 50*time.Millisecond, "it is never listed")

	answer, err := i.temporal.QueryWorkflow(t.Context(), id, "", QueryStatus)
	require.NoError(t, err)
	var status LifetimeStatus
	require.NoError(t, answer.Get(&status))
	require.Equal(t, stateActive, status.State)
	require.InDelta(t, 3600, status.RemainingSeconds, 30)

	require.NoError(t, i.client.Revoke(t.Context(), uuid.MustParse(s.Input.SessionUUID), ReasonReplaced))
	i.result(t, id)
	info, err := i.temporal.DescribeWorkflow(t.Context(), id, "")
	require.NoError(t, err)
	outcome, _ := info.TypedSearchAttributes.GetKeyword(OutcomeKey)
	require.Equal(t, Revoked, outcome)
	static, err := info.GetStaticSummary()
	require.NoError(t, err)
	require.Contains(t, static, "until ")
	require.NotContains(t, static, "<b>")
}

func TestLegsCarryWhatTheWebUIShows(t *testing.T) {
	t.Parallel()
	i := install(t, server(t), time.Second)
	id := i.start(t, i.token(2500*time.Millisecond))
	require.Equal(t, LifetimeResult{Outcome: Expired}, i.result(t, id))
	info, err := i.temporal.DescribeWorkflow(t.Context(), id, "")
	require.NoError(t, err)
	run := i.describe(t, id).GetWorkflowExecutionInfo()
	require.NotEqual(t, run.GetFirstRunId(), run.GetExecution().GetRunId(), "there was more than one leg")
	outcome, _ := info.TypedSearchAttributes.GetKeyword(OutcomeKey)
	require.Equal(t, Expired, outcome)
	_, known := info.TypedSearchAttributes.GetKeyword(AuthIDKey)
	require.True(t, known)
	require.Contains(t, info.Memo.GetFields(), MemoUserAgent)
}

func TestDeletionThatFailsIsShownAsPending(t *testing.T) {
	t.Parallel()
	i := install(t, server(t), 0)
	i.breakDown(3 + 2)
	id := i.start(t, i.token(time.Second))
	i.happened(t, id, enums.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED)
	require.Eventually(t, func() bool {
		pending := i.describe(t, id).GetPendingActivities()
		return len(pending) == 1 && pending[0].GetActivityType().GetName() == DeleteExpiredToken && pending[0].GetLastFailure() != nil
	}, 20*time.Second, 20*time.Millisecond)
	require.Equal(t, LifetimeResult{Outcome: Expired}, i.result(t, id))
}

func TestClusterWithoutSearchAttributesRunsLifetimesAllTheSame(t *testing.T) {
	t.Parallel()
	server(t)
	name := "bare-" + uuid.NewString()[:8]
	c, err := connect(name)
	require.NoError(t, err)
	t.Cleanup(c.Close)
	require.NoError(t, provideNamespace(t.Context(), c, name))
	require.NoError(t, retry(t.Context(), func(ctx context.Context) error {
		_, err := c.DescribeTaskQueue(ctx, "any", enums.TASK_QUEUE_TYPE_WORKFLOW)
		return err
	}))
	i := install(t, c, 0)
	require.Equal(t, LifetimeResult{Outcome: Expired}, i.result(t, i.start(t, i.token(time.Second))))
	require.Equal(t, LifetimeResult{Outcome: Expired}, i.result(t, i.start(t, i.token(time.Second))))
	require.Equal(t, 1, strings.Count(i.log.String(), "refuses the search attributes"), i.log.String())
}

func TestAuditScheduleIsMadeOnceAndFollowsItsInterval(t *testing.T) {
	t.Parallel()
	c := server(t)
	s := AuditSchedule{Installation: uuid.New(), Interval: time.Hour}
	ensure := func() { // like the worker: a busy server may need another try
		var err error
		require.Eventually(t, func() bool {
			err = EnsureAuditSchedule(t.Context(), c, s)
			return !OutOfReach(err)
		}, 2*time.Minute, 100*time.Millisecond)
		require.NoError(t, err)
	}
	ensure()
	ensure()
	s.Interval, s.Input.Grace = 10*time.Minute, time.Minute
	ensure()
	require.Eventually(t, func() bool {
		found, err := c.ScheduleClient().GetHandle(t.Context(), AuditScheduleID(s.Installation)).Describe(t.Context())
		return err == nil && s.same(found.Schedule) && found.Schedule.Policy.Overlap == enums.SCHEDULE_OVERLAP_POLICY_SKIP
	}, 10*time.Second, 50*time.Millisecond)
}

func TestProvisioningTwiceChangesNothing(t *testing.T) {
	t.Parallel()
	c := server(t)
	name, err := namespace()
	require.NoError(t, err)
	require.NoError(t, Provision(t.Context(), c, name, silent()))
}

func TestScheduledAuditRemembersItsLastFullComparison(t *testing.T) {
	t.Parallel()
	c := server(t)
	s := AuditSchedule{Installation: uuid.New(), Interval: time.Second}
	w := NewWorker(c, TaskQueue(s.Installation), Activities{Lifetime: &world{now: time.Now}, Audit: noAudit{}})
	require.NoError(t, w.Start())
	t.Cleanup(w.Stop)
	require.NoError(t, EnsureAuditSchedule(t.Context(), c, s))
	handle := c.ScheduleClient().GetHandle(t.Context(), AuditScheduleID(s.Installation))
	t.Cleanup(func() { _ = handle.Delete(context.WithoutCancel(t.Context())) })
	var results []AuditResult
	require.Eventually(t, func() bool {
		found, err := handle.Describe(t.Context())
		if err != nil || len(found.Info.RecentActions) < 2 {
			return false
		}
		results = nil
		for _, action := range found.Info.RecentActions[:2] {
			var result AuditResult
			if c.GetWorkflow(t.Context(), action.StartWorkflowResult.WorkflowID, action.StartWorkflowResult.FirstExecutionRunID).Get(t.Context(), &result) != nil {
				return false
			}
			results = append(results, result)
		}
		return true
	}, 30*time.Second, 200*time.Millisecond)
	require.True(t, results[0].Full, "nothing is known of an earlier one")
	require.False(t, results[1].Full)
	require.Equal(t, results[0].LastFull, results[1].LastFull)
}
