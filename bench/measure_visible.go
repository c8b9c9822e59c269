package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/xivo-auth/xivo-auth/bench/load"
	"github.com/xivo-auth/xivo-auth/bench/report"
	"github.com/xivo-auth/xivo-auth/bench/stack"
	"github.com/xivo-auth/xivo-auth/workflows"
)

// measureVisible logs in 20 times a second and looks how soon each lifetime is listed, while as many other tokens expire.
func (s *suite) measureVisible(ctx context.Context) error {
	const perSecond = 20
	d := pick(s, 3*time.Second, 20*time.Second)
	l, closing, err := s.lifetimes(ctx)
	if err != nil {
		return err
	}
	defer closing()
	if err := l.db.SeedUsers(ctx, users, productionCost); err != nil {
		return err
	}
	api, err := s.programs.API(ctx, l.db)
	if err != nil {
		return err
	}
	defer api.Stop()
	logins := load.NewLogins(api.Address)
	defer logins.Close()
	var p50, p99, worst []float64
	for i := range s.rounds() {
		n := perSecond * int(d.Seconds())
		begin := time.Now().Add(s.lead(n))
		expiring := stack.Tokens{First: i * n, Count: n, Expiry: begin, Spread: time.Second / perSecond, Due: true}
		if _, err := l.db.SeedTokens(ctx, expiring); err != nil {
			return err
		}
		if _, err := l.db.AwaitSettled(ctx, time.Minute); err != nil {
			return err
		}
		if err := sleepUntil(ctx, begin); err != nil {
			return err
		}
		h, err := s.watch(ctx, l, logins, perSecond, d)
		if err != nil {
			return err
		}
		p50, p99, worst = append(p50, ms(h.Quantile(.5))), append(p99, ms(h.Quantile(.99))), append(worst, ms(h.Quantile(1)))
	}
	s.report.Add("visible_p99_ms", report.Below(100), p99, "from the answer to the login until listed; 20 logins/s, 20 expiries/s")
	s.report.Add("visible_p50_ms", report.Goal{}, p50, "")
	s.report.Add("visible_max_ms", report.Goal{}, worst, "")
	return nil
}

// waiting are the sessions that were not listed yet, with the moment of the answer to their login, which is sent right
// after the commit.
type waiting struct {
	mu       sync.Mutex
	since    map[string]time.Time
	finished bool // no more will come
	seen     load.Histogram
}

// watch logs in and lists. One query for all that wait, repeated every 12 ms, keeps below the server's limit of queries.
func (s *suite) watch(ctx context.Context, l *lifetimes, logins *load.Logins, perSecond float64, d time.Duration) (*load.Histogram, error) {
	w := &waiting{since: map[string]time.Time{}}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		var calls errgroup.Group
		load.Pace(ctx, perSecond, d, func(time.Time) {
			calls.Go(func() error {
				session, err := logins.Refresh(ctx, stack.ClientID, stack.RefreshToken(rand.IntN(users))) //nolint:gosec // which user is no secret
				if err == nil {
					w.mu.Lock()
					w.since[session] = time.Now()
					w.mu.Unlock()
				}
				return err
			})
		})
		err := calls.Wait()
		w.mu.Lock()
		w.finished = true
		w.mu.Unlock()
		return err
	})
	g.Go(func() error {
		return stack.Until(ctx, 12*time.Millisecond, d+30*time.Second, func(ctx context.Context) (bool, error) { return s.lookFor(ctx, l, w) })
	})
	return &w.seen, g.Wait()
}

// lookFor lists what was started since the oldest login that still waits.
func (s *suite) lookFor(ctx context.Context, l *lifetimes, w *waiting) (done bool, err error) {
	w.mu.Lock()
	oldest := time.Time{}
	for _, at := range w.since {
		if oldest.IsZero() || at.Before(oldest) {
			oldest = at
		}
	}
	finished := w.finished
	w.mu.Unlock()
	if oldest.IsZero() {
		return finished, nil
	}
	// A lifetime may have started a little before the login's answer arrived here.
	found, err := s.list(ctx, fmt.Sprintf("WorkflowType = '%s' AND TaskQueue = '%s' AND StartTime >= '%s'", workflows.TokenLifetimeType, l.queue,
		oldest.Add(-time.Second).UTC().Format(time.RFC3339Nano)))
	if err != nil {
		return false, err
	}
	now := time.Now()
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, f := range found {
		session, _ := workflows.SessionOf(f.GetExecution().GetWorkflowId())
		if at, ok := w.since[session.String()]; ok {
			w.seen.Observe(max(0, now.Sub(at)))
			delete(w.since, session.String())
		}
	}
	return false, nil
}
