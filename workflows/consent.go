package workflows

import (
	"time"

	"github.com/google/uuid"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"
)

// ConsentInput is what the wait for a consent knows: neither its state nor what comes for it.
type ConsentInput struct {
	ConsentUUID string `json:"consent_uuid"`
	UserUUID    string `json:"user_uuid"`
	TenantUUID  string `json:"tenant_uuid"`
	// Type is the external type, such as google.
	Type     string    `json:"type"`
	Deadline time.Time `json:"deadline"`
}

// ConsentResult says how a wait ended: stored, denied, failed, timed out, replaced, cancelled or gone.
type ConsentResult struct {
	Outcome string `json:"outcome"`
}

// ConsentTimedOut and ConsentFailed are the outcomes that the workflow itself knows; the rest is said by the activity.
const (
	ConsentTimedOut = "timed out"
	ConsentFailed   = "failed"
)

// AwaitConsentInput names the consent to wait for.
type AwaitConsentInput struct {
	Consent uuid.UUID `json:"consent_uuid"`
}

// CancelConsentInput names the consent that is cancelled.
type CancelConsentInput struct {
	Consent uuid.UUID `json:"consent_uuid"`
}

const (
	// consentMargin is what is left after the deadline to store what came at the last moment.
	consentMargin = 2 * time.Minute
	// consentHeartbeat is how long a worker may be silent until another one opens the websocket in its place.
	consentHeartbeat = 6 * time.Second
)

// ExternalConsent waits for a user's consent at another service: one activity holds the websocket until the deadline and
// stores what comes. It completes with what happened, also when it is cancelled.
func ExternalConsent(ctx workflow.Context, in ConsentInput) (ConsentResult, error) {
	id, err := uuid.Parse(in.ConsentUUID)
	if err != nil || in.Deadline.IsZero() {
		return ConsentResult{}, temporal.NewNonRetryableApplicationError("a consent needs a uuid and a deadline", "InvalidInput", nil)
	}
	whole := max(0, in.Deadline.Sub(workflow.Now(ctx))) + consentMargin
	options := workflow.ActivityOptions{
		TaskQueue:              consentQueue(workflow.GetInfo(ctx).TaskQueueName),
		ScheduleToCloseTimeout: whole,
		HeartbeatTimeout:       consentHeartbeat,
		WaitForCancellation:    true,
		Summary:                "listen for the consent and store what comes",
		RetryPolicy:            &temporal.RetryPolicy{InitialInterval: 500 * time.Millisecond, BackoffCoefficient: 2, MaximumInterval: 5 * time.Second},
	}
	var out ConsentResult
	err = workflow.ExecuteActivity(workflow.WithActivityOptions(ctx, options), AwaitConsent, AwaitConsentInput{Consent: id}).Get(ctx, &out)
	switch {
	case err == nil:
		return out, nil
	case temporal.IsCanceledError(err):
		return cancelConsent(ctx, id, options)
	case temporal.IsTimeoutError(err):
		return ConsentResult{Outcome: ConsentTimedOut}, nil
	}
	workflow.GetLogger(ctx).Error("Waiting for a consent failed for good", "consent_uuid", in.ConsentUUID, "error", err)
	return ConsentResult{Outcome: ConsentFailed}, nil
}

// cancelConsent ends a consent that was cancelled while nobody listened: before a worker had begun, or between two attempts.
func cancelConsent(ctx workflow.Context, id uuid.UUID, options workflow.ActivityOptions) (out ConsentResult, err error) {
	ctx, cancel := workflow.NewDisconnectedContext(ctx)
	defer cancel()
	options.HeartbeatTimeout, options.WaitForCancellation = 0, false
	options.StartToCloseTimeout, options.Summary = 10*time.Second, "end the consent"
	err = workflow.ExecuteActivity(workflow.WithActivityOptions(ctx, options), CancelConsent, CancelConsentInput{Consent: id}).Get(ctx, &out)
	if temporal.IsTimeoutError(err) {
		return ConsentResult{Outcome: ConsentTimedOut}, nil
	}
	return out, err
}

// consentQueue is where workers take consents from: those wait long, and must not take the place of short steps.
func consentQueue(taskQueue string) string { return taskQueue + "-consents" }
