package identity

import (
	"context"
	"fmt"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/xivo-auth/xivo-auth/db"
	"github.com/xivo-auth/xivo-auth/fault"
	"github.com/xivo-auth/xivo-auth/trail"
)

// Methods that users may have besides those of loaded providers.
const (
	methodDefault = "default"
	methodNative  = "native"
)

// KnownMethods tells which authentication methods users may have.
type KnownMethods interface {
	Known(method string) bool
}

// IDPType is fault.NotFound unless users may have this authentication method (identity.md section 16).
func (u *Users) IDPType(name string) error {
	if !u.methods.Known(name) {
		return fault.Modern(fault.NotFound, "unknown-idp-type", "idp", `No such IDP type: "`+name+`"`, map[string]any{"idp_type": name})
	}
	return nil
}

// SetMethods gives users of a tenant or below it an authentication method, all of them or none: the first one that is not
// visible is fault.NotFound. Sessions and refresh tokens stay.
func (u *Users) SetMethods(ctx context.Context, scope uuid.UUID, method string, users []uuid.UUID) error {
	return db.InTx(ctx, u.pool, func(tx pgx.Tx) error {
		seen, err := u.q.UserLockManyIn(ctx, tx, db.UserLockManyInParams{Users: users, Scope: scope})
		if err != nil {
			return fmt.Errorf("lock users: %w", err)
		}
		visible := make(map[uuid.UUID]bool, len(seen))
		for _, x := range seen {
			visible[x] = true
		}
		if i := slices.IndexFunc(users, func(x uuid.UUID) bool { return !visible[x] }); i >= 0 {
			return fault.UnknownUser(users[i].String())
		}
		if err := u.q.UserSetMethod(ctx, tx, db.UserSetMethodParams{Users: users, Method: method}); err != nil {
			return fmt.Errorf("set authentication method: %w", err)
		}
		e := trail.Entry{Action: "user method set", Tenant: &scope, Details: map[string]any{"authentication_method": method, "users": users}}
		if len(users) == 1 {
			e.Subject = &users[0]
			delete(e.Details, "users")
		}
		return trail.Add(ctx, tx, e)
	})
}

// UnsetMethod gives a user of a tenant or below it the tenant's default again if the user's method is this one; another
// method stays. fault.NotFound without such a user.
func (u *Users) UnsetMethod(ctx context.Context, scope uuid.UUID, method string, user uuid.UUID) error {
	return db.InTx(ctx, u.pool, func(tx pgx.Tx) error {
		r, err := u.lockIn(ctx, tx, &scope, user)
		if err != nil {
			return err
		}
		n, err := u.q.UserUnsetMethod(ctx, tx, db.UserUnsetMethodParams{UUID: user, Method: method})
		if err != nil {
			return fmt.Errorf("unset authentication method: %w", err)
		}
		return trail.Add(ctx, tx, trail.Entry{Action: "user method unset", Subject: &user, Tenant: &r.TenantUUID,
			Details: map[string]any{"authentication_method": method, "changed": n > 0}})
	})
}
