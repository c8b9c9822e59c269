package workflows

import (
	"time"

	"go.temporal.io/sdk/workflow"
)

// States of a lifetime that has not ended; a lifetime that has is in the state of its outcome.
const (
	stateActive      = "active"
	stateExpiresSoon = "expires soon"
	stateDeleting    = "deleting"
	stateRevoking    = "revoking"
)

// LifetimeStatus answers QueryStatus.
type LifetimeStatus struct {
	// State is "active", "expires soon", "deleting", "revoking" or an outcome.
	State     string    `json:"state"`
	Reason    string    `json:"reason,omitempty"`
	ExpiresAt time.Time `json:"expires_at"`
	// RemainingSeconds until expiry by the worker's clock; 0 when the token has ended.
	RemainingSeconds int64 `json:"remaining_seconds"`
}

// answerStatus registers the query, which must be there before anything blocks.
func (l *lifetime) answerStatus(ctx workflow.Context) error {
	return workflow.SetQueryHandlerWithOptions(ctx, QueryStatus, func() (LifetimeStatus, error) {
		s := LifetimeStatus{State: l.state, Reason: l.result.Reason, ExpiresAt: l.in.ExpiresAt}
		if l.result.Outcome == "" {
			// The workflow's own clock stands still while it sleeps, and a query changes nothing.
			//workflowcheck:ignore
			s.RemainingSeconds = max(0, int64(time.Until(l.in.ExpiresAt)/time.Second))
		}
		return s, nil
	}, workflow.QueryHandlerOptions{Description: "State of the token and the seconds until it expires"})
}

// enter notes the state and shows it in the Web UI.
func (l *lifetime) enter(ctx workflow.Context, state string) {
	l.state = state
	workflow.SetCurrentDetails(ctx, l.details(workflow.Now(ctx)))
}

// details is what the Web UI shows of the state, in Markdown.
func (l *lifetime) details(now time.Time) string {
	text := "**" + l.state + "**"
	if l.result.Reason != "" {
		text += ": " + escape(l.result.Reason)
	}
	text += " (since " + stamp(now) + ")\n\n" +
		"- who: " + escape(cleanAuthID(l.in.AuthID)) +
		"\n- tenant: " + escape(clean(l.in.TenantUUID, maxAttribute)) +
		"\n- backend: " + escape(clean(l.in.Backend, maxAttribute)) +
		"\n- kind: " + escape(clean(l.in.Kind, maxAttribute)) +
		"\n- issued: " + stamp(l.in.IssuedAt) +
		"\n- expires: " + stamp(l.in.ExpiresAt) + "\n"
	if l.result.Outcome == "" {
		text += "\nCancelling this workflow revokes the token.\n"
	}
	return text
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }
