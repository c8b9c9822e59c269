package token_test

import (
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/xivo-auth/xivo-auth/db"
	"github.com/xivo-auth/xivo-auth/db/dbtest/factory"
	"github.com/xivo-auth/xivo-auth/events"
)

func TestEndOfASingleSignOnIsTold(t *testing.T) {
	t.Parallel()
	b := setup(t, bundleOpts{})
	top := factory.TopTenant(t.Context(), t, b.pool)
	id, login := b.user(t, factory.UserOpts{})
	r := request(login)
	r.Offline, r.ClientID = true, "page"
	made, err := b.tokens.Issue(t.Context(), r)
	require.NoError(t, err)
	b.told(t)
	var refresh uuid.UUID
	require.NoError(t, b.pool.QueryRow(t.Context(), "SELECT uuid FROM refresh_tokens WHERE user_uuid = $1", id).Scan(&refresh))
	for _, there := range []bool{true, false} { // the second time there is nothing to end, and nothing to tell
		require.NoError(t, db.InTx(t.Context(), b.pool, func(tx pgx.Tx) error {
			if err := b.tokens.DeleteRefreshTokenIn(t.Context(), tx, id, refresh); err != nil {
				return err
			}
			ended, err := b.tokens.RevokeIn(t.Context(), tx, made.Secret)
			require.Equal(t, there, ended)
			return err
		}))
		if there {
			b.requireTold(t, events.RefreshTokenDeleted{ClientID: "page", User: id, Tenant: top}, events.SessionDeleted{UUID: made.Session, Tenant: top, AuthID: id.String()})
		} else {
			b.requireTold(t)
		}
	}
	require.NoError(t, db.InTx(t.Context(), b.pool, func(tx pgx.Tx) error {
		return b.tokens.DeleteRefreshTokenIn(t.Context(), tx, uuid.New(), refresh)
	}))
}
