package token

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"time"
)

type key = [32]byte

// fetchFunc answers keys with one round trip to the database and calls emit for each key found.
type fetchFunc[V any] func(ctx context.Context, keys [][]byte, emit func(key []byte, v V)) error

var errFetchPanic = errors.New("look-up panicked")

type call[V any] struct {
	key   key
	ctx   context.Context //nolint:containedctx // lives as long as the call whose context it is
	val   V
	found bool
	err   error
	next  *call[V] // another caller of the same key in the same batch
	done  chan struct{}
}

// coalescer joins look-ups that arrive while a query is under way into the next one. It is no cache: an answer always
// comes from a query that was sent after get was called.
type coalescer[V any] struct {
	fetch       fetchFunc[V]
	maxBatch    int           // keys in one query
	maxInFlight int           // queries at a time
	maxPending  int           // callers waiting; more are refused
	timeout     time.Duration // of one query, independent of every caller's context

	mu      sync.Mutex
	pending []*call[V]
	running int
}

// errOverloaded says that more look-ups wait than can be answered in time.
var errOverloaded = errors.New("too many look-ups are waiting")

func (c *coalescer[V]) get(ctx context.Context, k key) (v V, found bool, err error) {
	w := &call[V]{key: k, ctx: ctx, done: make(chan struct{})}
	c.mu.Lock()
	if len(c.pending) >= c.maxPending {
		c.mu.Unlock()
		return v, false, errOverloaded
	}
	c.pending = append(c.pending, w)
	lead := c.running < c.maxInFlight
	if lead {
		c.running++
	}
	c.mu.Unlock()
	if lead { // a free slot: this caller sends the first query itself, which saves a goroutine switch
		if more := c.step(true); more {
			go c.work()
		}
	}
	select {
	case <-w.done:
		return w.val, w.found, w.err
	case <-ctx.Done(): // w stays in its batch; nobody reads it any more
		return v, false, context.Cause(ctx)
	}
}

func (c *coalescer[V]) work() {
	for c.step(false) {
	}
}

// step cuts one batch and runs it. It gives the slot back, and returns false, when nothing waits (a leading caller also
// when nothing waits after its own batch).
func (c *coalescer[V]) step(lead bool) bool {
	runtime.Gosched() // handlers that are ready to run get into this batch
	c.mu.Lock()
	n := min(len(c.pending), c.maxBatch)
	if n == 0 {
		c.running--
		c.mu.Unlock()
		return false
	}
	batch := c.pending[:n:n]
	if c.pending = c.pending[n:]; len(c.pending) == 0 {
		c.pending = nil // the next append starts a new array: batch is ours
	}
	c.mu.Unlock()
	c.run(batch)
	if !lead {
		return true
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.pending) > 0 {
		return true
	}
	c.running--
	return false
}

func (c *coalescer[V]) run(batch []*call[V]) {
	byKey := make(map[key]*call[V], len(batch))
	keys := make([][]byte, 0, len(batch))
	for _, w := range batch {
		if w.err = w.ctx.Err(); w.err != nil { // its caller has left already
			close(w.done)
			continue
		}
		first, dup := byKey[w.key]
		if w.next = first; !dup {
			keys = append(keys, w.key[:])
		}
		byKey[w.key] = w
	}
	if len(keys) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), c.timeout)
	defer cancel()
	err := c.query(ctx, keys, byKey)
	for _, w := range byKey {
		for ; w != nil; w = w.next {
			w.err = err
			close(w.done)
		}
	}
}

func (c *coalescer[V]) query(ctx context.Context, keys [][]byte, byKey map[key]*call[V]) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %v", errFetchPanic, p)
		}
	}()
	return c.fetch(ctx, keys, func(k []byte, v V) {
		if len(k) != len(key{}) {
			return
		}
		for w := byKey[key(k)]; w != nil; w = w.next {
			w.val, w.found = v, true
		}
	})
}
