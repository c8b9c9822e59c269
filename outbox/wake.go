package outbox

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/xivo-auth/xivo-auth/db"
)

// Waker tells the relays that something is due. It sends NOTIFY after the commit and outside the transaction (inside, it
// halves the rate of commits), with at most one under way in a process: further calls meanwhile are served by one more.
// A NOTIFY that gets lost costs one polling interval.
type Waker struct {
	pool  db.DBTX
	log   *slog.Logger
	state atomic.Int32
}

const (
	idle int32 = iota
	sending
	sendingAndAskedAgain
)

// NewWaker makes a waker.
func NewWaker(pool db.DBTX, log *slog.Logger) *Waker { return &Waker{pool: pool, log: log} }

// Wake returns at once.
func (w *Waker) Wake() {
	for {
		switch w.state.Load() {
		case idle:
			if w.state.CompareAndSwap(idle, sending) {
				go w.send()
				return
			}
		case sending:
			if w.state.CompareAndSwap(sending, sendingAndAskedAgain) {
				return
			}
		default:
			return
		}
	}
}

func (w *Waker) send() {
	for {
		w.notify()
		if w.state.CompareAndSwap(sending, idle) {
			return
		}
		w.state.Store(sending)
	}
}

func (w *Waker) notify() {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	if err := db.New().LifetimeDueNotify(ctx, w.pool); err != nil {
		w.log.WarnContext(ctx, "the relay could not be woken; it will look by itself", "error", err)
	}
}
