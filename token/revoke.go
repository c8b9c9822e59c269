package token

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/xivo-auth/xivo-auth/db"
	"github.com/xivo-auth/xivo-auth/trail"
)

// Revoke ends a token. One that is not there is no error.
func (s *Service) Revoke(ctx context.Context, secret string) error {
	ended := false
	err := db.InTx(ctx, s.d.Pool, func(tx pgx.Tx) (err error) {
		ended, err = s.RevokeIn(ctx, tx, secret)
		return err
	})
	if err != nil {
		return fmt.Errorf("revoke: %w", err)
	}
	if ended {
		s.d.Wake()
	}
	return nil
}

// ended writes the end of a session to the trail and owes its event.
func (s *Service) ended(ctx context.Context, tx pgx.Tx, action string, x db.TokenDeleteBySessionRow) error {
	err := trail.Add(ctx, tx, trail.Entry{Action: action, Subject: x.UserUUID, Tenant: &x.TenantUUID,
		Details: map[string]any{"session_uuid": x.SessionUUID, "auth_id": x.AuthID}})
	if err != nil {
		return err
	}
	return s.d.Events.Add(ctx, tx, deletions([]db.TokenDeleteBySessionRow{x})...)
}

// RevokeSession ends a session of one of the tenants; with a user given, only one of that user. A session that is not
// there, or not theirs, is left alone without an error.
func (s *Service) RevokeSession(ctx context.Context, tenants []uuid.UUID, user *uuid.UUID, session uuid.UUID) error {
	_, err := s.revoke(ctx, ReasonSessionDeleted, func(tx pgx.Tx) ([]uuid.UUID, error) {
		gone, err := s.q.TokenDeleteBySession(ctx, tx, db.TokenDeleteBySessionParams{SessionUUID: session, Tenants: tenants, UserUUID: user})
		if err != nil || len(gone) == 0 {
			return nil, err
		}
		return []uuid.UUID{session}, s.ended(ctx, tx, "session deleted", gone[0])
	})
	return err
}

// RevokeUserIn ends all sessions of a user inside the caller's transaction, which holds the user's row. The caller calls
// Wake after its commit.
func (s *Service) RevokeUserIn(ctx context.Context, tx pgx.Tx, user uuid.UUID, reason string) (int, error) {
	gone, err := s.q.TokenDeleteByUser(ctx, tx, user)
	if err != nil {
		return 0, fmt.Errorf("end sessions of a user: %w", err)
	}
	if err := s.end(ctx, tx, sessionsOf(gone), reason); err != nil {
		return 0, err
	}
	return len(gone), s.d.Events.Add(ctx, tx, deletionsOf(user, gone)...)
}

// RevokeIssuedBefore ends every token issued before an instant and tells how many: for the time after a restore of the
// database, which brings revoked tokens back, or after credentials leaked. It works in batches, each its own transaction.
func (s *Service) RevokeIssuedBefore(ctx context.Context, instant time.Time) (int, error) {
	const batch = 1000
	total := 0
	for {
		n, err := s.revoke(ctx, ReasonSessionDeleted, func(tx pgx.Tx) ([]uuid.UUID, error) {
			gone, err := s.q.TokenDeleteIssuedBefore(ctx, tx, db.TokenDeleteIssuedBeforeParams{Instant: instant, MaxRows: batch})
			if err != nil || len(gone) == 0 {
				return nil, err
			}
			err = trail.Add(ctx, tx, trail.Entry{Action: "tokens deleted", Details: map[string]any{"number": len(gone), "issued_before": instant}})
			if err != nil {
				return nil, err
			}
			return sessionsOf(gone), s.d.Events.Add(ctx, tx, deletions(gone)...)
		})
		total += n
		if err != nil || n == 0 {
			return total, err
		}
	}
}

// revoke deletes tokens and owes the end of their lifetimes in one transaction.
func (s *Service) revoke(ctx context.Context, reason string, del func(tx pgx.Tx) ([]uuid.UUID, error)) (int, error) {
	n := 0
	err := db.InTx(ctx, s.d.Pool, func(tx pgx.Tx) error {
		gone, err := del(tx)
		if err != nil {
			return err
		}
		n = len(gone)
		return s.end(ctx, tx, gone, reason)
	})
	if err != nil {
		return 0, fmt.Errorf("revoke: %w", err)
	}
	if n > 0 {
		s.d.Wake()
	}
	return n, nil
}
