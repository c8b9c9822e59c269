package e2e

import (
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestFullQueueOfHashesIsToldToComeAgain logs in more often than the queue holds.
func TestFullQueueOfHashesIsToldToComeAgain(t *testing.T) {
	t.Parallel()
	s := newStack(t, options{apis: 1, settings: map[string]string{"password_hash.queue": "2", "password_hash.concurrency": "1", "password_hash.iterations": "10",
		"login_throttle.enabled": "false"}})
	tok := s.login(t, s.apis[0], s.root, nil)
	var good, busy atomic.Int32
	parallel(t, 40, func(n int) error {
		r, right := s.loginRequest(s.root, fields{}), http.StatusOK
		if n%2 == 0 { // nobody learns from the answer whether a login exists
			r.user, right = "nobody", http.StatusUnauthorized
		}
		a, err := s.do(s.apis[0], r)
		switch {
		case err != nil:
			return err
		case a.status == right:
			good.Add(1)
		case a.status == http.StatusServiceUnavailable && a.header.Get("Retry-After") != "":
			busy.Add(1)
		default:
			return fmt.Errorf("neither answered nor told to come again: %d %s", a.status, a.body)
		}
		_, err = s.expect(http.StatusNoContent, s.apis[0], checkRequest(tok.Token, "any.thing"))
		return err
	})
	require.Positive(t, busy.Load())
	require.Positive(t, good.Load())
	s.awaitMetric(t, s.apis[0], float64(busy.Load()), "xivo_auth_logins_total", `outcome="unavailable"`)
}
