package outbox

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/errgroup"

	"github.com/xivo-auth/xivo-auth/db"
)

// Consent is a user's consent that is to be waited for.
type Consent struct {
	UUID, User, Tenant uuid.UUID
	Type               string
	Deadline           time.Time
}

// Consents is the sink. Starting what has been started succeeds.
type Consents interface {
	StartConsent(ctx context.Context, c Consent) error
}

// ConsentOptions of a relay. Zero fields get the defaults in brackets.
type ConsentOptions struct {
	Pool *pgxpool.Pool
	Sink Consents
	Log  *slog.Logger
	// Poll is how often the relay looks without being woken [1 s].
	Poll time.Duration
}

// ConsentRelay starts the waits for consents.
type ConsentRelay struct {
	o    ConsentOptions
	q    *db.Queries
	wake chan struct{}
}

const (
	consentBatch = 32
	consentLease = 15 * time.Second
	consentWait  = time.Second // after a failure
	consentCall  = 10 * time.Second
)

// NewConsentRelay makes a relay; Run runs it.
func NewConsentRelay(o ConsentOptions) *ConsentRelay {
	o.Poll = or(o.Poll, time.Second)
	return &ConsentRelay{o: o, q: db.New(), wake: make(chan struct{}, 1)}
}

// Poke makes the relay look again.
func (r *ConsentRelay) Poke() { poke(r.wake) }

// Run works until ctx is over. Outages of the database or the sink end nothing: a consent waits until its deadline.
func (r *ConsentRelay) Run(ctx context.Context) {
	tick := time.NewTicker(r.o.Poll)
	defer tick.Stop()
	for {
		for ctx.Err() == nil && r.batch(ctx) == consentBatch {
		}
		select {
		case <-r.wake:
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// batch starts what is due and tells how many that were.
func (r *ConsentRelay) batch(ctx context.Context) int {
	leasing, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	rows, err := r.q.ExternalConsentLease(leasing, r.o.Pool, db.ExternalConsentLeaseParams{MaxRows: consentBatch, LeaseSeconds: consentLease.Seconds()})
	if err != nil {
		if ctx.Err() == nil {
			r.o.Log.ErrorContext(ctx, "the relay cannot read which consents are due", "error", err)
		}
		return 0
	}
	var g errgroup.Group
	for _, row := range rows {
		g.Go(func() error { r.start(row); return nil })
	}
	_ = g.Wait()
	return len(rows)
}

// start is finished whatever becomes of the relay: a call under way at shutdown is recorded.
func (r *ConsentRelay) start(row db.ExternalConsentLeaseRow) {
	ctx, cancel := context.WithTimeout(context.Background(), consentCall)
	defer cancel()
	err := r.o.Sink.StartConsent(ctx, Consent{UUID: row.UUID, User: row.UserUUID, Tenant: row.TenantUUID, Type: row.Type, Deadline: row.ExpiresAt})
	recording, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err == nil {
		err = r.q.ExternalConsentStarted(recording, r.o.Pool, row.UUID)
	} else {
		level := slog.LevelError
		if errors.Is(err, ErrSinkAway) {
			level = slog.LevelWarn
		}
		r.o.Log.Log(ctx, level, "the wait for a consent could not be started; trying again", "consent_uuid", row.UUID, "error", err)
		err = r.q.ExternalConsentRelease(recording, r.o.Pool, db.ExternalConsentReleaseParams{UUID: row.UUID, WaitSeconds: consentWait.Seconds()})
	}
	if err != nil {
		r.o.Log.ErrorContext(ctx, "what became of a consent could not be recorded; its lease will run out", "consent_uuid", row.UUID, "error", err)
	}
}
