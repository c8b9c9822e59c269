package plugin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/xivo-auth/xivo-auth/backends"
	pluginpb "github.com/xivo-auth/xivo-auth/backends/plugin/proto"
	"github.com/xivo-auth/xivo-auth/fault"
)

// errNotOffered is the answer of a plug-in that has no such operation.
var errNotOffered = errors.New("not offered by the plug-in")

// question is one call of a plug-in.
type question struct {
	name    string
	timeout time.Duration
	// password is left out of what is repeated of an error.
	password string
}

// ask calls a plug-in within its limits. The error is backends.ErrRejected for a refusal, errNotOffered, an API error of
// the plug-in (*fault.Error), or one that names the plug-in and wraps ErrNotRunning, ErrBusy, ErrTimeout, or the error of
// the caller's context where that is why.
func ask[A any](ctx context.Context, p *plugin, q question, do func(context.Context, *generation) (A, error)) (A, error) {
	var none A
	if err := ctx.Err(); err != nil {
		return none, fmt.Errorf("plug-in %s, %s: %w", p.id(), q.name, err)
	}
	g := p.alive.Load()
	if g == nil || !p.pause.enter(time.Now(), q.timeout) {
		p.count(q, outcomeDown)
		return none, fmt.Errorf("plug-in %s, %s: %w", p.id(), q.name, ErrNotRunning)
	}
	select {
	case p.slots <- struct{}{}:
		defer func() { <-p.slots }()
	default:
		p.count(q, outcomeBusy)
		return none, fmt.Errorf("plug-in %s, %s: %w", p.id(), q.name, ErrBusy)
	}
	limited, cancel := context.WithTimeout(ctx, q.timeout)
	defer cancel()
	started := time.Now()
	token, err := p.serviceToken(limited, g.load)
	if err != nil {
		p.count(q, outcomeError)
		return none, fmt.Errorf("plug-in %s, %s: %w", p.id(), q.name, err)
	}
	calling := limited
	if token != "" {
		calling = metadata.AppendToOutgoingContext(limited, pluginpb.ServiceTokenKey, token)
	}
	a, err := do(calling, g)
	p.h.m.seconds.WithLabelValues(p.kind, p.name, q.name).Observe(time.Since(started).Seconds())
	outcome, err := p.judge(ctx, limited, q, err)
	p.count(q, outcome)
	switch outcome {
	case outcomeTimeout:
		p.pause.missed(time.Now())
	case outcomeOK, outcomeError:
		p.pause.reset()
	}
	if err != nil {
		return none, err
	}
	return a, nil
}

func (p *plugin) count(q question, outcome string) {
	p.h.m.calls.WithLabelValues(p.kind, p.name, q.name, outcome).Inc()
}

// judge gives the status of a call its meaning.
func (p *plugin) judge(ctx, limited context.Context, q question, err error) (string, error) {
	if err == nil {
		return outcomeOK, nil
	}
	s := status.Convert(err)
	switch {
	case s.Code() == codes.Unauthenticated:
		return outcomeOK, fmt.Errorf("plug-in %s: %w", p.id(), backends.ErrRejected)
	case s.Code() == codes.Unimplemented:
		return outcomeOK, errNotOffered
	case ctx.Err() != nil:
		return outcomeGone, fmt.Errorf("plug-in %s, %s: %w", p.id(), q.name, ctx.Err())
	case s.Code() == codes.DeadlineExceeded, limited.Err() != nil: // the plug-in's clock may be first
		return outcomeTimeout, fmt.Errorf("plug-in %s, %s: no answer within %s: %w", p.id(), q.name, q.timeout, ErrTimeout)
	}
	failure := fmt.Errorf("plug-in %s, %s: %s: %s", p.id(), q.name, s.Code(), said(s.Message(), q.password))
	if f := apiError(s, q.password); f != nil {
		return outcomeOK, f.Because(failure)
	}
	return outcomeError, failure
}

// apiError is what a plug-in wants the client to be told, or nil.
func apiError(s *status.Status, password string) *fault.Error {
	for _, d := range s.Details() {
		e, ok := d.(*pluginpb.ApiError)
		if !ok || e.GetErrorId() == "" {
			continue
		}
		kind, ok := map[codes.Code]fault.Kind{codes.InvalidArgument: fault.Invalid, codes.NotFound: fault.NotFound, codes.AlreadyExists: fault.Conflict,
			codes.ResourceExhausted: fault.Exhausted, codes.Unavailable: fault.Unavailable}[s.Code()]
		if !ok {
			return nil
		}
		var details map[string]any
		if n := len(e.GetDetailsJson()); n > maxMetadata || n > 0 && !json.Valid(e.GetDetailsJson()) {
			return nil
		}
		_ = json.Unmarshal(e.GetDetailsJson(), &details) // none, or no object, is nil
		return fault.Modern(kind, said(e.GetErrorId()), said(e.GetResource()), said(e.GetMessage(), password), details)
	}
	return nil
}

// breaker keeps a plug-in that lets calls time out from being asked, for growing pauses. The zero value asks.
type breaker struct {
	mu     sync.Mutex
	misses int
	pause  time.Duration
	until  time.Time
}

const (
	breakAfter = 3 // calls in a row
	minPause   = time.Second
	maxPause   = 30 * time.Second
)

// enter tells whether a call may be made. After a pause one call may try; others only when it went well or its time is up.
func (b *breaker) enter(now time.Time, timeout time.Duration) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if now.Before(b.until) {
		return false
	}
	if b.misses >= breakAfter {
		b.until = now.Add(timeout)
	}
	return true
}

func (b *breaker) open(now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return now.Before(b.until)
}

func (b *breaker) missed(now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.misses++
	if b.misses >= breakAfter && !now.Before(b.until) { // calls that began before the pause do not prolong it
		b.pause = min(max(2*b.pause, minPause), maxPause)
		b.until = now.Add(b.pause)
	}
}

func (b *breaker) reset() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.misses, b.pause, b.until = 0, 0, time.Time{}
}
