package activities

import (
	"context"
	"log/slog"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	sdklog "go.temporal.io/sdk/log"

	"github.com/xivo-auth/xivo-auth/workflows"
)

// store is a database of live tokens and overdue rows.
type store struct {
	live, overdue, lists int
	sessions             []uuid.UUID // live, in their order
	due                  []uuid.UUID
	run, end             []uuid.UUID
	pages                []uuid.UUID // where they began
}

func (s *store) LiveCount(context.Context) (int64, error) { return int64(s.live), nil }

func (s *store) SweepOverdue(_ context.Context, _ time.Duration, limit int) (int, error) {
	n := min(limit, s.overdue)
	s.overdue -= n
	return n, nil
}

func (s *store) SweepAccessLists(_ context.Context, limit int) (int, error) {
	n := min(limit, s.lists)
	s.lists -= n
	return n, nil
}

func (s *store) LivePage(_ context.Context, after uuid.UUID, _ time.Duration, limit int) ([]uuid.UUID, error) {
	s.pages = append(s.pages, after)
	var page []uuid.UUID
	for _, session := range s.sessions {
		if slices.Compare(session[:], after[:]) > 0 && len(page) < limit {
			page = append(page, session)
		}
	}
	return page, nil
}

func (s *store) RequestRun(_ context.Context, sessions []uuid.UUID) (int, error) {
	s.run = append(s.run, sessions...)
	return len(sessions), nil
}

func (s *store) MissingTokens(_ context.Context, sessions []uuid.UUID) ([]uuid.UUID, error) {
	return slices.DeleteFunc(slices.Clone(sessions), func(u uuid.UUID) bool {
		return slices.Contains(s.sessions, u) || slices.Contains(s.due, u)
	}), nil
}

func (s *store) RequestEnd(_ context.Context, sessions []uuid.UUID) (int, error) {
	s.end = append(s.end, sessions...)
	return len(sessions), nil
}

func sessions(n int) []uuid.UUID {
	list := make([]uuid.UUID, n)
	for i := range list {
		list[i] = uuid.New()
	}
	slices.SortFunc(list, func(a, b uuid.UUID) int { return slices.Compare(a[:], b[:]) })
	return list
}

func repair(t *testing.T, fn any, in workflows.AuditStep) workflows.AuditRepaired {
	t.Helper()
	env := environment(t, fn)
	env.SetTestTimeout(time.Minute)
	answer, err := env.ExecuteActivity(fn, in)
	require.NoError(t, err)
	var out workflows.AuditRepaired
	require.NoError(t, answer.Get(&out))
	return out
}

func TestOverdueTokensAreSweptUntilTheFuseBlows(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		overdue, allowed int
		want             workflows.AuditRepaired
		left             int
	}{
		"none":                        {allowed: 1000},
		"some":                        {overdue: 700, allowed: 1000, want: workflows.AuditRepaired{Repaired: 700}},
		"too many":                    {overdue: 1200, allowed: 1000, want: workflows.AuditRepaired{Repaired: 1000, Fuse: true}, left: 200},
		"nothing is left of the fuse": {overdue: 1, allowed: 0, want: workflows.AuditRepaired{Fuse: true}, left: 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &store{overdue: test.overdue}
			a := &Audit{Store: s, Metrics: NewMetrics(prometheus.NewRegistry())}
			require.Equal(t, test.want, repair(t, a.SweepOverdueTokens, workflows.AuditStep{Allowed: test.allowed}))
			require.Equal(t, test.left, s.overdue)
			require.InDelta(t, test.want.Repaired, testutil.ToFloat64(a.Metrics.repairs.WithLabelValues(repairOverdue)), 0)
			require.Equal(t, test.want.Fuse, testutil.ToFloat64(a.Metrics.fuse) == 1)
		})
	}
}

func TestAccessListsAreSweptInPieces(t *testing.T) {
	t.Parallel()
	a := &Audit{Store: &store{lists: 1100}, Metrics: NewMetrics(prometheus.NewRegistry())}
	answer, err := environment(t, a.SweepStaleAccessLists).ExecuteActivity(a.SweepStaleAccessLists)
	require.NoError(t, err)
	var n int
	require.NoError(t, answer.Get(&n))
	require.Equal(t, 1100, n)
}

const addressVariable = "XIVO_AUTH_TEST_TEMPORAL_ADDRESS"

var namespace = sync.OnceValues(func() (string, error) {
	name := "activities-" + uuid.NewString()[:8]
	c, err := connect(name)
	if err != nil {
		return "", err
	}
	defer c.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	return name, workflows.Provision(ctx, c, name, slog.Default())
})

func connect(namespace string) (client.Client, error) {
	return client.NewLazyClient(client.Options{HostPort: os.Getenv(addressVariable), Namespace: namespace,
		Logger: sdklog.NewStructuredLogger(slog.New(slog.DiscardHandler))})
}

// installation is an audit beside a real Temporal in which lifetimes are started that nobody works on. It skips where
// there is none, and fails in CI.
func installation(t *testing.T, s *store) (*Audit, *workflows.Client) {
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
	queue := workflows.TaskQueue(uuid.New())
	return &Audit{Store: s, Temporal: c, TaskQueue: queue, Metrics: NewMetrics(prometheus.NewRegistry())},
		workflows.NewClient(c, queue, slog.Default())
}

// start starts lifetimes and waits until they are listed.
func start(t *testing.T, a *Audit, c *workflows.Client, sessions []uuid.UUID) {
	t.Helper()
	for _, session := range sessions {
		require.NoError(t, c.Start(t.Context(), workflows.StartLifetime{Input: workflows.LifetimeInput{
			SessionUUID: session.String(), ExpiresAt: time.Now().Add(time.Hour)}}))
	}
	listed(t, a, len(sessions))
}

// listed waits until so many lifetimes are listed as running.
func listed(t *testing.T, a *Audit, number int) {
	t.Helper()
	require.Eventually(t, func() bool {
		n, err := a.countRunning(t.Context())
		return err == nil && n == int64(number)
	}, 30*time.Second, 100*time.Millisecond)
}

func TestOnlyThisInstallationsLifetimesAreCounted(t *testing.T) {
	t.Parallel()
	a, c := installation(t, &store{live: 2})
	start(t, a, c, sessions(2))
	answer, err := environment(t, a.CountLifetimes).ExecuteActivity(a.CountLifetimes)
	require.NoError(t, err)
	var counts workflows.AuditCounts
	require.NoError(t, answer.Get(&counts))
	require.Equal(t, workflows.AuditCounts{Live: 2, Running: 2}, counts)

	other, _ := installation(t, &store{})
	n, err := other.countRunning(t.Context())
	require.NoError(t, err)
	require.Zero(t, n)
}

func TestLiveTokensWithoutLifetimeAreGivenOne(t *testing.T) {
	t.Parallel()
	s := &store{sessions: sessions(5)}
	a, c := installation(t, s)
	running, lost, terminated := s.sessions[:3], s.sessions[3], s.sessions[4]
	start(t, a, c, append(slices.Clone(running), terminated))
	require.NoError(t, a.Temporal.TerminateWorkflow(t.Context(), workflows.LifetimeID(terminated), "", "by hand"))
	listed(t, a, len(running))
	require.Equal(t, workflows.AuditRepaired{Repaired: 2}, repair(t, a.RestartLifetimes, workflows.AuditStep{Allowed: 10}))
	require.ElementsMatch(t, []uuid.UUID{lost, terminated}, s.run)
}

func TestLifetimeThatTheListDoesNotShowYetIsLeftAlone(t *testing.T) {
	t.Parallel()
	s := &store{sessions: sessions(1)}
	a, c := installation(t, s)
	require.NoError(t, c.Start(t.Context(), workflows.StartLifetime{Input: workflows.LifetimeInput{
		SessionUUID: s.sessions[0].String(), ExpiresAt: time.Now().Add(time.Hour)}}))
	require.Equal(t, workflows.AuditRepaired{}, repair(t, a.RestartLifetimes, workflows.AuditStep{Allowed: 10}))
}

func TestMissingLifetimesBeyondTheFuseAreLeftAlone(t *testing.T) {
	t.Parallel()
	s := &store{sessions: sessions(20)}
	a, _ := installation(t, s)
	require.Equal(t, workflows.AuditRepaired{Fuse: true}, repair(t, a.RestartLifetimes, workflows.AuditStep{Allowed: 10}))
	require.Empty(t, s.run)
	require.InDelta(t, 1, testutil.ToFloat64(a.Metrics.fuse), 0)
}

func TestComparisonResumesAtItsPage(t *testing.T) {
	t.Parallel()
	s := &store{sessions: sessions(3)}
	a, _ := installation(t, s)
	env := environment(t, a.RestartLifetimes)
	env.SetHeartbeatDetails(progress{After: s.sessions[1], Repaired: 7})
	answer, err := env.ExecuteActivity(a.RestartLifetimes, workflows.AuditStep{Allowed: 10})
	require.NoError(t, err)
	var out workflows.AuditRepaired
	require.NoError(t, answer.Get(&out))
	require.Equal(t, workflows.AuditRepaired{Repaired: 8}, out)
	require.Equal(t, []uuid.UUID{s.sessions[2]}, s.run)
	require.Equal(t, s.sessions[1], s.pages[0])
}

func TestLifetimesWithoutTokenAreEnded(t *testing.T) {
	t.Parallel()
	all := sessions(4)
	s := &store{sessions: all[:2], due: all[2:3]}
	a, c := installation(t, s)
	start(t, a, c, all)
	require.Equal(t, workflows.AuditRepaired{}, repair(t, a.EndOrphanedLifetimes, workflows.AuditStep{Allowed: 10, Grace: time.Hour}), "too young")
	require.Equal(t, workflows.AuditRepaired{Fuse: true}, repair(t, a.EndOrphanedLifetimes, workflows.AuditStep{}), "no repair allowed")
	require.Empty(t, s.end)
	require.Equal(t, workflows.AuditRepaired{Repaired: 1}, repair(t, a.EndOrphanedLifetimes, workflows.AuditStep{Allowed: 10}))
	require.Equal(t, all[3:], s.end)
}

func TestOtherSweepsAreDoneWithTheAccessLists(t *testing.T) {
	t.Parallel()
	left := map[string]int{"trail": 1200, "counts": 3}
	sweep := func(what string) Sweep {
		return Sweep{What: "sweep " + what, Do: func(_ context.Context, limit int) (int, error) {
			n := min(limit, left[what])
			left[what] -= n
			return n, nil
		}}
	}
	a := &Audit{Store: &store{lists: 7}, Metrics: NewMetrics(prometheus.NewRegistry()), Sweeps: []Sweep{sweep("trail"), sweep("counts")}}
	answer, err := environment(t, a.SweepStaleAccessLists).ExecuteActivity(a.SweepStaleAccessLists)
	require.NoError(t, err)
	var lists int
	require.NoError(t, answer.Get(&lists))
	require.Equal(t, 7, lists, "only these are told")
	require.Equal(t, map[string]int{"trail": 0, "counts": 0}, left)
}
