package outbox

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/google/uuid"

	"github.com/xivo-auth/xivo-auth/db"
	"github.com/xivo-auth/xivo-auth/events"
	"github.com/xivo-auth/xivo-auth/tracing"
)

// Events is the log of what the bus is owed. Without a bus nothing is written at all.
type Events struct {
	enabled bool
	q       *db.Queries
}

// NewEvents makes a log; enabled tells whether there is a bus.
func NewEvents(enabled bool) *Events { return &Events{enabled: enabled, q: db.New()} }

// Enabled tells whether there is a bus.
func (e *Events) Enabled() bool { return e.enabled }

// loggedEvent is an event as EventAdd takes it.
type loggedEvent struct {
	Name       string     `json:"name"`
	RoutingKey string     `json:"routing_key"`
	Tenant     uuid.UUID  `json:"tenant_uuid"`
	Audience   string     `json:"audience"`
	Session    *uuid.UUID `json:"session_uuid"`
	Data       any        `json:"data"`
}

// Add owes events to the bus, in this order, inside the caller's transaction. The caller wakes the relay after its commit.
func (e *Events) Add(ctx context.Context, tx db.DBTX, list ...events.Event) error {
	if !e.enabled || len(list) == 0 {
		return nil
	}
	rows := make([]loggedEvent, len(list))
	for i, event := range list {
		rows[i] = loggedEvent(event.Describe())
	}
	text, err := json.Marshal(rows)
	if err != nil {
		return fmt.Errorf("encode events: %w", err)
	}
	if err := e.q.EventAdd(ctx, tx, db.EventAddParams{List: text, Traceparent: tracing.Traceparent(ctx)}); err != nil {
		return fmt.Errorf("owe events: %w", err)
	}
	return nil
}
