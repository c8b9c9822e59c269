package token

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// ReasonTenantDeleted ends the sessions of a tenant that goes, with everything in it.
const ReasonTenantDeleted = "tenant deleted"

// RevokeTenantIn ends all tokens of a tenant and of its users inside the caller's transaction, which holds the rows of those
// users and then the tenant's. The caller calls Wake after its commit.
func (s *Service) RevokeTenantIn(ctx context.Context, tx pgx.Tx, tenant uuid.UUID, reason string) (int, error) {
	sessions, err := s.q.TenantDeleteTokens(ctx, tx, tenant)
	if err != nil {
		return 0, fmt.Errorf("end sessions of a tenant: %w", err)
	}
	return len(sessions), s.end(ctx, tx, sessions, reason)
}
