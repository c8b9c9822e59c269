package token

import (
	"context"

	"github.com/google/uuid"

	"github.com/xivo-auth/xivo-auth/db"
	"github.com/xivo-auth/xivo-auth/events"
)

// Events owes events to the bus inside the caller's transaction.
type Events interface {
	// Enabled tells whether there is a bus.
	Enabled() bool
	Add(ctx context.Context, tx db.DBTX, list ...events.Event) error
}

// noBus is what stands for no Events.
type noBus struct{}

func (noBus) Enabled() bool                                       { return false }
func (noBus) Add(context.Context, db.DBTX, ...events.Event) error { return nil }

func orNoBus(e Events) Events {
	if e == nil {
		return noBus{}
	}
	return e
}

// gone is a token that was deleted.
type gone interface {
	~struct {
		SessionUUID uuid.UUID
		UserUUID    *uuid.UUID
		TenantUUID  uuid.UUID
		AuthID      string
	}
}

func sessionsOf[T gone](rows []T) []uuid.UUID {
	sessions := make([]uuid.UUID, len(rows))
	for i, r := range rows {
		sessions[i] = db.TokenDeleteBySessionRow(r).SessionUUID
	}
	return sessions
}

// deletions are the events of sessions that ended on their own account: they name the token's auth id (events.md section
// 6.2).
func deletions[T gone](rows []T) []events.Event {
	told := make([]events.Event, len(rows))
	for i, r := range rows {
		x := db.TokenDeleteBySessionRow(r)
		told[i] = events.SessionDeleted{UUID: x.SessionUUID, Tenant: x.TenantUUID, AuthID: x.AuthID}
	}
	return told
}

// deletionsOf are the events of sessions that ended because of something that happened to their user.
func deletionsOf[T gone](user uuid.UUID, rows []T) []events.Event {
	told := make([]events.Event, len(rows))
	for i, r := range rows {
		x := db.TokenDeleteBySessionRow(r)
		told[i] = events.SessionDeleted{UUID: x.SessionUUID, Tenant: x.TenantUUID, AuthID: user.String()}
	}
	return told
}
