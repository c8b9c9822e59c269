package outbox

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"go.opentelemetry.io/otel/trace"

	"github.com/xivo-auth/xivo-auth/db"
	"github.com/xivo-auth/xivo-auth/tracing"
)

// ErrSinkAway is wrapped by a sink's error when it cannot be reached: nothing is wrong with the row, which waits without
// being counted as failed. Any other error is the row's own.
var ErrSinkAway = errors.New("the sink cannot be reached")

// Start is a lifetime to be started.
type Start struct {
	Session, Tenant       uuid.UUID
	Kind, AuthID, Backend string
	RemoteAddr, UserAgent string
	IssuedAt, ExpiresAt   time.Time
	// Repair says that the audit found the session without its lifetime: one that ended is started anew.
	Repair bool
	// NoticeAt is when "expires soon" is to be told, nil for never.
	NoticeAt *time.Time
}

// Lifetimes is the sink. Both calls are idempotent: starting what runs and ending what is not there succeed.
type Lifetimes interface {
	StartLifetime(ctx context.Context, s Start) error
	EndLifetime(ctx context.Context, session uuid.UUID, reason string) error
}

// Options of a relay. Zero fields get the defaults in brackets.
type Options struct {
	Pool    *pgxpool.Pool
	Sink    Lifetimes
	Log     *slog.Logger
	Metrics *Metrics
	// Batch is how many rows are leased at once [64], Concurrency how many calls to the sink run side by side [16].
	Batch, Concurrency int
	// Poll is how often the relay looks without being woken [1 s].
	Poll time.Duration
	// Lease is how long a leased row is this relay's alone [60 s]; a call to the sink takes at most CallTimeout [10 s].
	Lease, CallTimeout time.Duration
	// MaxFailures of a row before it is parked [10].
	MaxFailures int
	// Tracer continues the traces of requests; nil where tracing is off.
	Tracer trace.Tracer
}

// Relay works off lifetime_due.
type Relay struct {
	o    Options
	q    *db.Queries
	wake chan struct{}
}

// NewRelay makes a relay; Run runs it.
func NewRelay(o Options) *Relay {
	o.Batch = or(o.Batch, 64)
	o.Concurrency = or(o.Concurrency, 16)
	o.Poll = or(o.Poll, time.Second)
	o.Lease = or(o.Lease, time.Minute)
	o.CallTimeout = or(o.CallTimeout, 10*time.Second)
	o.MaxFailures = or(o.MaxFailures, 10)
	return &Relay{o: o, q: db.New(), wake: make(chan struct{}, 1)}
}

func or[T comparable](v, otherwise T) T {
	var zero T
	if v == zero {
		return otherwise
	}
	return v
}

// Run works until ctx is over, then finishes what it has under way. Outages of the database or the sink end nothing.
//
// Rows flow: a feeder leases the next batch as soon as fewer rows wait than there are callers, so that callers never
// idle while a batch's slowest call runs; a settler removes finished rows many at a time.
func (r *Relay) Run(ctx context.Context) {
	var wg sync.WaitGroup
	rows := make(chan db.LifetimeDueLeaseRow, r.o.Concurrency)
	done := make(chan db.LifetimeDueLeaseRow, r.o.Batch)
	pause := newPause()
	var callers sync.WaitGroup
	for range r.o.Concurrency {
		callers.Go(func() {
			for row := range rows {
				if r.deliver(row, pause) {
					done <- row
				}
			}
		})
	}
	wg.Go(func() { r.settle(done) })

	r.feed(ctx, rows, pause)
	close(rows)
	callers.Wait()
	close(done)
	wg.Wait()
}

func (r *Relay) feed(ctx context.Context, rows chan<- db.LifetimeDueLeaseRow, pause *pause) {
	poll := time.NewTicker(r.o.Poll)
	defer poll.Stop()
	for ctx.Err() == nil {
		if !pause.wait(ctx) {
			return
		}
		batch, err := r.lease(ctx)
		if err != nil {
			if ctx.Err() == nil {
				r.o.Log.ErrorContext(ctx, "the relay cannot read what is due", "error", err)
			}
		}
		for i, row := range batch {
			select {
			case rows <- row:
				continue
			case <-ctx.Done():
			}
			r.release(batch[i:])
			return
		}
		if len(batch) == r.o.Batch {
			continue
		}
		select {
		case <-ctx.Done():
		case <-r.wake:
		case <-poll.C:
		}
	}
}

func (r *Relay) lease(ctx context.Context) ([]db.LifetimeDueLeaseRow, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	return r.q.LifetimeDueLease(ctx, r.o.Pool, db.LifetimeDueLeaseParams{MaxRows: int32(r.o.Batch), LeaseSeconds: r.o.Lease.Seconds()}) //nolint:gosec // a small number
}

// deliver hands one row to the sink and tells whether it is done with. The row's outcome is recorded whatever becomes of
// the context that the relay runs under: a call under way at shutdown is finished.
func (r *Relay) deliver(row db.LifetimeDueLeaseRow, pause *pause) bool {
	ctx, cancel := context.WithTimeout(context.Background(), r.o.CallTimeout)
	defer cancel()
	ctx, span := tracing.Resume(ctx, r.o.Tracer, row.Traceparent, "relay "+row.Wanted+" lifetime", trace.SpanKindConsumer)
	err := r.call(ctx, row)
	tracing.End(span, err)
	r.o.Metrics.delivered(row.Wanted, err)
	if err == nil {
		pause.over()
		return true
	}
	recording, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if errors.Is(err, ErrSinkAway) {
		wait := pause.begin()
		r.o.Log.WarnContext(ctx, "the relay's sink is away; what is due waits", "session_uuid", row.SessionUUID, "wait", wait, "error", err)
		r.releaseIn(recording, []uuid.UUID{row.SessionUUID}, wait)
		return false
	}
	r.o.Log.ErrorContext(ctx, "what is due for a lifetime failed", "session_uuid", row.SessionUUID, "wanted", row.Wanted, "failures", row.Failures+1, "error", err)
	text := err.Error()
	text = text[:min(len(text), 1000)]
	err = r.q.LifetimeDueFail(recording, r.o.Pool, db.LifetimeDueFailParams{SessionUUID: row.SessionUUID, Version: row.Version,
		WaitSeconds: backOff(int(row.Failures)).Seconds(), LastError: &text, MaxFailures: int32(r.o.MaxFailures)}) //nolint:gosec // a small number
	if err != nil {
		r.o.Log.ErrorContext(ctx, "a failure could not be recorded; the lease will run out", "session_uuid", row.SessionUUID, "error", err)
	}
	return false
}

// call does what a row wants. A session that wants to run but has no token any more wants nothing: whoever deleted the
// token without a word (a user or tenant that was deleted) left no lifetime to start.
func (r *Relay) call(ctx context.Context, row db.LifetimeDueLeaseRow) error {
	if row.Wanted == "end" {
		return r.o.Sink.EndLifetime(ctx, row.SessionUUID, row.Reason)
	}
	if row.Kind == nil {
		return nil
	}
	return r.o.Sink.StartLifetime(ctx, Start{Session: row.SessionUUID, Tenant: *row.TenantUUID, Kind: *row.Kind, AuthID: *row.AuthID,
		Backend: *row.Backend, RemoteAddr: *row.RemoteAddr, UserAgent: *row.UserAgent, IssuedAt: *row.IssuedAt, ExpiresAt: *row.ExpiresAt,
		NoticeAt: row.NoticeAt, Repair: row.Reason == "audit"})
}

// gatherTime is how long finished rows wait for others to be removed with: nobody waits for their removal.
const gatherTime = 10 * time.Millisecond

// settle removes rows that were worked off, many in one statement.
func (r *Relay) settle(done <-chan db.LifetimeDueLeaseRow) {
	for row := range done {
		batch := gather(row, done, r.o.Batch)
		if err := r.settleBatch(batch); err != nil {
			// The leases run out and the rows are delivered again, which both calls of the sink bear.
			r.o.Log.Error("finished rows could not be removed; they will be delivered again", "rows", len(batch), "error", err)
		}
	}
}

func gather[T any](first T, done <-chan T, most int) []T {
	batch := []T{first}
	timer := time.NewTimer(gatherTime)
	defer timer.Stop()
	for len(batch) < most {
		select {
		case one, ok := <-done:
			if !ok {
				return batch
			}
			batch = append(batch, one)
		case <-timer.C:
			return batch
		}
	}
	return batch
}

func (r *Relay) settleBatch(batch []db.LifetimeDueLeaseRow) error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	p := db.LifetimeDueSettleParams{}
	started := map[uuid.UUID]bool{}
	for _, row := range batch {
		p.Sessions, p.Versions = append(p.Sessions, row.SessionUUID), append(p.Versions, row.Version)
		started[row.SessionUUID] = row.Wanted == "run"
		r.o.Metrics.settled(row.CreatedAt)
	}
	var removed []uuid.UUID
	err := db.Retry(ctx, func() (err error) {
		removed, err = r.q.LifetimeDueSettle(ctx, r.o.Pool, p)
		return err
	})
	if err != nil {
		return fmt.Errorf("settle: %w", err)
	}
	for _, s := range removed {
		delete(started, s)
	}
	if len(started) == 0 {
		return nil
	}
	// What is wanted changed while it was delivered: give those back. Should a row be gone altogether (this process slept
	// past its lease and another one did the work), a lifetime just started may be one too many.
	var changed, orphans []uuid.UUID
	for s, run := range started {
		changed = append(changed, s)
		if run {
			orphans = append(orphans, s)
		}
	}
	r.releaseIn(ctx, changed, 0)
	if len(orphans) > 0 {
		if _, err := r.q.LifetimeDueEndOrphans(ctx, r.o.Pool, orphans); err != nil {
			return fmt.Errorf("owe the end of orphaned lifetimes: %w", err)
		}
	}
	r.Poke()
	return nil
}

func (r *Relay) release(rows []db.LifetimeDueLeaseRow) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	sessions := make([]uuid.UUID, len(rows))
	for i, row := range rows {
		sessions[i] = row.SessionUUID
	}
	r.releaseIn(ctx, sessions, 0)
}

func (r *Relay) releaseIn(ctx context.Context, sessions []uuid.UUID, wait time.Duration) {
	err := r.q.LifetimeDueRelease(ctx, r.o.Pool, db.LifetimeDueReleaseParams{Sessions: sessions, WaitSeconds: wait.Seconds()})
	if err != nil {
		r.o.Log.ErrorContext(ctx, "leased rows could not be given back; their leases will run out", "rows", len(sessions), "error", err)
	}
}

// Poke makes the relay look again.
func (r *Relay) Poke() { poke(r.wake) }

// backOff is what a row waits after its n-th failure: 1 s doubling to 5 min.
func backOff(failures int) time.Duration {
	return min(time.Second<<min(failures, 20), 5*time.Minute)
}
