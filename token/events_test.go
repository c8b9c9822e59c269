package token_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/stretchr/testify/require"

	"github.com/xivo-auth/xivo-auth/db"
	"github.com/xivo-auth/xivo-auth/db/dbtest/factory"
	"github.com/xivo-auth/xivo-auth/events"
	"github.com/xivo-auth/xivo-auth/token"
)

// told takes what the bus is owed out of the log.
func (b *bundle) told(t *testing.T) []events.Description {
	t.Helper()
	rows, err := db.New().EventPage(t.Context(), b.pool, db.EventPageParams{UnderWay: pgtype.Multirange[pgtype.Range[pgtype.Int8]]{}, MaxRows: 1000})
	require.NoError(t, err)
	var list []events.Description
	var ids []int64
	for _, r := range rows {
		list = append(list, events.Description{Name: r.Name, RoutingKey: r.RoutingKey, Tenant: r.TenantUUID, Audience: r.Audience, Session: r.SessionUUID, Data: r.Data})
		ids = append(ids, r.ID)
	}
	require.NoError(t, db.New().EventDelete(t.Context(), b.pool, ids))
	return list
}

// requireTold compares the log with events, all of them in this order.
func (b *bundle) requireTold(t *testing.T, want ...events.Event) {
	t.Helper()
	got := b.told(t)
	require.Len(t, got, len(want), "%v", got)
	for i, w := range want {
		d := w.Describe()
		text, err := json.Marshal(d.Data)
		require.NoError(t, err)
		data, ok := got[i].Data.(json.RawMessage)
		require.True(t, ok)
		require.JSONEq(t, string(text), string(data), d.Name)
		d.Data, got[i].Data = nil, nil
		require.Equal(t, d, got[i])
	}
}

func TestEveryLoginAndItsEndAreTold(t *testing.T) {
	t.Parallel()
	b := setup(t, bundleOpts{})
	top := factory.TopTenant(t.Context(), t, b.pool)
	id, login := b.user(t, factory.UserOpts{})
	issue := func(r *token.Request) token.Issued {
		t.Helper()
		got, err := b.tokens.Issue(t.Context(), r)
		require.NoError(t, err)
		return got
	}
	created := func(x token.Issued, mobile bool) events.Event {
		return events.SessionCreated{UUID: x.Session, Tenant: top, AuthID: id.String(), Mobile: mobile}
	}
	deleted := func(x token.Issued) events.Event {
		return events.SessionDeleted{UUID: x.Session, Tenant: top, AuthID: id.String()}
	}
	refreshCreated := func(client string, mobile bool) events.Event {
		return events.RefreshTokenCreated{ClientID: client, Mobile: mobile, User: id, Tenant: top}
	}
	refreshDeleted := func(client string, mobile bool) events.Event {
		return events.RefreshTokenDeleted{ClientID: client, Mobile: mobile, User: id, Tenant: top}
	}

	online := issue(request(login))
	b.requireTold(t, created(online, false))
	require.NoError(t, b.tokens.Revoke(t.Context(), online.Secret))
	b.requireTold(t, deleted(online))
	require.NoError(t, b.tokens.Revoke(t.Context(), online.Secret))
	b.requireTold(t)

	first := issue(offline(login, "desk", false))
	b.requireTold(t, refreshCreated("desk", false), created(first, false))
	again := issue(offline(login, "desk", false))
	b.requireTold(t, created(again, false))
	b.requireTold(t)

	one := issue(offline(login, "phone.one", true))
	b.requireTold(t, refreshCreated("phone.one", true), created(one, true))
	same := issue(offline(login, "phone.one", true))
	b.requireTold(t, deleted(one), refreshDeleted("phone.one", true), refreshCreated("phone.one", true), created(same, true))
	other := issue(offline(login, "phone.two", true))
	b.requireTold(t, refreshCreated("phone.two", true), deleted(same), refreshDeleted("phone.one", true), created(other, true))

	require.NoError(t, b.tokens.DeleteRefreshToken(t.Context(), id, "desk"))
	b.requireTold(t, refreshDeleted("desk", false))
	require.Error(t, b.tokens.DeleteRefreshToken(t.Context(), id, "desk"))
	b.requireTold(t)

	require.NoError(t, b.tokens.RevokeSession(t.Context(), []uuid.UUID{top}, nil, first.Session))
	b.requireTold(t, deleted(first))
	require.NoError(t, b.tokens.RevokeSession(t.Context(), []uuid.UUID{top}, nil, first.Session))
	b.requireTold(t)

	wrong := request(login)
	wrong.Password = "wrong"
	_, err := b.tokens.Issue(t.Context(), wrong)
	require.Error(t, err)
	b.requireTold(t)

	err = db.InTx(t.Context(), b.pool, func(tx pgx.Tx) error {
		n, err := b.tokens.RevokeUserIn(t.Context(), tx, id, token.ReasonPasswordChanged)
		require.Equal(t, 2, n)
		return err
	})
	require.NoError(t, err)
	require.ElementsMatch(t, []uuid.UUID{again.Session, other.Session}, sessionsTold(b.told(t)))
}

func sessionsTold(list []events.Description) []uuid.UUID {
	var sessions []uuid.UUID
	for _, d := range list {
		sessions = append(sessions, *d.Session)
	}
	return sessions
}

func TestExpiryIsToldInTheStatementThatDeletes(t *testing.T) {
	t.Parallel()
	b := setup(t, bundleOpts{})
	top := factory.TopTenant(t.Context(), t, b.pool)
	id, login := b.user(t, factory.UserOpts{})
	got, err := b.tokens.Issue(t.Context(), request(login))
	require.NoError(t, err)
	b.told(t)
	expire := func(session uuid.UUID) {
		t.Helper()
		_, err := b.pool.Exec(t.Context(), "UPDATE tokens SET issued_at = now() - interval '2 hours', expires_at = now() - interval '1 second' WHERE session_uuid = $1", session)
		require.NoError(t, err)
	}

	require.NoError(t, b.ends.AnnounceExpiry(t.Context(), got.Session))
	b.requireTold(t, events.SessionExpireSoon{UUID: got.Session, Tenant: top, AuthID: id.String()})
	deleted, _, _, err := b.ends.DeleteExpired(t.Context(), got.Session)
	require.NoError(t, err)
	require.False(t, deleted)
	b.requireTold(t)

	expire(got.Session)
	before := b.wakes.Load()
	deleted, _, _, err = b.ends.DeleteExpired(t.Context(), got.Session)
	require.NoError(t, err)
	require.True(t, deleted)
	require.Greater(t, b.wakes.Load(), before)
	b.requireTold(t, events.SessionDeleted{UUID: got.Session, Tenant: top, AuthID: id.String()})
	require.NoError(t, b.ends.AnnounceExpiry(t.Context(), got.Session))
	b.requireTold(t)

	var mailed token.Issued
	require.NoError(t, db.InTx(t.Context(), b.pool, func(tx pgx.Tx) (err error) {
		mailed, err = b.tokens.IssueInternal(t.Context(), tx, token.Internal{Kind: token.KindMailReset, Lifetime: time.Hour})
		return err
	}))
	expire(mailed.Session)
	deleted, _, _, err = b.ends.DeleteExpired(t.Context(), mailed.Session)
	require.NoError(t, err)
	require.True(t, deleted)
	b.requireTold(t)
	require.Contains(t, b.log.String(), "invalid session "+mailed.Session.String()+": no tenant_uuid found")

	cancelled, err := b.tokens.Issue(t.Context(), request(login))
	require.NoError(t, err)
	overdue, err := b.tokens.Issue(t.Context(), request(login))
	require.NoError(t, err)
	b.told(t)
	existed, err := b.ends.RevokeForLifetime(t.Context(), cancelled.Session, "cancelled in the Web UI")
	require.NoError(t, err)
	require.True(t, existed)
	b.requireTold(t, events.SessionDeleted{UUID: cancelled.Session, Tenant: top, AuthID: id.String()})
	expire(overdue.Session)
	_, err = b.pool.Exec(t.Context(), "DELETE FROM lifetime_due")
	require.NoError(t, err)
	n, err := b.ends.SweepOverdue(t.Context(), 0, 10)
	require.NoError(t, err)
	require.Equal(t, 1, n)
	b.requireTold(t, events.SessionDeleted{UUID: overdue.Session, Tenant: top, AuthID: id.String()})
}

func TestTheNoticeIsDecidedWhenATokenIsIssued(t *testing.T) {
	t.Parallel()
	b := setup(t, bundleOpts{}) // with a notice of one minute
	_, login := b.user(t, factory.UserOpts{})
	for _, c := range []struct {
		lifetime time.Duration
		after    time.Duration
	}{{time.Minute, 0}, {61 * time.Second, time.Second}, {time.Hour, 59 * time.Minute}} {
		r := request(login)
		r.Lifetime = c.lifetime
		got, err := b.tokens.Issue(t.Context(), r)
		require.NoError(t, err)
		var at *time.Time
		require.NoError(t, b.pool.QueryRow(t.Context(), "SELECT notice_at FROM tokens WHERE session_uuid = $1", got.Session).Scan(&at))
		if c.after == 0 {
			require.Nil(t, at)
			continue
		}
		require.Equal(t, c.after, at.Sub(got.IssuedAt))
	}
}

func TestWithoutABusNothingIsOwed(t *testing.T) {
	t.Parallel()
	b := setup(t, bundleOpts{})
	quiet := token.NewLifetimes(token.LifetimeDeps{Pool: b.pool})
	_, login := b.user(t, factory.UserOpts{})
	got, err := b.tokens.Issue(t.Context(), request(login))
	require.NoError(t, err)
	b.told(t)
	_, err = b.pool.Exec(t.Context(), "UPDATE tokens SET issued_at = now() - interval '2 hours', expires_at = now() - interval '1 second'")
	require.NoError(t, err)
	deleted, _, _, err := quiet.DeleteExpired(t.Context(), got.Session)
	require.NoError(t, err)
	require.True(t, deleted)
	b.requireTold(t)
}
