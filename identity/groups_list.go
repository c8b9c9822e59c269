package identity

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"github.com/xivo-auth/xivo-auth/db"
	"github.com/xivo-auth/xivo-auth/fault"
	"github.com/xivo-auth/xivo-auth/list"
)

// GroupFilter narrows a list of groups. Nil fields do not narrow.
type GroupFilter struct {
	// Search is looked for in the name.
	Search     *string
	UUID       *uuid.UUID
	Name, Slug *string
	// User is a member.
	User          *uuid.UUID
	SystemManaged *bool
	// Policy and PolicySlug are given to the group.
	Policy     *uuid.UUID
	PolicySlug *string
}

func (f GroupFilter) pattern() *string {
	if f.Search == nil {
		return nil
	}
	p := list.Pattern(*f.Search)
	return &p
}

// List is a page of a tenant's groups, with recurse those of the tenants below it too, and how many there are without and
// with the filter (organisation.md section 5.3). The order is by name or by uuid.
func (g *Groups) List(ctx context.Context, scope uuid.UUID, recurse bool, f GroupFilter, p list.Page) (items []Group, total, filtered int64, err error) {
	var rows []db.GroupMatchRow
	err = db.Retry(ctx, func() (err error) {
		rows, err = g.q.GroupMatch(ctx, planned{g.pool}, db.GroupMatchParams{Scope: scope, Recurse: recurse, Narrowed: f != (GroupFilter{}),
			Pattern: f.pattern(), UUID: f.UUID, Name: f.Name, Slug: f.Slug, ReadOnly: f.SystemManaged, UserUUID: f.User, PolicyUUID: f.Policy, PolicySlug: f.PolicySlug,
			SortBy: p.OrderBy, Descending: p.Descending, MaxRows: p.Limit, SkipRows: p.Offset})
		return err
	})
	if err != nil {
		return nil, 0, 0, fmt.Errorf("list groups: %w", err)
	}
	items, total, filtered = groupPage(rows)
	return items, total, filtered, nil
}

// ListOfUser is a page of the groups that a user is a member of, and how many there are without and with the filter, of
// which Search, UUID and Name count (identity.md section 13). A user who is not in the scope's tenant or below it is
// fault.NotFound.
func (g *Groups) ListOfUser(ctx context.Context, scope, user uuid.UUID, f GroupFilter, p list.Page) (items []Group, total, filtered int64, err error) {
	var rows []db.GroupMatchOfUserRow
	err = db.Retry(ctx, func() (err error) {
		rows, err = g.q.GroupMatchOfUser(ctx, planned{g.pool}, db.GroupMatchOfUserParams{Scope: scope, UserUUID: user, Pattern: f.pattern(),
			UUID: f.UUID, Name: f.Name, SortBy: p.OrderBy, Descending: p.Descending, MaxRows: p.Limit, SkipRows: p.Offset})
		return err
	})
	if err != nil {
		return nil, 0, 0, fmt.Errorf("list groups of a user: %w", err)
	}
	if len(rows) == 0 {
		return nil, 0, 0, fault.UnknownUser(user.String())
	}
	same := make([]db.GroupMatchRow, len(rows))
	for i, r := range rows {
		same[i] = db.GroupMatchRow(r)
	}
	items, total, filtered = groupPage(same)
	return items, total, filtered, nil
}

// groupPage takes a page and its counts from the rows of a list query, which has one without a group for an empty page.
func groupPage(rows []db.GroupMatchRow) (items []Group, total, filtered int64) {
	items = make([]Group, 0, len(rows))
	for _, r := range rows {
		total, filtered = r.Total, r.Filtered
		if r.UUID != nil {
			items = append(items, Group{UUID: *r.UUID, Tenant: *r.TenantUUID, Name: *r.Name, Slug: *r.Slug, SystemManaged: *r.SystemManaged})
		}
	}
	return items, total, filtered
}
