package token_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/xivo-auth/xivo-auth/backends"
	"github.com/xivo-auth/xivo-auth/db/dbtest/factory"
	"github.com/xivo-auth/xivo-auth/fault"
	"github.com/xivo-auth/xivo-auth/token"
	"github.com/xivo-auth/xivo-auth/trail"
)

// attempts notes what the service tells the throttle.
type attempts struct {
	refuse error
	begun  []string
	ended  []bool
}

func (a *attempts) Begin(_ context.Context, login, address string) (func(bool), error) {
	a.begun = append(a.begun, login+" from "+address)
	if a.refuse != nil {
		return nil, a.refuse
	}
	return func(ok bool) { a.ended = append(a.ended, ok) }, nil
}

// judge is a source that answers as it is told.
type judge struct {
	backends.Provider
	answer error
	asked  int
}

func (j *judge) Method() string { return "native" }

func (j *judge) Verify(context.Context, *backends.Request) (backends.Accepted, error) {
	j.asked++
	return backends.Accepted{}, j.answer
}

type only struct{ p backends.Provider }

func (o only) For(context.Context, *backends.Request) backends.Provider { return o.p }
func (o only) ByMethod(string) (backends.Provider, error)               { return o.p, nil }

func TestThrottleLearnsHowAnAttemptWentAndRefusesItUnseen(t *testing.T) {
	t.Parallel()
	b := setup(t, bundleOpts{})
	tooMany := fault.Historic(fault.Exhausted, "too many")
	for name, test := range map[string]struct {
		login  string
		answer error
		refuse error
		begun  []string
		ended  []bool
		asked  int
		want   error
	}{
		"a wrong password":            {"alice", backends.ErrRejected, nil, []string{"alice from 192.0.2.9"}, []bool{false}, 1, fault.Unauthenticated},
		"a source that is away":       {"alice", errors.New("no connection"), nil, []string{"alice from 192.0.2.9"}, []bool{true}, 1, nil},
		"too many failures":           {"alice", backends.ErrRejected, tooMany, []string{"alice from 192.0.2.9"}, nil, 0, fault.Exhausted},
		"nothing that can be guessed": {"", backends.ErrRejected, tooMany, nil, nil, 1, fault.Unauthenticated},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, j := &attempts{refuse: test.refuse}, &judge{answer: test.answer}
			s := token.New(token.Deps{Pool: b.pool, Sources: only{j}, Log: slog.New(slog.DiscardHandler), Throttle: a, Wake: func() {}})
			r := request(test.login)
			r.Source = "192.0.2.9"
			_, err := s.Issue(t.Context(), r)
			require.Error(t, err)
			if test.want != nil {
				require.ErrorIs(t, err, test.want)
			}
			require.Equal(t, test.begun, a.begun)
			require.Equal(t, test.ended, a.ended)
			require.Equal(t, test.asked, j.asked)
		})
	}
}

func TestRefreshTokensAreNotThrottled(t *testing.T) {
	t.Parallel()
	b := setup(t, bundleOpts{})
	a := &attempts{refuse: fault.Historic(fault.Exhausted, "too many")}
	s := token.New(token.Deps{Pool: b.pool, Sources: only{&judge{}}, Log: slog.New(slog.DiscardHandler), Throttle: a, Wake: func() {}})
	none := uuid.NewString()
	r := request("alice")
	r.RefreshToken, r.ClientID = &none, "x"
	_, err := s.Issue(t.Context(), r)
	require.ErrorIs(t, err, fault.Unauthenticated)
	require.Empty(t, a.begun)
}

// entry is the newest of an action.
func (b *bundle) entry(t *testing.T, action string) trail.Record {
	t.Helper()
	records, err := trail.List(t.Context(), b.pool, trail.Filter{Action: &action}, 1)
	require.NoError(t, err)
	require.Len(t, records, 1, action)
	return records[0]
}

func TestLoginsAndTheEndsOfSessionsAreInTheTrail(t *testing.T) {
	t.Parallel()
	b := setup(t, bundleOpts{})
	top := factory.TopTenant(t.Context(), t, b.pool)
	user, login := b.user(t, factory.UserOpts{Tenant: top})
	admin := uuid.New()
	ctx := trail.With(t.Context(), trail.Origin{RemoteAddr: "192.0.2.1", RequestID: "r1"})
	as := trail.With(ctx, trail.Origin{AuthID: "admin", Session: &admin, RemoteAddr: "192.0.2.1", RequestID: "r2"})

	made, err := b.tokens.Issue(ctx, offline(login, "phone", false))
	require.NoError(t, err)
	e := b.entry(t, "login accepted")
	require.Equal(t, trail.Origin{AuthID: user.String(), Session: &made.Session, RemoteAddr: "192.0.2.1", RequestID: "r1"}, e.Origin)
	require.Equal(t, user, *e.Subject)
	require.Equal(t, top, *e.Tenant)
	require.JSONEq(t, `{"with": "password", "client_id": "phone"}`, string(e.Details))

	bought := &token.Request{Request: backends.Request{Backend: "wazo_user", RemoteAddr: "192.0.2.1"}, RefreshToken: &made.RefreshToken, ClientID: "phone"}
	second, err := b.tokens.Issue(ctx, bought)
	require.NoError(t, err)
	require.JSONEq(t, `{"with": "refresh_token", "client_id": "phone"}`, string(b.entry(t, "login accepted").Details))

	wrong := request(login)
	wrong.Password = "wrong"
	_, err = b.tokens.Issue(ctx, wrong)
	require.ErrorIs(t, err, fault.Unauthenticated)
	require.Equal(t, user, *b.entry(t, "login refused").Subject)

	require.NoError(t, b.tokens.Revoke(ctx, made.Secret))
	e = b.entry(t, "token deleted")
	require.Equal(t, user.String(), e.AuthID)
	require.Equal(t, made.Session, *e.Session)
	require.JSONEq(t, `{"session_uuid": "`+made.Session.String()+`", "auth_id": "`+user.String()+`"}`, string(e.Details))
	require.NoError(t, b.tokens.Revoke(ctx, made.Secret), "it has gone")

	require.NoError(t, b.tokens.RevokeSession(as, []uuid.UUID{top}, nil, second.Session))
	e = b.entry(t, "session deleted")
	require.Equal(t, "admin", e.AuthID)
	require.Equal(t, user, *e.Subject)
	require.NoError(t, b.tokens.RevokeSession(as, []uuid.UUID{top}, nil, second.Session), "it has gone")

	require.NoError(t, b.tokens.DeleteRefreshToken(as, user, "phone"))
	require.ErrorIs(t, b.tokens.DeleteRefreshToken(as, user, "phone"), fault.NotFound)
	require.JSONEq(t, `{"client_id": "phone"}`, string(b.entry(t, "refresh_token deleted").Details))

	_, err = b.tokens.IssueService(ctx, []string{"some.thing"})
	require.NoError(t, err)
	_, err = b.tokens.RevokeIssuedBefore(ctx, time.Now().Add(time.Minute))
	require.NoError(t, err)
	require.Contains(t, string(b.entry(t, "tokens deleted").Details), `"number": 1`)

	all, err := trail.List(t.Context(), b.pool, trail.Filter{}, 100)
	require.NoError(t, err)
	require.Len(t, all, 7, "what had no effect is not there, nor are the service's own tokens")
	for _, r := range all {
		for _, secret := range []string{made.Secret, made.RefreshToken, second.Secret, goodPassword} {
			require.NotContains(t, string(r.Details), secret)
		}
	}
}
