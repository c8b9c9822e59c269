package identity

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/xivo-auth/xivo-auth/db"
	"github.com/xivo-auth/xivo-auth/fault"
	"github.com/xivo-auth/xivo-auth/trail"
)

// NewPolicy describes a policy to be made.
type NewPolicy struct {
	Name string
	// Slug is nil for one made of the name.
	Slug        *string
	Description *string
	ACL         []string
	Shared      bool
}

// PolicyChange is what an edit replaces, all of it (organisation.md section 6.5).
type PolicyChange struct {
	Name        string
	Description *string
	ACL         []string
}

// Create makes a policy of a tenant (organisation.md section 6.2). Errors in their order: fault.Unauthenticated for an
// access that may not be granted, fault.Conflict for a name or a slug that the tenant has, that it inherits, or that a
// tenant below has if the policy is to be shared.
func (p *Policies) Create(ctx context.Context, scope uuid.UUID, g Grants, in NewPolicy) (Policy, error) {
	in.ACL = eachOnce(in.ACL)
	if err := mayAddAll(g, in.ACL); err != nil {
		return Policy{}, err
	}
	made := Policy{Tenant: scope, Name: in.Name, Description: in.Description, ACL: in.ACL, Shared: in.Shared}
	err := db.InTx(ctx, p.pool, func(tx pgx.Tx) (err error) {
		guard := shareTree // names of one tenant are told apart by the indexes
		if in.Shared {
			guard = lockTree
		}
		if err := guard(ctx, tx); err != nil {
			return err
		}
		if err := p.nameFree(ctx, tx, scope, in); err != nil {
			return err
		}
		if made.UUID, made.Slug, err = p.insert(ctx, tx, scope, in); err != nil {
			return err
		}
		details := accessDetails(in.Name, in.ACL, nil)
		details["slug"], details["shared"] = made.Slug, in.Shared
		return trail.Add(ctx, tx, trail.Entry{Action: "policy created", Subject: &made.UUID, Tenant: &scope, Details: details})
	})
	return made, err
}

func (p *Policies) nameFree(ctx context.Context, tx pgx.Tx, scope uuid.UUID, in NewPolicy) error {
	taken, err := p.q.PolicyNameTaken(ctx, tx, db.PolicyNameTakenParams{Scope: scope, Name: in.Name, Shared: in.Shared})
	if errors.Is(err, pgx.ErrNoRows) { // deleted a moment ago
		return fault.UnknownTenant(scope.String())
	}
	if err != nil {
		return fmt.Errorf("look for a policy's name: %w", err)
	}
	if taken {
		return policyConflict(in.Name)
	}
	return nil
}

// insert tries slugs until the tenant has none of them. The one asked for, or made of the name, must not collide with what
// is shared either.
func (p *Policies) insert(ctx context.Context, tx pgx.Tx, scope uuid.UUID, in NewPolicy) (id uuid.UUID, slug string, err error) {
	candidates := slugCandidates(in.Name, slugRune, MaxPolicySlug)
	if in.Slug != nil {
		candidates = slices.Values([]string{*in.Slug})
	}
	for slug := range candidates {
		taken, err := p.q.PolicySlugTaken(ctx, tx, db.PolicySlugTakenParams{Scope: scope, Slug: slug, Shared: in.Shared})
		if err != nil {
			return id, "", fmt.Errorf("look for a policy's slug: %w", err)
		}
		switch {
		case taken && (in.Slug != nil || slug == cleanedSlug(in.Name, slugRune, MaxPolicySlug)):
			return id, "", policyConflict(in.Name)
		case taken:
			continue
		}
		made, err := p.q.PolicyInsert(ctx, tx, db.PolicyInsertParams{TenantUUID: scope, Name: in.Name, Slug: slug, Description: in.Description,
			Acl: in.ACL, Shared: in.Shared})
		if err != nil {
			return id, "", fmt.Errorf("insert policy: %w", err)
		}
		if len(made) == 1 {
			return made[0], slug, nil
		}
		if err := p.nameFree(ctx, tx, scope, in); err != nil { // it was the name, of another transaction
			return id, "", err
		}
	}
	return id, "", policyConflict(in.Name)
}

// Update replaces what a policy is and grants (organisation.md section 6.5). Errors in their order: fault.Unauthenticated
// for an access that may not be granted, fault.NotFound, fault.Unauthenticated for one that may not be taken away,
// fault.Forbidden for a read-only policy, fault.Conflict for a name that the tenant has.
func (p *Policies) Update(ctx context.Context, scope uuid.UUID, ref PolicyRef, g Grants, c PolicyChange) (Policy, error) {
	c.ACL = eachOnce(c.ACL)
	if err := mayAddAll(g, c.ACL); err != nil {
		return Policy{}, err
	}
	var changed Policy
	err := db.InTx(ctx, p.pool, func(tx pgx.Tx) error {
		before, err := p.lock(ctx, tx, scope, ref)
		if err != nil {
			return err
		}
		removed := notAmong(before.Acl, c.ACL)
		if err := mayRemoveAll(g, removed); err != nil {
			return err
		}
		if err := writable(before); err != nil {
			return err
		}
		err = p.q.PolicyUpdate(ctx, tx, db.PolicyUpdateParams{UUID: before.UUID, Name: c.Name, Description: c.Description, Acl: c.ACL})
		if db.UniqueViolation(err, "policies_name_key") {
			return policyConflict(c.Name)
		}
		if err != nil {
			return fmt.Errorf("update policy: %w", err)
		}
		after := db.PolicyGetRow(before)
		after.Name, after.Description, after.Acl = c.Name, c.Description, c.ACL
		changed = shown(scope, after)
		details := accessDetails(c.Name, notAmong(c.ACL, before.Acl), removed)
		details["former_name"] = before.Name
		return trail.Add(ctx, tx, trail.Entry{Action: "policy updated", Subject: &before.UUID, Tenant: &before.TenantUUID, Details: details})
	})
	return changed, err
}

// Delete removes a policy together with its links. Errors in their order: fault.NotFound, fault.Unauthenticated for an
// access that may not be taken away, fault.Forbidden for a read-only policy.
func (p *Policies) Delete(ctx context.Context, scope uuid.UUID, ref PolicyRef, g Grants) error {
	return db.InTx(ctx, p.pool, func(tx pgx.Tx) error {
		if err := shareTree(ctx, tx); err != nil { // a tenant that goes takes links and policies in another order
			return err
		}
		gone, err := p.lock(ctx, tx, scope, ref)
		if err != nil {
			return err
		}
		if err := mayRemoveAll(g, gone.Acl); err != nil {
			return err
		}
		if err := writable(gone); err != nil {
			return err
		}
		if err := p.q.PolicyDelete(ctx, tx, gone.UUID); err != nil {
			return fmt.Errorf("delete policy: %w", err)
		}
		return trail.Add(ctx, tx, trail.Entry{Action: "policy deleted", Subject: &gone.UUID, Tenant: &gone.TenantUUID,
			Details: accessDetails(gone.Name, nil, gone.Acl)})
	})
}

// AddAccess puts an access at the end of a policy. Errors in their order, but that by slug fault.NotFound comes first:
// fault.Unauthenticated for an access that may not be granted, fault.NotFound, fault.Forbidden for a read-only policy,
// fault.Conflict for an access that it has, fault.Invalid for a policy that is full.
func (p *Policies) AddAccess(ctx context.Context, scope uuid.UUID, ref PolicyRef, g Grants, access string) error {
	one := []string{access}
	return p.changeAccess(ctx, scope, ref, func() error { return mayAddAll(g, one) }, func(tx pgx.Tx, policy db.PolicyLockRow) error {
		if slices.Contains(policy.Acl, access) {
			return fault.Historic(fault.Conflict, "Policy already associated to "+access)
		}
		if len(policy.Acl) >= MaxAccesses {
			return fault.Historic(fault.Invalid, "Invalid value supplied for field: acl")
		}
		if err := p.q.PolicyAddAccess(ctx, tx, db.PolicyAddAccessParams{UUID: policy.UUID, Access: access}); err != nil {
			return fmt.Errorf("add access: %w", err)
		}
		return trail.Add(ctx, tx, trail.Entry{Action: "policy updated", Subject: &policy.UUID, Tenant: &policy.TenantUUID,
			Details: accessDetails(policy.Name, one, nil)})
	})
}

// RemoveAccess takes an access out of a policy, which need not have it. Errors as those of AddAccess, without the last two.
func (p *Policies) RemoveAccess(ctx context.Context, scope uuid.UUID, ref PolicyRef, g Grants, access string) error {
	one := []string{access}
	return p.changeAccess(ctx, scope, ref, func() error { return mayRemoveAll(g, one) }, func(tx pgx.Tx, policy db.PolicyLockRow) error {
		if !slices.Contains(policy.Acl, access) {
			return nil
		}
		if err := p.q.PolicyRemoveAccess(ctx, tx, db.PolicyRemoveAccessParams{UUID: policy.UUID, Access: access}); err != nil {
			return fmt.Errorf("remove access: %w", err)
		}
		return trail.Add(ctx, tx, trail.Entry{Action: "policy updated", Subject: &policy.UUID, Tenant: &policy.TenantUUID,
			Details: accessDetails(policy.Name, nil, one)})
	})
}

// changeAccess changes a writable policy after the grant rule has had its say: before the look-up by uuid, after that by
// slug (organisation.md section 6.6).
func (p *Policies) changeAccess(ctx context.Context, scope uuid.UUID, ref PolicyRef, rule func() error, change func(pgx.Tx, db.PolicyLockRow) error) error {
	if ref.UUID != nil {
		if err := rule(); err != nil {
			return err
		}
	}
	return db.InTx(ctx, p.pool, func(tx pgx.Tx) error {
		policy, err := p.lock(ctx, tx, scope, ref)
		if err != nil {
			return err
		}
		if err := rule(); err != nil {
			return err
		}
		if err := writable(policy); err != nil {
			return err
		}
		return change(tx, policy)
	})
}

// eachOnce has each text once, where it came first; never nil.
func eachOnce(texts []string) []string {
	seen := make(map[string]bool, len(texts))
	out := make([]string, 0, len(texts))
	for _, t := range texts {
		if !seen[t] {
			seen[t] = true
			out = append(out, t)
		}
	}
	return out
}

// notAmong is what of a list is not in another one, in its order.
func notAmong(texts, others []string) []string {
	skip := make(map[string]bool, len(others))
	for _, o := range others {
		skip[o] = true
	}
	var out []string
	for _, t := range texts {
		if !skip[t] {
			out = append(out, t)
		}
	}
	return out
}

// accessDetails tell the trail what became of a policy's accesses: the first of them, and how many there were.
func accessDetails(name string, added, removed []string) map[string]any {
	d := map[string]any{"name": name}
	for kind, texts := range map[string][]string{"added": added, "removed": removed} {
		if len(texts) > 0 {
			d[kind], d[kind+"_count"] = excerpt(texts), len(texts)
		}
	}
	return d
}

func excerpt(accesses []string) []string {
	const most, longest = 20, 200 // entries, bytes each
	out := slices.Clone(accesses[:min(len(accesses), most)])
	for i, a := range out {
		if len(a) > longest {
			out[i] = strings.ToValidUTF8(a[:longest], "") + "..."
		}
	}
	return out
}
