package identity

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/xivo-auth/xivo-auth/db"
)

// treeKey is the advisory lock of the tree of tenants. The locks of all our processes are told apart by such numbers.
const treeKey = 7_203_418

// lockTree has a transaction be the only one, until its end, that changes the tree of tenants or checks names in more than
// one tenant. It is taken before any lock on rows.
func lockTree(ctx context.Context, tx pgx.Tx) error {
	if err := db.New().TreeLock(ctx, tx, treeKey); err != nil {
		return fmt.Errorf("lock the tree of tenants: %w", err)
	}
	return nil
}

// shareTree keeps lockTree away until the end of a transaction that relies on the tree as it is. Many may hold it.
func shareTree(ctx context.Context, tx pgx.Tx) error {
	if err := db.New().TreeShare(ctx, tx, treeKey); err != nil {
		return fmt.Errorf("share the tree of tenants: %w", err)
	}
	return nil
}
