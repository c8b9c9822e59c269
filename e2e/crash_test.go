package e2e

import (
	"net/http"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestNothingIsLostWhenProcessesAreKilled kills without warning: an API among logins, then all workers.
func TestNothingIsLostWhenProcessesAreKilled(t *testing.T) {
	t.Parallel()
	s := newStack(t, options{apis: 2, workers: 2})
	purse := s.purse(t, s.apis[0], s.root)

	// Whatever the API answered before it was killed is true on the other one.
	var mu sync.Mutex
	var answered []answer
	var wg sync.WaitGroup
	enough := make(chan struct{})
	for range 4 {
		wg.Go(func() {
			for {
				a, err := s.do(s.apis[0], purse.request(3600))
				if err != nil || a.status != http.StatusOK {
					return
				}
				mu.Lock()
				if answered = append(answered, a); len(answered) == 20 {
					close(enough)
				}
				mu.Unlock()
			}
		})
	}
	<-enough
	s.apis[0].kill()
	wg.Wait()
	for _, a := range answered {
		tok := a.token(t)
		require.Equal(t, http.StatusNoContent, s.check(t, s.apis[1], tok.Token, "any.thing"))
		s.awaitRunning(t, tok.Session)
	}

	// Without any worker tokens are issued, checked, revoked, and refused on time.
	for _, p := range s.workers {
		p.kill()
	}
	short := s.ask(t, s.apis[1], purse.request(1)).token(t)
	s.checkUntil(t, s.apis[1:], short.Token, short.expires(t))
	long := s.ask(t, s.apis[1], purse.request(3600)).token(t)
	revoked := s.ask(t, s.apis[1], purse.request(3600)).token(t)
	s.revoke(t, s.apis[1], revoked.Token)
	before := answered[0].token(t)
	s.revoke(t, s.apis[1], before.Token)
	require.Equal(t, http.StatusNotFound, s.check(t, s.apis[1], before.Token, noScope))
	require.Equal(t, 1, s.count(t, rowOf, short.Session), "nobody is there to delete it")
	require.Positive(t, s.count(t, backlog))

	s.restart(t, s.workers[0])
	s.awaitCount(t, bearable, 0, backlog)
	s.awaitCount(t, bearable, 0, notEnded)
	o, _ := s.awaitOutcome(t, bearable, short.Session)
	require.Equal(t, outcome{Outcome: "expired"}, o)
	o, _ = s.awaitOutcome(t, bearable, before.Session)
	require.Equal(t, outcome{Outcome: "revoked", Reason: "logout"}, o)
	s.awaitRunning(t, long.Session)
	info, err := s.describe(revoked.Session)
	require.NoError(t, err)
	require.Nil(t, info, "a token revoked before its lifetime was started never gets one")

	s.restart(t, s.apis[0])
	require.Equal(t, http.StatusNoContent, s.check(t, s.apis[0], long.Token, noScope))
	require.Equal(t, http.StatusNotFound, s.check(t, s.apis[0], before.Token, noScope))
}
