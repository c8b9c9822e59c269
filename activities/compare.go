package activities

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/google/uuid"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/activity"

	"github.com/xivo-auth/xivo-auth/workflows"
)

// RestartLifetimes owes a lifetime to every live token that has none.
func (a *Audit) RestartLifetimes(ctx context.Context, in workflows.AuditStep) (workflows.AuditRepaired, error) {
	at := resume(ctx)
	for {
		page, err := a.Store.LivePage(ctx, at.After, in.Grace, pageSize)
		if err != nil {
			return workflows.AuditRepaired{}, plain(ctx, "list live tokens", err)
		}
		if len(page) == 0 {
			return workflows.AuditRepaired{Repaired: at.Repaired}, nil
		}
		without, err := a.withoutLifetime(ctx, page, at, in.Allowed)
		if err != nil {
			return workflows.AuditRepaired{}, plain(ctx, "look for lifetimes", err)
		}
		if at.Repaired+len(without) > in.Allowed {
			return a.blown(ctx, "start missing lifetimes", at.Repaired), nil
		}
		if len(without) > 0 {
			n, err := a.Store.RequestRun(ctx, without)
			if err != nil {
				return workflows.AuditRepaired{}, plain(ctx, "request lifetimes", err)
			}
			a.repaired(ctx, repairRestarted, n)
			at.Repaired += n
		}
		at.After = page[len(page)-1]
		activity.RecordHeartbeat(ctx, at)
		if err := sleep(ctx, pagePause); err != nil {
			return workflows.AuditRepaired{}, err
		}
	}
}

// withoutLifetime returns which of these sessions have no running lifetime. The list, asked first, lags behind; what it
// does not show is asked of the engine itself. It stops looking once the fuse has to blow.
func (a *Audit) withoutLifetime(ctx context.Context, sessions []uuid.UUID, at progress, allowed int) ([]uuid.UUID, error) {
	var q strings.Builder
	q.WriteString(workflows.RunningLifetimes(a.TaskQueue) + " AND WorkflowId IN (")
	for i, session := range sessions {
		if i > 0 {
			q.WriteByte(',')
		}
		q.WriteString("'" + workflows.LifetimeID(session) + "'")
	}
	q.WriteByte(')')
	listed, _, err := a.list(ctx, q.String(), nil, len(sessions))
	if err != nil {
		return nil, err
	}
	seen := make(map[uuid.UUID]bool, len(listed))
	for _, session := range listed {
		seen[session] = true
	}
	var without []uuid.UUID
	for _, session := range sessions {
		if seen[session] {
			continue
		}
		runs, err := a.runs(ctx, session, at)
		if err != nil {
			return nil, err
		}
		if !runs {
			if without = append(without, session); at.Repaired+len(without) > allowed {
				break
			}
		}
	}
	return without, nil
}

// EndOrphanedLifetimes owes the end to every running lifetime that has no token.
func (a *Audit) EndOrphanedLifetimes(ctx context.Context, in workflows.AuditStep) (workflows.AuditRepaired, error) {
	at := resume(ctx)
	if at.Before.IsZero() {
		at.Before = time.Now().Add(-in.Grace).UTC()
	}
	for {
		query := workflows.RunningLifetimes(a.TaskQueue) + " AND StartTime < '" + at.Before.Format(time.RFC3339Nano) + "'"
		listed, next, err := a.list(ctx, query, at.Page, pageSize)
		if err != nil {
			return workflows.AuditRepaired{}, plain(ctx, "list running lifetimes", err)
		}
		orphans, err := a.withoutToken(ctx, listed, at, in.Allowed)
		if err != nil {
			return workflows.AuditRepaired{}, plain(ctx, "look for the tokens of lifetimes", err)
		}
		if at.Repaired+len(orphans) > in.Allowed {
			return a.blown(ctx, "end lifetimes without a token", at.Repaired), nil
		}
		if len(orphans) > 0 {
			n, err := a.Store.RequestEnd(ctx, orphans)
			if err != nil {
				return workflows.AuditRepaired{}, plain(ctx, "request ends", err)
			}
			a.repaired(ctx, repairEnded, n)
			at.Repaired += n
		}
		at.Page = next
		activity.RecordHeartbeat(ctx, at)
		if len(next) == 0 {
			return workflows.AuditRepaired{Repaired: at.Repaired}, nil
		}
		if err := sleep(ctx, pagePause); err != nil {
			return workflows.AuditRepaired{}, err
		}
	}
}

// withoutToken returns which of these lifetimes have no token and really run. It stops once the fuse has to blow.
func (a *Audit) withoutToken(ctx context.Context, sessions []uuid.UUID, at progress, allowed int) ([]uuid.UUID, error) {
	if len(sessions) == 0 {
		return nil, nil
	}
	missing, err := a.Store.MissingTokens(ctx, sessions)
	if err != nil {
		return nil, err
	}
	var orphans []uuid.UUID
	for _, session := range missing {
		runs, err := a.runs(ctx, session, at)
		if err != nil {
			return nil, err
		}
		if runs {
			if orphans = append(orphans, session); at.Repaired+len(orphans) > allowed {
				break
			}
		}
	}
	return orphans, nil
}

// list asks the list of workflows for one page of sessions.
func (a *Audit) list(ctx context.Context, query string, page []byte, size int) ([]uuid.UUID, []byte, error) {
	ctx, cancel := context.WithTimeout(ctx, queryTime)
	defer cancel()
	answer, err := a.Temporal.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{
		Query: query, PageSize: int32(size), NextPageToken: page}) //nolint:gosec // at most pageSize
	if err != nil {
		return nil, nil, err
	}
	sessions := make([]uuid.UUID, 0, len(answer.GetExecutions()))
	for _, execution := range answer.GetExecutions() {
		if session, ok := workflows.SessionOf(execution.GetExecution().GetWorkflowId()); ok {
			sessions = append(sessions, session)
		}
	}
	return sessions, answer.GetNextPageToken(), nil
}

// runs asks the engine itself whether a lifetime runs.
func (a *Audit) runs(ctx context.Context, session uuid.UUID, at progress) (bool, error) {
	activity.RecordHeartbeat(ctx, at)
	ctx, cancel := context.WithTimeout(ctx, queryTime)
	defer cancel()
	answer, err := a.Temporal.DescribeWorkflowExecution(ctx, workflows.LifetimeID(session), "")
	var missing *serviceerror.NotFound
	if errors.As(err, &missing) {
		return false, nil
	}
	return answer.GetWorkflowExecutionInfo().GetStatus() == enums.WORKFLOW_EXECUTION_STATUS_RUNNING, err
}
