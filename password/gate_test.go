package password

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// await yields until the condition holds; the test's own time-out ends it otherwise.
func await(t *testing.T, condition func() bool) {
	t.Helper()
	for !condition() {
		require.NoError(t, t.Context().Err())
		runtime.Gosched()
	}
}

// occupied is a gate all of whose running places are taken until release is called.
func occupied(t *testing.T, concurrency, queue int) (g gate, release func()) {
	t.Helper()
	g = newGate(concurrency, queue)
	hold := make(chan struct{})
	var started, done sync.WaitGroup
	for range concurrency {
		started.Add(1)
		done.Go(func() { _ = g.run(context.WithoutCancel(t.Context()), func() { started.Done(); <-hold }) })
	}
	started.Wait()
	return g, func() { close(hold); done.Wait() }
}

func TestGateRunsNoMoreThanItMay(t *testing.T) {
	t.Parallel()
	const concurrency, callers = 3, 200
	g := newGate(concurrency, callers)
	var now, most, ran atomic.Int64
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			err := g.run(t.Context(), func() {
				n := now.Add(1)
				for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
				}
				runtime.Gosched()
				now.Add(-1)
				ran.Add(1)
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	require.EqualValues(t, callers, ran.Load())
	require.LessOrEqual(t, most.Load(), int64(concurrency))
	require.Zero(t, g.waiting())
}

func TestGateRefusesWhenTheQueueIsFull(t *testing.T) {
	t.Parallel()
	g, release := occupied(t, 2, 3)
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			if err := g.run(t.Context(), func() {}); err != nil {
				t.Error(err)
			}
		})
	}
	await(t, func() bool { return g.waiting() == 3 })
	require.ErrorIs(t, g.run(t.Context(), func() { t.Error("must not run") }), ErrBusy)
	require.Equal(t, 3, g.waiting())
	release()
	wg.Wait()
	require.Zero(t, g.waiting())
	require.NoError(t, g.run(t.Context(), func() {}))
}

func TestGateWithoutQueue(t *testing.T) {
	t.Parallel()
	g, release := occupied(t, 1, 0)
	require.ErrorIs(t, g.run(t.Context(), func() {}), ErrBusy)
	release()
	require.NoError(t, g.run(t.Context(), func() {}))
}

func TestCancelledWaitersLeaveAndMakePlace(t *testing.T) {
	t.Parallel()
	g, release := occupied(t, 1, 1)
	ctx, cancel := context.WithCancel(t.Context())
	left := make(chan error)
	go func() { left <- g.run(ctx, func() { t.Error("must not run") }) }()
	await(t, func() bool { return g.waiting() == 1 })
	cancel()
	require.ErrorIs(t, <-left, context.Canceled)
	require.Zero(t, g.waiting())

	next := make(chan error)
	go func() { next <- g.run(t.Context(), func() {}) }()
	await(t, func() bool { return g.waiting() == 1 })
	release()
	require.NoError(t, <-next)
}

func TestEndedContextRunsNothing(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("gone"))
	g := newGate(1, 1)
	require.ErrorIs(t, g.run(ctx, func() { t.Error("must not run") }), context.Canceled)
}

func TestPanicGivesThePlaceBack(t *testing.T) {
	t.Parallel()
	g := newGate(1, 0)
	require.Panics(t, func() { _ = g.run(t.Context(), func() { panic("oops") }) })
	require.NoError(t, g.run(t.Context(), func() {}))
}

func TestHasherShowsItsQueueAndIsBusy(t *testing.T) {
	t.Parallel()
	h := New(cheap, 1, 1)
	stored, err := h.Hash(t.Context(), "secret")
	require.NoError(t, err)
	var release func()
	h.gate, release = occupied(t, 1, 1)
	waiter := make(chan error)
	go func() { waiter <- h.VerifyAbsent(t.Context(), "secret") }()
	await(t, func() bool { return h.Waiting() == 1 })

	_, err = h.Hash(t.Context(), "secret")
	require.ErrorIs(t, err, ErrBusy)
	_, _, err = h.Verify(t.Context(), "secret", stored)
	require.ErrorIs(t, err, ErrBusy)
	require.ErrorIs(t, h.VerifyAbsent(t.Context(), "secret"), ErrBusy)
	release()
	require.NoError(t, <-waiter)
}

func BenchmarkKey(b *testing.B) {
	salt := make([]byte, saltBytes)
	for b.Loop() {
		Key("a password of some length", salt, Params{MemoryKiB: 19 << 10, Iterations: 2, Parallelism: 1})
	}
}
