package e2e

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestGuards has what keeps guessing slow, what records it, and what an operator sees and switches.
func TestGuards(t *testing.T) {
	t.Parallel()
	s := newStack(t, options{apis: 2, settings: map[string]string{"login_throttle.address_failures": "15",
		"enabled_http_plugins": "api:true,backends:true,config:true,sessions:true,status:true,tokens:true,user_session:false,users:true"}})
	for name, part := range map[string]func(*testing.T, *stack){
		"guessing is slowed down for the one who guesses": guessing,
		"guessing the old password is, too":               guessingTheOldPassword,
		"an address that tries many logins is refused":    spraying,
		"logins and their refusals are in the trail":      trailOfLogins,
		"the configuration is shown and switched":         configuration,
		"a part of the interface is switched off":         partsOff,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			part(t, s)
		})
	}
}

func from(r request, address string) request {
	r.header = http.Header{"X-Forwarded-For": {address}}
	return r
}

func guessing(t *testing.T, s *stack) {
	user, _ := s.addUser(t, "user", "confd.#")
	live := s.login(t, s.apis[0], user, nil)
	right := s.loginRequest(user, fields{})
	guess := right
	guess.password = s.wrong
	for n := range 10 {
		require.Equal(t, http.StatusUnauthorized, s.ask(t, s.apis[n%2], from(guess, "198.51.100.1")).status, n)
	}
	for _, r := range []request{guess, right} { // neither is told whether the password is right
		a := s.ask(t, s.apis[0], from(r, "198.51.100.1"))
		if a.status == http.StatusUnauthorized || a.status == http.StatusOK { // the machine is so slow that the second was over
			continue
		}
		require.Equal(t, http.StatusTooManyRequests, a.status)
		seconds, err := strconv.Atoi(a.header.Get("Retry-After"))
		require.NoError(t, err)
		require.Positive(t, seconds)
		require.LessOrEqual(t, seconds, 300)
		var body struct {
			Reason     []string  `json:"reason"`
			Timestamp  []float64 `json:"timestamp"`
			StatusCode int       `json:"status_code"`
		}
		d := json.NewDecoder(bytes.NewReader(a.body))
		d.DisallowUnknownFields()
		require.NoError(t, d.Decode(&body))
		require.Len(t, body.Reason, 1)
		require.Len(t, body.Timestamp, 1)
		require.Equal(t, http.StatusTooManyRequests, body.StatusCode)
	}
	require.Equal(t, http.StatusOK, s.ask(t, s.apis[1], from(right, "198.51.100.2")).status, "the owner from elsewhere")
	require.Equal(t, http.StatusOK, s.ask(t, s.apis[1], right).status, "and from this host")
	require.Equal(t, http.StatusNoContent, s.check(t, s.apis[1], live.Token, "confd.read"), "live sessions know nothing of it")
	// A second or a few later the owner gets in from there too.
	await(t, bearable, "the owner gets in", func() error {
		_, err := s.expect(http.StatusOK, s.apis[0], from(right, "198.51.100.1"))
		return err
	})
	s.awaitMetric(t, s.apis[0], 0, "xivo_auth_logins_throttled_total", `rule="login"`)
}

func guessingTheOldPassword(t *testing.T, s *stack) {
	user, id := s.addUser(t, "user", "auth.users.me.password.update")
	live := s.login(t, s.apis[0], user, nil)
	change := func(n int, old, address string) answer {
		t.Helper()
		return s.ask(t, s.apis[n%2], from(request{method: http.MethodPut, path: "/users/" + id.String() + "/password", token: live.Token,
			body: fields{"old_password": old, "new_password": s.password}}, address))
	}
	began := time.Now()
	for n := range 10 {
		a := change(n, s.wrong, "203.0.113.1")
		require.Equal(t, http.StatusUnauthorized, a.status, "%d: %s", n, a.body)
	}
	a := change(0, s.password, "203.0.113.1")
	if time.Since(began) < 10*time.Second { // else the first second's wait may be over
		require.Equal(t, http.StatusTooManyRequests, a.status)
		require.NotEmpty(t, a.header.Get("Retry-After"))
	}
	require.Equal(t, http.StatusNoContent, change(1, s.password, "203.0.113.2").status, "the owner from elsewhere")
}

func spraying(t *testing.T, s *stack) {
	user, _ := s.addUser(t, "user")
	began := time.Now()
	for n := range 15 {
		r := s.loginRequest("nobody-"+strconv.Itoa(n), fields{})
		require.Equal(t, http.StatusUnauthorized, s.ask(t, s.apis[n%2], from(r, "2001:db8::"+strconv.Itoa(n))).status)
	}
	a := s.ask(t, s.apis[1], from(s.loginRequest(user, fields{}), "2001:db8::ffff"))
	if time.Since(began) < 4*time.Minute {
		require.Equal(t, http.StatusTooManyRequests, a.status)
		require.NotEmpty(t, a.header.Get("Retry-After"))
	}
	require.Equal(t, http.StatusOK, s.ask(t, s.apis[0], from(s.loginRequest(user, fields{}), "2001:db8:0:1::1")).status)
}
