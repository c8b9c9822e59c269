package main

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/xivo-auth/xivo-auth/bench/load"
	"github.com/xivo-auth/xivo-auth/bench/report"
	"github.com/xivo-auth/xivo-auth/bench/stack"
)

// measureExpiry lets 30 tokens a second expire and looks every 10 ms which of their rows are still there, by the
// database's clock: a lateness is up to 10 ms too long.
func (s *suite) measureExpiry(ctx context.Context) error {
	const perSecond = 30
	n := perSecond * pick(s, 2, 40)
	l, closing, err := s.lifetimes(ctx)
	if err != nil {
		return err
	}
	defer closing()
	// PostgreSQL keeps microseconds.
	t := stack.Tokens{Count: n, Expiry: time.Now().Add(s.lead(n)).Truncate(time.Microsecond), Spread: time.Second / perSecond, Due: true}
	if _, err := l.db.SeedTokens(ctx, t); err != nil {
		return err
	}
	if _, err := l.db.AwaitSettled(ctx, 2*time.Minute); err != nil {
		return err
	}
	if err := sleepUntil(ctx, t.Expiry.Add(-time.Second)); err != nil {
		return err
	}
	h, err := lateness(ctx, l.db, t)
	if err != nil {
		return err
	}
	s.report.One("expiry_p99_s", report.AtMost(1), h.Quantile(.99).Seconds(), fmt.Sprintf("%d tokens at 30/s", n))
	s.report.One("expiry_p50_s", report.Goal{}, h.Quantile(.5).Seconds(), "")
	s.report.One("expiry_max_s", report.Goal{}, h.Quantile(1).Seconds(), "")
	return nil
}

// lateness watches seeded tokens go, until the last one has.
func lateness(ctx context.Context, d stack.Database, t stack.Tokens) (*load.Histogram, error) {
	type token struct {
		session uuid.UUID
		expiry  time.Time
	}
	left := make([]token, t.Count)
	for i := range left {
		left[i] = token{d.Session(t.First + i), t.Expiry.Add(time.Duration(i) * t.Spread)}
	}
	var h load.Histogram
	limit := time.Duration(t.Count)*t.Spread + time.Minute
	err := stack.Until(ctx, 10*time.Millisecond, limit, func(ctx context.Context) (bool, error) {
		now, there, err := overdue(ctx, d)
		if err != nil {
			return false, err
		}
		kept := left[:0]
		for _, x := range left {
			// The computed expiry may differ from the row's by rounding.
			if there[x.session] || x.expiry.Add(time.Millisecond).After(now) {
				kept = append(kept, x)
				continue
			}
			h.Observe(now.Sub(x.expiry))
		}
		left = kept
		return len(left) == 0, nil
	})
	return &h, err
}

// overdue are the sessions whose rows are still there after their expiry.
func overdue(ctx context.Context, d stack.Database) (now time.Time, there map[uuid.UUID]bool, err error) {
	there = map[uuid.UUID]bool{}
	// One row even when nothing is overdue, for the time.
	rows, err := d.Pool.Query(ctx, "SELECT now(), t.session_uuid FROM (VALUES (1)) AS v LEFT JOIN tokens t ON t.expires_at <= now()")
	if err != nil {
		return now, nil, fmt.Errorf("look for overdue rows: %w", err)
	}
	var session *uuid.UUID
	_, err = pgx.ForEachRow(rows, []any{&now, &session}, func() error {
		if session != nil {
			there[*session] = true
		}
		return nil
	})
	if err != nil {
		return now, nil, fmt.Errorf("look for overdue rows: %w", err)
	}
	return now, there, nil
}
