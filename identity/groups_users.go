package identity

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/xivo-auth/xivo-auth/db"
	"github.com/xivo-auth/xivo-auth/fault"
	"github.com/xivo-auth/xivo-auth/trail"
)

// AddUser makes a user a member of a group, both of a tenant or below it; one who is a member already stays one. What is not
// visible is fault.NotFound, the user first; a user of another tenant than the group's is fault.Invalid, a system-managed
// group fault.Forbidden (organisation.md section 5.5).
func (g *Groups) AddUser(ctx context.Context, scope, group, user uuid.UUID) error {
	return db.InTx(ctx, g.pool, func(tx pgx.Tx) error {
		theirs, err := g.q.GroupKeepUser(ctx, tx, db.GroupKeepUserParams{UserUUID: user, Scope: scope})
		if errors.Is(err, pgx.ErrNoRows) {
			return fault.UnknownUser(user.String())
		}
		if err != nil {
			return fmt.Errorf("find user: %w", err)
		}
		r, err := g.q.GroupKeep(ctx, tx, db.GroupKeepParams{UUID: group, Scope: scope})
		of, err := foundGroup(r, group, err)
		if err != nil {
			return err
		}
		if of.Tenant != theirs {
			return fault.Modern(fault.Invalid, "missmatching-tenant", "groups", "Ressources are not in the same tenant",
				map[string]any{"user_tenant_uuid": theirs.String(), "group_tenant_uuid": of.Tenant.String()})
		}
		if err := of.changeable(); err != nil {
			return err
		}
		n, err := g.q.GroupAddUser(ctx, tx, db.GroupAddUserParams{UserUUID: user, GroupUUID: group})
		if err != nil {
			return fmt.Errorf("add user to group: %w", err)
		}
		return membershipChanged(ctx, tx, n, "group user added", of, user)
	})
}

// RemoveUser ends a membership in a group of a tenant or below it. A group that is not visible is fault.NotFound, a
// system-managed one fault.Forbidden. The user need not be visible; one that is nowhere is fault.NotFound.
func (g *Groups) RemoveUser(ctx context.Context, scope, group, user uuid.UUID) error {
	return db.InTx(ctx, g.pool, func(tx pgx.Tx) error {
		r, err := g.q.GroupGet(ctx, tx, db.GroupGetParams{UUID: group, Scope: scope})
		of, err := foundGroup(r, group, err)
		if err != nil {
			return err
		}
		if err := of.changeable(); err != nil {
			return err
		}
		n, err := g.q.GroupRemoveUser(ctx, tx, db.GroupRemoveUserParams{UserUUID: user, GroupUUID: group})
		if err != nil {
			return fmt.Errorf("remove user from group: %w", err)
		}
		if n == 0 {
			exists, err := g.q.GroupUserExists(ctx, tx, user)
			if err != nil {
				return fmt.Errorf("find user: %w", err)
			}
			if !exists {
				return fault.UnknownUser(user.String())
			}
		}
		return membershipChanged(ctx, tx, n, "group user removed", of, user)
	})
}

// membershipChanged tells the trail, if there was a change at all.
func membershipChanged(ctx context.Context, tx pgx.Tx, rows int64, action string, of Group, user uuid.UUID) error {
	if rows == 0 {
		return nil
	}
	return trail.Add(ctx, tx, trail.Entry{Action: action, Subject: &of.UUID, Tenant: &of.Tenant, Details: map[string]any{"user_uuid": user}})
}
