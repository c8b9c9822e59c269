package identity

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/xivo-auth/xivo-auth/db"
	"github.com/xivo-auth/xivo-auth/fault"
)

// ErrPasswordSet says that a user exists already, with another password.
var ErrPasswordSet = errors.New("exists already with different credential")

// Initial describes the first user (operations.md section 1.3).
type Initial struct {
	Username, Password, Purpose, PolicySlug string
}

// Bootstrap makes the first user in the top tenant. A user who can log in with these credentials already is left as they
// are (created is false); one with another password is ErrPasswordSet. An unknown policy or purpose is fault.Invalid and
// stores nothing.
func (u *Users) Bootstrap(ctx context.Context, in Initial) (created bool, err error) {
	if in.Username == "" || in.Password == "" {
		return false, fault.Historic(fault.Invalid, "username and password of the first user must not be empty")
	}
	switch in.Purpose {
	case PurposeUser, PurposeInternal, PurposeExternalAPI:
	default:
		return false, fault.Historic(fault.Invalid, fmt.Sprintf("purpose %q: must be one of user, internal, external_api", in.Purpose))
	}
	if done, err := u.alreadyThere(ctx, in); done || err != nil {
		return false, err
	}
	hash, err := u.hasher.Hash(ctx, in.Password)
	if err != nil {
		return false, hashFailed(err)
	}
	err = db.InTx(ctx, u.pool, func(tx pgx.Tx) error { return u.insertInitial(ctx, tx, in, hash) })
	if f, ok := fault.As(err); ok && f.Kind == fault.Conflict { // another process was faster: with the same password that is fine
		if done, err := u.alreadyThere(ctx, in); done || err != nil {
			return false, err
		}
	}
	return err == nil, err
}

// alreadyThere tells whether the username is taken by somebody with exactly this password.
func (u *Users) alreadyThere(ctx context.Context, in Initial) (bool, error) {
	owner, err := u.q.UserOwnerOfLogin(ctx, u.pool, db.LoginKey(in.Username))
	if errors.Is(err, pgx.ErrNoRows) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("find user by login: %w", err)
	}
	if owner.PasswordHash != nil && owner.Enabled {
		ok, _, err := u.hasher.Verify(ctx, in.Password, *owner.PasswordHash)
		if err != nil {
			return false, fmt.Errorf("verify password: %w", err)
		}
		if ok {
			return true, nil
		}
	}
	return false, fmt.Errorf("User %s %w", in.Username, ErrPasswordSet)
}

func (u *Users) insertInitial(ctx context.Context, tx pgx.Tx, in Initial, hash string) error {
	top, err := u.q.TenantTop(ctx, tx)
	if err != nil {
		return fmt.Errorf("find the top tenant: %w", err)
	}
	policy, err := u.q.PolicyBySlug(ctx, tx, db.PolicyBySlugParams{TenantUUID: top, Slug: in.PolicySlug})
	if errors.Is(err, pgx.ErrNoRows) {
		return fault.Historic(fault.Invalid, fmt.Sprintf("policy %q: there is none with this slug", in.PolicySlug))
	}
	if err != nil {
		return fmt.Errorf("find policy: %w", err)
	}
	made, err := u.CreateIn(ctx, tx, top, NewUser{Username: &in.Username, PasswordHash: &hash, Purpose: in.Purpose, Method: methodNative, Enabled: true})
	if err != nil {
		return err
	}
	if err := u.q.UserAddPolicy(ctx, tx, db.UserAddPolicyParams{UserUUID: made.UUID, PolicyUUID: policy}); err != nil {
		return fmt.Errorf("attach policy: %w", err)
	}
	return nil
}
