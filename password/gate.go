package password

import (
	"context"
	"errors"
)

// ErrBusy says that as many hashes run and wait as may: the caller should try again later.
var ErrBusy = errors.New("too many password hashes are waiting")

// gate lets a number of callers run and a number wait, first come first served.
type gate struct {
	places  chan struct{} // who runs or waits
	running chan struct{}
}

func newGate(concurrency, queue int) gate {
	return gate{places: make(chan struct{}, concurrency+queue), running: make(chan struct{}, concurrency)}
}

// run calls f when it is the caller's turn. It returns [ErrBusy] at once when the queue is full, and the context's error when
// that ends before the turn; f is not called then.
func (g gate) run(ctx context.Context, f func()) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case g.places <- struct{}{}:
	default:
		return ErrBusy
	}
	defer func() { <-g.places }()
	select {
	case g.running <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-g.running }()
	if err := ctx.Err(); err != nil { // the turn and the end came together
		return err
	}
	aside(f)
	return nil
}

func (g gate) waiting() int { return max(0, len(g.places)-len(g.running)) }
