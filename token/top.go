package token

import (
	"context"

	"github.com/google/uuid"

	"github.com/xivo-auth/xivo-auth/db"
)

// Top tells whether a tenant is the root of the tree.
func (c *Checker) Top(ctx context.Context, tenant uuid.UUID) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, lookUpTimeout)
	defer cancel()
	var top uuid.UUID
	err := db.Retry(ctx, func() (err error) {
		top, err = db.New().TenantTop(ctx, c.pool)
		return err
	})
	if err != nil {
		return false, cannotTell(err)
	}
	return top == tenant, nil
}
