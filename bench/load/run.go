package load

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

// Target is where requests go, and which.
type Target struct {
	Address string
	// Requests are complete ones, one of which is taken at random each time.
	Requests [][]byte
	// Want is the status of every answer; another one fails the measurement.
	Want int
}

// Outcome of a run.
type Outcome struct {
	Rate float64 // answers a second
	Histogram
}

// Closed keeps a number of connections busy for some time: each sends its next request when the last one was answered.
func Closed(ctx context.Context, t Target, connections int, d time.Duration) (Outcome, error) {
	conns, err := dialAll(ctx, t.Address, connections)
	defer closeAll(conns)
	if err != nil {
		return Outcome{}, err
	}
	parts := make([]Histogram, connections)
	start := time.Now()
	end := start.Add(d)
	g, ctx := errgroup.WithContext(ctx)
	for i, c := range conns {
		g.Go(func() error {
			random := rand.New(rand.NewPCG(uint64(i), uint64(start.UnixNano()))) //nolint:gosec // which token is asked for is no secret
			if err := c.SetDeadline(end.Add(answerTimeout)); err != nil {
				return err
			}
			for now := time.Now(); now.Before(end) && ctx.Err() == nil; {
				if err := t.one(c, random.IntN(len(t.Requests))); err != nil {
					return err
				}
				done := time.Now()
				parts[i].Observe(done.Sub(now))
				now = done
			}
			return ctx.Err()
		})
	}
	if err := g.Wait(); err != nil {
		return Outcome{}, err
	}
	return merge(parts, time.Since(start)), nil
}

// Open offers a fixed rate, whether answers come or not: a request that finds all connections busy waits for one, and its
// time counts from the moment at which it was due.
func Open(ctx context.Context, t Target, connections int, perSecond float64, d time.Duration) (Outcome, error) {
	conns, err := dialAll(ctx, t.Address, connections)
	defer closeAll(conns)
	if err != nil {
		return Outcome{}, err
	}
	parts := make([]Histogram, connections)
	start := time.Now()
	due := make(chan time.Time, int(perSecond*d.Seconds())+1)
	g, ctx := errgroup.WithContext(ctx)
	for i, c := range conns {
		g.Go(func() error {
			random := rand.New(rand.NewPCG(uint64(i), uint64(start.UnixNano()))) //nolint:gosec // which token is asked for is no secret
			if err := c.SetDeadline(start.Add(d + answerTimeout)); err != nil {
				return err
			}
			for at := range due {
				if err := t.one(c, random.IntN(len(t.Requests))); err != nil {
					return err
				}
				parts[i].Observe(time.Since(at))
			}
			return nil
		})
	}
	Pace(ctx, perSecond, d, func(at time.Time) { due <- at })
	close(due)
	if err := g.Wait(); err != nil {
		return Outcome{}, err
	}
	return merge(parts, time.Since(start)), nil
}

// Pace calls f at a fixed rate with the moment at which each call was due; f must not block for long.
func Pace(ctx context.Context, perSecond float64, d time.Duration, f func(due time.Time)) {
	start := time.Now()
	interval := time.Duration(float64(time.Second) / perSecond)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for at := start; at.Sub(start) < d; at = at.Add(interval) {
		if wait := time.Until(at); wait > 0 {
			timer.Reset(wait)
			select {
			case <-timer.C:
			case <-ctx.Done():
				return
			}
		}
		f(at)
	}
}

func (t Target) one(c *conn, i int) error {
	status, err := c.roundTrip(t.Requests[i])
	if err != nil {
		return err
	}
	if status != t.Want {
		return fmt.Errorf("load: an answer of %d instead of %d", status, t.Want)
	}
	return nil
}

func dialAll(ctx context.Context, address string, n int) ([]*conn, error) {
	conns := make([]*conn, 0, n)
	for range n {
		c, err := dial(ctx, address)
		if err != nil {
			return conns, err
		}
		conns = append(conns, c)
	}
	return conns, nil
}

func closeAll(conns []*conn) {
	for _, c := range conns {
		_ = c.Close()
	}
}

func merge(parts []Histogram, d time.Duration) Outcome {
	var o Outcome
	for i := range parts {
		o.Merge(&parts[i])
	}
	o.Rate = float64(o.Count()) / d.Seconds()
	return o
}

// Calls keeps a number of callers busy with f for some time and gives the calls a second. The first error ends it.
func Calls(ctx context.Context, callers int, d time.Duration, f func(ctx context.Context) error) (float64, error) {
	var mu sync.Mutex
	n := 0
	start := time.Now()
	g, ctx := errgroup.WithContext(ctx)
	for range callers {
		g.Go(func() error {
			for time.Since(start) < d && ctx.Err() == nil {
				if err := f(ctx); err != nil {
					return err
				}
				mu.Lock()
				n++
				mu.Unlock()
			}
			return ctx.Err()
		})
	}
	if err := g.Wait(); err != nil {
		return 0, err
	}
	return float64(n) / time.Since(start).Seconds(), nil
}
