package e2e

import (
	"net/http"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// revokedIsRefusedEverywhere revokes on one API and checks on both, as soon as the answer is there, while others check the
// same token all the time: an answer that was on its way must not be mistaken for a later one.
func revokedIsRefusedEverywhere(t *testing.T, s *stack) {
	const tokens, workers = 1000, 8
	user, _ := s.addUser(t, "internal", "confd.#", "!confd.secret.#")
	purse := s.purse(t, s.apis[0], user)
	var next, stale atomic.Int32
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for n := next.Add(1); n <= tokens; n = next.Add(1) {
				if !revokeOnce(t, s, purse, int(n), &stale) {
					return
				}
			}
		})
	}
	wg.Wait()
	require.Zero(t, stale.Load(), "checks that were answered 204 after the revocation had been answered")
}

// revokeOnce uses assert: it runs outside the test's goroutine.
func revokeOnce(t *testing.T, s *stack, b purse, n int, stale *atomic.Int32) bool {
	here, there := s.apis[n%2], s.apis[(n+1)%2]
	a, err := s.do(here, b.request(600))
	if !assert.NoError(t, err) || !assert.Equal(t, http.StatusOK, a.status, "%s", a.body) {
		return false
	}
	token := a.token(t).Token
	for scope, want := range map[string]int{noScope: 204, "confd.users.read": 204, "confd.secret.read": 403, "dird.read": 403} {
		a, err := s.do(there, checkRequest(token, scope))
		if !assert.NoError(t, err) || !assert.Equal(t, want, a.status, "scope %s", scope) {
			return false
		}
	}
	stop := make(chan struct{})
	var checking sync.WaitGroup
	checking.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				_, _ = s.do(there, checkRequest(token, noScope))
			}
		}
	})
	a, err = s.do(here, request{method: http.MethodDelete, path: "/token/" + token})
	ok := assert.NoError(t, err) && assert.Equal(t, http.StatusOK, a.status)
	for _, p := range []*process{there, here, there} {
		a, err := s.do(p, checkRequest(token, "confd.users.read"))
		ok = ok && assert.NoError(t, err)
		if a.status != http.StatusNotFound {
			stale.Add(1)
		}
	}
	close(stop)
	checking.Wait()
	return ok
}

// quotaHolds logs in twice as often as allowed, over two APIs at once.
func quotaHolds(t *testing.T, s *stack) {
	const limit = 100 // the default of max_user_concurrent_sessions
	user, id := s.addUser(t, "user", "#")
	purse := s.purse(t, s.apis[0], user) // one session already
	var granted, refused atomic.Int32
	var wg sync.WaitGroup
	for n := range 2 * limit {
		wg.Go(func() {
			r := purse.request(3600)
			if n%4 == 0 { // the way with a hash counts alike
				r = s.loginRequest(user, fields{"expiration": 3600})
			}
			a, err := s.do(s.apis[n%2], r)
			switch {
			case err == nil && a.status == http.StatusOK:
				granted.Add(1)
			case err == nil && a.status == http.StatusTooManyRequests:
				refused.Add(1)
			default:
				assert.Fail(t, "neither 200 nor 429", "%d %s %v", a.status, a.body, err)
			}
		})
	}
	wg.Wait()
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
