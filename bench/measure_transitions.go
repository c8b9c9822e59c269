package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/xivo-auth/xivo-auth/bench/report"
	"github.com/xivo-auth/xivo-auth/bench/stack"
	"github.com/xivo-auth/xivo-auth/db"
	"github.com/xivo-auth/xivo-auth/workflows"
)

// measureTransitions counts what a lifetime costs the engine: for a burst that expires in the same instant, and for one
// that is revoked in one transaction.
func (s *suite) measureTransitions(ctx context.Context) error {
	n := pick(s, 50, 1000)
	l, closing, err := s.lifetimes(ctx)
	if err != nil {
		return err
	}
	defer closing()
	if _, err := s.drainOurs(ctx, l, 0, n); err != nil {
		return err
	}
	expired, err := s.transitions(ctx, l, workflows.Expired, n)
	if err != nil {
		return err
	}
	if _, err := l.db.SeedTokens(ctx, stack.Tokens{First: n, Count: n, Expiry: time.Now().Add(24 * time.Hour), Due: true}); err != nil {
		return err
	}
	if _, err := l.db.AwaitSettled(ctx, 2*time.Minute); err != nil {
		return err
	}
	if err := sleepUntil(ctx, time.Now().Add(2*time.Second)); err != nil { // until all sleep
		return err
	}
	if err := revoke(ctx, l.db, n, n); err != nil {
		return err
	}
	if _, err := s.awaitRunning(ctx, workflows.TokenLifetimeType, l.queue, 1, 2*time.Minute); err != nil {
		return err
	}
	revoked, err := s.transitions(ctx, l, workflows.Revoked, n)
	if err != nil {
		return err
	}
	for key, counts := range map[string][]float64{"transitions_expired": expired, "transitions_revoked": revoked} {
		mean := 0.0
		for _, c := range counts {
			mean += c / float64(len(counts))
		}
		s.report.Spread(key, report.AtMost(6), counts, fmt.Sprintf("mean %.2f of %d", mean, len(counts)))
	}
	return nil
}

// transitions are the counts of the lifetimes with an outcome, as visibility has them.
func (s *suite) transitions(ctx context.Context, l *lifetimes, outcome string, n int) ([]float64, error) {
	closed, err := s.list(ctx, fmt.Sprintf("WorkflowType = '%s' AND TaskQueue = '%s' AND Outcome = '%s' AND ExecutionStatus = 'Completed'",
		workflows.TokenLifetimeType, l.queue, outcome))
	if err != nil {
		return nil, err
	}
	if len(closed) != n {
		return nil, fmt.Errorf("%d lifetimes ended as %s, not %d", len(closed), outcome, n)
	}
	counts := make([]float64, n)
	for i, c := range closed {
		counts[i] = float64(c.GetStateTransitionCount())
	}
	slices.Sort(counts)
	return counts, nil
}

// revoke ends seeded tokens in one transaction, as deleting a user's sessions does.
func revoke(ctx context.Context, d stack.Database, first, n int) error {
	sessions := make([]uuid.UUID, n)
	for i := range sessions {
		sessions[i] = d.Session(first + i)
	}
	err := pgx.BeginFunc(ctx, d.Pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "DELETE FROM tokens WHERE session_uuid = ANY ($1)", sessions); err != nil {
			return err
		}
		return db.New().LifetimeDueEnd(ctx, tx, db.LifetimeDueEndParams{Sessions: sessions, Reason: workflows.ReasonLogout})
	})
	if err != nil {
		return fmt.Errorf("revoke: %w", err)
	}
	if err := db.New().LifetimeDueNotify(ctx, d.Pool); err != nil {
		return fmt.Errorf("revoke: %w", err)
	}
	return nil
}
