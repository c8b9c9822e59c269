package token

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/xivo-auth/xivo-auth/db"
	"github.com/xivo-auth/xivo-auth/fault"
	"github.com/xivo-auth/xivo-auth/seal"
)

// refreshToken is one that an offline login hands out.
type refreshToken struct {
	uuid   uuid.UUID
	secret string
}

// keepRefreshToken hands out the refresh token of (user, client id) by the rules of tokens.md section 6, under the lock on
// the user, and tells how many sessions a mobile login ended.
func (s *Service) keepRefreshToken(ctx context.Context, tx pgx.Tx, r *Request, l *login) (refreshToken, int, error) {
	user, client := l.subject.User.UUID, Hash(r.ClientID)
	revoked := 0
	old, err := s.q.RefreshTokenForUpdate(ctx, tx, db.RefreshTokenForUpdateParams{UserUUID: user, ClientKey: client[:]})
	switch {
	case noRows(err):
	case err != nil:
		return refreshToken{}, 0, fmt.Errorf("find refresh token: %w", err)
	case r.Mobile:
		if revoked, err = s.purge(ctx, tx, old.UUID); err != nil {
			return refreshToken{}, 0, err
		}
	default:
		secret, err := s.d.Sealer.Open(old.Sealed, old.KeyID, seal.AAD("refresh_tokens", old.UUID.String(), user.String(), r.ClientID))
		if err == nil {
			return refreshToken{old.UUID, string(secret)}, 0, nil
		}
		// The key is gone: a new refresh token takes the old one's place. The client gets it in this answer.
		s.d.Log.WarnContext(ctx, "a refresh token cannot be opened and is replaced", "refresh_token_uuid", old.UUID, "key_id", old.KeyID)
		if err := s.q.RefreshTokenDeleteByUUID(ctx, tx, old.UUID); err != nil {
			return refreshToken{}, 0, fmt.Errorf("replace refresh token: %w", err)
		}
	}
	if r.Mobile { // one active mobile client a user
		other, err := s.q.RefreshTokenMobile(ctx, tx, user)
		if err == nil {
			var n int
			n, err = s.purge(ctx, tx, other)
			revoked += n
		}
		if err != nil && !noRows(err) {
			return refreshToken{}, 0, fmt.Errorf("end the earlier mobile client: %w", err)
		}
	}
	made, err := s.newRefreshToken(ctx, tx, r, l)
	return made, revoked, err
}

// purge ends the sessions linked to a refresh token, then the refresh token.
func (s *Service) purge(ctx context.Context, tx pgx.Tx, id uuid.UUID) (int, error) {
	sessions, err := s.q.TokenDeleteByRefreshToken(ctx, tx, id)
	if err != nil {
		return 0, fmt.Errorf("end sessions of a refresh token: %w", err)
	}
	if err := s.end(ctx, tx, sessions, ReasonReplaced); err != nil {
		return 0, err
	}
	if err := s.q.RefreshTokenDeleteByUUID(ctx, tx, id); err != nil {
		return 0, fmt.Errorf("delete refresh token: %w", err)
	}
	return len(sessions), nil
}

func (s *Service) newRefreshToken(ctx context.Context, tx pgx.Tx, r *Request, l *login) (refreshToken, error) {
	made := refreshToken{uuid.New(), newSecret()}
	user := l.subject.User.UUID
	sealed, keyID, err := s.d.Sealer.Seal([]byte(made.secret), seal.AAD("refresh_tokens", made.uuid.String(), user.String(), r.ClientID))
	if err != nil {
		return made, fmt.Errorf("seal refresh token: %w", err)
	}
	metadata, err := json.Marshal(l.persistent)
	if err != nil {
		return made, fmt.Errorf("encode persistent metadata: %w", err)
	}
	h, client := Hash(made.secret), Hash(r.ClientID)
	err = s.q.RefreshTokenInsert(ctx, tx, db.RefreshTokenInsertParams{
		UUID: made.uuid, UserUUID: user, ClientID: r.ClientID, ClientKey: client[:], TokenHash: h[:], Sealed: sealed, KeyID: keyID,
		Login: l.subject.Login, Backend: r.Backend, UserAgent: r.UserAgent, RemoteAddr: r.RemoteAddr, Mobile: r.Mobile, Metadata: metadata,
	})
	if err != nil {
		return made, fmt.Errorf("write refresh token: %w", err)
	}
	return made, nil
}

// DeleteRefreshToken deletes the refresh token of (user, client id). Tokens bought with it live on. Unknown ones are
// fault.NotFound.
func (s *Service) DeleteRefreshToken(ctx context.Context, user uuid.UUID, clientID string) error {
	client := Hash(clientID)
	var n int64
	err := db.InTx(ctx, s.d.Pool, func(tx pgx.Tx) (err error) {
		if _, err := s.q.UserLock(ctx, tx, user); err != nil && !noRows(err) { // first lock in the order
			return fmt.Errorf("lock user: %w", err)
		}
		n, err = s.q.RefreshTokenDelete(ctx, tx, db.RefreshTokenDeleteParams{UserUUID: user, ClientKey: client[:]})
		return err
	})
	if err != nil {
		return fmt.Errorf("delete refresh token: %w", err)
	}
	if n == 0 {
		return fault.Modern(fault.NotFound, "cannot-find-refresh-token-matching-client-id", "tokens",
			`unknown refresh_token for client_id "`+clientID+`"`, map[string]any{"client_id": clientID})
	}
	return nil
}
