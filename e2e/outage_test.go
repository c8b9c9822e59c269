package e2e

import (
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestTemporalIsAway does everything that users do while Temporal refuses connections.
func TestTemporalIsAway(t *testing.T) {
	t.Parallel()
	s := newStack(t, options{apis: 1, workers: 1, workerTemporal: true})
	api, worker := s.apis[0], s.workers[0]
	purse := s.purse(t, api, s.root)
	before := s.login(t, api, s.root, nil)
	s.awaitRunning(t, before.Session)

	s.workerTemporal.refuse()
	var kept, revoked []tokenBody
	come := func() {
		kept = append(kept, s.ask(t, api, purse.request(3600)).token(t))
		tok := s.ask(t, api, purse.request(3600)).token(t)
		require.Equal(t, http.StatusNoContent, s.check(t, api, tok.Token, "any.thing"))
		s.revoke(t, api, tok.Token)
		require.Equal(t, http.StatusNotFound, s.check(t, api, tok.Token, noScope))
		if s.count(t, dueOf, tok.Session) == 0 { // else the relay was about to start it, and ends it when it can
			revoked = append(revoked, tok)
		}
	}
	for range 10 {
		come()
	}
	s.revoke(t, api, before.Token)
	require.GreaterOrEqual(t, s.count(t, backlog), len(kept)+1)
	await(t, bearable, "the relay notices", func() error {
		if _, found, err := s.metric(worker, "xivo_auth_relay_deliveries_total", `outcome="away"`); err != nil || !found {
			return errors.Join(err, errors.New("it has not"))
		}
		return nil
	})
	for range 10 {
		come()
	}
	require.NotEmpty(t, revoked)
	s.awaitMetric(t, worker, float64(len(kept)+1), "xivo_auth_outbox_depth")
	s.awaitMetric(t, worker, 0.5, "xivo_auth_outbox_oldest_seconds")
	for _, p := range []*process{api, worker} {
		require.NoError(t, s.probe(p.internal+"/healthz"))
		require.NoError(t, s.probe(p.internal+"/readyz"), "an outage of Temporal makes nobody unfit")
	}
	require.Zero(t, s.count(t, "SELECT count(*) FROM lifetime_due WHERE parked OR failures > 0"), "nothing is wrong with the rows")

	s.workerTemporal.mend(t)
	s.awaitCount(t, bearable, 0, backlog)
	for _, tok := range kept {
		s.awaitRunning(t, tok.Session)
	}
	for _, tok := range revoked {
		info, err := s.describe(tok.Session)
		require.NoError(t, err)
		require.Nil(t, info, "a token revoked before its lifetime was started never gets one")
	}
	o, _ := s.awaitOutcome(t, bearable, before.Session)
	require.Equal(t, outcome{Outcome: "revoked", Reason: "logout"}, o)
}

// TestDatabaseIsAway takes PostgreSQL away in the two ways there are: connections are refused, or nothing comes back.
func TestDatabaseIsAway(t *testing.T) {
	t.Parallel()
	s := newStack(t, options{apis: 1, workers: 1, apiDatabase: true, workerDatabase: true})
	api, worker := s.apis[0], s.workers[0]
	tok := s.login(t, api, s.root, nil)
	s.awaitRunning(t, tok.Session)
	for _, c := range []struct {
		name       string
		away, back func()
	}{
		{"refuses", func() { s.apiDatabase.refuse(); s.workerDatabase.refuse() }, func() { s.apiDatabase.mend(t); s.workerDatabase.mend(t) }},
		{"is silent", func() { s.apiDatabase.stall(); s.workerDatabase.stall() }, func() { s.apiDatabase.resume(); s.workerDatabase.resume() }},
	} {
		c.away()
		fastest := time.Minute
		for range 4 {
			for _, token := range []string{tok.Token, unknown} {
				a := s.ask(t, api, checkRequest(token, "any.thing"))
				require.Equal(t, http.StatusServiceUnavailable, a.status, c.name)
				require.NotEmpty(t, a.header.Get("Retry-After"))
				require.Less(t, a.took, 4*time.Second, "a check while the database %s", c.name) // this machine may be busy
				fastest = min(fastest, a.took)
			}
			a := s.ask(t, api, request{method: http.MethodGet, path: "/sessions", token: tok.Token})
			require.Equal(t, http.StatusServiceUnavailable, a.status, "%s: a valid X-Auth-Token is not 401", c.name)
		}
		require.Less(t, fastest, time.Second, c.name)
		a := s.ask(t, api, s.loginRequest(s.root, fields{}))
		require.Equal(t, http.StatusServiceUnavailable, a.status, "%s: %s", c.name, a.body)
		a = s.ask(t, api, request{method: http.MethodDelete, path: "/token/" + tok.Token})
		require.Equal(t, http.StatusServiceUnavailable, a.status, "%s: a revocation that did not happen is not 200: %s", c.name, a.body)
		for _, p := range []*process{api, worker} {
			require.NoError(t, s.probe(p.internal+"/healthz"), c.name)
			status, err := s.status(p.internal + "/readyz")
			require.NoError(t, err)
			require.Equal(t, http.StatusServiceUnavailable, status, "%s: %s", p.name, c.name)
		}

		c.back()
		s.login(t, api, s.root, nil) // the very first one succeeds
		require.Equal(t, http.StatusNoContent, s.check(t, api, tok.Token, noScope))
		short := s.login(t, api, s.root, fields{"expiration": 1})
		o, _ := s.awaitOutcome(t, bearable, short.Session)
		require.Equal(t, "expired", o.Outcome)
		for _, p := range []*process{api, worker} {
			await(t, bearable, fmt.Sprint(p.name, " is ready"), func() error { return s.probe(p.internal + "/readyz") })
		}
	}
}
