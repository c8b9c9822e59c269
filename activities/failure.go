package activities

import (
	"context"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"
)

// plain logs why something failed and gives Temporal no more than what it was: the text of an error may hold addresses,
// names or parameters, and everybody who reaches the Web UI reads failures. It may be retried.
func plain(ctx context.Context, what string, err error) error {
	activity.GetLogger(ctx).Warn("An activity failed", "step", what, "error", err)
	return temporal.NewApplicationError("could not "+what+"; the worker's log says why", "Unavailable")
}
