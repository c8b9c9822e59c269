package identity

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/xivo-auth/xivo-auth/db"
	"github.com/xivo-auth/xivo-auth/list"
)

// UserFilter narrows a list of users (identity.md section 4). Nil fields do not narrow.
type UserFilter struct {
	// Search is looked for in the names and the addresses.
	Search                                 *string
	UUID                                   *uuid.UUID
	Username, Firstname, Lastname, Purpose *string
	EmailAddress                           *string
	Group                                  *uuid.UUID
	// Policy and PolicySlug are attached to the user directly, HasPolicy and HasPolicySlug to a group of the user or directly.
	Policy, HasPolicy         *uuid.UUID
	PolicySlug, HasPolicySlug *string
}

// few users are sooner gathered and sorted than found on a walk through all.
const few = 5000

// List is a page of a tenant's users, with recurse those of the tenants below it too, and how many there are without and
// with the filter. Two statements, whatever is asked for.
func (u *Users) List(ctx context.Context, scope uuid.UUID, recurse bool, f UserFilter, p list.Page) (items []User, total, filtered int64, err error) {
	if f != (UserFilter{}) {
		return u.match(ctx, db.UserTotalParams{Scope: scope, Recurse: recurse}, f, p)
	}
	var rows []db.UserPageRow
	err = db.Retry(ctx, func() (err error) {
		if total, err = u.q.UserTotal(ctx, planned{u.pool}, db.UserTotalParams{Scope: scope, Recurse: recurse}); err != nil {
			return err
		}
		rows, err = u.q.UserPage(ctx, planned{u.pool}, db.UserPageParams{Scope: scope, Recurse: recurse, Few: recurse && total <= few, SortBy: p.OrderBy, Descending: p.Descending,
			MaxRows: p.Limit, SkipRows: p.Offset})
		return err
	})
	if err != nil {
		return nil, 0, 0, fmt.Errorf("list users: %w", err)
	}
	items = make([]User, len(rows))
	for i, r := range rows {
		items[i] = User{UUID: r.UUID, Tenant: r.TenantUUID, Username: r.Username, Firstname: r.Firstname, Lastname: r.Lastname, Purpose: r.Purpose,
			Method: r.AuthenticationMethod, Enabled: r.Enabled}
		if items[i].Emails, err = readEmails(r.Emails); err != nil {
			return nil, 0, 0, err
		}
	}
	return items, total, total, nil
}

// ListGroup is a page of the users of a group, and how many there are without and with the filter (identity.md section 13).
// A group that is not there, or not in the scope's tenant or below it, has none; without a scope, any group is seen.
func (u *Users) ListGroup(ctx context.Context, scope *uuid.UUID, group uuid.UUID, f UserFilter, p list.Page) (items []User, total, filtered int64, err error) {
	return u.match(ctx, db.UserTotalParams{ParentGroup: &group, GroupScope: scope}, f, p)
}

func (u *Users) match(ctx context.Context, of db.UserTotalParams, f UserFilter, p list.Page) (items []User, total, filtered int64, err error) {
	q := db.UserMatchParams{ParentGroup: of.ParentGroup, GroupScope: of.GroupScope, Scope: of.Scope, Recurse: of.Recurse, UUID: f.UUID, Username: f.Username,
		Firstname: f.Firstname, Lastname: f.Lastname, Purpose: f.Purpose, EmailAddress: f.EmailAddress, GroupUUID: f.Group, PolicyUUID: f.Policy,
		PolicySlug: f.PolicySlug, HasPolicyUUID: f.HasPolicy, HasPolicySlug: f.HasPolicySlug, SortBy: p.OrderBy, Descending: p.Descending,
		MaxRows: p.Limit, SkipRows: p.Offset}
	if f.Search != nil {
		pattern := list.Pattern(*f.Search)
		q.Pattern = &pattern
	}
	var rows []db.UserMatchRow
	err = db.Retry(ctx, func() (err error) {
		if total, err = u.q.UserTotal(ctx, planned{u.pool}, of); err != nil {
			return err
		}
		rows, err = u.q.UserMatch(ctx, planned{u.pool}, q)
		return err
	})
	if err != nil {
		return nil, 0, 0, fmt.Errorf("list users: %w", err)
	}
	items = make([]User, 0, len(rows))
	for _, r := range rows {
		filtered = r.Filtered
		if r.UUID == nil { // an empty page
			continue
		}
		one := User{UUID: *r.UUID, Tenant: *r.TenantUUID, Username: r.Username, Firstname: r.Firstname, Lastname: r.Lastname, Purpose: *r.Purpose,
			Method: *r.AuthenticationMethod, Enabled: *r.Enabled}
		if one.Emails, err = readEmails(r.Emails); err != nil {
			return nil, 0, 0, err
		}
		items = append(items, one)
	}
	return items, total, filtered, nil
}

// planned has each statement planned with its parameters. A plan that serves any parameters could neither leave out the
// filters that are not given nor know by which index to find what is searched for.
type planned struct{ db.DBTX }

// Query implements db.DBTX.
func (p planned) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	return p.DBTX.Query(ctx, sql, append([]any{pgx.QueryExecModeCacheDescribe}, args...)...)
}

// QueryRow implements db.DBTX.
func (p planned) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	return p.DBTX.QueryRow(ctx, sql, append([]any{pgx.QueryExecModeCacheDescribe}, args...)...)
}
