package trail

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/xivo-auth/xivo-auth/db"
)

// MaxEntries is the most that one List gives.
const MaxEntries = 10_000

// Filter narrows what is read. Nil fields do not.
type Filter struct {
	// Since and Until bound the time: from the one, to just before the other.
	Since, Until *time.Time
	// User did it, or it was done to them.
	User, Tenant *uuid.UUID
	// Action is a whole one, or its resource, or its verb.
	Action *string
}

// Record is an entry as it was written.
type Record struct {
	ID              int64
	At              time.Time
	Action          string
	Subject, Tenant *uuid.UUID
	Origin
	Details json.RawMessage // an object
}

// List reads the newest entries that a filter lets through, at most limit and MaxEntries, in the order of their time.
func List(ctx context.Context, pool db.DBTX, f Filter, limit int) ([]Record, error) {
	rows, err := db.New().TrailList(ctx, pool, db.TrailListParams{Since: f.Since, Until: f.Until, UserUUID: f.User, TenantUUID: f.Tenant,
		Action: f.Action, MaxRows: int32(min(max(limit, 0), MaxEntries))})
	if err != nil {
		return nil, fmt.Errorf("read the trail: %w", err)
	}
	records := make([]Record, len(rows))
	for i, r := range rows {
		records[i] = Record{ID: r.ID, At: r.HappenedAt, Action: r.Action, Subject: r.SubjectUUID, Tenant: r.TenantUUID,
			Origin: Origin{AuthID: r.Actor, Session: r.ActorSession, RemoteAddr: r.RemoteAddr, RequestID: r.RequestID}, Details: r.Details}
	}
	slices.Reverse(records)
	return records, nil
}

// Sweep deletes up to limit entries older than so many days, the oldest first, and tells how many; none with 0 days.
func Sweep(ctx context.Context, pool db.DBTX, days, limit int) (int, error) {
	if days <= 0 {
		return 0, nil
	}
	n, err := db.New().TrailSweep(ctx, pool, db.TrailSweepParams{Days: int32(days), MaxRows: int32(limit)}) //nolint:gosec // small numbers
	if err != nil {
		return 0, fmt.Errorf("sweep the trail: %w", err)
	}
	return int(n), nil
}
