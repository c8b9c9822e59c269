package throttle

import (
	"context"
	"fmt"

	"github.com/xivo-auth/xivo-auth/db"
)

// Sweep deletes up to limit counts that say nothing any more, and tells how many.
func Sweep(ctx context.Context, pool db.DBTX, limit int) (int, error) {
	n, err := db.New().ThrottleSweep(ctx, pool, int32(limit)) //nolint:gosec // a small limit
	if err != nil {
		return 0, fmt.Errorf("sweep counts of attempts: %w", err)
	}
	return int(n), nil
}
