package activities

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/testsuite"

	"github.com/xivo-auth/xivo-auth/workflows"
)

type tokens struct {
	deleted         bool
	remaining, late time.Duration
	existed         bool
	err             error
	asked           []string
}

func (s *tokens) DeleteExpired(context.Context, uuid.UUID) (bool, time.Duration, time.Duration, error) {
	s.asked = append(s.asked, "delete")
	return s.deleted, s.remaining, s.late, s.err
}

func (s *tokens) RevokeForLifetime(_ context.Context, _ uuid.UUID, reason string) (bool, error) {
	s.asked = append(s.asked, reason)
	return s.existed, s.err
}

func (s *tokens) AnnounceExpiry(context.Context, uuid.UUID) error {
	s.asked = append(s.asked, "announce")
	return s.err
}

// environment runs activities outside a workflow.
func environment(t *testing.T, fns ...any) *testsuite.TestActivityEnvironment {
	t.Helper()
	env := new(testsuite.WorkflowTestSuite).NewTestActivityEnvironment()
	for _, fn := range fns {
		env.RegisterActivity(fn)
	}
	return env
}

func TestDeletionTellsAndCountsWhatBecameOfTheToken(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		tokens        tokens
		want          workflows.DeleteExpiredOutput
		expired, gone float64
	}{
		"deleted":  {tokens: tokens{deleted: true, late: 20 * time.Millisecond}, want: workflows.DeleteExpiredOutput{Deleted: true}, expired: 1},
		"too soon": {tokens: tokens{remaining: time.Second}, want: workflows.DeleteExpiredOutput{Remaining: time.Second}},
		"gone":     {tokens: tokens{}, want: workflows.DeleteExpiredOutput{}, gone: 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := &Lifetime{Tokens: &test.tokens, Metrics: NewMetrics(prometheus.NewRegistry())}
			answer, err := environment(t, l.DeleteExpiredToken).ExecuteActivity(l.DeleteExpiredToken, workflows.DeleteExpiredInput{Session: uuid.New()})
			require.NoError(t, err)
			var out workflows.DeleteExpiredOutput
			require.NoError(t, answer.Get(&out))
			require.Equal(t, test.want, out)
			require.InDelta(t, test.expired, testutil.ToFloat64(l.Metrics.deletions.WithLabelValues(workflows.Expired)), 0)
			require.InDelta(t, test.gone, testutil.ToFloat64(l.Metrics.deletions.WithLabelValues(workflows.Gone)), 0)
			require.Equal(t, int(test.expired), testutil.CollectAndCount(l.Metrics.lateness)*int(test.expired))
		})
	}
}

func TestRevocationAndNoticeReachTheTokens(t *testing.T) {
	t.Parallel()
	store := &tokens{existed: true}
	l := &Lifetime{Tokens: store, Metrics: NewMetrics(prometheus.NewRegistry())}
	env := environment(t, l.RevokeToken, l.AnnounceExpiry)
	answer, err := env.ExecuteActivity(l.RevokeToken, workflows.RevokeInput{Session: uuid.New(), Reason: workflows.ReasonCancelled})
	require.NoError(t, err)
	var out workflows.RevokeOutput
	require.NoError(t, answer.Get(&out))
	require.True(t, out.Existed)
	_, err = env.ExecuteActivity(l.AnnounceExpiry, workflows.AnnounceExpiryInput{Session: uuid.New()})
	require.NoError(t, err)
	require.Equal(t, []string{workflows.ReasonCancelled, "announce"}, store.asked)
	require.InDelta(t, 1, testutil.ToFloat64(l.Metrics.deletions.WithLabelValues(workflows.Revoked)), 0)
}

func TestFailuresSayNothingOfTheInside(t *testing.T) {
	t.Parallel()
	l := &Lifetime{Tokens: &tokens{err: errors.New("dial postgres://app:secret@db")}, Metrics: NewMetrics(prometheus.NewRegistry())}
	env := environment(t, l.DeleteExpiredToken, l.RevokeToken, l.AnnounceExpiry)
	for _, run := range []func() error{
		func() error {
			_, err := env.ExecuteActivity(l.DeleteExpiredToken, workflows.DeleteExpiredInput{})
			return err
		},
		func() error { _, err := env.ExecuteActivity(l.RevokeToken, workflows.RevokeInput{}); return err },
		func() error {
			_, err := env.ExecuteActivity(l.AnnounceExpiry, workflows.AnnounceExpiryInput{})
			return err
		},
	} {
		err := run()
		require.ErrorContains(t, err, "could not")
		require.NotContains(t, err.Error(), "secret")
	}
}
