package e2e

import (
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// revokedIsRefusedEverywhere revokes on one API and checks on both, as soon as the answer is there, while others check the
// same token all the time: an answer that was on its way must not be mistaken for a later one.
func revokedIsRefusedEverywhere(t *testing.T, s *stack) {
	const tokens, clients = 1000, 8
	user, _ := s.addUser(t, "internal", "confd.#", "!confd.secret.#")
	purse := s.purse(t, s.apis[0], user)
	var next, stale atomic.Int32
	parallel(t, clients, func(int) error {
		for n := next.Add(1); n <= tokens; n = next.Add(1) {
			if err := s.revokeOnce(purse, int(n), &stale); err != nil {
				return err
			}
		}
		return nil
	})
	require.Zero(t, stale.Load(), "checks that were answered 204 after the revocation had been answered")
}

func (s *stack) revokeOnce(b purse, n int, stale *atomic.Int32) error {
	here, there := s.apis[n%2], s.apis[(n+1)%2]
	a, err := s.expect(http.StatusOK, here, b.request(600))
	if err != nil {
		return err
	}
	token := tokenOf(a)
	for scope, want := range map[string]int{noScope: 204, "confd.users.read": 204, "confd.secret.read": 403, "dird.read": 403} {
		if _, err := s.expect(want, there, checkRequest(token, scope)); err != nil {
			return fmt.Errorf("scope %s: %w", scope, err)
		}
	}
	stop := make(chan struct{})
	var checking sync.WaitGroup
	defer checking.Wait()
	defer close(stop)
	checking.Go(func() {
		tick := time.NewTicker(2 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-stop:
				return
			case <-tick.C:
				_, _ = s.do(there, checkRequest(token, noScope))
			}
		}
	})
	if _, err := s.expect(http.StatusOK, here, request{method: http.MethodDelete, path: "/token/" + token}); err != nil {
		return err
	}
	for _, p := range []*process{there, here, there} {
		a, err := s.do(p, checkRequest(token, "confd.users.read"))
		if err != nil {
			return err
		}
		if a.status != http.StatusNotFound {
			stale.Add(1)
		}
	}
	return nil
}

// quotaHolds logs in twice as often as allowed, over two APIs at once.
func quotaHolds(t *testing.T, s *stack) {
	const limit = 100 // the default of max_user_concurrent_sessions
	user, id := s.addUser(t, "user", "#")
	purse := s.purse(t, s.apis[0], user) // one session already
	var granted, refused atomic.Int32
	parallel(t, 2*limit, func(n int) error {
		r := purse.request(3600)
		if n%4 == 0 { // the way with a hash counts alike
			r = s.loginRequest(user, fields{"expiration": 3600})
		}
		a, err := s.do(s.apis[n%2], r)
		for tries := 0; err == nil && a.status == http.StatusServiceUnavailable && tries < 10; tries++ {
			a, err = s.do(s.apis[n%2], r) // all 200 queue for one user's row: on a busy machine some are told to come again
		}
		switch {
		case err != nil:
			return err
		case a.status == http.StatusOK:
			granted.Add(1)
		case a.status == http.StatusTooManyRequests:
			refused.Add(1)
		default:
			return fmt.Errorf("neither 200 nor 429: %d %s", a.status, a.body)
		}
		return nil
	})
	require.EqualValues(t, limit-1, granted.Load())
	require.EqualValues(t, limit+1, refused.Load())
	require.Equal(t, limit, s.count(t, "SELECT count(*) FROM tokens WHERE user_uuid = $1", id))

	a := s.ask(t, s.apis[1], s.loginRequest(user, fields{}))
	require.Equal(t, http.StatusTooManyRequests, a.status)
	require.Contains(t, string(a.body), "User "+id.String()+" has exceeded the maximum number of active sessions")
	wrong := s.loginRequest(user, fields{})
	wrong.password = s.wrong
	require.Equal(t, http.StatusUnauthorized, s.ask(t, s.apis[1], wrong).status, "a wrong password at the limit")
}
