package identity

import (
	"context"

	"github.com/xivo-auth/xivo-auth/db"
	"github.com/xivo-auth/xivo-auth/events"
)

// Events owes events to the bus inside the caller's transaction.
type Events interface {
	Add(ctx context.Context, tx db.DBTX, list ...events.Event) error
}
