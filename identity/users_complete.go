package identity

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/xivo-auth/xivo-auth/db"
)

// Reclaim makes the first user like Bootstrap, but gives a user of that name who exists already the password of in, and ends
// the user's sessions; purpose and policies stay as they are (operations.md section 1.3). Created is false then.
func (u *Users) Reclaim(ctx context.Context, in Initial) (created bool, err error) {
	owner, err := u.q.UserOwnerOfLogin(ctx, u.pool, db.LoginKey(in.Username))
	if errors.Is(err, pgx.ErrNoRows) {
		return u.Bootstrap(ctx, in)
	}
	if err != nil {
		return false, fmt.Errorf("find user by login: %w", err)
	}
	return false, u.SetPassword(ctx, owner.UUID, in.Password)
}
