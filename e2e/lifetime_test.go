package e2e

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	sdklog "go.temporal.io/sdk/log"
)

// outcome is the result of a lifetime, as the Web UI shows it.
type outcome struct {
	Outcome string `json:"outcome"`
	Reason  string `json:"reason"`
}

func dialTemporal(t *testing.T, namespace string) client.Client {
	t.Helper()
	c, err := client.NewLazyClient(client.Options{HostPort: os.Getenv(temporalVariable), Namespace: namespace, Identity: "e2e",
		Logger: sdklog.NewStructuredLogger(slog.New(slog.DiscardHandler))})
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c
}

// lifetimeID is what docs/lifetime.md promises.
func lifetimeID(session uuid.UUID) string { return "token-lifetime-" + session.String() }

// describe gives the latest run of a session's lifetime; nil when there never was one.
func (s *stack) describe(session uuid.UUID) (*workflowpb.WorkflowExecutionInfo, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	d, err := s.temporal.DescribeWorkflowExecution(ctx, lifetimeID(session), "")
	var missing *serviceerror.NotFound
	if errors.As(err, &missing) {
		return nil, nil //nolint:nilnil // nothing is an answer here
	}
	return d.GetWorkflowExecutionInfo(), err
}

func (s *stack) awaitStatus(t *testing.T, within time.Duration, session uuid.UUID, want enums.WorkflowExecutionStatus) *workflowpb.WorkflowExecutionInfo {
	t.Helper()
	var found *workflowpb.WorkflowExecutionInfo
	await(t, within, "the lifetime is "+want.String(), func() (err error) {
		found, err = s.describe(session)
		if err == nil && found.GetStatus() != want {
			err = fmt.Errorf("it is %s", found.GetStatus())
		}
		return err
	})
	return found
}

// awaitRunning waits until a lifetime runs and nothing is owed for it any more.
func (s *stack) awaitRunning(t *testing.T, session uuid.UUID) *workflowpb.WorkflowExecutionInfo {
	t.Helper()
	info := s.awaitStatus(t, bearable, session, enums.WORKFLOW_EXECUTION_STATUS_RUNNING)
	s.awaitCount(t, bearable, 0, dueOf, session)
	return info
}

// awaitOutcome waits until a lifetime has completed and gives what it says.
func (s *stack) awaitOutcome(t *testing.T, within time.Duration, session uuid.UUID) (outcome, *workflowpb.WorkflowExecutionInfo) {
	t.Helper()
	info := s.awaitStatus(t, within, session, enums.WORKFLOW_EXECUTION_STATUS_COMPLETED)
	ctx, cancel := context.WithTimeout(t.Context(), bearable)
	defer cancel()
	var o outcome
	require.NoError(t, s.temporal.GetWorkflow(ctx, lifetimeID(session), info.GetExecution().GetRunId()).Get(ctx, &o))
	return o, info
}

// attribute decodes a search attribute or a field of the memo; empty when it is not there.
func attribute(t *testing.T, info *workflowpb.WorkflowExecutionInfo, name string) string {
	t.Helper()
	payload := info.GetSearchAttributes().GetIndexedFields()[name]
	if payload == nil {
		payload = info.GetMemo().GetFields()[name]
	}
	if payload == nil {
		return ""
	}
	var v string
	require.NoError(t, converter.GetDefaultDataConverter().FromPayload(payload, &v))
	return v
}

// all lists the workflows of the namespace that match a query.
func (s *stack) all(t *testing.T, query string) []*workflowpb.WorkflowExecutionInfo {
	t.Helper()
	var found []*workflowpb.WorkflowExecutionInfo
	var page []byte
	for {
		a, err := s.temporal.ListWorkflow(t.Context(), &workflowservice.ListWorkflowExecutionsRequest{Query: query, PageSize: 500, NextPageToken: page})
		require.NoError(t, err)
		found = append(found, a.GetExecutions()...)
		if page = a.GetNextPageToken(); len(page) == 0 {
			return found
		}
	}
}
