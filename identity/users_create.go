package identity

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/xivo-auth/xivo-auth/db"
	"github.com/xivo-auth/xivo-auth/fault"
	"github.com/xivo-auth/xivo-auth/trail"
)

// NewUser describes a user to be made. Purpose and Method must be valid ones.
type NewUser struct {
	// UUID is nil for a random one.
	UUID                          *uuid.UUID
	Username, Firstname, Lastname *string
	Purpose, Method               string
	Enabled                       bool
	// PasswordHash is as the Hasher made it; nil: no password.
	PasswordHash *string
	// EmailAddress becomes the main address; nil: none.
	EmailAddress   *string
	EmailConfirmed bool
}

// CreateIn makes a user in a tenant, inside the caller's transaction: the row, the logins, the address, the membership in
// the tenant's all-users group (which is made if it is missing) and the entry of the trail. A username, an address or a
// uuid in use is fault.Conflict, in this order (identity.md section 5); a tenant that is gone, fault.NotFound.
func (u *Users) CreateIn(ctx context.Context, tx pgx.Tx, tenant uuid.UUID, in NewUser) (User, error) {
	id := uuid.New()
	if in.UUID != nil {
		id = *in.UUID
	}
	n, err := u.q.UserInsert(ctx, tx, db.UserInsertParams{UUID: id, TenantUUID: tenant, Username: in.Username, Firstname: in.Firstname,
		Lastname: in.Lastname, PasswordHash: in.PasswordHash, Purpose: in.Purpose, AuthenticationMethod: in.Method, Enabled: in.Enabled})
	var pg *pgconn.PgError
	if errors.As(err, &pg) && pg.Code == foreignKeyViolation { // the tenant was deleted a moment ago
		return User{}, fault.UnknownTenant(tenant.String())
	}
	if err != nil {
		return User{}, fmt.Errorf("insert user: %w", err)
	}
	if n == 0 {
		return User{}, u.uuidInUse(ctx, tx, id, in)
	}
	if err := u.claim(ctx, tx, id, in.Username, addresses(in)); err != nil {
		return User{}, err
	}
	made := User{UUID: id, Tenant: tenant, Username: in.Username, Firstname: in.Firstname, Lastname: in.Lastname, Purpose: in.Purpose,
		Method: in.Method, Enabled: in.Enabled, Emails: []Email{}}
	if in.EmailAddress != nil {
		e := Email{UUID: uuid.New(), Address: *in.EmailAddress, Main: true, Confirmed: in.EmailConfirmed}
		if err := u.q.EmailInsert(ctx, tx, db.EmailInsertParams{UUID: e.UUID, UserUUID: id, Address: e.Address, LoginKey: db.LoginKey(e.Address),
			Main: e.Main, Confirmed: e.Confirmed}); err != nil {
			return User{}, fmt.Errorf("insert address: %w", err)
		}
		made.Emails = append(made.Emails, e)
	}
	if err := u.joinAllUsers(ctx, tx, id, tenant); err != nil {
		return User{}, err
	}
	return made, trail.Add(ctx, tx, trail.Entry{Action: "user created", Subject: &id, Tenant: &tenant,
		Details: map[string]any{"username": in.Username, "email_address": in.EmailAddress, "purpose": in.Purpose, "authentication_method": in.Method,
			"enabled": in.Enabled}})
}

func addresses(in NewUser) []string {
	if in.EmailAddress == nil {
		return nil
	}
	return []string{*in.EmailAddress}
}

// joinAllUsers makes a user a member of the tenant's all-users group. The second try is for a group that another
// transaction was making.
func (u *Users) joinAllUsers(ctx context.Context, tx pgx.Tx, user, tenant uuid.UUID) error {
	for range 2 {
		n, err := u.q.UserJoinAllUsersGroup(ctx, tx, db.UserJoinAllUsersGroupParams{UserUUID: user, TenantUUID: tenant})
		if err != nil {
			return fmt.Errorf("join the all-users group: %w", err)
		}
		if n > 0 {
			return nil
		}
	}
	return fmt.Errorf("the tenant %s has no all-users group, and its name is taken", tenant)
}

// claim reserves a user's logins. One that is another user's is fault.Conflict: the username first, then the addresses in
// their order.
func (u *Users) claim(ctx context.Context, tx pgx.Tx, user uuid.UUID, username *string, addresses []string) error {
	p := db.UserClaimLoginsParams{UserUUID: user}
	if username != nil {
		p.UsernameKey = db.LoginKey(*username)
		p.Keys = append(p.Keys, p.UsernameKey)
	}
	for _, a := range addresses {
		p.Keys = append(p.Keys, db.LoginKey(a))
	}
	if len(p.Keys) == 0 {
		return nil
	}
	slices.SortFunc(p.Keys, bytes.Compare)
	p.Keys = slices.CompactFunc(p.Keys, bytes.Equal)
	mine, err := u.q.UserClaimLogins(ctx, tx, p)
	if err != nil {
		return fmt.Errorf("claim logins: %w", err)
	}
	return taken(username, addresses, func(key []byte) bool {
		return !slices.ContainsFunc(mine, func(k []byte) bool { return bytes.Equal(k, key) })
	})
}

// taken is the conflict of the first login that is another user's, or nil.
func taken(username *string, addresses []string, foreign func(key []byte) bool) error {
	if username != nil && foreign(db.LoginKey(*username)) {
		return conflict("username", `The login "`+*username+`" is already used`)
	}
	for _, a := range addresses {
		if foreign(db.LoginKey(a)) {
			return conflict("email_address", `The login "`+a+`" is already used`)
		}
	}
	return nil
}

// uuidInUse is the conflict of a user whose uuid is another's, unless the logins are taken too: they come first.
func (u *Users) uuidInUse(ctx context.Context, tx pgx.Tx, id uuid.UUID, in NewUser) error {
	if err := u.foreign(ctx, tx, nil, in.Username, addresses(in)); err != nil {
		return err
	}
	return conflict("uuid", `The uuid "`+id.String()+`" is already used`)
}

// foreign is the conflict of logins that are another user's than the one given, or nil. It reserves nothing.
func (u *Users) foreign(ctx context.Context, tx pgx.Tx, user *uuid.UUID, username *string, addresses []string) error {
	var keys [][]byte
	if username != nil {
		keys = append(keys, db.LoginKey(*username))
	}
	for _, a := range addresses {
		keys = append(keys, db.LoginKey(a))
	}
	if len(keys) == 0 {
		return nil
	}
	theirs, err := u.q.UserForeignLogins(ctx, tx, db.UserForeignLoginsParams{Keys: keys, UserUUID: user})
	if err != nil {
		return fmt.Errorf("find owners of logins: %w", err)
	}
	return taken(username, addresses, func(key []byte) bool {
		return slices.ContainsFunc(theirs, func(k []byte) bool { return bytes.Equal(k, key) })
	})
}

// conflict is the answer to what must be unique and is not (conventions.md section 7).
func conflict(field, message string) error {
	return fault.Modern(fault.Conflict, "conflict", "users", "Conflict detected",
		map[string]any{field: map[string]any{"constraint_id": "unique", "message": message}})
}
