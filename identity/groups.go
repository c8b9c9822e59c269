package identity

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/xivo-auth/xivo-auth/db"
	"github.com/xivo-auth/xivo-auth/fault"
	"github.com/xivo-auth/xivo-auth/trail"
)

// longestSlug is how many characters the slug of a group or a policy has at most.
const longestSlug = 80

// Group is a set of users of a tenant (organisation.md section 5). A system-managed one, such as the group of all users of
// a tenant, can neither be changed nor deleted, and has its members by itself; policies can be given to it like to others.
type Group struct {
	UUID, Tenant  uuid.UUID
	Name, Slug    string
	SystemManaged bool
}

// Groups makes and changes groups and their memberships. Tokens hold what they were issued with: no change acts on those
// that live.
type Groups struct {
	pool *pgxpool.Pool
	q    *db.Queries
}

// NewGroups makes the service.
func NewGroups(pool *pgxpool.Pool) *Groups { return &Groups{pool: pool, q: db.New()} }

// Get is a group of a tenant or below it; else fault.NotFound.
func (g *Groups) Get(ctx context.Context, scope, group uuid.UUID) (Group, error) {
	var r db.Group
	err := db.Retry(ctx, func() (err error) {
		r, err = g.q.GroupGet(ctx, g.pool, db.GroupGetParams{UUID: group, Scope: scope})
		return err
	})
	return foundGroup(r, group, err)
}

// Create makes a group in a tenant. Without a slug it gets one from the name, or a drawn one if that is taken. A name or a
// slug that the tenant has already (slugs in any case) is fault.Conflict; a tenant that was deleted meanwhile is nobody's:
// fault.Unauthenticated.
func (g *Groups) Create(ctx context.Context, tenant uuid.UUID, name string, slug *string) (Group, error) {
	made := Group{UUID: uuid.New(), Tenant: tenant, Name: name}
	err := db.InTx(ctx, g.pool, func(tx pgx.Tx) (err error) {
		if _, err = g.q.GroupKeepTenant(ctx, tx, tenant); errors.Is(err, pgx.ErrNoRows) {
			return fault.Modern(fault.Unauthenticated, "unauthorized-tenant", "", "Unauthorized tenant", map[string]any{"tenant_uuid": tenant.String()})
		}
		if err != nil {
			return fmt.Errorf("find tenant of a group: %w", err)
		}
		if made.Slug, err = g.insertIn(ctx, tx, made, slug); err != nil {
			return err
		}
		return trail.Add(ctx, tx, trail.Entry{Action: "group created", Subject: &made.UUID, Tenant: &tenant,
			Details: map[string]any{"name": name, "slug": made.Slug}})
	})
	if err != nil {
		return Group{}, err
	}
	return made, nil
}

// insertIn stores a group under the given slug, or under the first that is free, and tells which. The unique constraints
// decide: who loses a race meets the winner's row here.
func (g *Groups) insertIn(ctx context.Context, tx pgx.Tx, made Group, slug *string) (string, error) {
	candidates := slugCandidates(made.Name, slugRune, longestSlug)
	if slug != nil {
		candidates = func(yield func(string) bool) { yield(*slug) }
	}
	for s := range candidates {
		n, err := g.q.GroupInsert(ctx, tx, db.GroupInsertParams{UUID: made.UUID, TenantUUID: made.Tenant, Name: made.Name, Slug: s})
		if err != nil {
			return "", fmt.Errorf("insert group: %w", err)
		}
		if n > 0 {
			return s, nil
		}
		if slug != nil {
			break
		}
		taken, err := g.q.GroupNameTaken(ctx, tx, db.GroupNameTakenParams{TenantUUID: made.Tenant, Name: made.Name})
		if err != nil {
			return "", fmt.Errorf("find group by name: %w", err)
		}
		if taken {
			break
		}
	}
	return "", groupExists(made.Name)
}

// Rename gives a group of a tenant or below it another name; the slug stays. A group that is not visible is
// fault.NotFound, a system-managed one fault.Forbidden, a name that the group's tenant has already fault.Conflict.
func (g *Groups) Rename(ctx context.Context, scope, group uuid.UUID, name string) (Group, error) {
	var renamed Group
	err := db.InTx(ctx, g.pool, func(tx pgx.Tx) (err error) {
		if renamed, err = g.lockIn(ctx, tx, scope, group); err != nil {
			return err
		}
		before := renamed.Name
		renamed.Name = name
		err = g.q.GroupRename(ctx, tx, db.GroupRenameParams{UUID: group, Name: name})
		if db.UniqueViolation(err, "groups_name_key") {
			return groupExists(name)
		}
		if err != nil {
			return fmt.Errorf("rename group: %w", err)
		}
		return trail.Add(ctx, tx, trail.Entry{Action: "group updated", Subject: &group, Tenant: &renamed.Tenant,
			Details: map[string]any{"name": name, "name_before": before}})
	})
	if err != nil {
		return Group{}, err
	}
	return renamed, nil
}

// Delete removes a group of a tenant or below it with its memberships and its links to policies. A group that is not
// visible is fault.NotFound, a system-managed one fault.Forbidden.
func (g *Groups) Delete(ctx context.Context, scope, group uuid.UUID) error {
	return db.InTx(ctx, g.pool, func(tx pgx.Tx) error {
		gone, err := g.lockIn(ctx, tx, scope, group)
		if err != nil {
			return err
		}
		if err := g.q.GroupDelete(ctx, tx, group); err != nil {
			return fmt.Errorf("delete group: %w", err)
		}
		return trail.Add(ctx, tx, trail.Entry{Action: "group deleted", Subject: &group, Tenant: &gone.Tenant,
			Details: map[string]any{"name": gone.Name, "slug": gone.Slug}})
	})
}

// lockIn holds a group that may be changed until the end of the transaction.
func (g *Groups) lockIn(ctx context.Context, tx pgx.Tx, scope, group uuid.UUID) (Group, error) {
	r, err := g.q.GroupLock(ctx, tx, db.GroupLockParams{UUID: group, Scope: scope})
	locked, err := foundGroup(r, group, err)
	if err != nil {
		return Group{}, err
	}
	return locked, locked.changeable()
}

// changeable is fault.Forbidden for a system-managed group.
func (g Group) changeable() error {
	if !g.SystemManaged {
		return nil
	}
	id := g.UUID.String()
	return fault.Modern(fault.Forbidden, "forbidden-group", "groups", `Forbidden group modification: "`+id+`"`, map[string]any{"uuid": id})
}

// foundGroup is what a query for one group gave.
func foundGroup(r db.Group, group uuid.UUID, err error) (Group, error) {
	if errors.Is(err, pgx.ErrNoRows) {
		id := group.String()
		return Group{}, fault.Modern(fault.NotFound, "unknown-group", "groups", `No such group: "`+id+`"`, map[string]any{"uuid": id})
	}
	if err != nil {
		return Group{}, fmt.Errorf("read group: %w", err)
	}
	return Group{UUID: r.UUID, Tenant: r.TenantUUID, Name: r.Name, Slug: r.Slug, SystemManaged: r.SystemManaged}, nil
}

func groupExists(name string) error {
	return fault.Historic(fault.Conflict, `Group "`+name+`" already exists`)
}
