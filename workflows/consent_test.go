package workflows

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"
)

// listener answers as the activity does.
type listener struct {
	fail  atomic.Int32 // so many attempts fail
	calls atomic.Int32
	// hang waits for the cancellation.
	hang bool
}

func (l *listener) AwaitConsent(ctx context.Context, _ AwaitConsentInput) (ConsentResult, error) {
	l.calls.Add(1)
	if l.fail.Add(-1) >= 0 {
		return ConsentResult{}, temporal.NewApplicationError("could not", "Unavailable")
	}
	for l.hang {
		activity.RecordHeartbeat(ctx)
		select {
		case <-ctx.Done():
			return ConsentResult{Outcome: "cancelled"}, nil
		case <-time.After(100 * time.Millisecond):
		}
	}
	return ConsentResult{Outcome: "stored"}, nil
}

func (*listener) CancelConsent(context.Context, CancelConsentInput) (ConsentResult, error) {
	return ConsentResult{Outcome: "cancelled"}, nil
}

func consentInput(wait time.Duration) ConsentInput {
	return ConsentInput{ConsentUUID: uuid.NewString(), UserUUID: uuid.NewString(), TenantUUID: uuid.NewString(), Type: "google", Deadline: time.Now().Add(wait)}
}

func consentEnvironment(t *testing.T) *testsuite.TestWorkflowEnvironment {
	t.Helper()
	var suite testsuite.WorkflowTestSuite
	env := suite.NewTestWorkflowEnvironment()
	env.RegisterWorkflowWithOptions(ExternalConsent, workflow.RegisterOptions{Name: ExternalConsentType})
	return env
}

func TestConsentEndsWithWhatHappened(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		err  error
		want string
	}{
		"stored":                       {nil, "stored"},
		"no worker before it was over": {temporal.NewTimeoutError(enums.TIMEOUT_TYPE_SCHEDULE_TO_CLOSE, nil), ConsentTimedOut},
		"an answer nobody can read":    {temporal.NewNonRetryableApplicationError("nonsense", "x", nil), ConsentFailed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			env := consentEnvironment(t)
			env.RegisterActivityWithOptions(func(context.Context, AwaitConsentInput) (ConsentResult, error) {
				return ConsentResult{Outcome: "stored"}, test.err
			}, activity.RegisterOptions{Name: AwaitConsent})
			env.ExecuteWorkflow(ExternalConsentType, consentInput(time.Minute))
			require.NoError(t, env.GetWorkflowError())
			var got ConsentResult
			require.NoError(t, env.GetWorkflowResult(&got))
			require.Equal(t, test.want, got.Outcome)
		})
	}
}

func TestConsentWithoutUUIDOrDeadlineFails(t *testing.T) {
	t.Parallel()
	for _, in := range []ConsentInput{{Deadline: time.Now()}, {ConsentUUID: uuid.NewString()}} {
		env := consentEnvironment(t)
		env.ExecuteWorkflow(ExternalConsentType, in)
		var failed *temporal.ApplicationError
		require.ErrorAs(t, env.GetWorkflowError(), &failed)
		require.Equal(t, "InvalidInput", failed.Type())
	}
}

// startConsent starts a wait with a worker for it, and gives its workflow id.
func (i installation) startConsent(t *testing.T, l *listener, in ConsentInput) string {
	t.Helper()
	i.listen(t, l)
	require.NoError(t, i.client.StartConsent(t.Context(), in))
	return ConsentID(uuid.MustParse(in.ConsentUUID))
}

// listen runs a worker for consents.
func (i installation) listen(t *testing.T, l *listener) {
	t.Helper()
	w := NewConsentWorker(i.temporal, i.queue, l, 10)
	require.NoError(t, w.Start())
	t.Cleanup(w.Stop)
}

func (i installation) consentResult(t *testing.T, id string) ConsentResult {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var result ConsentResult
	require.NoError(t, i.temporal.GetWorkflow(ctx, id, "").Get(ctx, &result))
	return result
}

func TestConsentIsStartedOnce(t *testing.T) {
	t.Parallel()
	i := install(t, server(t), 0)
	l := &listener{}
	in := consentInput(time.Minute)
	id := i.startConsent(t, l, in)
	require.Equal(t, ConsentResult{Outcome: "stored"}, i.consentResult(t, id))
	require.NoError(t, i.client.StartConsent(t.Context(), in), "it has completed")
	require.EqualValues(t, 1, l.calls.Load())
	require.Error(t, i.client.StartConsent(t.Context(), ConsentInput{}))
}

func TestConsentThatIsCancelledCompletes(t *testing.T) {
	t.Parallel()
	i := install(t, server(t), 0)
	id := i.startConsent(t, &listener{hang: true}, consentInput(time.Hour))
	i.happened(t, id, enums.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED)
	require.NoError(t, i.temporal.CancelWorkflow(t.Context(), id, ""))
	require.Equal(t, ConsentResult{Outcome: "cancelled"}, i.consentResult(t, id))
}

func TestConsentThatIsCancelledBeforeAnybodyListensCompletes(t *testing.T) {
	t.Parallel()
	i := install(t, server(t), 0)
	in, l := consentInput(time.Hour), &listener{}
	id := ConsentID(uuid.MustParse(in.ConsentUUID))
	require.NoError(t, i.client.StartConsent(t.Context(), in))
	i.happened(t, id, enums.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED)
	require.NoError(t, i.temporal.CancelWorkflow(t.Context(), id, ""))
	i.happened(t, id, enums.EVENT_TYPE_ACTIVITY_TASK_CANCELED)
	i.listen(t, l)
	require.Equal(t, ConsentResult{Outcome: "cancelled"}, i.consentResult(t, id))
	require.Zero(t, l.calls.Load())
}
