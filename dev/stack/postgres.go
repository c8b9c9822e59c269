package stack

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/xivo-auth/xivo-auth/dev/postgres"
)

const namespace = "default"

// say makes a printer of one-line messages with the time of day.
func say(w io.Writer) func(format string, args ...any) {
	return func(format string, args ...any) {
		fmt.Fprintf(w, "%s  %s\n", time.Now().Format(time.TimeOnly), fmt.Sprintf(format, args...))
	}
}

func findPostgres(ctx context.Context, say func(string, ...any)) (string, error) {
	cache, err := postgres.CacheDir()
	if err != nil {
		// Nothing to fetch into, but one may be installed.
		say("no folder for a fetched PostgreSQL: %v", err)
	}
	return postgres.Finder{Override: os.Getenv("XIVO_AUTH_PG_BIN"), Cache: cache, Say: say}.Find(ctx)
}
