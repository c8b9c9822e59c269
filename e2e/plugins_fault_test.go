package e2e

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The program unruly does what the login says; alice is its user.
const unrulyConfig = `
enabled_backend_plugins: {unruly: true}
idp_plugins: {unruly: {enabled: true, priority: 10}, slow: {enabled: %v, priority: 1}}
`

func unrulyLogin(user string) request {
	return request{method: http.MethodPost, path: "/token", user: user, password: "s3cret!", body: fields{"backend": "unruly"}}
}

type ending struct {
	answer
	err error
}

// hanging starts logins that hang, and returns when the plug-in has them.
func (s *stack) hanging(t *testing.T, p *process, n int) <-chan ending {
	t.Helper()
	before := strings.Count(p.log.String(), `"hanging"`)
	done := make(chan ending, n)
	for range n {
		go func() {
			a, err := s.do(p, unrulyLogin("hang"))
			done <- ending{a, err}
		}()
	}
	await(t, bearable, "the plug-in hangs", func() error {
		if strings.Count(p.log.String(), `"hanging"`) < before+n {
			return errors.New("it does not")
		}
		return nil
	})
	return done
}

func pluginPID(t *testing.T, b tokenBody) int {
	t.Helper()
	pid, ok := b.Metadata["pid"].(float64)
	require.True(t, ok, "%v", b.Metadata)
	return int(pid)
}

// serves wants the native source to work as ever.
func (s *stack) serves(t *testing.T, p *process, user, token string) answer {
	t.Helper()
	require.Equal(t, http.StatusNoContent, s.check(t, p, token, "native"))
	a := s.ask(t, p, s.loginRequest(user, fields{}))
	require.Equal(t, []string{"native"}, a.token(t).ACL)
	return a
}

func killedPlugin(t *testing.T, s *stack) {
	p := s.plugged(t, fmt.Sprintf(unrulyConfig, false))
	native, _ := s.addUser(t, "internal", "native")
	token := s.login(t, p, native, nil).Token
	alice := s.ask(t, p, unrulyLogin("alice")).token(t)
	require.Equal(t, "id of alice", alice.AuthID)
	pid := pluginPID(t, alice)

	done := s.hanging(t, p, 1)
	require.NoError(t, syscall.Kill(pid, syscall.SIGKILL))
	s.serves(t, p, native, token)
	got := <-done
	require.NoError(t, got.err)
	require.Equal(t, http.StatusInternalServerError, got.status)
	require.NotContains(t, string(got.body), "unruly", "clients are told nothing of it")
	require.NoError(t, s.probe(p.internal+"/readyz"))

	var back tokenBody
	await(t, bearable, "the plug-in comes back", func() error {
		a, err := s.do(p, unrulyLogin("alice"))
		switch {
		case err != nil:
			return err
		case a.status != http.StatusOK && a.status != http.StatusInternalServerError:
			t.Errorf("a login through a plug-in that is down: %d", a.status)
		case a.status == http.StatusOK:
			back = a.token(t)
			return nil
		}
		return fmt.Errorf("it answers %d", a.status)
	})
	require.NotEqual(t, pid, pluginPID(t, back))
	require.Contains(t, p.log.String(), "a plug-in is up again")
	s.awaitMetric(t, p, 1, "xivo_auth_plugin_restarts_total", `name="unruly"`)
	require.Equal(t, http.StatusNoContent, s.check(t, p, alice.Token, "a.b"))
	s.serves(t, p, native, token)

	p.kill()
	await(t, bearable, "a plug-in ends with a killed API", func() error {
		if syscall.Kill(pluginPID(t, back), 0) == nil {
			return errors.New("it is there")
		}
		return nil
	})
}

func hangingPlugin(t *testing.T, s *stack) {
	const inTime = 30 * time.Second // the limit is 5 s
	p := s.plugged(t, fmt.Sprintf(unrulyConfig, true))
	native, _ := s.addUser(t, "internal", "native")
	token := s.login(t, p, native, nil).Token // the provider slow never says whether it is its own
	require.Contains(t, p.log.String(), "a provider failed when it was asked whether a login is its own")

	done := s.hanging(t, p, 6)
	beside := s.serves(t, p, native, token)
	for range 6 {
		got := <-done
		require.NoError(t, got.err)
		require.Equal(t, http.StatusInternalServerError, got.status)
		require.Less(t, got.took, inTime)
		require.Less(t, beside.took, got.took)
	}
	s.awaitMetric(t, p, 6, "xivo_auth_plugin_calls_total", `name="unruly"`, `outcome="timeout"`)
	require.NoError(t, s.probe(p.internal+"/readyz"))
	s.serves(t, p, native, token)
	await(t, bearable, "the plug-in is asked again", func() error {
		_, err := s.expect(http.StatusOK, p, unrulyLogin("alice"))
		return err
	})
}

func stoppedPlugin(t *testing.T, s *stack) {
	p := s.plugged(t, fmt.Sprintf(unrulyConfig, false))
	native, _ := s.addUser(t, "internal", "native")
	token := s.login(t, p, native, nil).Token
	pid := pluginPID(t, s.ask(t, p, unrulyLogin("alice")).token(t))
	require.NoError(t, syscall.Kill(pid, syscall.SIGSTOP))
	parallel(t, 3, func(int) error {
		_, err := s.expect(http.StatusInternalServerError, p, unrulyLogin("alice"))
		return err
	})
	s.serves(t, p, native, token)
	var back tokenBody
	await(t, startTime, "another process takes its place", func() error { // three health checks, 10 s apart
		a, err := s.expect(http.StatusOK, p, unrulyLogin("alice"))
		if err == nil {
			back = a.token(t)
		}
		return err
	})
	require.NotEqual(t, pid, pluginPID(t, back))
	require.Error(t, syscall.Kill(pid, 0), "the old one is gone")
}

func pluginFailures(t *testing.T, s *stack) {
	p := s.plugged(t, fmt.Sprintf(unrulyConfig, false))
	for login, want := range map[string]struct {
		status int
		body   string
	}{
		"refuse":    {http.StatusUnauthorized, "Authentication Failed"},
		"unknown":   {http.StatusUnauthorized, "Authentication Failed"},
		"fail":      {http.StatusInternalServerError, "Internal Server Error"},
		"panic":     {http.StatusInternalServerError, "Internal Server Error"},
		"api_error": {http.StatusNotFound, "unknown-realm"},
	} {
		a := s.ask(t, p, unrulyLogin(login))
		require.Equal(t, want.status, a.status, "%s: %s", login, a.body)
		require.Contains(t, string(a.body), want.body, login)
	}
	s.ask(t, p, unrulyLogin("alice")).token(t)
	require.NotContains(t, p.log.String(), "s3cret!", "what a plug-in says of its errors is kept without the password")
}
