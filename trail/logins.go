package trail

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/time/rate"

	"github.com/xivo-auth/xivo-auth/db"
)

// Of refused logins a process writes so many a second on average, and so many at once: each costs the one who guesses a
// hash, but the throttle may be switched off.
const (
	refusedPerSecond = 10
	refusedAtOnce    = 300
)

// Refusals writes refused logins to the trail, outside of any transaction: nothing else has changed.
type Refusals struct {
	pool    db.DBTX
	allowed *rate.Limiter
}

// NewRefusals makes it.
func NewRefusals(pool db.DBTX) *Refusals {
	return &Refusals{pool: pool, allowed: rate.NewLimiter(refusedPerSecond, refusedAtOnce)}
}

// Add writes that a login was refused, unless too many were. Whose it is comes from the database; a login of nobody's is
// not written down. The entry is written even if the client has gone.
func (r *Refusals) Add(ctx context.Context, login string, details map[string]any) error {
	if !r.allowed.Allow() {
		return nil
	}
	text, err := encoded(details)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	o := From(ctx)
	err = db.New().TrailAddRefusedLogin(ctx, r.pool, db.TrailAddRefusedLoginParams{RemoteAddr: storable(o.RemoteAddr), RequestID: o.RequestID,
		Details: text, Key: db.LoginKey(login)})
	if err != nil {
		return fmt.Errorf("write the trail: %w", err)
	}
	return nil
}
