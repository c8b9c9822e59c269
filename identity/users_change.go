package identity

import (
	"bytes"
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/xivo-auth/xivo-auth/db"
	"github.com/xivo-auth/xivo-auth/fault"
	"github.com/xivo-auth/xivo-auth/trail"
)

// UserChange is what an edit replaces, all of it (identity.md section 6).
type UserChange struct {
	Username, Firstname, Lastname *string
	Purpose                       string
	// Method is nil for the default of the purpose.
	Method  *string
	Enabled bool
}

// Creation describes a user to be made by a request (identity.md section 5).
type Creation struct {
	UserChange
	UUID *uuid.UUID
	// Password is nil for none.
	Password     *string
	EmailAddress *string
}

// method is the authentication method that was asked for, or the default of the purpose. One that nobody offers is
// fault.Invalid.
func (u *Users) method(c UserChange) (string, error) {
	switch {
	case c.Method == nil && c.Purpose == PurposeUser:
		return methodDefault, nil
	case c.Method == nil:
		return methodNative, nil
	case u.methods.Known(*c.Method):
		return *c.Method, nil
	}
	return "", fault.Modern(fault.Invalid, "invalid-data", "users", "Invalid authentication method "+*c.Method,
		map[string]any{"authentication_method": *c.Method})
}

// Create makes a user in a tenant. The address counts as confirmed. A method that nobody offers is fault.Invalid; see
// CreateIn for the conflicts.
func (u *Users) Create(ctx context.Context, tenant uuid.UUID, c Creation) (User, error) {
	method, err := u.method(c.UserChange)
	if err != nil {
		return User{}, err
	}
	in := NewUser{UUID: c.UUID, Username: c.Username, Firstname: c.Firstname, Lastname: c.Lastname, Purpose: c.Purpose, Method: method,
		Enabled: c.Enabled, EmailAddress: c.EmailAddress, EmailConfirmed: true}
	if c.Password != nil {
		hash, err := u.hasher.Hash(ctx, *c.Password)
		if err != nil {
			return User{}, hashFailed(err)
		}
		in.PasswordHash = &hash
	}
	var made User
	err = db.InTx(ctx, u.pool, func(tx pgx.Tx) (err error) {
		made, err = u.CreateIn(ctx, tx, tenant, in)
		return err
	})
	return made, err
}

// Update replaces what a user of a tenant or below it is. Whoever is disabled by it, again or for the first time, has no
// session afterwards; refresh tokens stay. Errors in their order: fault.Invalid for a method that nobody offers,
// fault.NotFound, fault.Conflict for a username that is another user's.
func (u *Users) Update(ctx context.Context, scope, user uuid.UUID, c UserChange) (User, error) {
	method, err := u.method(c)
	if err != nil {
		return User{}, err
	}
	changed, ended := User{UUID: user, Username: c.Username, Firstname: c.Firstname, Lastname: c.Lastname, Purpose: c.Purpose, Method: method,
		Enabled: c.Enabled}, 0
	err = db.InTx(ctx, u.pool, func(tx pgx.Tx) error {
		before, err := u.lockIn(ctx, tx, &scope, user)
		if err != nil {
			return err
		}
		changed.Tenant = before.TenantUUID
		if err := u.rename(ctx, tx, user, before.Username, c.Username); err != nil {
			return err
		}
		emails, err := u.q.UserUpdate(ctx, tx, db.UserUpdateParams{UUID: user, Username: c.Username, Firstname: c.Firstname, Lastname: c.Lastname,
			Purpose: c.Purpose, AuthenticationMethod: method, Enabled: c.Enabled})
		if err != nil {
			return fmt.Errorf("update user: %w", err)
		}
		if changed.Emails, err = readEmails(emails); err != nil {
			return err
		}
		if !c.Enabled {
			if ended, err = u.sessions.RevokeUserIn(ctx, tx, user, reasonUserDisabled); err != nil {
				return err
			}
		}
		return trail.Add(ctx, tx, trail.Entry{Action: "user updated", Subject: &user, Tenant: &before.TenantUUID, Details: map[string]any{
			"username": c.Username, "former_username": before.Username, "purpose": c.Purpose, "authentication_method": method, "enabled": c.Enabled}})
	})
	if err != nil {
		return User{}, err
	}
	if ended > 0 {
		u.wake()
	}
	return changed, nil
}

// rename moves what is reserved from one username to another. Nil is none.
func (u *Users) rename(ctx context.Context, tx pgx.Tx, user uuid.UUID, from, to *string) error {
	var old, present []byte
	if from != nil {
		old = db.LoginKey(*from)
	}
	if to != nil {
		present = db.LoginKey(*to)
	}
	if bytes.Equal(old, present) {
		return nil
	}
	if err := u.claim(ctx, tx, user, to, nil); err != nil {
		return err
	}
	if err := u.q.UserReleaseUsername(ctx, tx, db.UserReleaseUsernameParams{UserUUID: user, UsernameKey: present}); err != nil {
		return fmt.Errorf("release username: %w", err)
	}
	return nil
}

// Delete ends all sessions of a user of a tenant or below it, and removes the user with everything of theirs.
// fault.NotFound without such a user.
func (u *Users) Delete(ctx context.Context, scope, user uuid.UUID) error {
	ended := 0
	err := db.InTx(ctx, u.pool, func(tx pgx.Tx) error {
		gone, err := u.lockIn(ctx, tx, &scope, user)
		if err != nil {
			return err
		}
		if ended, err = u.sessions.RevokeUserIn(ctx, tx, user, reasonUserDeleted); err != nil {
			return err
		}
		mailed, err := u.sessions.RevokeMailsIn(ctx, tx, user, reasonUserDeleted)
		if err != nil {
			return err
		}
		ended += mailed
		if err := u.q.UserDelete(ctx, tx, user); err != nil {
			return fmt.Errorf("delete user: %w", err)
		}
		return trail.Add(ctx, tx, trail.Entry{Action: "user deleted", Subject: &user, Tenant: &gone.TenantUUID,
			Details: map[string]any{"username": gone.Username}})
	})
	if err == nil && ended > 0 {
		u.wake()
	}
	return err
}
