package identity

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/xivo-auth/xivo-auth/config"
	"github.com/xivo-auth/xivo-auth/db"
	"github.com/xivo-auth/xivo-auth/events"
	"github.com/xivo-auth/xivo-auth/fault"
	"github.com/xivo-auth/xivo-auth/list"
	"github.com/xivo-auth/xivo-auth/trail"
)

const (
	longestTenantSlug = 10
	// reasonTenantDeleted is why the sessions of a deleted tenant end; it is that of the lifetimes.
	reasonTenantDeleted = "tenant deleted"

	foreignKeyViolation = "23503"
	uniqueViolation     = "23505"
)

// Tenant is a tenant (organisation.md section 3.1). The top tenant is its own parent.
type Tenant struct {
	UUID, Parent uuid.UUID
	Name         *string
	Slug         string
	// Contact is a user of any tenant.
	Contact *uuid.UUID
	Phone   *string
	// Method is the authentication method of the users whose own is "default".
	Method  string
	Domains []string
	Address Address
}

// Address is where a tenant is; all of it may be null.
type Address struct {
	Line1   *string `json:"line_1"`
	Line2   *string `json:"line_2"`
	City    *string `json:"city"`
	State   *string `json:"state"`
	Country *string `json:"country"`
	ZipCode *string `json:"zip_code"`
}

// TenantChange is what can be changed of a tenant. The domains must be valid ones (DomainName).
type TenantChange struct {
	Name    *string
	Contact *uuid.UUID
	Phone   *string
	Method  string
	Domains []string
	Address Address
}

// TenantSessions ends the tokens of a tenant and of its users inside the caller's transaction.
type TenantSessions interface {
	RevokeTenantIn(ctx context.Context, tx pgx.Tx, tenant uuid.UUID, reason string) (int, error)
}

// Tenants makes, changes and finds tenants. A scope is a tenant together with everything below it.
type Tenants struct {
	pool     *pgxpool.Pool
	q        *db.Queries
	sessions TenantSessions
	events   Events
	methods  KnownMethods
	content  content
	log      *slog.Logger
	wake     func()
}

// NewTenants makes the service. cfg says which groups and policies come with a tenant. wake tells the relays, after a
// commit, that lifetimes or events are due.
func NewTenants(pool *pgxpool.Pool, sessions TenantSessions, events Events, methods KnownMethods, cfg config.Content, log *slog.Logger, wake func()) *Tenants {
	return &Tenants{pool: pool, q: db.New(), sessions: sessions, events: events, methods: methods, content: readContent(cfg), log: log, wake: wake}
}

// KnowsMethod tells whether users of a tenant may have this authentication method by default.
func (t *Tenants) KnowsMethod(method string) bool { return t.methods.Known(method) }

// Get is a tenant of a scope; else fault.NotFound.
func (t *Tenants) Get(ctx context.Context, scope, tenant uuid.UUID) (Tenant, error) {
	var r db.TenantGetRow
	err := db.Retry(ctx, func() (err error) {
		r, err = t.q.TenantGet(ctx, t.pool, db.TenantGetParams{UUID: tenant, Scope: scope})
		return err
	})
	if errors.Is(err, pgx.ErrNoRows) {
		return Tenant{}, fault.UnknownTenant(tenant.String())
	}
	if err != nil {
		return Tenant{}, fmt.Errorf("read tenant: %w", err)
	}
	return Tenant{UUID: r.UUID, Parent: r.ParentUUID, Name: r.Name, Slug: r.Slug, Contact: r.ContactUUID, Phone: r.Phone, Method: r.DefaultAuthenticationMethod,
		Domains: r.DomainNames, Address: Address{r.AddressLine1, r.AddressLine2, r.City, r.State, r.Country, r.ZipCode}}, nil
}

// TenantFilter narrows a list of tenants. Nil fields do not narrow; an empty Among matches nothing.
type TenantFilter struct {
	Search             *string
	UUID               *uuid.UUID
	Among              []uuid.UUID
	Name, Slug, Domain *string
}

// List gives a page of a scope's tenants, how many there are and how many pass the filter.
func (t *Tenants) List(ctx context.Context, scope uuid.UUID, f TenantFilter, p list.Page) (items []Tenant, total, filtered int64, err error) {
	var pattern *string
	if f.Search != nil {
		text := list.Pattern(*f.Search)
		pattern = &text
	}
	var rows []db.TenantListRow
	err = db.Retry(ctx, func() (err error) {
		rows, err = t.q.TenantList(ctx, t.pool, db.TenantListParams{Scope: scope, Pattern: pattern, UUID: f.UUID, Among: f.Among, Name: f.Name,
			Slug: f.Slug, DomainName: f.Domain, SortBy: p.OrderBy, Descending: p.Descending, MaxRows: p.Limit, SkipRows: p.Offset})
		return err
	})
	if err != nil {
		return nil, 0, 0, fmt.Errorf("list tenants: %w", err)
	}
	items = make([]Tenant, 0, len(rows))
	for _, r := range rows {
		total, filtered = r.Total, r.Filtered
		if r.UUID == nil { // the page is empty
			break
		}
		items = append(items, Tenant{UUID: *r.UUID, Parent: *r.ParentUUID, Name: r.Name, Slug: *r.Slug, Contact: r.ContactUUID, Phone: r.Phone,
			Method: *r.DefaultAuthenticationMethod, Domains: r.DomainNames, Address: Address{r.AddressLine1, r.AddressLine2, r.City, r.State, r.Country, r.ZipCode}})
	}
	return items, total, filtered, nil
}

// Domain is a domain of a tenant. Its uuid stays as long as the tenant has it.
type Domain struct {
	UUID uuid.UUID `json:"uuid"`
	Name string    `json:"name"`
}

// Domains are those of a tenant of a scope; else fault.NotFound.
func (t *Tenants) Domains(ctx context.Context, scope, tenant uuid.UUID) ([]Domain, error) {
	var text []byte
	err := db.Retry(ctx, func() (err error) {
		text, err = t.q.TenantDomains(ctx, t.pool, db.TenantDomainsParams{UUID: tenant, Scope: scope})
		return err
	})
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, fault.UnknownTenant(tenant.String())
	}
	domains := []Domain{}
	if err == nil {
		err = json.Unmarshal(text, &domains)
	}
	if err != nil {
		return nil, fmt.Errorf("read domains: %w", err)
	}
	return domains, nil
}

// Update replaces what can be changed of a tenant of a scope. Domains that stay keep their uuids. One that is not there is
// fault.NotFound, an unknown contact too; a domain in use is fault.Conflict (organisation.md section 3.5).
func (t *Tenants) Update(ctx context.Context, scope, tenant uuid.UUID, in TenantChange) (Tenant, error) {
	var made Tenant
	err := t.change(ctx, func(tx pgx.Tx) error {
		old, err := t.q.TenantLock(ctx, tx, db.TenantLockParams{UUID: tenant, Scope: scope})
		if errors.Is(err, pgx.ErrNoRows) {
			return fault.UnknownTenant(tenant.String())
		}
		if err != nil {
			return fmt.Errorf("lock tenant: %w", err)
		}
		a := in.Address
		err = t.q.TenantUpdate(ctx, tx, db.TenantUpdateParams{UUID: tenant, Name: in.Name, ContactUUID: in.Contact, Phone: in.Phone,
			DefaultAuthenticationMethod: in.Method, AddressLine1: a.Line1, AddressLine2: a.Line2, City: a.City, State: a.State, Country: a.Country, ZipCode: a.ZipCode})
		if err != nil {
			return missing(err, old.ParentUUID, in.Contact)
		}
		had, err := t.q.TenantDomainNames(ctx, tx, tenant)
		if err != nil {
			return fmt.Errorf("read domains: %w", err)
		}
		domains := distinct(in.Domains)
		// Domains come before others go: whoever waits for a domain of ours then never holds one that we wait for.
		if err := t.claimDomains(ctx, tx, tenant, without(domains, had), domains); err != nil {
			return err
		}
		if gone := without(had, domains); len(gone) > 0 {
			if err := t.q.TenantRemoveDomains(ctx, tx, db.TenantRemoveDomainsParams{TenantUUID: tenant, Names: gone}); err != nil {
				return fmt.Errorf("remove domains: %w", err)
			}
		}
		made = Tenant{UUID: tenant, Parent: old.ParentUUID, Name: in.Name, Slug: old.Slug, Contact: in.Contact, Phone: in.Phone, Method: in.Method,
			Domains: domains, Address: in.Address}
		err = trail.Add(ctx, tx, trail.Entry{Action: "tenant updated", Subject: &tenant, Tenant: &tenant,
			Details: map[string]any{"name": in.Name, "contact": in.Contact, "default_authentication_method": in.Method, "domain_names": domains}})
		if err != nil {
			return err
		}
		return t.events.Add(ctx, tx, events.TenantUpdated{UUID: tenant, Name: in.Name})
	})
	return made, err
}

// without is a list minus what is in another one.
func without(names, others []string) []string {
	return slices.DeleteFunc(slices.Clone(names), func(n string) bool { return slices.Contains(others, n) })
}

// Delete removes a tenant of a scope with everything in it, and ends the sessions of its users. The scope itself is
// fault.Forbidden, a tenant with others below it fault.Invalid (organisation.md section 3.6).
func (t *Tenants) Delete(ctx context.Context, scope, tenant uuid.UUID) error {
	if tenant == scope {
		return fault.Modern(fault.Forbidden, "deleting-own-tenant-forbidden", "tenants", `Deleting its own tenant is forbidden: "`+tenant.String()+`"`,
			map[string]any{"tenant_uuid": tenant.String()})
	}
	return t.change(ctx, func(tx pgx.Tx) error {
		if err := lockTree(ctx, tx); err != nil {
			return err
		}
		found, err := t.q.TenantFind(ctx, tx, db.TenantFindParams{UUID: tenant, Scope: scope})
		if errors.Is(err, pgx.ErrNoRows) {
			return fault.UnknownTenant(tenant.String())
		}
		if err != nil {
			return fmt.Errorf("find tenant: %w", err)
		}
		if found.HasChildren {
			return hasChildren(tenant)
		}
		// The order of locks is that of logins: users, then the tenant, then tokens.
		if err := t.q.TenantLockUsers(ctx, tx, tenant); err != nil {
			return fmt.Errorf("lock the users of a tenant: %w", err)
		}
		if _, err := t.sessions.RevokeTenantIn(ctx, tx, tenant, reasonTenantDeleted); err != nil {
			return err
		}
		if err := t.q.TenantDelete(ctx, tx, tenant); err != nil {
			var pg *pgconn.PgError
			if errors.As(err, &pg) && pg.ConstraintName == "tenants_parent_fkey" { // made meanwhile
				return hasChildren(tenant)
			}
			return fmt.Errorf("delete tenant: %w", err)
		}
		err = trail.Add(ctx, tx, trail.Entry{Action: "tenant deleted", Subject: &tenant, Tenant: &tenant,
			Details: map[string]any{"name": found.Name, "slug": found.Slug}})
		if err != nil {
			return err
		}
		return t.events.Add(ctx, tx, events.TenantDeleted{UUID: tenant})
	})
}

func hasChildren(tenant uuid.UUID) error {
	return fault.Modern(fault.Invalid, "unauthorized-tenant-delete", "tenants",
		`Unauthorized delete of tenant : "`+tenant.String()+`" ; since it has at least one child`, map[string]any{"uuid": tenant.String()})
}

// Move puts a tenant of a scope, with everything below it, below another one of the scope. One that is not there is
// fault.NotFound; a parent that is the tenant or lies below it is fault.Conflict (organisation.md section 3.8).
func (t *Tenants) Move(ctx context.Context, scope, tenant, parent uuid.UUID) error {
	return t.change(ctx, func(tx pgx.Tx) error {
		if err := lockTree(ctx, tx); err != nil {
			return err
		}
		at, err := t.q.TenantPlaces(ctx, tx, db.TenantPlacesParams{Scope: scope, TenantUUID: tenant, ParentUUID: parent})
		switch {
		case err != nil:
			return fmt.Errorf("find tenants: %w", err)
		case !at.TenantVisible:
			return fault.UnknownTenant(tenant.String())
		case !at.ParentVisible:
			return fault.UnknownTenant(parent.String())
		case at.ParentBelow:
			return fault.Modern(fault.Conflict, "conflict", "tenants", fmt.Sprintf("Parent (%s) is a descendent of tenant: %q", parent, tenant.String()),
				map[string]any{"uuid": tenant.String(), "parent_uuid": parent.String()})
		}
		n, err := t.q.TenantMove(ctx, tx, db.TenantMoveParams{UUID: tenant, ParentUUID: parent})
		if err != nil {
			return missing(err, parent, nil)
		}
		if n == 0 { // it is there already
			return nil
		}
		return trail.Add(ctx, tx, trail.Entry{Action: "tenant moved", Subject: &tenant, Tenant: &tenant, Details: map[string]any{"parent_uuid": parent}})
	})
}

// change runs f in a transaction and wakes the relays after it.
func (t *Tenants) change(ctx context.Context, f func(tx pgx.Tx) error) error {
	err := db.InTx(ctx, t.pool, f)
	if err == nil {
		t.wake()
	}
	return err
}

// allUsersSlug is the slug, and the name, of the group of all users of a tenant.
func allUsersSlug(tenant uuid.UUID) string { return "wazo-all-users-tenant-" + tenant.String() }
