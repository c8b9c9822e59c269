package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/xivo-auth/xivo-auth/bench/report"
	"github.com/xivo-auth/xivo-auth/bench/stack"
)

// temporalDatabases begin with this name.
const (
	temporalDatabases  = "temporal"
	visibilityDatabase = "temporal_visibility"
)

// startLimit bounds the time for starting all lifetimes; what was started by then is what is measured.
const startLimit = 5 * time.Minute

// measureDisk starts 20,000 lifetimes and reads what they take: on the disk, and in the worker's memory.
func (s *suite) measureDisk(ctx context.Context) error {
	n := pick(s, 200, 20_000)
	// Free space that earlier measurements left would hide what is needed now.
	if err := s.cluster.Compact(ctx, temporalDatabases); err != nil {
		return err
	}
	l, closing, err := s.lifetimes(ctx)
	if err != nil {
		return err
	}
	defer closing()
	before, err := s.sizes(ctx, l.db)
	if err != nil {
		return err
	}
	tenth := n / 10
	if _, err := s.sleepers(ctx, l, 0, tenth); err != nil {
		return err
	}
	few, _, err := l.worker.RSS()
	if err != nil {
		return err
	}
	missing, err := s.sleepers(ctx, l, tenth, n-tenth)
	if err != nil {
		return err
	}
	many, peak, err := l.worker.RSS()
	if err != nil {
		return err
	}
	if _, err := l.db.Pool.Exec(ctx, "VACUUM"); err != nil {
		return fmt.Errorf("vacuum: %w", err)
	}
	after, err := s.sizes(ctx, l.db)
	if err != nil {
		return err
	}
	n -= missing
	note := fmt.Sprintf("%d lifetimes", n)
	perToken := func(which int) float64 { return float64(after[which]-before[which]) / float64(n) }
	s.report.One("disk_app_bytes", report.Goal{}, perToken(0), note)
	s.report.One("disk_temporal_bytes", report.Goal{}, perToken(1), "main and visibility")
	s.report.One("disk_temporal_visibility_bytes", report.Goal{}, perToken(2), "of these")
	s.report.One("rss_worker_mb", report.AtMost(64), mb(many), note)
	s.report.One("rss_worker_peak_mb", report.Goal{}, mb(peak), "")
	s.report.One("rss_worker_tenth_mb", report.Goal{}, mb(few), fmt.Sprintf("at %d lifetimes", tenth))
	s.report.One("rss_worker_growth_bytes", report.Goal{}, float64(many-few)/float64(n-tenth), "a lifetime, between the two")
	return nil
}

// sizes are those of our database, of all of Temporal's, and of its visibility.
func (s *suite) sizes(ctx context.Context, d stack.Database) (sizes [3]int64, err error) {
	for i, name := range []string{d.Name, temporalDatabases, visibilityDatabase} {
		if sizes[i], err = s.cluster.Size(ctx, name); err != nil {
			return sizes, err
		}
	}
	return sizes, nil
}

// sleepers makes tokens and waits until their lifetimes sleep, within the limit; missing is how many were not started.
func (s *suite) sleepers(ctx context.Context, l *lifetimes, first, n int) (missing int, err error) {
	if _, err := l.db.SeedTokens(ctx, stack.Tokens{First: first, Count: n, Expiry: time.Now().Add(24 * time.Hour), Due: true}); err != nil {
		return 0, err
	}
	_, err = l.db.AwaitSettled(ctx, startLimit)
	if err != nil && (ctx.Err() != nil || !errors.Is(err, context.DeadlineExceeded)) {
		return 0, err
	}
	if missing, err = l.db.Owed(ctx); err != nil {
		return 0, err
	}
	return missing, sleepUntil(ctx, time.Now().Add(2*time.Second)) // until the last one sleeps
}
