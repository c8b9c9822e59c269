package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/google/uuid"
	"go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	sdklog "go.temporal.io/sdk/log"
	"go.temporal.io/sdk/worker"

	"github.com/xivo-auth/xivo-auth/bench/stack"
	"github.com/xivo-auth/xivo-auth/db"
	"github.com/xivo-auth/xivo-auth/workflows"
)

// far is the number of the token that shows whether a worker works; measurements count from 0.
const far = 1_000_000_000

// lifetimes is a database with a worker process on it, whose task queue nobody shares.
type lifetimes struct {
	db     stack.Database
	worker *stack.Server
	queue  string
}

// lifetimes starts one and waits until it works. close it at the end.
func (s *suite) lifetimes(ctx context.Context) (l *lifetimes, closing func(), err error) {
	if err := s.dial(); err != nil {
		return nil, nil, err
	}
	d, drop, err := s.database(ctx)
	if err != nil {
		return nil, nil, err
	}
	installation, err := db.New().InstallationUUID(ctx, d.Pool)
	if err != nil {
		drop()
		return nil, nil, err
	}
	w, err := s.programs.Worker(ctx, d)
	if err != nil {
		drop()
		return nil, nil, err
	}
	closing = func() { w.Stop(); drop() }
	l = &lifetimes{db: d, worker: w, queue: workflows.TaskQueue(installation)}
	// The relay begins when the worker has started: one lifetime tells.
	if _, err = d.SeedTokens(ctx, stack.Tokens{First: far, Count: 1, Expiry: time.Now().Add(24 * time.Hour), Due: true}); err == nil {
		_, err = d.AwaitSettled(ctx, 2*time.Minute)
	}
	if err != nil {
		closing()
		return nil, nil, err
	}
	return l, closing, nil
}

// dial connects to Temporal once.
func (s *suite) dial() error {
	if s.temporal != nil {
		return nil
	}
	quiet := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError}))
	c, err := client.Dial(client.Options{HostPort: s.programs.TemporalAddress, Logger: sdklog.NewStructuredLogger(quiet)})
	if err != nil {
		return fmt.Errorf("connect to Temporal: %w", err)
	}
	s.temporal = c
	return nil
}

// running counts the workflows of a type that run on a queue, as visibility knows them.
func (s *suite) running(ctx context.Context, workflowType, queue string) (int, error) {
	a, err := s.temporal.CountWorkflow(ctx, &workflowservice.CountWorkflowExecutionsRequest{
		Query: fmt.Sprintf("WorkflowType = '%s' AND TaskQueue = '%s' AND ExecutionStatus = 'Running'", workflowType, queue)})
	if err != nil {
		return 0, fmt.Errorf("count workflows: %w", err)
	}
	return int(a.GetCount()), nil
}

// awaitRunning waits until that count is n and gives the moment.
func (s *suite) awaitRunning(ctx context.Context, workflowType, queue string, n int, limit time.Duration) (time.Time, error) {
	var at time.Time
	have := -1
	err := stack.Until(ctx, 50*time.Millisecond, limit, func(ctx context.Context) (_ bool, err error) {
		have, err = s.running(ctx, workflowType, queue)
		at = time.Now()
		return have == n, err
	})
	if err != nil {
		return at, fmt.Errorf("%d workflows should still run, %d do: %w", n, have, err)
	}
	return at, nil
}

// list is everything that a visibility query finds.
func (s *suite) list(ctx context.Context, query string) ([]*workflow.WorkflowExecutionInfo, error) {
	var all []*workflow.WorkflowExecutionInfo
	for r := (&workflowservice.ListWorkflowExecutionsRequest{PageSize: 1000, Query: query}); ; {
		page, err := s.temporal.ListWorkflow(ctx, r)
		if err != nil {
			return nil, fmt.Errorf("list workflows: %w", err)
		}
		all = append(all, page.GetExecutions()...)
		if r.NextPageToken = page.GetNextPageToken(); len(r.NextPageToken) == 0 {
			return all, nil
		}
	}
}

// stand is a worker in this process with the options of the product's, for the baselines.
func (s *suite) stand(more func(worker.Worker)) (queue string, w worker.Worker, err error) {
	if err := s.dial(); err != nil {
		return "", nil, err
	}
	queue = "bench-" + uuid.NewString()
	w = workflows.NewWorker(s.temporal, queue, workflows.Activities{Lifetime: idle{}, Audit: idle{}})
	if more != nil {
		more(w)
	}
	if err := w.Start(); err != nil {
		return "", nil, fmt.Errorf("start a worker: %w", err)
	}
	return queue, w, nil
}

// lead is how long before a common moment n lifetimes should be started, so that all sleep when it comes.
func (s *suite) lead(n int) time.Duration {
	rate := 70.0
	if s.startRate > 0 {
		rate = .7 * s.startRate
	}
	return 4*time.Second + time.Duration(float64(n)/rate*float64(time.Second))
}

// sleepUntil waits for a moment that must not be over yet.
func sleepUntil(ctx context.Context, at time.Time) error {
	if time.Now().After(at) {
		return errors.New("this machine is too slow: the tokens expired before all their lifetimes slept")
	}
	timer := time.NewTimer(time.Until(at))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// idle are activities of lifetimes that sleep for longer than the benchmark runs.
type idle struct{}

var errIdle = errors.New("nothing is to be done here")

func (idle) DeleteExpiredToken(context.Context, workflows.DeleteExpiredInput) (workflows.DeleteExpiredOutput, error) {
	return workflows.DeleteExpiredOutput{}, errIdle
}

func (idle) RevokeToken(context.Context, workflows.RevokeInput) (workflows.RevokeOutput, error) {
	return workflows.RevokeOutput{}, errIdle
}

func (idle) AnnounceExpiry(context.Context, workflows.AnnounceExpiryInput) error { return errIdle }

func (idle) CountLifetimes(context.Context) (workflows.AuditCounts, error) {
	return workflows.AuditCounts{}, errIdle
}

func (idle) SweepOverdueTokens(context.Context, workflows.AuditStep) (workflows.AuditRepaired, error) {
	return workflows.AuditRepaired{}, errIdle
}

func (idle) RestartLifetimes(context.Context, workflows.AuditStep) (workflows.AuditRepaired, error) {
	return workflows.AuditRepaired{}, errIdle
}

func (idle) EndOrphanedLifetimes(context.Context, workflows.AuditStep) (workflows.AuditRepaired, error) {
	return workflows.AuditRepaired{}, errIdle
}

func (idle) SweepStaleAccessLists(context.Context) (int, error) { return 0, errIdle }
