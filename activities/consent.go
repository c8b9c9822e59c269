package activities

import (
	"context"
	"time"

	"github.com/google/uuid"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"

	"github.com/xivo-auth/xivo-auth/external"
	"github.com/xivo-auth/xivo-auth/workflows"
)

// ConsentService waits for consents.
type ConsentService interface {
	Await(ctx context.Context, id uuid.UUID) (outcome string, err error)
	End(ctx context.Context, id uuid.UUID, outcome string) (string, error)
}

// Consent waits for users' consents at other services.
type Consent struct {
	Service ConsentService
}

var _ workflows.ConsentActivities = (*Consent)(nil)

// heartbeatInterval is far below the time after which another worker takes over.
const heartbeatInterval = time.Second

// AwaitConsent holds the websocket of a consent until the message comes or its time is up. A worker that stops leaves it
// to another one at once; whoever cancels the workflow ends the consent.
func (a *Consent) AwaitConsent(ctx context.Context, in workflows.AwaitConsentInput) (workflows.ConsentResult, error) {
	waiting, stop := context.WithCancel(ctx)
	defer stop()
	go func() {
		tick := time.NewTicker(heartbeatInterval)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				activity.RecordHeartbeat(ctx)
			case <-activity.GetWorkerStopChannel(ctx):
				stop()
				return
			case <-waiting.Done():
				return
			}
		}
	}()
	outcome, err := a.Service.Await(waiting, in.Consent)
	if err == nil {
		return workflows.ConsentResult{Outcome: outcome}, nil
	}
	// Only when it was cancelled: otherwise another worker may be at it already.
	if ctx.Err() != nil && temporal.IsCanceledError(context.Cause(ctx)) && !stopping(ctx) {
		ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		if outcome, err = a.Service.End(ending, in.Consent, external.OutcomeCancelled); err == nil {
			return workflows.ConsentResult{Outcome: outcome}, nil
		}
	}
	return workflows.ConsentResult{}, plain(ctx, "wait for the consent", err)
}

// CancelConsent ends a consent that nobody listens for.
func (a *Consent) CancelConsent(ctx context.Context, in workflows.CancelConsentInput) (workflows.ConsentResult, error) {
	outcome, err := a.Service.End(ctx, in.Consent, external.OutcomeCancelled)
	if err != nil {
		return workflows.ConsentResult{}, plain(ctx, "end the consent", err)
	}
	return workflows.ConsentResult{Outcome: outcome}, nil
}

func stopping(ctx context.Context) bool {
	select {
	case <-activity.GetWorkerStopChannel(ctx):
		return true
	default:
		return false
	}
}
