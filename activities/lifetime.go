package activities

import (
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/xivo-auth/xivo-auth/workflows"
)

// Tokens is what the steps of a lifetime need. All methods are idempotent, and fail only when the database does.
type Tokens interface {
	// DeleteExpired deletes the token if it has expired by the database's clock, and says how late that was. Otherwise
	// remaining is the time it has left. Not deleted and nothing remaining: there is no such token.
	DeleteExpired(ctx context.Context, session uuid.UUID) (deleted bool, remaining, late time.Duration, err error)
	// RevokeForLifetime revokes the token; the lifetime that asks for it is owed no end.
	RevokeForLifetime(ctx context.Context, session uuid.UUID, reason string) (existed bool, err error)
	// AnnounceExpiry owes the notice that the token expires soon; nothing when there is no such token.
	AnnounceExpiry(ctx context.Context, session uuid.UUID) error
}

// Lifetime has the activities of workflows.TokenLifetime.
type Lifetime struct {
	Tokens  Tokens
	Metrics *Metrics
}

// DeleteExpiredToken deletes a token that has expired, or says how long it still lives.
func (l *Lifetime) DeleteExpiredToken(ctx context.Context, in workflows.DeleteExpiredInput) (workflows.DeleteExpiredOutput, error) {
	deleted, remaining, late, err := l.Tokens.DeleteExpired(ctx, in.Session)
	if err != nil {
		return workflows.DeleteExpiredOutput{}, plain(ctx, "delete the expired token", err)
	}
	switch {
	case deleted:
		l.Metrics.deletions.WithLabelValues(workflows.Expired).Inc()
		l.Metrics.lateness.Observe(late.Seconds())
	case remaining <= 0:
		l.Metrics.deletions.WithLabelValues(workflows.Gone).Inc()
	}
	return workflows.DeleteExpiredOutput{Deleted: deleted, Remaining: max(0, remaining)}, nil
}

// RevokeToken revokes the token of a lifetime that was cancelled.
func (l *Lifetime) RevokeToken(ctx context.Context, in workflows.RevokeInput) (workflows.RevokeOutput, error) {
	existed, err := l.Tokens.RevokeForLifetime(ctx, in.Session, in.Reason)
	if err != nil {
		return workflows.RevokeOutput{}, plain(ctx, "revoke the token", err)
	}
	if existed {
		l.Metrics.deletions.WithLabelValues(workflows.Revoked).Inc()
	}
	return workflows.RevokeOutput{Existed: existed}, nil
}

// AnnounceExpiry owes the notice that a token expires soon.
func (l *Lifetime) AnnounceExpiry(ctx context.Context, in workflows.AnnounceExpiryInput) error {
	if err := l.Tokens.AnnounceExpiry(ctx, in.Session); err != nil {
		return plain(ctx, "announce the expiry", err)
	}
	return nil
}
