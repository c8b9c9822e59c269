package outbox

import (
	"context"
	"sync"
	"time"
)

// pause keeps the relay from leasing while its sink is away. It doubles from 100 ms and is capped at 2 s, so that it never
// outlasts an outage by more than that.
type pause struct {
	mu    sync.Mutex
	until time.Time
	step  time.Duration
}

const (
	shortestPause = 100 * time.Millisecond
	longestPause  = 2 * time.Second
)

func newPause() *pause { return &pause{step: shortestPause} }

// begin starts a pause, or tells how long the present one still takes: the calls of one outage fail together and count once.
func (p *pause) begin() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	if left := time.Until(p.until); left > 0 {
		return left
	}
	wait := p.step
	p.until = time.Now().Add(wait)
	p.step = min(2*p.step, longestPause)
	return wait
}

// over ends the outage.
func (p *pause) over() {
	p.mu.Lock()
	p.step = shortestPause
	p.mu.Unlock()
}

// wait sleeps until the pause is over; false when ctx ended first.
func (p *pause) wait(ctx context.Context) bool {
	p.mu.Lock()
	left := time.Until(p.until)
	p.mu.Unlock()
	if left <= 0 {
		return true
	}
	select {
	case <-time.After(left):
		return true
	case <-ctx.Done():
		return false
	}
}
