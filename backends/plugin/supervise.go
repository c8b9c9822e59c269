package plugin

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	pluginpb "github.com/xivo-auth/xivo-auth/backends/plugin/proto"
)

const (
	firstAttempts  = 3 // starts at the start of the service before a plug-in is dropped
	healthFailures = 3 // in a row before a restart
)

// plugin is one enabled program.
type plugin struct {
	kind, name string
	path       string
	checksum   string
	settings   map[string]any
	h          *Host
	out        *lines
	slots      chan struct{}
	token      serviceToken

	// usable says that it was loaded when the service started; it does not change after that.
	usable bool
	// child is the newest process.
	child atomic.Pointer[child]
	// alive is the life that calls go to; nil while there is none.
	alive atomic.Pointer[generation]
	pause breaker

	mu       sync.Mutex
	method   string
	declared *declared // of kind external_auth
	state    State
	since    time.Time
	restarts int
	lastErr  string
}

func (p *plugin) id() string { return p.kind + "/" + p.name }

func (p *plugin) set(s State, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.state, p.since = s, time.Now()
	if err != nil {
		p.lastErr = flat(err)
	}
	up := 0.0
	if s == StateUp {
		up = 1
	}
	p.h.m.up.WithLabelValues(p.kind, p.name).Set(up)
}

// status is the health detail. A plug-in that is not asked for a while counts as down.
func (p *plugin) status() Status {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := Status{Kind: p.kind, Name: p.name, State: p.state, Since: p.since, Restarts: p.restarts, Error: p.lastErr}
	if s.State == StateUp && p.pause.open(time.Now()) {
		s.State, s.Error = StateDown, "it lets calls time out and is not asked for a while"
	}
	return s
}

// first starts the plug-in when the service starts. It reports whether the plug-in is there to be used.
func (p *plugin) first(ctx context.Context) bool {
	for i := range firstAttempts {
		g, err := p.start(ctx)
		if err == nil {
			p.alive.Store(g)
			p.set(StateUp, nil)
			p.h.o.Log.Info("a plug-in is loaded", "plugin", p.id(), "pid", g.child.pid())
			return true
		}
		if !errors.Is(err, errPassing) || i == firstAttempts-1 || !p.wait(ctx, p.h.o.MinBackoff<<i) {
			p.set(StateDropped, err)
			p.h.o.Log.Error("a plug-in could not be loaded and is left out", "plugin", p.id(), "error", flat(err))
			return false
		}
	}
	return false
}

// run keeps the plug-in running until ctx is over.
func (p *plugin) run(ctx context.Context) {
	pauses := 0
	for {
		g := p.alive.Load()
		reason := p.watch(ctx, g)
		p.alive.Store(nil)
		if ctx.Err() != nil {
			p.set(StateDown, nil)
			g.stop(stopGrace)
			return
		}
		p.set(StateDown, reason)
		g.stop(0)
		if time.Since(g.started) >= p.h.o.HealthyAfter {
			pauses = 0
		}
		for {
			d := p.backoff(pauses)
			pauses++
			p.h.o.Log.Error("a plug-in is down and will be restarted", "plugin", p.id(), "error", flat(reason), "in", d.Round(time.Millisecond))
			if !p.wait(ctx, d) {
				return
			}
			p.mu.Lock()
			p.restarts++
			p.mu.Unlock()
			p.h.m.restarts.WithLabelValues(p.kind, p.name).Inc()
			var err error
			if g, err = p.start(ctx); err == nil {
				break
			}
			reason = err
			p.set(StateDown, err)
		}
		p.pause.reset()
		p.alive.Store(g)
		p.set(StateUp, nil)
		p.h.o.Log.Info("a plug-in is up again", "plugin", p.id(), "pid", g.child.pid())
	}
}

// watch returns why a life ended or has to end; nil when ctx is over.
func (p *plugin) watch(ctx context.Context, g *generation) error {
	tick := time.NewTicker(p.h.o.HealthInterval)
	defer tick.Stop()
	failed := 0
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-g.child.exited:
			return fmt.Errorf("its program ended: %w", endOf(g.child))
		case <-tick.C:
		}
		checking, cancel := context.WithTimeout(ctx, min(p.h.o.HealthInterval, p.h.o.Timeout))
		err := g.healthy(checking, p.h.o.MaxMemory)
		cancel()
		switch failed++; {
		case err == nil:
			failed = 0
		case errors.Is(err, errFatal), failed >= healthFailures:
			return err
		}
	}
}

func endOf(c *child) error {
	if c.waitErr != nil {
		return c.waitErr
	}
	return errors.New("without an error")
}

// backoff doubles with each restart, up to the limit, give or take a fifth.
func (p *plugin) backoff(n int) time.Duration {
	d := p.h.o.MaxBackoff
	if n < 30 {
		d = min(d, p.h.o.MinBackoff<<n)
	}
	return time.Duration(float64(d) * (0.8 + 0.2*rand.Float64())) //nolint:gosec // spread, no secret
}

func (*plugin) wait(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// flat is an error on one line, without our own marks.
func flat(err error) string {
	var joined interface{ Unwrap() []error }
	if errors.Is(err, errPassing) && errors.As(err, &joined) {
		err = joined.Unwrap()[0]
	}
	return said(err.Error())
}

// serviceToken keeps the token of one plug-in until shortly before its end.
type serviceToken struct {
	mu      sync.Mutex
	token   string
	expires time.Time
}

// renewBefore is how long before its expiry a token is replaced (backends.md section 14).
const renewBefore = 30 * time.Second

func (p *plugin) serviceToken(ctx context.Context, a *pluginpb.LoadAnswer) (string, error) {
	if len(a.GetServiceAccess()) == 0 {
		return "", nil
	}
	t := &p.token
	t.mu.Lock()
	defer t.mu.Unlock()
	if time.Until(t.expires) > renewBefore {
		return t.token, nil
	}
	token, expires, err := p.h.o.ServiceToken(ctx, a.GetServiceAccess())
	if err != nil {
		return "", fmt.Errorf("make a service token: %w", err)
	}
	t.token, t.expires = token, expires
	return token, nil
}
