package outbox

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// listen turns notifications into pokes, for as long as ctx lasts. While its connection is away the relay polls.
func (r *Relay) listen(ctx context.Context) {
	wait := shortestPause
	for ctx.Err() == nil {
		began := time.Now()
		err := r.listenOnce(ctx)
		if ctx.Err() != nil {
			return
		}
		if time.Since(began) > longestPause {
			wait = shortestPause
		}
		r.o.Log.WarnContext(ctx, "the relay does not hear notifications and polls meanwhile", "retry_in", wait, "error", err)
		select {
		case <-time.After(wait):
		case <-ctx.Done():
		}
		wait = min(2*wait, longestPause)
	}
}

func (r *Relay) listenOnce(ctx context.Context) error {
	connecting, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	conn, err := pgx.Connect(connecting, r.o.ListenURI)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	defer func() {
		closing, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = conn.Close(closing)
	}()
	if _, err := conn.Exec(connecting, "LISTEN lifetime_due"); err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	r.poke() // for what was sent while nobody listened
	for {
		if _, err := conn.WaitForNotification(ctx); err != nil {
			return fmt.Errorf("wait for a notification: %w", err)
		}
		r.poke()
	}
}
