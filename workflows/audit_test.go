package workflows

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"
)

// auditor answers with what a test wants and notes what it was asked.
type auditor struct {
	counts            AuditCounts
	countError        error
	sweep, start, end AuditRepaired
	steps             []string
	allowed           []int
	grace             time.Duration
}

func (a *auditor) CountLifetimes(context.Context) (AuditCounts, error) { return a.counts, a.countError }
func (a *auditor) SweepOverdueTokens(_ context.Context, in AuditStep) (AuditRepaired, error) {
	return a.step(SweepOverdueTokens, in, a.sweep)
}
func (a *auditor) RestartLifetimes(_ context.Context, in AuditStep) (AuditRepaired, error) {
	return a.step(RestartLifetimes, in, a.start)
}
func (a *auditor) EndOrphanedLifetimes(_ context.Context, in AuditStep) (AuditRepaired, error) {
	return a.step(EndOrphanedLifetimes, in, a.end)
}
func (a *auditor) SweepStaleAccessLists(context.Context) (int, error) {
	a.steps = append(a.steps, SweepStaleAccessLists)
	return 3, nil
}

func (a *auditor) step(name string, in AuditStep, out AuditRepaired) (AuditRepaired, error) {
	a.steps, a.allowed, a.grace = append(a.steps, name), append(a.allowed, in.Allowed), in.Grace
	return out, nil
}

func audited(t *testing.T, a *auditor, in AuditInput, last *AuditResult) (AuditResult, error) {
	t.Helper()
	env := new(testsuite.WorkflowTestSuite).NewTestWorkflowEnvironment()
	env.SetStartTime(issued)
	env.RegisterWorkflowWithOptions(LifetimeAudit, workflow.RegisterOptions{Name: LifetimeAuditType})
	for name, fn := range map[string]any{CountLifetimes: a.CountLifetimes, SweepOverdueTokens: a.SweepOverdueTokens,
		RestartLifetimes: a.RestartLifetimes, EndOrphanedLifetimes: a.EndOrphanedLifetimes, SweepStaleAccessLists: a.SweepStaleAccessLists} {
		env.RegisterActivityWithOptions(fn, activity.RegisterOptions{Name: name})
	}
	if last != nil {
		env.SetLastCompletionResult(*last)
	}
	env.ExecuteWorkflow(LifetimeAuditType, in)
	require.True(t, env.IsWorkflowCompleted())
	var result AuditResult
	if err := env.GetWorkflowError(); err != nil {
		return result, err
	}
	return result, env.GetWorkflowResult(&result)
}

func TestAuditComparesInFullOnlyWhenThereIsAReason(t *testing.T) {
	t.Parallel()
	lately := &AuditResult{LastFull: issued.Add(-time.Hour)}
	for name, test := range map[string]struct {
		counts AuditCounts
		in     AuditInput
		last   *AuditResult
		full   bool
	}{
		"first audit":          {full: true},
		"counts are equal":     {counts: AuditCounts{5, 5}, last: lately},
		"counts differ":        {counts: AuditCounts{5, 4}, last: lately, full: true},
		"a day has gone by":    {counts: AuditCounts{5, 5}, last: &AuditResult{LastFull: issued.Add(-24 * time.Hour)}, full: true},
		"an operator asks":     {counts: AuditCounts{5, 5}, in: AuditInput{Full: true}, last: lately, full: true},
		"the fuse blew before": {counts: AuditCounts{5, 5}, last: &AuditResult{Fuse: true}, full: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := &auditor{counts: test.counts}
			result, err := audited(t, a, test.in, test.last)
			require.NoError(t, err)
			require.Equal(t, test.full, result.Full)
			want := []string{SweepOverdueTokens, SweepStaleAccessLists}
			wantLast := lately.LastFull
			if test.full {
				want = []string{SweepOverdueTokens, RestartLifetimes, EndOrphanedLifetimes, SweepStaleAccessLists}
				wantLast = issued
			}
			require.Equal(t, want, a.steps)
			require.WithinDuration(t, wantLast, result.LastFull, time.Second)
			require.Equal(t, DefaultGrace, a.grace)
		})
	}
}

func TestAuditSaysWhatItRepaired(t *testing.T) {
	t.Parallel()
	a := &auditor{counts: AuditCounts{100_000, 99_990}, sweep: AuditRepaired{Repaired: 7}, start: AuditRepaired{Repaired: 10}, end: AuditRepaired{Repaired: 2}}
	result, err := audited(t, a, AuditInput{Grace: time.Minute}, nil)
	require.NoError(t, err)
	require.WithinDuration(t, issued, result.LastFull, time.Second)
	result.LastFull = time.Time{}
	require.Equal(t, AuditResult{Live: 100_000, Running: 99_990, Full: true, Overdue: 7, Restarted: 10, Ended: 2, AccessLists: 3}, result)
	require.Equal(t, []int{5000, 4993, 4983}, a.allowed, "5 % of the tokens, for all steps together")
	require.Equal(t, time.Minute, a.grace)
}

func TestFuseStopsTheAudit(t *testing.T) {
	t.Parallel()
	a := &auditor{counts: AuditCounts{10, 3000}, end: AuditRepaired{Repaired: 1000, Fuse: true}}
	result, err := audited(t, a, AuditInput{}, nil)
	require.NoError(t, err)
	require.True(t, result.Fuse)
	require.False(t, result.Full, "it has to be looked at again")
	require.Equal(t, 1000, result.Repairs())
	require.Equal(t, []string{SweepOverdueTokens, RestartLifetimes, EndOrphanedLifetimes}, a.steps, "nothing after that")
	require.Equal(t, 1000, a.allowed[0])
}

func TestAuditThatCannotCountFails(t *testing.T) {
	t.Parallel()
	_, err := audited(t, &auditor{countError: errors.New("away")}, AuditInput{}, nil)
	require.ErrorContains(t, err, "away")
}
