package token_test

import (
	"context"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/xivo-auth/xivo-auth/db/dbtest/factory"
	"github.com/xivo-auth/xivo-auth/fault"
	"github.com/xivo-auth/xivo-auth/list"
	"github.com/xivo-auth/xivo-auth/seal"
	"github.com/xivo-auth/xivo-auth/token"
)

func TestTheSameClientGetsTheSameRefreshTokenAgain(t *testing.T) {
	t.Parallel()
	b := setup(t, bundleOpts{})
	id, login := b.user(t, factory.UserOpts{})
	first, err := b.tokens.Issue(t.Context(), offline(login, "desktop", false))
	require.NoError(t, err)
	again, err := b.tokens.Issue(t.Context(), offline(login, "desktop", false))
	require.NoError(t, err)
	require.NotEmpty(t, first.RefreshToken)
	require.Equal(t, first.RefreshToken, again.RefreshToken)
	require.NotEqual(t, first.Secret, again.Secret)

	bought1, err := b.tokens.Issue(t.Context(), bought(first.RefreshToken, "desktop"))
	require.NoError(t, err)
	require.Equal(t, id.String(), bought1.AuthID)
	require.Empty(t, bought1.RefreshToken)
	_, err = b.tokens.Issue(t.Context(), bought(first.RefreshToken, "Desktop"))
	require.ErrorIs(t, err, fault.Unauthenticated, "the client id is compared exactly")

	require.NoError(t, b.users.SetPassword(t.Context(), id, "another"))
	require.False(t, b.valid(t, bought1.Secret))
	_, err = b.tokens.Issue(t.Context(), bought(first.RefreshToken, "desktop"))
	require.NoError(t, err, "a changed password does not end refresh tokens")

	require.NoError(t, b.tokens.DeleteRefreshToken(t.Context(), id, "desktop"))
	require.ErrorIs(t, b.tokens.DeleteRefreshToken(t.Context(), id, "desktop"), fault.NotFound)
	_, err = b.tokens.Issue(t.Context(), bought(first.RefreshToken, "desktop"))
	require.ErrorIs(t, err, fault.Unauthenticated)
}

func TestARefreshTokenFollowsItsUserNotTheLogin(t *testing.T) {
	t.Parallel()
	b := setup(t, bundleOpts{})
	id, login := b.user(t, factory.UserOpts{})
	first, err := b.tokens.Issue(t.Context(), offline(login, "c", false))
	require.NoError(t, err)
	_, err = b.pool.Exec(t.Context(), "DELETE FROM logins WHERE user_uuid = $1", id)
	require.NoError(t, err)
	b.user(t, factory.UserOpts{Username: login}) // somebody else takes the login over
	again, err := b.tokens.Issue(t.Context(), bought(first.RefreshToken, "c"))
	require.NoError(t, err)
	require.Equal(t, id.String(), again.AuthID)
	_, err = b.pool.Exec(t.Context(), "UPDATE users SET enabled = false WHERE uuid = $1", id)
	require.NoError(t, err)
	_, err = b.tokens.Issue(t.Context(), bought(first.RefreshToken, "c"))
	require.ErrorIs(t, err, fault.Unauthenticated)
}

func TestAMobileLoginReplacesTheEarlierMobileClient(t *testing.T) {
	t.Parallel()
	b := setup(t, bundleOpts{})
	_, login := b.user(t, factory.UserOpts{})
	issue := func(r *token.Request) token.Issued {
		t.Helper()
		got, err := b.tokens.Issue(t.Context(), r)
		require.NoError(t, err)
		return got
	}
	desktop := issue(offline(login, "desktop", false))
	phone := issue(offline(login, "phone", true))
	require.Zero(t, phone.Revoked)
	renewed := issue(bought(phone.RefreshToken, "phone"))
	mobileOnline := request(login)
	mobileOnline.Mobile = true
	online := issue(mobileOnline)

	other := issue(offline(login, "other phone", true))
	require.Equal(t, 2, other.Revoked, "the login and the renewal of the first phone")
	require.False(t, b.valid(t, phone.Secret))
	require.False(t, b.valid(t, renewed.Secret))
	for _, x := range []token.Issued{desktop, online, other} {
		require.True(t, b.valid(t, x.Secret))
	}
	_, err := b.tokens.Issue(t.Context(), bought(phone.RefreshToken, "phone"))
	require.ErrorIs(t, err, fault.Unauthenticated)

	same := issue(offline(login, "other phone", true))
	require.NotEqual(t, other.RefreshToken, same.RefreshToken, "a mobile login gets a fresh one")
	require.Equal(t, 1, same.Revoked)
	overDesktop := issue(offline(login, "desktop", true))
	require.Equal(t, 2, overDesktop.Revoked, "the desktop's of the same client id and the phone's")
	require.False(t, b.valid(t, desktop.Secret))
}

func TestSimultaneousOfflineLoginsAgree(t *testing.T) {
	t.Parallel()
	for _, mobile := range []bool{false, true} {
		b := setup(t, bundleOpts{})
		id, login := b.user(t, factory.UserOpts{})
		var mu sync.Mutex
		got := map[string]bool{}
		var wg sync.WaitGroup
		for range 16 {
			wg.Go(func() {
				x, err := b.tokens.Issue(context.WithoutCancel(t.Context()), offline(login, "c", mobile))
				if err != nil {
					t.Errorf("unexpected: %v", err)
					return
				}
				mu.Lock()
				got[x.RefreshToken] = true
				mu.Unlock()
			})
		}
		wg.Wait()
		items, total, _, err := b.tokens.RefreshTokens(t.Context(), b.tenants(t), &id, token.RefreshTokenFilter{}, list.Page{OrderBy: "created_at"})
		require.NoError(t, err)
		require.Len(t, items, 1)
		require.EqualValues(t, 1, total)
		if !mobile {
			require.Len(t, got, 1)
		}
	}
}

func TestSealingKeysRotateAndALostKeyCostsNobodyALogin(t *testing.T) {
	t.Parallel()
	first, second := seal.Key{ID: "k1", Secret: [32]byte{1}}, seal.Key{ID: "k2", Secret: [32]byte{2}}
	b := setup(t, bundleOpts{keys: []seal.Key{first}})
	_, login := b.user(t, factory.UserOpts{})
	made, err := b.tokens.Issue(t.Context(), offline(login, "c", false))
	require.NoError(t, err)

	rotated := setup(t, bundleOpts{pool: b.pool, keys: []seal.Key{second, first}})
	again, err := rotated.tokens.Issue(t.Context(), offline(login, "c", false))
	require.NoError(t, err)
	require.Equal(t, made.RefreshToken, again.RefreshToken, "old keys still open")

	lost := setup(t, bundleOpts{pool: b.pool, keys: []seal.Key{second}})
	replaced, err := lost.tokens.Issue(t.Context(), offline(login, "c", false))
	require.NoError(t, err)
	require.NotEqual(t, made.RefreshToken, replaced.RefreshToken)
	require.Contains(t, lost.log.String(), "cannot be opened")
	_, err = lost.tokens.Issue(t.Context(), bought(replaced.RefreshToken, "c"))
	require.NoError(t, err)
}
