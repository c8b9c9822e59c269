package identity

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/xivo-auth/xivo-auth/db"
	"github.com/xivo-auth/xivo-auth/fault"
	"github.com/xivo-auth/xivo-auth/list"
	"github.com/xivo-auth/xivo-auth/trail"
)

// ListUser is a page of the policies that a user has, without those of groups, each under its real owner, and how many
// there are without and with the filter (organisation.md section 8). A user who is not there, or not in the scope's tenant
// or below it, has none. The filter's Slug, User and ReadOnly do not count.
func (p *Policies) ListUser(ctx context.Context, scope, user uuid.UUID, f PolicyFilter, page list.Page) (items []Policy, total, filtered int64, err error) {
	var rows []db.Policy
	err = db.Retry(ctx, func() error {
		n, err := p.q.PolicyCountUser(ctx, planned{p.pool}, db.PolicyCountUserParams{UserUUID: user, Scope: scope, Pattern: f.pattern(), UUID: f.UUID,
			Name: f.Name, TenantUUID: f.Tenant, GroupUUID: f.Group})
		if err != nil {
			return err
		}
		total, filtered = n.Total, n.Filtered
		rows, err = p.q.PolicyPageUser(ctx, planned{p.pool}, db.PolicyPageUserParams{UserUUID: user, Scope: scope, Pattern: f.pattern(), UUID: f.UUID,
			Name: f.Name, TenantUUID: f.Tenant, GroupUUID: f.Group, SortBy: page.OrderBy, Descending: page.Descending, MaxRows: page.Limit, SkipRows: page.Offset})
		return err
	})
	if err != nil {
		return nil, 0, 0, fmt.Errorf("list policies of a user: %w", err)
	}
	items = make([]Policy, len(rows))
	for i, r := range rows {
		items[i] = shown(scope, db.PolicyGetRow{UUID: r.UUID, TenantUUID: r.TenantUUID, Name: r.Name, Slug: r.Slug, Description: r.Description,
			Acl: r.Acl, ConfigManaged: r.ConfigManaged, Shared: r.Shared, Within: true})
	}
	return items, total, filtered, nil
}

// ListGroup is a page of the policies of a group that are visible from a tenant or below it, and how many of these there
// are without and with the filter (organisation.md section 5.6). fault.NotFound for a group that is not in the scope's
// tenant or below it. The filter's Slug, Group and ReadOnly do not count.
func (p *Policies) ListGroup(ctx context.Context, scope, group uuid.UUID, f PolicyFilter, page list.Page) (items []Policy, total, filtered int64, err error) {
	var rows []db.PolicyPageGroupRow
	err = db.Retry(ctx, func() error {
		n, err := p.q.PolicyCountGroup(ctx, planned{p.pool}, db.PolicyCountGroupParams{GroupUUID: group, Scope: scope, Pattern: f.pattern(), UUID: f.UUID,
			Name: f.Name, TenantUUID: f.Tenant, UserUUID: f.User})
		if err != nil {
			return err
		}
		if !n.Found {
			_, err = foundGroup(db.Group{}, group, pgx.ErrNoRows)
			return err
		}
		total, filtered = n.Total, n.Filtered
		rows, err = p.q.PolicyPageGroup(ctx, planned{p.pool}, db.PolicyPageGroupParams{GroupUUID: group, Scope: scope, Pattern: f.pattern(), UUID: f.UUID,
			Name: f.Name, TenantUUID: f.Tenant, UserUUID: f.User, SortBy: page.OrderBy, Descending: page.Descending, MaxRows: page.Limit, SkipRows: page.Offset})
		return err
	})
	if err != nil {
		return nil, 0, 0, fmt.Errorf("list policies of a group: %w", err)
	}
	items = make([]Policy, len(rows))
	for i, r := range rows {
		items[i] = shown(scope, db.PolicyGetRow(r))
	}
	return items, total, filtered, nil
}

// CheckGroup is fault.NotFound for a group that is not in a tenant or below it.
func (p *Policies) CheckGroup(ctx context.Context, scope, group uuid.UUID) error {
	return db.Retry(ctx, func() error {
		_, err := p.group(ctx, p.pool, scope, group)
		return err
	})
}

// group is the tenant of a group, which stays until the end of the transaction.
func (p *Policies) group(ctx context.Context, q db.DBTX, scope, group uuid.UUID) (uuid.UUID, error) {
	tenant, err := p.q.PolicyHolderGroup(ctx, q, db.PolicyHolderGroupParams{UUID: group, Scope: scope})
	_, err = foundGroup(db.Group{}, group, err)
	return tenant, err
}

// user is the tenant of a user, who stays until the end of the transaction.
func (p *Policies) user(ctx context.Context, tx pgx.Tx, scope, user uuid.UUID) (uuid.UUID, error) {
	tenant, err := p.q.PolicyHolderUser(ctx, tx, db.PolicyHolderUserParams{UUID: user, Scope: scope})
	if errors.Is(err, pgx.ErrNoRows) {
		return tenant, fault.UnknownUser(user.String())
	}
	if err != nil {
		return tenant, fmt.Errorf("find user: %w", err)
	}
	return tenant, nil
}

// hold keeps what a policy grants as it is until the end of the transaction, so that nothing gets past the grant rule.
// inherited: by uuid, a policy of any tenant above is found too.
func (p *Policies) hold(ctx context.Context, tx pgx.Tx, scope, id uuid.UUID, ref PolicyRef, recurse, inherited bool) (db.PolicyHoldRow, error) {
	r, err := p.q.PolicyHold(ctx, tx, db.PolicyHoldParams{UUID: id, Scope: scope, Recurse: recurse, Inherited: inherited})
	return r, notFound(err, ref)
}

// AttachGroup gives a group a policy; it may have it. Errors in their order, but that fault.NotFound of a slug comes first:
// fault.NotFound for the group, then the policy, and fault.Unauthenticated for an access that may not be granted.
func (p *Policies) AttachGroup(ctx context.Context, scope, group uuid.UUID, ref PolicyRef, g Grants) error {
	return p.changeGroup(ctx, scope, group, ref, "group policy added", func(acl []string) error { return mayAddAll(g, acl) },
		func(tx pgx.Tx, policy uuid.UUID) (int64, error) {
			return p.q.PolicyAttachGroup(ctx, tx, db.PolicyAttachGroupParams{GroupUUID: group, PolicyUUID: policy})
		})
}

// DetachGroup takes a policy from a group, which need not have it. Errors as those of AttachGroup.
func (p *Policies) DetachGroup(ctx context.Context, scope, group uuid.UUID, ref PolicyRef, g Grants) error {
	return p.changeGroup(ctx, scope, group, ref, "group policy removed", func(acl []string) error { return mayRemoveAll(g, acl) },
		func(tx pgx.Tx, policy uuid.UUID) (int64, error) {
			return p.q.PolicyDetachGroup(ctx, tx, db.PolicyDetachGroupParams{GroupUUID: group, PolicyUUID: policy})
		})
}

func (p *Policies) changeGroup(ctx context.Context, scope, group uuid.UUID, ref PolicyRef, action string, rule func([]string) error,
	change func(pgx.Tx, uuid.UUID) (int64, error)) error {
	return db.InTx(ctx, p.pool, func(tx pgx.Tx) error {
		if err := shareTree(ctx, tx); err != nil { // a tenant that goes takes its users, groups and policies in another order
			return err
		}
		id, err := p.resolve(ctx, tx, scope, ref)
		if err = notFound(err, ref); err != nil {
			return err
		}
		tenant, err := p.group(ctx, tx, scope, group)
		if err != nil {
			return err
		}
		policy, err := p.hold(ctx, tx, scope, id, ref, true, false)
		if err != nil {
			return err
		}
		if err := rule(policy.Acl); err != nil {
			return err
		}
		n, err := change(tx, id)
		if err != nil || n == 0 {
			return linkFailed(err)
		}
		return trail.Add(ctx, tx, trail.Entry{Action: action, Subject: &group, Tenant: &tenant,
			Details: map[string]any{"policy_uuid": id, "policy_name": policy.Name}})
	})
}

// AttachUser gives a user a policy; they may have it. By uuid, a policy of any tenant above the scope counts too, shared or
// not: the grant rule is what keeps others from handing it out. Errors in their order: fault.NotFound for the policy,
// fault.Unauthenticated for an access that may not be granted, fault.NotFound for the user.
func (p *Policies) AttachUser(ctx context.Context, scope, user uuid.UUID, ref PolicyRef, g Grants) error {
	return p.changeUser(ctx, scope, user, ref, true, "user policy added", func(acl []string) error { return mayAddAll(g, acl) },
		func(tx pgx.Tx, policy uuid.UUID) (int64, error) {
			return p.q.PolicyAttachUser(ctx, tx, db.PolicyAttachUserParams{UserUUID: user, PolicyUUID: policy})
		})
}

// DetachUser takes a policy from a user, who need not have it. Errors as those of AttachUser; but the policy must be
// visible, by uuid too.
func (p *Policies) DetachUser(ctx context.Context, scope, user uuid.UUID, ref PolicyRef, g Grants) error {
	return p.changeUser(ctx, scope, user, ref, false, "user policy removed", func(acl []string) error { return mayRemoveAll(g, acl) },
		func(tx pgx.Tx, policy uuid.UUID) (int64, error) {
			return p.q.PolicyDetachUser(ctx, tx, db.PolicyDetachUserParams{UserUUID: user, PolicyUUID: policy})
		})
}

func (p *Policies) changeUser(ctx context.Context, scope, user uuid.UUID, ref PolicyRef, inherited bool, action string, rule func([]string) error,
	change func(pgx.Tx, uuid.UUID) (int64, error)) error {
	byUUID := ref.UUID != nil
	return db.InTx(ctx, p.pool, func(tx pgx.Tx) error {
		if err := shareTree(ctx, tx); err != nil { // a tenant that goes takes its users, groups and policies in another order
			return err
		}
		id, err := p.resolve(ctx, tx, scope, ref)
		if err = notFound(err, ref); err != nil {
			return err
		}
		policy, err := p.hold(ctx, tx, scope, id, ref, byUUID, byUUID && inherited)
		if err != nil {
			return err
		}
		if err := rule(policy.Acl); err != nil {
			return err
		}
		tenant, err := p.user(ctx, tx, scope, user)
		if err != nil {
			return err
		}
		n, err := change(tx, id)
		if err != nil || n == 0 {
			return linkFailed(err)
		}
		return trail.Add(ctx, tx, trail.Entry{Action: action, Subject: &user, Tenant: &tenant,
			Details: map[string]any{"policy_uuid": id, "policy_name": policy.Name}})
	})
}

// linkFailed is nil for a link that was as wanted before.
func linkFailed(err error) error {
	if err != nil {
		return fmt.Errorf("change who has a policy: %w", err)
	}
	return nil
}
