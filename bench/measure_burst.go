package main

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/xivo-auth/xivo-auth/bench/report"
	"github.com/xivo-auth/xivo-auth/bench/stack"
	"github.com/xivo-auth/xivo-auth/workflows"
)

// drainLimit bounds the wait for a burst to be over.
const drainLimit = 3 * time.Minute

// measureBurst lets 2,000 tokens expire in the same instant and compares how fast they are drained with bare timers and an
// empty activity: a workflow with neither attributes nor summaries, on a worker with the product's options. Lifetimes delete
// with a local activity, which is cheaper; so they are compared with bare timers and an empty local activity, too. Drained
// means completed, for visibility, on all sides.
func (s *suite) measureBurst(ctx context.Context) error {
	n := pick(s, 60, 2000)
	l, closing, err := s.lifetimes(ctx)
	if err != nil {
		return err
	}
	defer closing()
	var ours, local, regular []float64
	for i := range s.rounds() {
		for _, bare := range []struct {
			rates *[]float64
			local bool
		}{{&local, true}, {&regular, false}} {
			rate, err := s.drainBare(ctx, n, bare.local)
			if err != nil {
				return err
			}
			*bare.rates = append(*bare.rates, rate)
		}
		rate, err := s.drainOurs(ctx, l, i*n, n)
		if err != nil {
			return err
		}
		ours = append(ours, rate)
	}
	s.report.Ratio("burst_drain_over_bare", report.AtLeast(0.9), ours, regular, fmt.Sprintf("%d at once; bare: an empty activity", n))
	s.report.Ratio("burst_drain_over_bare_local", report.Goal{}, ours, local, "bare: an empty local activity")
	s.report.Add("burst_drain_per_s", report.Goal{}, ours, "")
	s.report.Add("bare_drain_activity_per_s", report.Goal{}, regular, "")
	s.report.Add("bare_drain_local_per_s", report.Goal{}, local, "")
	return nil
}

// drainOurs lets n tokens expire at once and gives the lifetimes completed a second from then on.
func (s *suite) drainOurs(ctx context.Context, l *lifetimes, first, n int) (float64, error) {
	at := time.Now().Add(s.lead(n))
	if _, err := l.db.SeedTokens(ctx, stack.Tokens{First: first, Count: n, Expiry: at, Due: true}); err != nil {
		return 0, err
	}
	if _, err := l.db.AwaitSettled(ctx, drainLimit); err != nil {
		return 0, err
	}
	return s.drained(ctx, workflows.TokenLifetimeType, l.queue, at, n, 1) // the token that showed that the worker works
}

func (s *suite) drainBare(ctx context.Context, n int, local bool) (float64, error) {
	queue, w, err := s.stand(func(w worker.Worker) {
		w.RegisterWorkflowWithOptions(bareTimer, workflow.RegisterOptions{Name: bareTimerType})
		w.RegisterActivityWithOptions(empty, activity.RegisterOptions{Name: emptyActivity})
	})
	if err != nil {
		return 0, err
	}
	defer w.Stop()
	at := time.Now().Add(s.lead(n))
	_, err = each(ctx, n, func(ctx context.Context, _ int) error {
		_, err := s.temporal.ExecuteWorkflow(ctx, client.StartWorkflowOptions{ID: "bench-" + uuid.NewString(), TaskQueue: queue, EnableEagerStart: true},
			bareTimerType, at, local)
		return err
	})
	if err != nil {
		return 0, err
	}
	return s.drained(ctx, bareTimerType, queue, at, n, 0)
}

// drained waits until only rest of the n workflows run that were to end at a moment.
func (s *suite) drained(ctx context.Context, workflowType, queue string, at time.Time, n, rest int) (float64, error) {
	if err := sleepUntil(ctx, at); err != nil {
		return 0, err
	}
	end, err := s.awaitRunning(ctx, workflowType, queue, rest, drainLimit)
	if err != nil {
		return 0, err
	}
	return float64(n) / end.Sub(at).Seconds(), nil
}

const (
	bareTimerType = "BareTimer"
	emptyActivity = "Empty"
)

// bareTimer is the least that could wait for a moment and then do something.
func bareTimer(ctx workflow.Context, at time.Time, local bool) error {
	if err := workflow.Sleep(ctx, at.Sub(workflow.Now(ctx))); err != nil {
		return err
	}
	if local {
		ctx = workflow.WithLocalActivityOptions(ctx, workflow.LocalActivityOptions{ScheduleToCloseTimeout: 10 * time.Second})
		return workflow.ExecuteLocalActivity(ctx, emptyActivity).Get(ctx, nil)
	}
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{StartToCloseTimeout: 10 * time.Second})
	return workflow.ExecuteActivity(ctx, emptyActivity).Get(ctx, nil)
}

func empty(context.Context) error { return nil }
