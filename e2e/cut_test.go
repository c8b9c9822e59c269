package e2e

import (
	"bytes"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

// names watches for a statement about a session: its uuid travels as 16 bytes.
func names(session uuid.UUID) func([]byte) bool {
	return func(chunk []byte) bool { return bytes.Contains(chunk, session[:]) }
}

// TestWorkerIsCutOffBetweenDeletionAndCompletion lets the database delete an expired token while the worker never hears
// of it, or cannot tell Temporal.
func TestWorkerIsCutOffBetweenDeletionAndCompletion(t *testing.T) {
	t.Parallel()
	s := newStack(t, options{apis: 1, workers: 1, workerDatabase: true, workerTemporal: true})
	s.countDeletions(t)
	purse := s.purse(t, s.apis[0], s.root)
	for name, c := range map[string]struct {
		fault func()
		mend  func()
	}{
		"from PostgreSQL": {func() {}, func() { s.workerDatabase.cut() }},
		"from Temporal":   {s.workerTemporal.refuse, func() { s.workerTemporal.mend(t); s.workerDatabase.cut() }},
	} {
		tok := s.ask(t, s.apis[0], purse.request(2)).token(t)
		s.awaitRunning(t, tok.Session)
		about := names(tok.Session)
		struck := make(chan struct{})
		s.workerDatabase.trip(func(chunk []byte) bool {
			if !about(chunk) {
				return false
			}
			c.fault() // before the statement goes on to the server
			close(struck)
			return true
		})
		<-struck
		s.awaitCount(t, bearable, 0, rowOf, tok.Session)
		require.Equal(t, http.StatusNotFound, s.check(t, s.apis[0], tok.Token, noScope))
		c.mend()

		o, _ := s.awaitOutcome(t, bearable, tok.Session)
		require.Contains(t, []string{"expired", "gone"}, o.Outcome, name)
		require.Empty(t, o.Reason, name)
		require.Equal(t, 1, s.deletions(t, tok.Session), name)
	}
}

// TestEndThatIsDueWhileRunIsLeasedComesAfterIt revokes a token while the relay's call that starts its lifetime is under
// way, which a slow network makes long.
func TestEndThatIsDueWhileRunIsLeasedComesAfterIt(t *testing.T) {
	t.Parallel()
	s := newStack(t, options{apis: 1, workers: 1, workerTemporal: true})
	for range 3 {
		s.workerTemporal.delayBy(300 * time.Millisecond)
		tok := s.login(t, s.apis[0], s.root, nil)
		await(t, bearable, "the row that wants a run is leased", func() error {
			n, err := s.number("SELECT count(*) FROM lifetime_due WHERE session_uuid = $1 AND wanted = 'run' AND leased_until > now()", tok.Session)
			if err == nil && n == 0 {
				err = fmt.Errorf("it is not")
			}
			return err
		})
		s.revoke(t, s.apis[0], tok.Token)
		require.Equal(t, 1, s.count(t, "SELECT count(*) FROM lifetime_due WHERE session_uuid = $1 AND wanted = 'end' AND version > 1", tok.Session),
			"the row was turned round while it was leased")
		s.awaitCount(t, bearable, 0, dueOf, tok.Session)
		s.workerTemporal.mend(t)
		o, _ := s.awaitOutcome(t, bearable, tok.Session)
		require.Equal(t, outcome{Outcome: "revoked", Reason: "logout"}, o)
	}
}
