package token

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/xivo-auth/xivo-auth/db"
	"github.com/xivo-auth/xivo-auth/events"
	"github.com/xivo-auth/xivo-auth/fault"
	"github.com/xivo-auth/xivo-auth/seal"
	"github.com/xivo-auth/xivo-auth/trail"
)

// refreshToken is one that an offline login hands out.
type refreshToken struct {
	uuid   uuid.UUID
	secret string
	// revoked is how many sessions of others it ended, told what the bus is owed for it, in the order of events.md section 6.1.
	revoked int
	told    []events.Event
}

// keepRefreshToken hands out the refresh token of (user, client id) by the rules of tokens.md section 6, under the lock on
// the user.
func (s *Service) keepRefreshToken(ctx context.Context, tx pgx.Tx, r *Request, l *login, tenant uuid.UUID) (refreshToken, error) {
	user, client := l.subject.User.UUID, Hash(r.ClientID)
	owner := events.RefreshTokenDeleted{User: user, Tenant: tenant}
	same, others, replaced := purged{}, purged{}, false
	old, err := s.q.RefreshTokenForUpdate(ctx, tx, db.RefreshTokenForUpdateParams{UserUUID: user, ClientKey: client[:]})
	switch {
	case noRows(err):
	case err != nil:
		return refreshToken{}, fmt.Errorf("find refresh token: %w", err)
	case r.Mobile:
		if same, err = s.purge(ctx, tx, old.UUID, owner); err != nil {
			return refreshToken{}, err
		}
	default:
		secret, err := s.d.Sealer.Open(old.Sealed, old.KeyID, seal.AAD("refresh_tokens", old.UUID.String(), user.String(), r.ClientID))
		if err == nil {
			return refreshToken{uuid: old.UUID, secret: string(secret)}, nil
		}
		// The key is gone: a new refresh token takes the old one's place. The client gets it in this answer; to others it is
		// the one that it had.
		s.d.Log.WarnContext(ctx, "a refresh token cannot be opened and is replaced", "refresh_token_uuid", old.UUID, "key_id", old.KeyID)
		if _, err := s.q.RefreshTokenDeleteByUUID(ctx, tx, old.UUID); err != nil {
			return refreshToken{}, fmt.Errorf("replace refresh token: %w", err)
		}
		replaced = true
	}
	if r.Mobile { // one active mobile client a user
		other, err := s.q.RefreshTokenMobile(ctx, tx, user)
		if err == nil {
			others, err = s.purge(ctx, tx, other, owner)
		}
		if err != nil && !noRows(err) {
			return refreshToken{}, fmt.Errorf("end the earlier mobile client: %w", err)
		}
	}
	made, err := s.newRefreshToken(ctx, tx, r, l)
	if err != nil {
		return refreshToken{}, err
	}
	made.revoked, made.told = same.sessions+others.sessions, same.told
	if !replaced {
		made.told = append(made.told, events.RefreshTokenCreated{ClientID: r.ClientID, Mobile: r.Mobile, User: user, Tenant: tenant})
	}
	made.told = append(made.told, others.told...)
	return made, nil
}

// purged is what became of a refresh token's sessions and itself.
type purged struct {
	sessions int
	told     []events.Event
}

// purge ends the sessions linked to a refresh token, then the refresh token. told is who had it.
func (s *Service) purge(ctx context.Context, tx pgx.Tx, id uuid.UUID, told events.RefreshTokenDeleted) (purged, error) {
	gone, err := s.q.TokenDeleteByRefreshToken(ctx, tx, id)
	if err != nil {
		return purged{}, fmt.Errorf("end sessions of a refresh token: %w", err)
	}
	if err := s.end(ctx, tx, sessionsOf(gone), ReasonReplaced); err != nil {
		return purged{}, err
	}
	was, err := s.q.RefreshTokenDeleteByUUID(ctx, tx, id)
	if err != nil {
		return purged{}, fmt.Errorf("delete refresh token: %w", err)
	}
	told.ClientID, told.Mobile = was.ClientID, was.Mobile
	return purged{len(gone), append(deletionsOf(told.User, gone), told)}, nil
}

func (s *Service) newRefreshToken(ctx context.Context, tx pgx.Tx, r *Request, l *login) (refreshToken, error) {
	made := refreshToken{uuid: uuid.New(), secret: newSecret()}
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
	var gone []db.RefreshTokenDeleteRow
	err := db.InTx(ctx, s.d.Pool, func(tx pgx.Tx) (err error) {
		locked, err := s.q.UserLock(ctx, tx, user)
		if err != nil && !noRows(err) { // first lock in the order
			return fmt.Errorf("lock user: %w", err)
		}
		gone, err = s.q.RefreshTokenDelete(ctx, tx, db.RefreshTokenDeleteParams{UserUUID: user, ClientKey: client[:]})
		if err != nil || len(gone) == 0 {
			return err
		}
		err = trail.Add(ctx, tx, trail.Entry{Action: "refresh_token deleted", Subject: &user, Tenant: &locked.TenantUUID,
			Details: map[string]any{"client_id": clientID}})
		if err != nil {
			return err
		}
		return s.d.Events.Add(ctx, tx, events.RefreshTokenDeleted{ClientID: clientID, Mobile: gone[0].Mobile, User: user, Tenant: locked.TenantUUID})
	})
	if err != nil {
		return fmt.Errorf("delete refresh token: %w", err)
	}
	if len(gone) == 0 {
		return fault.Modern(fault.NotFound, "cannot-find-refresh-token-matching-client-id", "tokens",
			`unknown refresh_token for client_id "`+clientID+`"`, map[string]any{"client_id": clientID})
	}
	if s.d.Events.Enabled() {
		s.d.Wake()
	}
	return nil
}
