package identity

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/xivo-auth/xivo-auth/db"
	"github.com/xivo-auth/xivo-auth/events"
	"github.com/xivo-auth/xivo-auth/fault"
	"github.com/xivo-auth/xivo-auth/trail"
)

// NewTenant describes a tenant to be made.
type NewTenant struct {
	// UUID is nil for a random one, Slug for one made of the name.
	UUID *uuid.UUID
	Slug *string
	TenantChange
}

// Create makes a tenant below another one, with all that comes with a tenant (organisation.md section 3.2): see CreateIn. Its
// uuid must not be the parent's: fault.Forbidden.
func (t *Tenants) Create(ctx context.Context, parent uuid.UUID, in NewTenant) (Tenant, error) {
	if in.UUID != nil && *in.UUID == parent {
		return Tenant{}, fault.Modern(fault.Forbidden, "conflict", "tenants", "Conflict detected",
			map[string]any{"parent_uuid": map[string]any{"constraint_id": "unique", "msg": "A master tenant already exist"}})
	}
	var made Tenant
	err := db.InTx(ctx, t.pool, func(tx pgx.Tx) (err error) {
		made, err = t.CreateIn(ctx, tx, parent, in)
		return err
	})
	if err != nil {
		return Tenant{}, err
	}
	t.wake()
	return made, nil
}

// CreateIn makes a tenant inside the caller's transaction: the row, the domains, the all-users group with the policies of
// all_users_policies, the groups of tenant_default_groups, the entry of the trail and the event. The caller calls wake after
// its commit. A uuid or slug in use, an unknown contact and a domain in use are faults, in this order. After an error the
// transaction must be rolled back.
func (t *Tenants) CreateIn(ctx context.Context, tx pgx.Tx, parent uuid.UUID, in NewTenant) (Tenant, error) {
	id := uuid.New()
	if in.UUID != nil {
		id = *in.UUID
	}
	slug, err := t.insert(ctx, tx, id, parent, in)
	if err != nil {
		return Tenant{}, err
	}
	domains := distinct(in.Domains)
	if err := t.claimDomains(ctx, tx, id, domains, domains); err != nil {
		return Tenant{}, err
	}
	if err := t.furnish(ctx, tx, id); err != nil {
		return Tenant{}, err
	}
	err = trail.Add(ctx, tx, trail.Entry{Action: "tenant created", Subject: &id, Tenant: &id,
		Details: map[string]any{"name": in.Name, "slug": slug, "parent_uuid": parent, "domain_names": domains}})
	if err != nil {
		return Tenant{}, err
	}
	err = t.events.Add(ctx, tx, events.TenantAdded{UUID: id, Name: in.Name, Slug: slug, DomainNames: domains})
	return Tenant{UUID: id, Parent: parent, Name: in.Name, Slug: slug, Contact: in.Contact, Phone: in.Phone, Method: in.Method,
		Domains: domains, Address: in.Address}, err
}

// insert stores the row under the first slug that is free.
func (t *Tenants) insert(ctx context.Context, tx pgx.Tx, id, parent uuid.UUID, in NewTenant) (slug string, err error) {
	name := ""
	if in.Name != nil {
		name = *in.Name
	}
	candidates := slugCandidates(name, tenantSlugRune, longestTenantSlug)
	if in.Slug != nil {
		candidates = only(*in.Slug)
	}
	a := in.Address
	for slug = range candidates {
		n, err := t.q.TenantInsert(ctx, tx, db.TenantInsertParams{UUID: id, ParentUUID: parent, Name: in.Name, Slug: slug, ContactUUID: in.Contact,
			Phone: in.Phone, DefaultAuthenticationMethod: in.Method, AddressLine1: a.Line1, AddressLine2: a.Line2, City: a.City, State: a.State,
			Country: a.Country, ZipCode: a.ZipCode})
		if err != nil {
			return "", missing(err, parent, in.Contact)
		}
		if n > 0 {
			return slug, nil
		}
		taken, err := t.q.TenantExists(ctx, tx, id)
		if err != nil {
			return "", fmt.Errorf("find tenant: %w", err)
		}
		if taken {
			return "", fault.Modern(fault.Conflict, "tenant-identity-conflict", "tenants", "Tenant Conflict detected", map[string]any{
				"uuid": map[string]any{"constraint_id": "unique", "message": `A tenant with identity uuid="` + id.String() + `" already exists`}})
		}
	}
	return "", fault.Modern(fault.Conflict, "conflict", "tenants", "Conflict detected", map[string]any{
		"slug": map[string]any{"constraint_id": "unique", "message": `The slug "` + slug + `" is already used`}})
}

func only(slug string) iter.Seq[string] { return func(yield func(string) bool) { yield(slug) } }

// missing tells which row that a tenant refers to is not there.
func missing(err error, parent uuid.UUID, contact *uuid.UUID) error {
	var pg *pgconn.PgError
	if errors.As(err, &pg) && pg.Code == foreignKeyViolation {
		switch {
		case pg.ConstraintName == "tenants_contact_fkey" && contact != nil:
			return fault.UnknownUser(contact.String())
		case pg.ConstraintName == "tenants_parent_fkey":
			return fault.UnknownTenant(parent.String())
		}
	}
	return fmt.Errorf("store tenant: %w", err)
}

// claimDomains gives domains to a tenant that has none of them. One that is in use is fault.Conflict, which names all that
// were asked for.
func (t *Tenants) claimDomains(ctx context.Context, tx pgx.Tx, tenant uuid.UUID, wanted, all []string) error {
	if len(wanted) == 0 {
		return nil
	}
	n, err := t.q.TenantAddDomains(ctx, tx, db.TenantAddDomainsParams{TenantUUID: tenant, Names: wanted})
	if err != nil {
		return fmt.Errorf("add domains: %w", err)
	}
	if n < int64(len(wanted)) {
		quoted := make([]string, len(all))
		for i, d := range all {
			quoted[i] = "'" + d + "'"
		}
		return fault.Modern(fault.Conflict, "conflict", "tenants", "Conflict detected", map[string]any{"domain_names": map[string]any{
			"constraint-id": "unique", "message": `Domain name : "[` + strings.Join(quoted, ", ") + `]" is already in use, no duplicates allowed`}})
	}
	return nil
}

// furnish makes the groups that every tenant has, with their policies, which are the top tenant's.
func (t *Tenants) furnish(ctx context.Context, tx pgx.Tx, tenant uuid.UUID) error {
	everyone := allUsersSlug(tenant)
	p := db.TenantAddGroupsParams{TenantUUID: tenant, Groups: []string{everyone}, LinkGroups: []string{}, LinkPolicies: []string{}}
	for _, policy := range t.content.allUsers.add {
		p.LinkGroups, p.LinkPolicies = append(p.LinkGroups, everyone), append(p.LinkPolicies, policy)
	}
	for _, g := range t.content.groups {
		p.Groups = append(p.Groups, g.slug)
		for _, policy := range g.add {
			p.LinkGroups, p.LinkPolicies = append(p.LinkGroups, g.slug), append(p.LinkPolicies, policy)
		}
	}
	unknown, err := t.q.TenantAddGroups(ctx, tx, p)
	if err != nil {
		return fmt.Errorf("add the groups of a tenant: %w", err)
	}
	for _, x := range unknown {
		if x.GroupSlug == everyone {
			return fmt.Errorf("all_users_policies: the top tenant has no policy %q", x.PolicySlug)
		}
		t.log.ErrorContext(ctx, "tenant_default_groups: the top tenant has no such policy: skipped", slog.String("group", x.GroupSlug),
			slog.String("policy", x.PolicySlug), slog.String("tenant_uuid", tenant.String()))
	}
	return nil
}

// distinct sorts names and removes repetitions; never nil.
func distinct(names []string) []string {
	out := append([]string{}, names...)
	slices.Sort(out)
	return slices.Compact(out)
}
