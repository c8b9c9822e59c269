package e2e

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"go.temporal.io/api/enums/v1"
)

// maxTransitions is what a lifetime may cost the engine.
const maxTransitions = 6

// expiredIsRefusedOnTime checks short tokens without a pause until long after their end. PostgreSQL's clock is this
// machine's, so the moment of an answer can be compared with expires_at.
func expiredIsRefusedOnTime(t *testing.T, s *stack) {
	user, id := s.addUser(t, "internal", "#")
	purse := s.purse(t, s.apis[0], user)
	var lateness []time.Duration
	var transitions []int64
	for n := range 9 {
		tok := s.ask(t, s.apis[0], purse.request(1+n%3)).token(t)
		expires := tok.expires(t)
		s.checkUntil(t, s.apis, tok.Token, expires)
		await(t, bearable, "the row of an expired token goes", func() error {
			if n, err := s.number(rowOf, tok.Session); err != nil || n != 0 {
				return errors.Join(err, errors.New("it is there"))
			}
			return nil
		})
		lateness = append(lateness, time.Since(expires))

		o, info := s.awaitOutcome(t, bearable, tok.Session)
		require.Equal(t, outcome{Outcome: "expired"}, o)
		transitions = append(transitions, info.GetStateTransitionCount())
		for name, want := range map[string]string{"AuthId": id.String(), "TenantUuid": s.tenant(t), "Backend": "wazo_user", "Outcome": "expired",
			"user_agent": "Go-http-client/1.1", "remote_addr": "127.0.0.1"} {
			require.Equal(t, want, attribute(t, info, name), name)
		}
		shown, err := time.Parse(time.RFC3339Nano, attribute(t, info, "ExpiresAt"))
		require.NoError(t, err)
		require.WithinDuration(t, expires, shown, time.Millisecond)
	}
	slices.Sort(lateness)
	slices.Sort(transitions)
	require.Less(t, lateness[0], time.Second, "rows were late by %v", lateness)
	require.LessOrEqual(t, transitions[len(transitions)/2], int64(maxTransitions), "%v", transitions)
}

// checkUntil checks until the APIs refuse, and compares each answer with the moment of expiry.
func (s *stack) checkUntil(t *testing.T, apis []*process, token string, expires time.Time) {
	t.Helper()
	for refused := 0; refused < 4; {
		for _, p := range apis {
			a := s.ask(t, p, checkRequest(token, noScope))
			switch a.status {
			case http.StatusNoContent:
				require.False(t, a.began.After(expires), "valid %s after its expiry", a.began.Sub(expires))
			case http.StatusNotFound:
				require.False(t, a.began.Add(a.took).Before(expires), "refused %s before its expiry", expires.Sub(a.began))
				refused++
			default:
				require.Fail(t, "an answer that is none", "%d", a.status)
			}
		}
	}
}

func (s *stack) tenant(t *testing.T) string {
	t.Helper()
	var id uuid.UUID
	require.NoError(t, s.db.QueryRow(t.Context(), "SELECT uuid FROM tenants WHERE uuid = parent_uuid").Scan(&id))
	return id.String()
}

func revokedLifetimeEnds(t *testing.T, s *stack) {
	user, id := s.addUser(t, "internal", "#")
	purse := s.purse(t, s.apis[0], user)
	var transitions []int64
	for n := range 7 {
		tok := s.ask(t, s.apis[n%2], purse.request(3600)).token(t)
		info := s.awaitRunning(t, tok.Session)
		require.Equal(t, id.String(), attribute(t, info, "AuthId"))
		s.revoke(t, s.apis[(n+1)%2], tok.Token)
		o, info := s.awaitOutcome(t, bearable, tok.Session)
		require.Equal(t, outcome{Outcome: "revoked", Reason: "logout"}, o)
		require.Equal(t, "revoked", attribute(t, info, "Outcome"))
		transitions = append(transitions, info.GetStateTransitionCount())
	}
	slices.Sort(transitions)
	require.LessOrEqual(t, transitions[len(transitions)/2], int64(maxTransitions), "%v", transitions)

	// The Web UI's list finds them by what they are.
	await(t, bearable, "the list shows them", func() error {
		if n := len(s.all(t, fmt.Sprintf("AuthId = '%s' AND Outcome = 'revoked'", id))); n != 7 {
			return fmt.Errorf("it shows %d", n)
		}
		return nil
	})
}

func extremeLifetimes(t *testing.T, s *stack) {
	short := s.login(t, s.apis[0], s.root, fields{"expiration": 1})
	long := s.login(t, s.apis[0], s.root, fields{"expiration": 315360000})
	require.WithinDuration(t, time.Now().Add(315360000*time.Second), long.expires(t), time.Minute)
	o, _ := s.awaitOutcome(t, bearable, short.Session)
	require.Equal(t, "expired", o.Outcome)
	s.awaitRunning(t, long.Session)
	s.revoke(t, s.apis[1], long.Token)
	o, _ = s.awaitOutcome(t, bearable, long.Session)
	require.Equal(t, outcome{Outcome: "revoked", Reason: "logout"}, o)
	require.NotEqual(t, enums.WORKFLOW_EXECUTION_STATUS_RUNNING, s.awaitStatus(t, bearable, long.Session, enums.WORKFLOW_EXECUTION_STATUS_COMPLETED).GetStatus())
}

// sessionsListedAndEnded ends a session by its public name.
func sessionsListedAndEnded(t *testing.T, s *stack) {
	admin := s.login(t, s.apis[0], s.root, nil)
	user, id := s.addUser(t, "user")
	tok := s.login(t, s.apis[1], user, nil)
	var list struct {
		Items []struct {
			UUID uuid.UUID `json:"uuid"`
			User uuid.UUID `json:"user_uuid"`
		}
		Total int
	}
	s.ask(t, s.apis[0], request{method: http.MethodGet, path: "/users/" + id.String() + "/sessions", token: admin.Token}).into(t, &list)
	require.Equal(t, 1, list.Total)
	require.Equal(t, tok.Session, list.Items[0].UUID)
	require.Equal(t, id, list.Items[0].User)

	require.Equal(t, http.StatusUnauthorized, s.ask(t, s.apis[0], request{method: http.MethodDelete, path: "/sessions/" + tok.Session.String(), token: tok.Token}).status,
		"a token without that access")
	require.Equal(t, http.StatusNoContent, s.ask(t, s.apis[0], request{method: http.MethodDelete, path: "/sessions/" + tok.Session.String(), token: admin.Token}).status)
	require.Equal(t, http.StatusNotFound, s.check(t, s.apis[1], tok.Token, noScope))
	await(t, bearable, "the lifetime ends or was never started", func() error {
		info, err := s.describe(tok.Session)
		if err == nil && info.GetStatus() == enums.WORKFLOW_EXECUTION_STATUS_RUNNING {
			err = errors.New("it runs")
		}
		return err
	})
}
