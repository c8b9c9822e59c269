package main

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"github.com/xivo-auth/xivo-auth/bench/report"
	"github.com/xivo-auth/xivo-auth/bench/stack"
	"github.com/xivo-auth/xivo-auth/workflows"
)

// starters is how many calls run side by side: the relay's default, and more gain nothing.
const starters = 16

// measureStarted compares the relay with a bare loop of ExecuteWorkflow. The loop starts the same workflow with the same
// options and attributes from 16 goroutines in a process whose worker has the product's options: what is left between the
// two is leasing, reading and removing rows. Since lifetimes start eagerly, a loop without a worker would do a fraction of
// the work; its rate is reported beside.
func (s *suite) measureStarted(ctx context.Context) error {
	n := pick(s, 60, 1500)
	l, closing, err := s.lifetimes(ctx)
	if err != nil {
		return err
	}
	defer closing()
	var relayed, looped, unworked []float64
	for i := range s.rounds() {
		rate, err := s.loop(ctx, n)
		if err != nil {
			return err
		}
		looped = append(looped, rate)
		committed, err := l.db.SeedTokens(ctx, stack.Tokens{First: i * n, Count: n, Expiry: time.Now().Add(24 * time.Hour), Due: true})
		if err != nil {
			return err
		}
		settled, err := l.db.AwaitSettled(ctx, 5*time.Minute)
		if err != nil {
			return err
		}
		relayed = append(relayed, float64(n)/settled.Sub(committed).Seconds())
		if rate, err = s.startAll(ctx, "bench-nobody-"+uuid.NewString(), n); err != nil {
			return err
		}
		unworked = append(unworked, rate)
	}
	s.report.Ratio("lifetimes_started_over_bare", report.AtLeast(0.9), relayed, looped, fmt.Sprintf("%d lifetimes", n))
	s.report.Add("lifetimes_started_per_s", report.Goal{}, relayed, "")
	s.report.Add("bare_started_per_s", report.Goal{}, looped, "with a worker in the same process, as the relay")
	s.report.Add("bare_unworked_per_s", report.Goal{}, unworked, "the same loop, nobody works on the queue")
	s.startRate = relayed[len(relayed)-1]
	return nil
}

func (s *suite) loop(ctx context.Context, n int) (float64, error) {
	queue, w, err := s.stand(nil)
	if err != nil {
		return 0, err
	}
	defer w.Stop()
	if _, err := s.startAll(ctx, queue, starters); err != nil { // pollers and connections warm up
		return 0, err
	}
	return s.startAll(ctx, queue, n)
}

// startAll starts lifetimes of nobody and gives how many a second.
func (s *suite) startAll(ctx context.Context, queue string, n int) (float64, error) {
	c := workflows.NewClient(s.temporal, queue, slog.New(slog.DiscardHandler))
	now := time.Now()
	user, tenant := uuid.NewString(), uuid.NewString()
	return each(ctx, n, func(ctx context.Context, _ int) error {
		return c.Start(ctx, workflows.StartLifetime{UserAgent: "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36", RemoteAddr: "192.0.2.1",
			Input: workflows.LifetimeInput{SessionUUID: uuid.NewString(), AuthID: user, TenantUUID: tenant, Backend: "wazo_user", Kind: "user",
				IssuedAt: now, ExpiresAt: now.Add(24 * time.Hour)}})
	})
}

// each calls f for 0 to n-1, as many side by side as there are starters, and gives the calls a second.
func each(ctx context.Context, n int, f func(ctx context.Context, i int) error) (float64, error) {
	begin := time.Now()
	g, ctx := errgroup.WithContext(ctx)
	for first := range starters {
		g.Go(func() error {
			for i := first; i < n; i += starters {
				if err := f(ctx, i); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return 0, err
	}
	return float64(n) / time.Since(begin).Seconds(), nil
}
