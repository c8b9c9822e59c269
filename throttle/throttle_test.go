package throttle

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"

	"github.com/xivo-auth/xivo-auth/config"
	"github.com/xivo-auth/xivo-auth/db"
	"github.com/xivo-auth/xivo-auth/db/dbtest"
	"github.com/xivo-auth/xivo-auth/fault"
)

const (
	here      = "192.0.2.1"
	elsewhere = "198.51.100.7"
)

func limits() config.LoginThrottle { return config.DefaultAPI().LoginThrottle }

// guard is what one API process has.
func guard(pool *pgxpool.Pool, l config.LoginThrottle) *Guard {
	return New(Deps{Pool: pool, Log: slog.New(slog.DiscardHandler), Metrics: prometheus.NewRegistry(), Limits: l})
}

// fail makes an attempt that fails and tells how long the guard refused it; 0 when it was admitted.
func fail(t *testing.T, g *Guard, login, address string) time.Duration {
	t.Helper()
	return attempt(t, g, login, address, false)
}

func attempt(t *testing.T, g *Guard, login, address string, ok bool) time.Duration {
	t.Helper()
	done, err := g.Begin(t.Context(), login, address)
	if err == nil {
		done(ok)
		return 0
	}
	require.ErrorIs(t, err, fault.Exhausted)
	f, _ := fault.As(err)
	require.Empty(t, f.ID, "the historic body")
	require.Positive(t, f.RetryAfter)
	return f.RetryAfter
}

// pass lets time go by for the counts.
func pass(t *testing.T, pool *pgxpool.Pool, d time.Duration) {
	t.Helper()
	_, err := pool.Exec(t.Context(), `UPDATE login_throttle SET started_at = started_at - $1::interval, reserved_at = reserved_at - $1::interval,
		blocked_until = blocked_until - $1::interval, forget_at = forget_at - $1::interval`, d)
	require.NoError(t, err)
}

func TestFailuresSlowDownTheNextAttemptsTwiceAsMuchEachTime(t *testing.T) {
	t.Parallel()
	pool := dbtest.Pool(t)
	g := guard(pool, limits())
	for range 10 {
		require.Zero(t, fail(t, g, "alice", here))
	}
	for _, seconds := range []float64{1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300} {
		wait := time.Duration(seconds * float64(time.Second))
		require.InDelta(t, seconds, fail(t, g, "Alice", here).Seconds(), 0.9, "another spelling is the same login")
		require.Zero(t, attempt(t, g, "alice", elsewhere, true), "the owner who comes from elsewhere")
		require.Zero(t, attempt(t, g, "bob", here, true), "another login")
		pass(t, pool, wait)
		require.Zero(t, fail(t, g, "alice", here))
	}
	require.InDelta(t, 12, testutil.ToFloat64(g.refused.WithLabelValues(byLogin)), 0)
	pass(t, pool, 15*time.Minute)
	for range 10 {
		require.Zero(t, fail(t, g, "alice", here), "the series is over")
	}
	require.Positive(t, fail(t, g, "alice", here))
}

func TestSuccessesCountForNothing(t *testing.T) {
	t.Parallel()
	g := guard(dbtest.Pool(t), limits())
	for range 9 {
		require.Zero(t, fail(t, g, "alice", here))
	}
	for range 30 {
		require.Zero(t, attempt(t, g, "alice", here, true))
	}
	require.Zero(t, fail(t, g, "alice", here), "the tenth failure")
	require.Positive(t, attempt(t, g, "alice", here, true))
}

func TestFailuresLongAgoAreForgotten(t *testing.T) {
	t.Parallel()
	pool := dbtest.Pool(t)
	g := guard(pool, limits())
	for range 9 {
		require.Zero(t, fail(t, g, "alice", here))
	}
	pass(t, pool, 15*time.Minute)
	for range 10 {
		require.Zero(t, fail(t, g, "alice", here))
	}
	require.Positive(t, fail(t, g, "alice", here))
}

func TestAddressIsRefusedUntilItsWindowIsOver(t *testing.T) {
	t.Parallel()
	pool := dbtest.Pool(t)
	l := limits()
	l.AddressFailures = 20
	for name, test := range map[string]struct {
		first, second string
		refused       bool
	}{
		"the same address":               {here, here, true},
		"another address":                {"192.0.2.2", elsewhere, false},
		"the same network of 64 bits":    {"2001:db8:1:2::1", "2001:db8:1:2:ffff::9", true},
		"another network":                {"2001:db8:1:3::1", "2001:db8:1:4::1", false},
		"IPv4 in the clothes of IPv6":    {"192.0.2.3", "::ffff:192.0.2.3", true},
		"with a port":                    {"192.0.2.4", "192.0.2.4:4711", true},
		"loopback":                       {"127.0.0.1", "127.0.0.1", false},
		"loopback of IPv6":               {"::1", "::1", false},
		"no address":                     {"unknown", "unknown", true},
		"brackets, a zone and a port":    {"fe80::1", "[fe80::2%eth0]:80", true},
		"brackets around nothing but it": {"2001:db8:1:5::1", "[2001:db8:1:5::2]", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := guard(pool, l)
			for i := range 20 {
				require.Zero(t, fail(t, g, fmt.Sprint(name, i), test.first))
			}
			wait := attempt(t, g, name+" else", test.second, true)
			require.Equal(t, test.refused, wait > 0)
			if !test.refused {
				return
			}
			require.InDelta(t, 300, wait.Seconds(), 30)
			require.InDelta(t, 1, testutil.ToFloat64(g.refused.WithLabelValues(byAddress)), 0)
			k := g.keys(name+" else", test.second)
			var pending int
			require.NoError(t, pool.QueryRow(t.Context(), "SELECT pending FROM login_throttle WHERE key = $1", k.login[:]).Scan(&pending))
			require.Zero(t, pending, "what was reserved under the login is given back")
		})
	}
}

func TestAddressIsFreeAfterItsWindow(t *testing.T) {
	t.Parallel()
	pool := dbtest.Pool(t)
	l := limits()
	l.AddressFailures = 3
	g := guard(pool, l)
	for i := range 3 {
		require.Zero(t, fail(t, g, fmt.Sprint("user ", i), here))
	}
	require.Positive(t, fail(t, g, "alice", here))
	pass(t, pool, 5*time.Minute)
	for i := range 3 {
		require.Zero(t, fail(t, g, fmt.Sprint("other ", i), here))
	}
	require.Positive(t, fail(t, g, "alice", here))
}

// Two processes, many attempts at a time: no more are judged than may fail.
func TestParallelAttemptsDoNotPassTheLimit(t *testing.T) {
	t.Parallel()
	pool := dbtest.Pool(t)
	processes := []*Guard{guard(pool, limits()), guard(pool, limits())}
	var judged, refused atomic.Int32
	var wg sync.WaitGroup
	for i := range 100 {
		wg.Go(func() {
			done, err := processes[i%2].Begin(t.Context(), "alice", here)
			if err != nil {
				refused.Add(1)
				return
			}
			judged.Add(1)
			done(false)
		})
	}
	wg.Wait()
	require.EqualValues(t, 100, judged.Load()+refused.Load())
	require.GreaterOrEqual(t, judged.Load(), int32(10))
	require.LessOrEqual(t, judged.Load(), int32(12), "one more for each wait that was over meanwhile")
}

// What is right may come in any number: those that find no place wait for one.
func TestParallelSuccessesAreAllAdmitted(t *testing.T) {
	t.Parallel()
	pool := dbtest.Pool(t)
	processes := []*Guard{guard(pool, limits()), guard(pool, limits())}
	var inside, most atomic.Int32
	var wg sync.WaitGroup
	for i := range 100 {
		wg.Go(func() {
			done, err := processes[i%2].Begin(t.Context(), "alice", here)
			if err != nil {
				t.Error(err)
				return
			}
			n := inside.Add(1)
			for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
				continue
			}
			inside.Add(-1)
			done(true)
		})
	}
	wg.Wait()
	require.LessOrEqual(t, most.Load(), int32(10))
	require.Empty(t, processes[0].gates.open)
	require.Zero(t, fail(t, processes[0], "alice", here))
}

func TestAttemptWaitsOnlyAsLongAsItsRequest(t *testing.T) {
	t.Parallel()
	l := limits()
	l.Failures = 1
	g := guard(dbtest.Pool(t), l)
	done, err := g.Begin(t.Context(), "alice", here)
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err = g.Begin(ctx, "alice", here)
	require.ErrorIs(t, err, fault.Exhausted)
	require.InDelta(t, 1, testutil.ToFloat64(g.refused.WithLabelValues(byWaiting)), 0)
	done(true)
	require.Zero(t, fail(t, g, "alice", here))
}

func TestAttemptEndsThoughItsClientHasGone(t *testing.T) {
	t.Parallel()
	l := limits()
	l.Failures = 1
	g := guard(dbtest.Pool(t), l)
	ctx, cancel := context.WithCancel(t.Context())
	done, err := g.Begin(ctx, "alice", here)
	require.NoError(t, err)
	cancel()
	done(false)
	require.Positive(t, fail(t, g, "alice", here))
}

func TestWhatADeadProcessLeftIsForgotten(t *testing.T) {
	t.Parallel()
	pool := dbtest.Pool(t)
	l := limits()
	l.Failures = 2
	for range 2 {
		_, err := guard(pool, l).Begin(t.Context(), "alice", here) // and it never comes to an end
		require.NoError(t, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := guard(pool, l).Begin(ctx, "alice", here)
	require.ErrorIs(t, err, fault.Exhausted)
	pass(t, pool, 31*time.Second)
	require.Zero(t, fail(t, guard(pool, l), "alice", here))
}

func TestGuardThatIsOffAdmitsAll(t *testing.T) {
	t.Parallel()
	l := limits()
	l.Enabled = false
	for _, g := range []*Guard{guard(nil, l), nil} {
		for range 50 {
			require.Zero(t, fail(t, g, "alice", here))
		}
	}
}

func TestDatabaseThatIsAwayIsNoFailure(t *testing.T) {
	t.Parallel()
	pool, err := db.Open(t.Context(), db.Options{URI: "postgresql://nobody@127.0.0.1:1/none", MaxConns: 1, Name: "test"})
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	_, err = guard(pool, limits()).Begin(t.Context(), "alice", here)
	require.ErrorIs(t, err, fault.Unavailable)
}

func TestSweepLeavesWhatStillCounts(t *testing.T) {
	t.Parallel()
	pool := dbtest.Pool(t)
	g := guard(pool, limits())
	require.Zero(t, fail(t, g, "alice", "127.0.0.1"))
	n, err := Sweep(t.Context(), pool, 10)
	require.NoError(t, err)
	require.Zero(t, n)
	pass(t, pool, 16*time.Minute)
	require.Zero(t, fail(t, g, "bob", "127.0.0.1"))
	n, err = Sweep(t.Context(), pool, 10)
	require.NoError(t, err)
	require.Equal(t, 1, n)
}

func TestKeysHoldNoLogin(t *testing.T) {
	t.Parallel()
	pool := dbtest.Pool(t)
	require.Zero(t, fail(t, guard(pool, limits()), "alice", here))
	var n int
	require.NoError(t, pool.QueryRow(t.Context(), "SELECT count(*) FROM login_throttle WHERE octet_length(key) = 32").Scan(&n))
	require.Equal(t, 2, n)
}
