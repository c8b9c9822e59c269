package trail_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/xivo-auth/xivo-auth/db/dbtest"
	"github.com/xivo-auth/xivo-auth/db/dbtest/factory"
	"github.com/xivo-auth/xivo-auth/trail"
)

func actions(records []trail.Record) []string {
	list := make([]string, len(records))
	for i, r := range records {
		list[i] = r.Action
	}
	return list
}

func TestEntriesAreReadAsTheyWereWritten(t *testing.T) {
	t.Parallel()
	pool := dbtest.Pool(t)
	session, subject, tenant := uuid.New(), uuid.New(), uuid.New()
	ctx := trail.With(t.Context(), trail.Origin{AuthID: "somebody", Session: &session, RemoteAddr: "192.0.2.1\x00\xff", RequestID: "r1"})
	require.NoError(t, trail.Add(ctx, pool, trail.Entry{Action: "user created", Subject: &subject, Tenant: &tenant, Details: map[string]any{"username": "x"}}))
	require.NoError(t, trail.Add(t.Context(), pool, trail.Entry{Action: "tenant deleted"}))
	records, err := trail.List(t.Context(), pool, trail.Filter{}, 10)
	require.NoError(t, err)
	require.Equal(t, []string{"user created", "tenant deleted"}, actions(records), "the newest last")
	first := records[0]
	require.Equal(t, trail.Origin{AuthID: "somebody", Session: &session, RemoteAddr: "192.0.2.1\uFFFD", RequestID: "r1"}, first.Origin)
	require.Equal(t, subject, *first.Subject)
	require.Equal(t, tenant, *first.Tenant)
	require.JSONEq(t, `{"username": "x"}`, string(first.Details))
	require.WithinDuration(t, time.Now(), first.At, time.Minute)
	require.Equal(t, trail.Origin{}, records[1].Origin)
	require.JSONEq(t, `{}`, string(records[1].Details))
}

func TestListIsNarrowed(t *testing.T) {
	t.Parallel()
	pool := dbtest.Pool(t)
	one, two, tenant := uuid.New(), uuid.New(), uuid.New()
	as := func(id uuid.UUID) context.Context { return trail.With(t.Context(), trail.Origin{AuthID: id.String()}) }
	require.NoError(t, trail.Add(as(one), pool, trail.Entry{Action: "user created", Subject: &two, Tenant: &tenant}))
	require.NoError(t, trail.Add(as(two), pool, trail.Entry{Action: "group created", Tenant: &tenant}))
	require.NoError(t, trail.Add(as(one), pool, trail.Entry{Action: "user deleted", Subject: &one}))
	_, err := pool.Exec(t.Context(), "INSERT INTO trail (happened_at, action, actor, remote_addr, request_id) VALUES ('2026-01-01Z', 'old thing', '', '', '')")
	require.NoError(t, err)
	text := func(s string) *string { return &s }
	at := func(s string) *time.Time {
		moment, err := time.Parse(time.RFC3339, s)
		require.NoError(t, err)
		return &moment
	}
	for name, test := range map[string]struct {
		filter trail.Filter
		limit  int
		want   []string
	}{
		"all":               {trail.Filter{}, 10, []string{"old thing", "user created", "group created", "user deleted"}},
		"the newest":        {trail.Filter{}, 2, []string{"group created", "user deleted"}},
		"none":              {trail.Filter{}, 0, []string{}},
		"done by or to one": {trail.Filter{User: &two}, 10, []string{"user created", "group created"}},
		"a tenant":          {trail.Filter{Tenant: &tenant}, 10, []string{"user created", "group created"}},
		"an action":         {trail.Filter{Action: text("user created")}, 10, []string{"user created"}},
		"a resource":        {trail.Filter{Action: text("user")}, 10, []string{"user created", "user deleted"}},
		"a verb":            {trail.Filter{Action: text("created")}, 10, []string{"user created", "group created"}},
		"since":             {trail.Filter{Since: at("2026-01-01T00:00:01Z")}, 10, []string{"user created", "group created", "user deleted"}},
		"until":             {trail.Filter{Until: at("2026-01-01T00:00:01Z")}, 10, []string{"old thing"}},
		"not even then":     {trail.Filter{Until: at("2026-01-01T00:00:00Z")}, 10, []string{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			records, err := trail.List(t.Context(), pool, test.filter, test.limit)
			require.NoError(t, err)
			require.Equal(t, test.want, actions(records))
		})
	}
}

func TestTrailIsAppendOnlyButForItsRetention(t *testing.T) {
	t.Parallel()
	pool := dbtest.Pool(t)
	_, err := pool.Exec(t.Context(), `INSERT INTO trail (happened_at, action, actor, remote_addr, request_id)
		SELECT now() - make_interval(days => n), 'entry ' || n, '', '', '' FROM generate_series(1, 20) AS n`)
	require.NoError(t, err)
	_, err = pool.Exec(t.Context(), "UPDATE trail SET action = 'nothing'")
	require.ErrorContains(t, err, "append-only")
	n, err := trail.Sweep(t.Context(), pool, 0, 100)
	require.NoError(t, err)
	require.Zero(t, n, "0 keeps all")
	n, err = trail.Sweep(t.Context(), pool, 10, 4)
	require.NoError(t, err)
	require.Equal(t, 4, n)
	records, err := trail.List(t.Context(), pool, trail.Filter{}, 100)
	require.NoError(t, err)
	require.Equal(t, "entry 16", records[0].Action, "the oldest first")
	n, err = trail.Sweep(t.Context(), pool, 10, 100)
	require.NoError(t, err)
	require.Equal(t, 7, n)
}

func TestRefusedLoginNamesItsOwnerAndNobodyElse(t *testing.T) {
	t.Parallel()
	pool := dbtest.Pool(t)
	top := factory.TopTenant(t.Context(), t, pool)
	user := factory.User(t.Context(), t, pool, factory.UserOpts{Tenant: top, Username: "alice", ACL: []string{}})
	ctx, cancel := context.WithCancel(trail.With(t.Context(), trail.Origin{RemoteAddr: "192.0.2.1", RequestID: "r1"}))
	cancel() // the client has gone
	r := trail.NewRefusals(pool)
	require.NoError(t, r.Add(ctx, "Alice", map[string]any{"with": "password"}))
	require.NoError(t, r.Add(ctx, "my-password-in-the-wrong-field", nil))
	records, err := trail.List(t.Context(), pool, trail.Filter{}, 10)
	require.NoError(t, err)
	require.Equal(t, []string{"login refused", "login refused"}, actions(records))
	require.Equal(t, user, *records[0].Subject)
	require.Equal(t, top, *records[0].Tenant)
	require.Equal(t, "192.0.2.1", records[0].RemoteAddr)
	require.JSONEq(t, `{"with": "password"}`, string(records[0].Details))
	require.Nil(t, records[1].Subject)
	require.NotContains(t, strings.ToLower(fmt.Sprintf("%+v %s", records[1], records[1].Details)), "my-password")
}

func TestRefusedLoginsAreBounded(t *testing.T) {
	t.Parallel()
	pool := dbtest.Pool(t)
	r := trail.NewRefusals(pool)
	began := time.Now()
	for range 500 {
		require.NoError(t, r.Add(t.Context(), "nobody", nil))
	}
	records, err := trail.List(t.Context(), pool, trail.Filter{}, trail.MaxEntries)
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(records), 300)
	require.LessOrEqual(t, len(records), 301+int(10*time.Since(began).Seconds()))
}
