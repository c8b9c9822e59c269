// Package trail keeps the append-only record of who changed what, on whom, from where and when. A service adds an entry in
// the transaction of the change itself, so there is no change without its entry and no entry without its change. Who asks
// travels in the context, put there by the REST interface. Entries hold no secret: services name what changed, never
// passwords, hashes or tokens.
package trail

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/google/uuid"

	"github.com/xivo-auth/xivo-auth/db"
)

// Origin is where a request came from and whose it is.
type Origin struct {
	// AuthID is the auth id of the token that the request was made with, Session its session; empty and nil without one.
	AuthID     string
	Session    *uuid.UUID
	RemoteAddr string
	RequestID  string
}

type originKey struct{}

// With gives the context's later entries an origin.
func With(ctx context.Context, o Origin) context.Context {
	return context.WithValue(ctx, originKey{}, o)
}

// From is the origin in a context; the zero value without one.
func From(ctx context.Context) Origin {
	o, _ := ctx.Value(originKey{}).(Origin)
	return o
}

// Entry is one thing that was done.
type Entry struct {
	// Action is "<resource> <verb>", such as "user created".
	Action string
	// Subject is what it was done to, Tenant the tenant that this belongs to; nil where there is none.
	Subject, Tenant *uuid.UUID
	// Details are further facts, small and without secrets; may be nil.
	Details map[string]any
}

// Add writes an entry in the caller's transaction.
func Add(ctx context.Context, tx db.DBTX, e Entry) error {
	details, err := encoded(e.Details)
	if err != nil {
		return err
	}
	o := From(ctx)
	err = db.New().TrailAdd(ctx, tx, db.TrailAddParams{Action: e.Action, SubjectUUID: e.Subject, TenantUUID: e.Tenant, Actor: o.AuthID,
		ActorSession: o.Session, RemoteAddr: storable(o.RemoteAddr), RequestID: o.RequestID, Details: details})
	if err != nil {
		return fmt.Errorf("write the trail: %w", err)
	}
	return nil
}

func encoded(details map[string]any) (json.RawMessage, error) {
	if len(details) == 0 {
		return json.RawMessage("{}"), nil
	}
	text, err := json.Marshal(details)
	if err != nil {
		return nil, fmt.Errorf("encode details of the trail: %w", err)
	}
	return text, nil
}

// storable makes what a client's header says fit for the database: valid UTF-8 without U+0000, of bounded length.
func storable(text string) string {
	const most = 1024
	if len(text) > most {
		text = text[:most]
	}
	return strings.ReplaceAll(strings.ToValidUTF8(text, "\uFFFD"), "\x00", "")
}
