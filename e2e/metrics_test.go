package e2e

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// metric adds up the samples of a metric whose labels contain all of these texts; found is false without any.
func (s *stack) metric(p *process, name string, labels ...string) (sum float64, found bool, err error) {
	resp, err := s.http.Get(p.internal + "/metrics")
	if err != nil {
		return 0, false, err
	}
	defer func() { _ = resp.Body.Close() }()
	lines := bufio.NewScanner(io.LimitReader(resp.Body, 4<<20))
	for lines.Scan() {
		rest, ours := strings.CutPrefix(lines.Text(), name)
		if !ours || rest == "" || rest[0] != '{' && rest[0] != ' ' {
			continue
		}
		text, value, _ := strings.Cut(rest, " ")
		matches := true
		for _, l := range labels {
			matches = matches && strings.Contains(text, l)
		}
		if v, err := strconv.ParseFloat(value, 64); matches && err == nil {
			sum, found = sum+v, true
		}
	}
	return sum, found, lines.Err()
}

func (s *stack) awaitMetric(t *testing.T, p *process, least float64, name string, labels ...string) {
	t.Helper()
	await(t, bearable, p.name+" shows "+name, func() error {
		v, found, err := s.metric(p, name, labels...)
		if err == nil && !found {
			err = errors.New("it does not")
		}
		if err == nil && v < least {
			err = fmt.Errorf("it shows %v", v)
		}
		return err
	})
}

func metricsAreThere(t *testing.T, s *stack) {
	user, _ := s.addUser(t, "internal", "a")
	wrong := s.loginRequest(user, fields{})
	wrong.password = s.wrong
	var tok tokenBody
	for _, p := range s.apis {
		require.Equal(t, 401, s.ask(t, p, wrong).status)
		tok = s.login(t, p, user, fields{"expiration": 1})
		s.check(t, p, tok.Token, noScope)
		s.check(t, p, tok.Token, "b")
		s.check(t, p, unknown, noScope)
		s.awaitMetric(t, p, 1, "xivo_auth_checks_total", `outcome="valid"`)
		s.awaitMetric(t, p, 1, "xivo_auth_checks_total", `outcome="forbidden"`)
		s.awaitMetric(t, p, 1, "xivo_auth_checks_total", `outcome="unknown"`)
		s.awaitMetric(t, p, 1, "xivo_auth_logins_total", `backend="wazo_user"`, `outcome="ok"`)
		s.awaitMetric(t, p, 1, "xivo_auth_logins_total", `backend="wazo_user"`, `outcome="unauthenticated"`)
		s.awaitMetric(t, p, 0, "xivo_auth_hash_queue")
	}
	s.awaitOutcome(t, bearable, tok.Session)
	var late float64
	for _, p := range s.workers {
		v, _, err := s.metric(p, "xivo_auth_token_expiry_lateness_seconds_count")
		require.NoError(t, err)
		late += v
		for _, kind := range []string{"overdue", "restarted", "ended"} {
			s.awaitMetric(t, p, 0, "xivo_auth_audit_repairs_total", `kind="`+kind+`"`)
		}
	}
	require.Positive(t, late)
	for _, p := range append(s.apis[:2:2], s.workers...) {
		s.awaitMetric(t, p, 0, "xivo_auth_outbox_depth")
		s.awaitMetric(t, p, 0, "xivo_auth_outbox_parked")
		s.awaitMetric(t, p, 0, "xivo_auth_outbox_oldest_seconds")
		require.NoError(t, s.probe(p.internal+"/healthz"))
		require.NoError(t, s.probe(p.internal+"/readyz"))
		status, err := s.status(p.internal + "/debug/pprof/")
		require.NoError(t, err)
		require.Equal(t, http.StatusNotFound, status, "profiles are off unless asked for")
	}
}
