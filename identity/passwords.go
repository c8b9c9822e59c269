package identity

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/xivo-auth/xivo-auth/db"
	"github.com/xivo-auth/xivo-auth/fault"
	"github.com/xivo-auth/xivo-auth/password"
	"github.com/xivo-auth/xivo-auth/trail"
)

// SetPasswordIn gives a user another password, as the Hasher made it, or none (nil), and ends all of the user's sessions
// and reset mails, inside the caller's transaction, which wakes the relays after its commit. Refresh tokens stay (tokens.md section 7).
// fault.NotFound without such a user.
func (u *Users) SetPasswordIn(ctx context.Context, tx pgx.Tx, user uuid.UUID, hash *string) error {
	tenant, err := u.q.UserSetPassword(ctx, tx, db.UserSetPasswordParams{UUID: user, PasswordHash: hash})
	if errors.Is(err, pgx.ErrNoRows) {
		return fault.UnknownUser(user.String())
	}
	if err != nil {
		return fmt.Errorf("set password: %w", err)
	}
	if _, err := u.sessions.RevokeUserIn(ctx, tx, user, reasonPasswordChanged); err != nil {
		return err
	}
	if _, err := u.sessions.RevokeResetsIn(ctx, tx, user); err != nil {
		return err
	}
	action := "password changed"
	if hash == nil {
		action = "password removed"
	}
	return trail.Add(ctx, tx, trail.Entry{Action: action, Subject: &user, Tenant: &tenant})
}

// SetPassword hashes a password and is SetPasswordIn in a transaction of its own.
func (u *Users) SetPassword(ctx context.Context, user uuid.UUID, newPassword string) error {
	hash, err := u.hasher.Hash(ctx, newPassword)
	if err != nil {
		return hashFailed(err)
	}
	err = db.InTx(ctx, u.pool, func(tx pgx.Tx) error { return u.SetPasswordIn(ctx, tx, user, &hash) })
	if err != nil {
		return err
	}
	u.wake()
	return nil
}

// Throttle admits attempts with a password, or refuses them with fault.Exhausted before the password is looked at. done is
// told how an admitted one went.
type Throttle interface {
	Begin(ctx context.Context, login, address string) (done func(ok bool), err error)
}

// Throttled is these users with old passwords guarded like those of logins.
func (u *Users) Throttled(t Throttle) *Users {
	guarded := *u
	guarded.throttle = t
	return &guarded
}

// Attempt is a change of a password as its user asks for it. Source is the address that it comes from.
type Attempt struct{ Old, New, Source string }

// ChangePassword replaces a user's password by another if the old one is right, and ends all of the user's sessions. With a
// scope, the user must be in that tenant or below it. Errors in their order: fault.NotFound; fault.Unauthenticated for a
// user without a login, a disabled one, or a wrong old password, in the time that a login takes; fault.NotAllowed for a
// password that is kept elsewhere (identity.md section 7). A throttled attempt is fault.Exhausted.
func (u *Users) ChangePassword(ctx context.Context, scope *uuid.UUID, user uuid.UUID, a Attempt) error {
	var r db.UserCheckPasswordRow
	err := db.Retry(ctx, func() (err error) {
		r, err = u.q.UserCheckPassword(ctx, u.pool, db.UserCheckPasswordParams{UUID: user, Scope: scope})
		return err
	})
	if errors.Is(err, pgx.ErrNoRows) {
		return fault.UnknownUser(user.String())
	}
	if err != nil {
		return fmt.Errorf("read user: %w", err)
	}
	if err := u.attempt(ctx, user, r, a); err != nil {
		return err
	}
	if managedElsewhere(r.Method) {
		return PasswordManagedExternally(user)
	}
	hash, err := u.hasher.Hash(ctx, a.New)
	if err != nil {
		return hashFailed(err)
	}
	err = db.InTx(ctx, u.pool, func(tx pgx.Tx) error {
		now, err := u.q.UserLock(ctx, tx, user)
		if errors.Is(err, pgx.ErrNoRows) {
			return fault.UnknownUser(user.String())
		}
		if err != nil {
			return fmt.Errorf("lock user: %w", err)
		}
		if !now.Enabled || now.PasswordHash == nil || *now.PasswordHash != *r.PasswordHash { // changed since it was verified
			return fault.AuthenticationFailed()
		}
		return u.SetPasswordIn(ctx, tx, user, &hash)
	})
	if err == nil {
		u.wake()
	}
	return err
}

// attempt verifies the old password, as often as the throttle allows. It counts by the user's uuid: a guesser with a stolen
// token does not use up the attempts of a login.
func (u *Users) attempt(ctx context.Context, user uuid.UUID, r db.UserCheckPasswordRow, a Attempt) error {
	if u.throttle == nil {
		return u.verify(ctx, r, a.Old)
	}
	done, err := u.throttle.Begin(ctx, user.String(), a.Source)
	if err != nil {
		return err
	}
	err = u.verify(ctx, r, a.Old)
	done(!errors.Is(err, fault.Unauthenticated))
	return err
}

func (u *Users) verify(ctx context.Context, r db.UserCheckPasswordRow, oldPassword string) error {
	if !r.HasLogin || !r.Enabled || r.PasswordHash == nil {
		if err := u.hasher.VerifyAbsent(ctx, oldPassword); err != nil {
			return hashFailed(err)
		}
		return fault.AuthenticationFailed()
	}
	ok, _, err := u.hasher.Verify(ctx, oldPassword, *r.PasswordHash)
	if err != nil {
		return hashFailed(err)
	}
	if !ok {
		return fault.AuthenticationFailed()
	}
	return nil
}

// managedElsewhere tells of a user's effective method whether the password is kept by another service. Methods of plug-ins
// do not count.
func managedElsewhere(method string) bool { return method == "ldap" || method == "saml" }

// PasswordManagedExternally is the answer to a change of a password that another service keeps.
func PasswordManagedExternally(user uuid.UUID) error {
	return fault.Modern(fault.NotAllowed, "password-managed-externally", "users",
		`Unable to update externally managed password for user : "`+user.String()+`"`, map[string]any{"uuid": user.String()})
}

// retryHash is what a client is told to wait when the queue of hashes is full.
const retryHash = 2 * time.Second

// hashFailed tells a client that has to come again, since too many wait for a hash, from a failure.
func hashFailed(err error) error {
	if errors.Is(err, password.ErrBusy) {
		f := fault.Historic(fault.Unavailable, "Too many logins at once, try again")
		f.RetryAfter = retryHash
		return f.Because(err)
	}
	return fmt.Errorf("hash password: %w", err)
}
