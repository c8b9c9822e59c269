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
)

// Purposes that a user may have.
const (
	PurposeUser        = "user"
	PurposeInternal    = "internal"
	PurposeExternalAPI = "external_api"
)

// Hasher makes and verifies password hashes.
type Hasher interface {
	Hash(ctx context.Context, password string) (string, error)
	Verify(ctx context.Context, password, stored string) (ok, rehash bool, err error)
}

// Sessions ends sessions inside the caller's transaction.
type Sessions interface {
	RevokeUserIn(ctx context.Context, tx pgx.Tx, user uuid.UUID, reason string) (int, error)
}

// Users makes and changes users.
type Users struct {
	pool     *pgxpool.Pool
	q        *db.Queries
	hasher   Hasher
	sessions Sessions
	wake     func()
}

// NewUsers makes the service. wake tells the relays, after a commit, that lifetimes are due.
func NewUsers(pool *pgxpool.Pool, hasher Hasher, sessions Sessions, wake func()) *Users {
	return &Users{pool: pool, q: db.New(), hasher: hasher, sessions: sessions, wake: wake}
}

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
		return false, fmt.Errorf("hash password: %w", err)
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
	return false, fmt.Errorf("User %s %w", in.Username, ErrPasswordSet) //nolint:staticcheck // the contract's wording
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
	id := uuid.New()
	err = u.q.UserInsert(ctx, tx, db.UserInsertParams{UUID: id, TenantUUID: top, Username: &in.Username, PasswordHash: &hash,
		Purpose: in.Purpose, AuthenticationMethod: "native"})
	if err != nil {
		return fmt.Errorf("insert user: %w", err)
	}
	if err := u.claimLogin(ctx, tx, id, in.Username); err != nil {
		return err
	}
	if err := u.q.UserJoinAllUsersGroup(ctx, tx, db.UserJoinAllUsersGroupParams{UserUUID: id, TenantUUID: top}); err != nil {
		return fmt.Errorf("join the all-users group: %w", err)
	}
	if err := u.q.UserAddPolicy(ctx, tx, db.UserAddPolicyParams{UserUUID: id, PolicyUUID: policy}); err != nil {
		return fmt.Errorf("attach policy: %w", err)
	}
	return nil
}

// claimLogin reserves a login; fault.Conflict when it is another user's.
func (u *Users) claimLogin(ctx context.Context, tx pgx.Tx, user uuid.UUID, login string) error {
	n, err := u.q.UserClaimLogin(ctx, tx, db.UserClaimLoginParams{Key: db.LoginKey(login), UserUUID: user})
	if err != nil {
		return fmt.Errorf("claim login: %w", err)
	}
	if n == 0 {
		return fault.Modern(fault.Conflict, "conflict", "users", "Conflict detected", map[string]any{"username": map[string]any{
			"constraint_id": "unique", "message": `The login "` + login + `" is already used`}})
	}
	return nil
}

// SetPassword gives a user another password and ends all of the user's sessions in the same transaction. Refresh tokens
// stay (tokens.md section 7). fault.NotFound without such a user.
func (u *Users) SetPassword(ctx context.Context, user uuid.UUID, password string) error {
	hash, err := u.hasher.Hash(ctx, password)
	if err != nil {
		return fmt.Errorf("hash password: %w", err)
	}
	err = db.InTx(ctx, u.pool, func(tx pgx.Tx) error {
		n, err := u.q.UserSetPassword(ctx, tx, db.UserSetPasswordParams{UUID: user, PasswordHash: &hash})
		if err != nil {
			return fmt.Errorf("set password: %w", err)
		}
		if n == 0 {
			return fault.UnknownUser(user.String())
		}
		_, err = u.sessions.RevokeUserIn(ctx, tx, user, "password changed")
		return err
	})
	if err != nil {
		return err
	}
	u.wake()
	return nil
}
