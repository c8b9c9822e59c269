package token

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/xivo-auth/xivo-auth/db"
	"github.com/xivo-auth/xivo-auth/events"
	"github.com/xivo-auth/xivo-auth/fault"
	"github.com/xivo-auth/xivo-auth/trail"
)

// redeem uses up the login of single sign-on that a token is given out for, online or offline, and ties it to what it was
// given out as: a logout finds it by that.
func (s *Service) redeem(ctx context.Context, tx pgx.Tx, login uuid.UUID, refresh *uuid.UUID, session uuid.UUID) error {
	n, err := s.q.SAMLLoginRedeem(ctx, tx, db.SAMLLoginRedeemParams{UUID: login, RefreshTokenUUID: refresh, TokenSessionUUID: &session})
	if err != nil {
		return fmt.Errorf("use up a SAML login: %w", err)
	}
	if n == 0 {
		return fault.AuthenticationFailed().Because(errors.New("the SAML session was used meanwhile"))
	}
	return nil
}

// RevokeIn ends a token inside the caller's transaction, and tells whether it was there. The caller calls Wake after its
// commit.
func (s *Service) RevokeIn(ctx context.Context, tx pgx.Tx, secret string) (bool, error) {
	h := Hash(secret)
	gone, err := s.q.TokenDeleteByHash(ctx, tx, h[:])
	if err != nil {
		return false, fmt.Errorf("delete token: %w", err)
	}
	if len(gone) == 0 {
		return false, nil
	}
	x := gone[0]
	o := trail.From(ctx) // nobody's request: the token itself is the right to end it
	o.AuthID, o.Session = x.AuthID, &x.SessionUUID
	if err := s.ended(trail.With(ctx, o), tx, "token deleted", db.TokenDeleteBySessionRow(x)); err != nil {
		return false, err
	}
	return true, s.end(ctx, tx, []uuid.UUID{x.SessionUUID}, ReasonLogout)
}

// DeleteRefreshTokenIn deletes a refresh token of a user inside the caller's transaction; tokens bought with it live on. One
// that is not there is no error. The caller calls Wake after its commit.
func (s *Service) DeleteRefreshTokenIn(ctx context.Context, tx pgx.Tx, user, refresh uuid.UUID) error {
	locked, err := s.q.UserLock(ctx, tx, user) // first lock in the order
	if noRows(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("lock user: %w", err)
	}
	was, err := s.q.RefreshTokenDeleteByUUID(ctx, tx, refresh)
	if noRows(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("delete refresh token: %w", err)
	}
	err = trail.Add(ctx, tx, trail.Entry{Action: "refresh_token deleted", Subject: &user, Tenant: &locked.TenantUUID,
		Details: map[string]any{"client_id": was.ClientID}})
	if err != nil {
		return err
	}
	return s.d.Events.Add(ctx, tx, events.RefreshTokenDeleted{ClientID: was.ClientID, Mobile: was.Mobile, User: user, Tenant: locked.TenantUUID})
}
