package identity

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/xivo-auth/xivo-auth/db"
	"github.com/xivo-auth/xivo-auth/fault"
)

// Directory answers who belongs to what.
type Directory struct {
	pool db.DBTX
	q    *db.Queries
}

// NewDirectory makes a directory.
func NewDirectory(pool db.DBTX) *Directory { return &Directory{pool: pool, q: db.New()} }

// Subtree is a tenant and everything below it.
func (d *Directory) Subtree(ctx context.Context, root uuid.UUID) ([]uuid.UUID, error) {
	var tenants []uuid.UUID
	err := db.Retry(ctx, func() (err error) {
		tenants, err = d.q.TenantSubtree(ctx, d.pool, root)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list tenants: %w", err)
	}
	return tenants, nil
}

// WithoutMethod is a tenant or a user that names an authentication method nobody offers.
type WithoutMethod struct {
	Kind   string // Tenant or User
	UUID   uuid.UUID
	Method string
}

// WithoutMethods finds the tenants and users (the first 10,000) whose method is none of these.
func (d *Directory) WithoutMethods(ctx context.Context, available []string) ([]WithoutMethod, error) {
	const most = 10_000
	rows, err := d.q.UserMethodsWithout(ctx, d.pool, db.UserMethodsWithoutParams{Available: available, MaxRows: most})
	if err != nil {
		return nil, fmt.Errorf("find methods without a provider: %w", err)
	}
	out := make([]WithoutMethod, len(rows))
	for i, r := range rows {
		out[i] = WithoutMethod(r)
	}
	return out, nil
}

// UserTenant is the tenant of a user; fault.NotFound without such a user.
func (d *Directory) UserTenant(ctx context.Context, user uuid.UUID) (uuid.UUID, error) {
	var t uuid.UUID
	err := db.Retry(ctx, func() (err error) {
		t, err = d.q.UserTenant(ctx, d.pool, user)
		return err
	})
	if errors.Is(err, pgx.ErrNoRows) {
		return t, fault.UnknownUser(user.String())
	}
	if err != nil {
		return t, fmt.Errorf("find tenant of user: %w", err)
	}
	return t, nil
}
