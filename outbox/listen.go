package outbox

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
)

// Listen pokes for every notification, for as long as ctx lasts. uri is a direct connection to the database; a
// transaction-mode pooler cannot serve it. While the connection is away, those who are poked poll.
func Listen(ctx context.Context, uri string, log *slog.Logger, pokes ...func()) {
	insist(ctx, longestPause, func(ctx context.Context) error { return listenOnce(ctx, uri, pokes) },
		func(wait time.Duration, err error) {
			log.WarnContext(ctx, "the relay does not hear notifications and polls meanwhile", "retry_in", wait, "error", err)
		})
}

func listenOnce(ctx context.Context, uri string, pokes []func()) error {
	connecting, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	c, err := pgx.ParseConfig(uri)
	if err != nil {
		return errors.New("the database URI cannot be parsed")
	}
	conn, err := pgx.ConnectConfig(connecting, c)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	defer closeSoon(conn)
	if _, err := conn.Exec(connecting, "LISTEN lifetime_due"); err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	for {
		for _, p := range pokes { // at first for what was sent while nobody listened
			p()
		}
		if _, err := conn.WaitForNotification(ctx); err != nil {
			return fmt.Errorf("wait for a notification: %w", err)
		}
	}
}

// poke wakes whoever waits on a channel with room for one.
func poke(wake chan struct{}) {
	select {
	case wake <- struct{}{}:
	default:
	}
}

// insist calls f until it succeeds or ctx is over, waiting longer after each failure, up to a limit, and shortly again
// after f had gone well for a while. It tells of every failure.
func insist(ctx context.Context, longest time.Duration, f func(ctx context.Context) error, tell func(wait time.Duration, err error)) {
	for wait := shortestPause; ctx.Err() == nil; wait = min(2*wait, longest) {
		began := time.Now()
		err := f(ctx)
		if err == nil || ctx.Err() != nil {
			return
		}
		if time.Since(began) > longest {
			wait = shortestPause
		}
		tell(wait, err)
		select {
		case <-time.After(wait):
		case <-ctx.Done():
		}
	}
}
