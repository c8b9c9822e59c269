package token

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/xivo-auth/xivo-auth/db"
	"github.com/xivo-auth/xivo-auth/events"
	"github.com/xivo-auth/xivo-auth/tracing"
)

// Lifetimes is what the workflows do to tokens: they end them, and the audit mends what went wrong. It lives in the
// worker process, which needs none of what issuing takes.
type Lifetimes struct {
	d LifetimeDeps
	q *db.Queries
}

// LifetimeDeps are what it works with.
type LifetimeDeps struct {
	Pool DB
	// Events may be nil: there is no bus.
	Events Events
	// Wake tells the publisher, without waiting, that events are owed. It is called after commits only.
	Wake func()
	Log  *slog.Logger
}

// DB is a pool or a connection: queries and transactions.
type DB interface {
	db.DBTX
	db.Beginner
}

// NewLifetimes makes it.
func NewLifetimes(d LifetimeDeps) *Lifetimes {
	d.Events = orNoBus(d.Events)
	return &Lifetimes{d: d, q: db.New()}
}

// wake is called after commits that may have owed events.
func (l *Lifetimes) wake() {
	if l.d.Events.Enabled() {
		l.d.Wake()
	}
}

// DeleteExpired deletes a session's token if the database's clock says that it is over. Otherwise remaining says what is
// left of it; neither deleted nor remaining: it had gone before. late is how long after its expiry it was deleted.
func (l *Lifetimes) DeleteExpired(ctx context.Context, session uuid.UUID) (deleted bool, remaining, late time.Duration, err error) {
	r, err := l.q.TokenDeleteExpired(ctx, l.d.Pool, db.TokenDeleteExpiredParams{SessionUUID: session, Tell: l.d.Events.Enabled(), Traceparent: tracing.Traceparent(ctx)})
	if noRows(err) {
		return false, 0, 0, nil
	}
	if err != nil {
		return false, 0, 0, fmt.Errorf("delete expired token: %w", err)
	}
	if r.Nobodys { // what wazo-auth says of it (events.md section 6.3)
		l.d.Log.WarnContext(ctx, "invalid session "+session.String()+": no tenant_uuid found")
	}
	if r.Deleted {
		l.wake()
	}
	return r.Deleted, time.Duration(r.RemainingUs) * time.Microsecond, time.Duration(r.LateUs) * time.Microsecond, nil
}

// RevokeForLifetime ends a session on behalf of its own workflow, which need not be told of it.
func (l *Lifetimes) RevokeForLifetime(ctx context.Context, session uuid.UUID, _ string) (existed bool, err error) {
	err = db.InTx(ctx, l.d.Pool, func(tx pgx.Tx) error {
		if err := l.q.TokenCommitDurably(ctx, tx); err != nil {
			return err
		}
		gone, err := l.q.TokenDeleteForLifetime(ctx, tx, session)
		if err != nil {
			return err
		}
		existed = len(gone) > 0
		return l.d.Events.Add(ctx, tx, deletions(gone)...)
	})
	if err != nil {
		return false, fmt.Errorf("revoke token: %w", err)
	}
	l.wake()
	return existed, nil
}

// AnnounceExpiry puts "expires soon" into the log of events, if the session still lives.
func (l *Lifetimes) AnnounceExpiry(ctx context.Context, session uuid.UUID) error {
	err := db.InTx(ctx, l.d.Pool, func(tx pgx.Tx) error {
		t, err := l.q.TokenAnnounceExpiry(ctx, tx, session)
		if noRows(err) {
			return nil
		}
		if err != nil {
			return err
		}
		return l.d.Events.Add(ctx, tx, events.SessionExpireSoon{UUID: session, Tenant: t.TenantUUID, AuthID: t.AuthID})
	})
	if err != nil {
		return fmt.Errorf("announce expiry: %w", err)
	}
	l.wake()
	return nil
}

// LiveCount counts live tokens.
func (l *Lifetimes) LiveCount(ctx context.Context) (int64, error) {
	n, err := l.q.TokenCountLive(ctx, l.d.Pool)
	if err != nil {
		return 0, fmt.Errorf("count live tokens: %w", err)
	}
	return n, nil
}

// SweepOverdue deletes tokens that expired more than grace ago and that nothing is owed for.
func (l *Lifetimes) SweepOverdue(ctx context.Context, grace time.Duration, limit int) (int, error) {
	n := 0
	err := db.InTx(ctx, l.d.Pool, func(tx pgx.Tx) error {
		gone, err := l.q.TokenSweepOverdue(ctx, tx, db.TokenSweepOverdueParams{GraceSeconds: grace.Seconds(), MaxRows: int32(limit)}) //nolint:gosec // a small limit
		if err != nil {
			return err
		}
		n = len(gone)
		var told []events.Event
		for _, x := range gone {
			if x.Kind == KindUser {
				told = append(told, events.SessionDeleted{UUID: x.SessionUUID, Tenant: x.TenantUUID, AuthID: x.AuthID})
			}
		}
		return l.d.Events.Add(ctx, tx, told...)
	})
	if err != nil {
		return 0, fmt.Errorf("sweep overdue tokens: %w", err)
	}
	if n > 0 {
		l.wake()
	}
	return n, nil
}

// LivePage lists live sessions older than grace that nothing is owed for, in the order of their uuids, after one.
func (l *Lifetimes) LivePage(ctx context.Context, after uuid.UUID, grace time.Duration, limit int) ([]uuid.UUID, error) {
	page, err := l.q.TokenLivePage(ctx, l.d.Pool, db.TokenLivePageParams{After: after, GraceSeconds: grace.Seconds(), MaxRows: int32(limit)}) //nolint:gosec // a small limit
	if err != nil {
		return nil, fmt.Errorf("list live tokens: %w", err)
	}
	return page, nil
}

// RequestRun owes sessions a lifetime again, those that still live.
func (l *Lifetimes) RequestRun(ctx context.Context, sessions []uuid.UUID) (int, error) {
	n, err := l.q.LifetimeDueRun(ctx, l.d.Pool, sessions)
	if err != nil {
		return 0, fmt.Errorf("owe lifetimes: %w", err)
	}
	return int(n), nil
}

// MissingTokens finds the sessions that have neither a token nor anything owed.
func (l *Lifetimes) MissingTokens(ctx context.Context, sessions []uuid.UUID) ([]uuid.UUID, error) {
	missing, err := l.q.TokenMissing(ctx, l.d.Pool, sessions)
	if err != nil {
		return nil, fmt.Errorf("find missing tokens: %w", err)
	}
	return missing, nil
}

// RequestEnd owes the end of the lifetimes of sessions that have no token.
func (l *Lifetimes) RequestEnd(ctx context.Context, sessions []uuid.UUID) (int, error) {
	n := 0
	err := db.InTx(ctx, l.d.Pool, func(tx pgx.Tx) error {
		owed, err := l.q.LifetimeDueEndOrphans(ctx, tx, sessions)
		n = len(owed)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("owe the end of lifetimes: %w", err)
	}
	return n, nil
}

// SweepAccessLists deletes access lists older than a day that no token names.
func (l *Lifetimes) SweepAccessLists(ctx context.Context, limit int) (int, error) {
	n, err := l.q.AccessListSweep(ctx, l.d.Pool, int32(limit)) //nolint:gosec // a small limit
	if err != nil {
		return 0, fmt.Errorf("sweep access lists: %w", err)
	}
	return int(n), nil
}
