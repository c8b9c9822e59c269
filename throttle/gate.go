package throttle

import (
	"context"
	"errors"
	"sync"
)

// mostWaiting bounds the attempts of one login from one address that wait in this process.
const mostWaiting = 256

var errCrowded = errors.New("too many attempts wait")

// gates let so many attempts of one key at a time to the database; the others wait here, where it costs nothing.
type gates struct {
	most int

	mu   sync.Mutex
	open map[key]*gate
}

type gate struct {
	places chan struct{}
	users  int // inside and waiting
}

// enter waits for a place, which leave gives back.
func (g *gates) enter(ctx context.Context, k key) (leave func(), err error) {
	g.mu.Lock()
	x := g.open[k]
	if x == nil {
		if g.open == nil {
			g.open = map[key]*gate{}
		}
		x = &gate{places: make(chan struct{}, g.most)}
		g.open[k] = x
	}
	if x.users >= g.most+mostWaiting {
		g.mu.Unlock()
		return nil, errCrowded
	}
	x.users++
	g.mu.Unlock()
	select {
	case x.places <- struct{}{}:
		return func() { <-x.places; g.gone(k, x) }, nil
	case <-ctx.Done():
		g.gone(k, x)
		return nil, context.Cause(ctx)
	}
}

func (g *gates) gone(k key, x *gate) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if x.users--; x.users == 0 {
		delete(g.open, k)
	}
}
