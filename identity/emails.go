package identity

import (
	"context"
	"fmt"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/xivo-auth/xivo-auth/db"
	"github.com/xivo-auth/xivo-auth/trail"
)

// EmailChange is an address as it is to be.
type EmailChange struct {
	Address string
	Main    bool
	// Confirmed is nil for what it was; a new address is unconfirmed then.
	Confirmed *bool
}

// SetEmails replaces the addresses of a user by these, which hold no address twice and one main address unless they are
// empty; it gives them in the same order. An address that was there keeps its uuid. With a scope, the user must be in that
// tenant or below it. Errors in their order: fault.Conflict for an address that is another user's login, fault.NotFound,
// fault.Conflict for two addresses that differ in case only (identity.md section 10).
func (u *Users) SetEmails(ctx context.Context, scope *uuid.UUID, user uuid.UUID, emails []EmailChange) ([]Email, error) {
	addresses := make([]string, len(emails))
	for i, e := range emails {
		addresses[i] = e.Address
	}
	stored := []Email{}
	err := db.InTx(ctx, u.pool, func(tx pgx.Tx) error {
		if err := u.foreign(ctx, tx, &user, nil, addresses); err != nil {
			return err
		}
		r, err := u.lockIn(ctx, tx, scope, user)
		if err != nil {
			return err
		}
		seen := map[[32]byte]bool{}
		for _, a := range addresses {
			key := [32]byte(db.LoginKey(a))
			if seen[key] {
				return conflict("email_address", `The email_address "None" is already used`)
			}
			seen[key] = true
		}
		if err := u.claim(ctx, tx, user, nil, addresses); err != nil { // somebody was faster
			return err
		}
		if stored, err = u.putEmails(ctx, tx, user, emails); err != nil {
			return err
		}
		return trail.Add(ctx, tx, trail.Entry{Action: "user emails updated", Subject: &user, Tenant: &r.TenantUUID, Details: map[string]any{"emails": stored}})
	})
	return stored, err
}

// putEmails writes the addresses, under the lock on the user, who owns them as logins.
func (u *Users) putEmails(ctx context.Context, tx pgx.Tx, user uuid.UUID, emails []EmailChange) ([]Email, error) {
	p := db.EmailPutParams{UserUUID: user, Kept: []string{}, Addresses: []string{}}
	keys := [][]byte{}
	for _, e := range emails {
		keys = append(keys, db.LoginKey(e.Address))
		p.Addresses = append(p.Addresses, e.Address)
		p.Mains = append(p.Mains, e.Main)
		p.Confirmations = append(p.Confirmations, e.Confirmed != nil && *e.Confirmed)
		if e.Confirmed == nil {
			p.Kept = append(p.Kept, e.Address)
		}
	}
	p.LoginKeys = keys
	if err := u.q.EmailDeleteOthers(ctx, tx, db.EmailDeleteOthersParams{UserUUID: user, Addresses: p.Addresses}); err != nil {
		return nil, fmt.Errorf("delete addresses: %w", err)
	}
	stored := make([]Email, len(emails))
	if len(emails) > 0 {
		rows, err := u.q.EmailPut(ctx, tx, p)
		if err != nil {
			return nil, fmt.Errorf("write addresses: %w", err)
		}
		for _, r := range rows {
			i := slices.Index(p.Addresses, r.Address)
			stored[i] = Email(r)
		}
	}
	if err := u.q.UserReleaseAddresses(ctx, tx, db.UserReleaseAddressesParams{UserUUID: user, Keys: keys}); err != nil {
		return nil, fmt.Errorf("release addresses: %w", err)
	}
	return stored, nil
}
