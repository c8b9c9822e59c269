package workflows

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"go.temporal.io/api/common/v1"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
)

// AuditSchedule says how often an installation is audited.
type AuditSchedule struct {
	Installation uuid.UUID
	// Interval between two audits; at least a second.
	Interval time.Duration
	Input    AuditInput
}

// EnsureAuditSchedule makes the schedule of the audit, or brings one that differs up to date; a pause by an operator
// stays. It may be called by any number of workers, at every start.
func EnsureAuditSchedule(ctx context.Context, c client.Client, s AuditSchedule) error {
	ctx, cancel := context.WithTimeout(ctx, 3*callTimeout)
	defer cancel()
	if s.Interval < time.Second {
		return fmt.Errorf("schedule of the audit: interval %s is shorter than a second", s.Interval)
	}
	_, err := c.ScheduleClient().Create(ctx, client.ScheduleOptions{
		ID: AuditScheduleID(s.Installation), Spec: s.spec(), Action: s.action(),
		Overlap: enums.SCHEDULE_OVERLAP_POLICY_SKIP, CatchupWindow: time.Minute,
		Note: "compares the tokens in the database with their lifetimes and repairs",
	})
	if errors.Is(err, temporal.ErrScheduleAlreadyRunning) {
		err = s.update(ctx, c)
	}
	if err != nil {
		return fmt.Errorf("schedule of the audit: %w", err)
	}
	return nil
}

func (s AuditSchedule) update(ctx context.Context, c client.Client) error {
	handle := c.ScheduleClient().GetHandle(ctx, AuditScheduleID(s.Installation))
	found, err := handle.Describe(ctx)
	if err != nil || s.same(found.Schedule) {
		return err
	}
	return handle.Update(ctx, client.ScheduleUpdateOptions{DoUpdate: func(in client.ScheduleUpdateInput) (*client.ScheduleUpdate, error) {
		schedule := in.Description.Schedule
		spec := s.spec()
		schedule.Spec, schedule.Action = &spec, s.action()
		return &client.ScheduleUpdate{Schedule: &schedule}, nil
	}})
}

// same says whether a schedule that was found is the one that is wanted.
func (s AuditSchedule) same(found client.Schedule) bool {
	action, ok := found.Action.(*client.ScheduleWorkflowAction)
	if !ok || len(action.Args) != 1 || found.Spec == nil || len(found.Spec.Intervals) != 1 {
		return false
	}
	payload, ok := action.Args[0].(*common.Payload)
	var in AuditInput
	return ok && converter.GetDefaultDataConverter().FromPayload(payload, &in) == nil && in == s.Input &&
		found.Spec.Intervals[0].Every == s.Interval
}

func (s AuditSchedule) spec() client.ScheduleSpec {
	return client.ScheduleSpec{Intervals: []client.ScheduleIntervalSpec{{Every: s.Interval}}}
}

func (s AuditSchedule) action() *client.ScheduleWorkflowAction {
	return &client.ScheduleWorkflowAction{
		ID: AuditScheduleID(s.Installation), Workflow: LifetimeAuditType, Args: []any{s.Input}, TaskQueue: TaskQueue(s.Installation),
		StaticSummary: "compares tokens with their lifetimes and repairs",
	}
}
