package e2e

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"go.temporal.io/api/enums/v1"
)

// auditResult is what an audit says of itself.
type auditResult struct {
	Overdue, Restarted, Ended int
	Fuse                      bool
}

// audits adds up the results of all audits so far.
func (s *stack) audits(t *testing.T) (sum auditResult) {
	t.Helper()
	for _, w := range s.all(t, "WorkflowType = 'LifetimeAudit' AND ExecutionStatus = 'Completed'") {
		var r auditResult
		ctx, cancel := context.WithTimeout(t.Context(), bearable)
		err := s.temporal.GetWorkflow(ctx, w.GetExecution().GetWorkflowId(), w.GetExecution().GetRunId()).Get(ctx, &r)
		cancel()
		require.NoError(t, err)
		sum.Overdue, sum.Restarted, sum.Ended, sum.Fuse = sum.Overdue+r.Overdue, sum.Restarted+r.Restarted, sum.Ended+r.Ended, sum.Fuse || r.Fuse
	}
	return sum
}

// TestAuditRepairs breaks what only an operator, or a disaster, can break.
func TestAuditRepairs(t *testing.T) {
	t.Parallel()
	s := newStack(t, options{apis: 1, workers: 1, settings: map[string]string{"audit.interval_seconds": "10", "audit.grace_seconds": "1"}})
	api := s.apis[0]
	terminated := s.login(t, api, s.root, nil)
	orphan, another := s.login(t, api, s.root, nil), s.login(t, api, s.root, nil)
	untouched := s.login(t, api, s.root, nil)
	for _, tok := range []tokenBody{terminated, orphan, another, untouched} {
		s.awaitRunning(t, tok.Session)
	}
	first, err := s.describe(terminated.Session)
	require.NoError(t, err)
	same, err := s.describe(untouched.Session)
	require.NoError(t, err)

	// Terminated by hand; rows that went behind everybody's back; a row that nobody looks after. An audit looks closer where
	// the numbers differ, so there is one orphan more than what would even them out, whenever an audit comes in between.
	require.NoError(t, s.temporal.TerminateWorkflow(t.Context(), lifetimeID(terminated.Session), "", "by hand"))
	_, err = s.db.Exec(t.Context(), "DELETE FROM tokens WHERE session_uuid IN ($1, $2)", orphan.Session, another.Session)
	require.NoError(t, err)
	overdue := uuid.New()
	_, err = s.db.Exec(t.Context(), `
		INSERT INTO tokens (session_uuid, token_hash, kind, auth_id, tenant_uuid, access_list, metadata, backend, remote_addr, user_agent, issued_at, expires_at)
		SELECT $1, sha256('overdue'), kind, auth_id, tenant_uuid, access_list, metadata, backend, remote_addr, user_agent,
		       now() - interval '2 hours', now() - interval '1 hour' FROM tokens WHERE session_uuid = $2`, overdue, untouched.Session)
	require.NoError(t, err)

	s.awaitCount(t, bearable, 0, rowOf, overdue)
	o, _ := s.awaitOutcome(t, bearable, orphan.Session)
	require.Equal(t, outcome{Outcome: "gone"}, o)
	await(t, bearable, "the terminated lifetime runs again", func() error {
		info, err := s.describe(terminated.Session)
		if err == nil && (info.GetStatus() != enums.WORKFLOW_EXECUTION_STATUS_RUNNING || info.GetExecution().GetRunId() == first.GetExecution().GetRunId()) {
			err = errors.New("it does not")
		}
		return err
	})
	require.Equal(t, http.StatusNoContent, s.check(t, api, terminated.Token, noScope))
	await(t, bearable, "the audits say what they did", func() error {
		// On a busy machine a second audit may come before the first one's requests are carried out.
		if got := s.audits(t); got.Overdue != 1 || got.Restarted < 1 || got.Ended < 1 || got.Fuse {
			return fmt.Errorf("they say %+v", got)
		}
		return nil
	})
	for _, kind := range []string{"overdue", "restarted", "ended"} {
		s.awaitMetric(t, s.workers[0], 1, "xivo_auth_audit_repairs_total", `kind="`+kind+`"`)
	}

	// What was well is as it was, and the repaired one lives like any other.
	info, err := s.describe(untouched.Session)
	require.NoError(t, err)
	require.Equal(t, same.GetExecution().GetRunId(), info.GetExecution().GetRunId())
	s.revoke(t, api, terminated.Token)
	o, _ = s.awaitOutcome(t, bearable, terminated.Session)
	require.Equal(t, outcome{Outcome: "revoked", Reason: "logout"}, o)
}
