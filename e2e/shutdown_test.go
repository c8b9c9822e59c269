package e2e

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestStoppingLosesNoRequest sends SIGTERM to an API while logins wait for their hashes and checks come in all the time.
func TestStoppingLosesNoRequest(t *testing.T) {
	t.Parallel()
	s := newStack(t, options{apis: 2, workers: 1, settings: map[string]string{"password_hash.iterations": "4", "password_hash.concurrency": "1"}})
	leaving, staying := s.apis[0], s.apis[1]
	tok := s.login(t, leaving, s.root, nil)

	// A client like any other: when the connection is refused, or an idle one has gone, it goes to the other API.
	var checks, moved, lost atomic.Int32
	ctx, stop := context.WithCancel(t.Context())
	var checking, logins sync.WaitGroup
	for range 8 {
		checking.Go(func() {
			for p := leaving; ctx.Err() == nil; checks.Add(1) {
				a, err := s.do(p, checkRequest(tok.Token, "any.thing"))
				if err != nil && p == leaving {
					p = staying
					moved.Add(1)
					continue
				}
				if err != nil || a.status != http.StatusNoContent {
					lost.Add(1)
					return
				}
			}
		})
	}
	const parallel = 12
	var good atomic.Int32
	for range parallel {
		logins.Go(func() {
			a, err := s.do(leaving, s.loginRequest(s.root, fields{}))
			if err == nil && a.status == http.StatusOK && s.valid(staying, a) {
				good.Add(1)
			}
		})
	}
	// All of them have been accepted: one is being hashed, the others wait.
	await(t, bearable, "the logins are accepted", func() error {
		v, _, err := s.metric(leaving, "xivo_auth_hash_queue")
		if err == nil && v+float64(good.Load()) < parallel-2 {
			err = errors.New("not all")
		}
		return err
	})
	leaving.signal(syscall.SIGTERM)
	logins.Wait()
	require.Zero(t, leaving.wait(t, bearable), "its exit code")
	require.EqualValues(t, parallel, good.Load(), "every login that was accepted is answered, and its token is good")
	await(t, bearable, "all clients have moved", func() error {
		if moved.Load() < 8 {
			return errors.New("not yet")
		}
		return nil
	})
	stop()
	checking.Wait()
	require.Zero(t, lost.Load(), "of %d checks", checks.Load())

	// A worker stops as cleanly, and what it had leased is nobody's loss.
	s.workers[0].signal(syscall.SIGTERM)
	require.Zero(t, s.workers[0].wait(t, bearable), "its exit code")
	late := s.login(t, staying, s.root, nil)
	s.restart(t, s.workers[0])
	s.awaitRunning(t, late.Session)
}

func (s *stack) valid(p *process, login answer) bool {
	text := tokenOf(login)
	a, err := s.do(p, checkRequest(text, noScope))
	return text != "" && err == nil && a.status == http.StatusNoContent
}
