package identity

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/xivo-auth/xivo-auth/db"
	"github.com/xivo-auth/xivo-auth/fault"
	"github.com/xivo-auth/xivo-auth/list"
)

// Limits of policies. Names and slugs are counted in characters, accesses in bytes.
const (
	MaxPolicyName  = 80
	MaxPolicySlug  = 80
	MaxAccesses    = 20_000
	MaxAccessBytes = 64 << 10
)

// Policy is a policy as it is shown to a tenant (organisation.md section 4): what is inherited looks like the tenant's own,
// read-only and not shared.
type Policy struct {
	UUID, Tenant uuid.UUID
	Name, Slug   string
	Description  *string
	// ACL is in the order in which clients gave it, without repetitions; never nil.
	ACL              []string
	ReadOnly, Shared bool
}

// PolicyRef names a policy: by its uuid or, where that is nil, by its slug. A uuid is looked up in the scope's tenant and
// below it, a slug in that tenant alone.
type PolicyRef struct {
	UUID *uuid.UUID
	Slug string
}

// PolicyFilter narrows a list of policies. Nil fields do not narrow.
type PolicyFilter struct {
	// Search is looked for in the name and the description.
	Search     *string
	UUID       *uuid.UUID
	Name, Slug *string
	// Tenant is the real owner, not the shown one.
	Tenant *uuid.UUID
	// User and Group have the policy directly.
	User, Group *uuid.UUID
	// ReadOnly is as shown.
	ReadOnly *bool
}

// Policies makes and changes policies, and links them to users and groups. What it changes acts on tokens that are issued
// later (organisation.md section 6.1).
type Policies struct {
	pool *pgxpool.Pool
	q    *db.Queries
}

// NewPolicies makes the service.
func NewPolicies(pool *pgxpool.Pool) *Policies { return &Policies{pool: pool, q: db.New()} }

// List is a page of the policies that a tenant sees, with recurse also those of the tenants below it, and how many it sees
// without any filter (organisation.md section 6.4). Two statements, whatever is asked for.
func (p *Policies) List(ctx context.Context, scope uuid.UUID, recurse bool, f PolicyFilter, page list.Page) (items []Policy, total int64, err error) {
	var rows []db.PolicyPageRow
	err = db.Retry(ctx, func() (err error) {
		if total, err = p.q.PolicyTotal(ctx, planned{p.pool}, db.PolicyTotalParams{Scope: scope, Recurse: recurse}); err != nil {
			return err
		}
		rows, err = p.q.PolicyPage(ctx, planned{p.pool}, db.PolicyPageParams{Scope: scope, Recurse: recurse, Pattern: f.pattern(), UUID: f.UUID,
			Name: f.Name, Slug: f.Slug, OwnerUUID: f.Tenant, UserUUID: f.User, GroupUUID: f.Group, ReadOnly: f.ReadOnly, SortBy: page.OrderBy,
			Descending: page.Descending, MaxRows: page.Limit, SkipRows: page.Offset})
		return err
	})
	if err != nil {
		return nil, 0, fmt.Errorf("list policies: %w", err)
	}
	items = make([]Policy, len(rows))
	for i, r := range rows {
		items[i] = shown(scope, db.PolicyGetRow(r))
	}
	return items, total, nil
}

func (f PolicyFilter) pattern() *string {
	if f.Search == nil {
		return nil
	}
	pattern := list.Pattern(*f.Search)
	return &pattern
}

// Get is a policy that is visible from a tenant; else fault.NotFound.
func (p *Policies) Get(ctx context.Context, scope uuid.UUID, ref PolicyRef) (Policy, error) {
	var r db.PolicyGetRow
	err := db.Retry(ctx, func() error {
		id, err := p.resolve(ctx, p.pool, scope, ref)
		if err != nil {
			return err
		}
		r, err = p.q.PolicyGet(ctx, p.pool, db.PolicyGetParams{UUID: id, Scope: scope, Recurse: ref.UUID != nil})
		return err
	})
	if err = notFound(err, ref); err != nil {
		return Policy{}, err
	}
	return shown(scope, r), nil
}

// resolve is the uuid of a policy; fault.NotFound, or pgx.ErrNoRows, for a slug that means none.
func (p *Policies) resolve(ctx context.Context, q db.DBTX, scope uuid.UUID, ref PolicyRef) (uuid.UUID, error) {
	if ref.UUID != nil {
		return *ref.UUID, nil
	}
	if !utf8.ValidString(ref.Slug) || strings.ContainsRune(ref.Slug, 0) { // the database cannot have it
		return uuid.Nil, unknownPolicy(ref)
	}
	return p.q.PolicyFindSlug(ctx, q, db.PolicyFindSlugParams{Scope: scope, Slug: ref.Slug})
}

// lock is Get for a change inside a transaction.
func (p *Policies) lock(ctx context.Context, tx pgx.Tx, scope uuid.UUID, ref PolicyRef) (db.PolicyLockRow, error) {
	id, err := p.resolve(ctx, tx, scope, ref)
	if err = notFound(err, ref); err != nil {
		return db.PolicyLockRow{}, err
	}
	r, err := p.q.PolicyLock(ctx, tx, db.PolicyLockParams{UUID: id, Scope: scope, Recurse: ref.UUID != nil})
	return r, notFound(err, ref)
}

// writable is fault.Forbidden for what is inherited or of the configuration.
func writable(r db.PolicyLockRow) error {
	if readOnly(db.PolicyGetRow(r)) {
		return fault.Historic(fault.Forbidden, `Forbidden policy deletion: "`+r.UUID.String()+`"`)
	}
	return nil
}

func readOnly(r db.PolicyGetRow) bool { return r.ConfigManaged || !r.Within }

// shown is what a tenant sees of a policy.
func shown(scope uuid.UUID, r db.PolicyGetRow) Policy {
	s := Policy{UUID: r.UUID, Tenant: r.TenantUUID, Name: r.Name, Slug: r.Slug, Description: r.Description, ACL: r.Acl, ReadOnly: readOnly(r), Shared: r.Shared}
	if !r.Within {
		s.Tenant, s.Shared = scope, false
	}
	return s
}

// notFound makes pgx.ErrNoRows the answer for a policy that is not there or not visible.
func notFound(err error, ref PolicyRef) error {
	if errors.Is(err, pgx.ErrNoRows) {
		return unknownPolicy(ref)
	}
	if _, told := fault.As(err); told || err == nil {
		return err
	}
	return fmt.Errorf("find policy: %w", err)
}

func unknownPolicy(ref PolicyRef) error {
	if ref.UUID != nil {
		return fault.Historic(fault.NotFound, "No such policy {'uuid': '"+ref.UUID.String()+"'}")
	}
	return fault.Historic(fault.NotFound, "No such policy {'slug': '"+ref.Slug+"'}")
}

func policyConflict(name string) error {
	return fault.Historic(fault.Conflict, `Policy "`+name+`" already exists`)
}
