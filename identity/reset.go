package identity

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/xivo-auth/xivo-auth/db"
	"github.com/xivo-auth/xivo-auth/fault"
	"github.com/xivo-auth/xivo-auth/mail"
	"github.com/xivo-auth/xivo-auth/trail"
)

// ResetRequest asks for a mail to set a new password. One of the first three is given.
type ResetRequest struct {
	// Username and Email are compared exactly, Login is either in any case. Email may be unconfirmed: it gets the mail.
	Username, Email, Login *string
	Link                   Link
	// Client is the address that the request came from.
	Client string
}

// RequestReset sends a mail with a token that may set a new password to whomever is meant, if it is somebody with a
// password of ours and an address (identity.md section 9). It tells nobody whether it did: nil is returned for nobody, for
// too many mails, and when the mail server fails, which is logged. The token is there before the mail goes out.
func (m *Mails) RequestReset(ctx context.Context, r *ResetRequest) error {
	p := db.MailRecipientParams{Username: r.Username, Address: r.Email}
	if r.Login != nil {
		p.LoginKey = db.LoginKey(*r.Login)
	}
	var u db.MailRecipientRow
	err := db.Retry(ctx, func() (err error) {
		u, err = m.q.MailRecipient(ctx, m.d.Pool, p)
		return err
	})
	if errors.Is(err, pgx.ErrNoRows) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("find recipient of a reset mail: %w", err)
	}
	recipient := u.ConfirmedAddress
	if r.Email != nil {
		recipient = *r.Email
	}
	if recipient == "" || managedElsewhere(u.Method) {
		return nil
	}
	if over, err := m.limited(ctx, kindReset, recipient, r.Client); over || err != nil {
		return err
	}
	var secret string
	err = db.InTx(ctx, m.d.Pool, func(tx pgx.Tx) (err error) {
		if secret, err = m.d.Tokens.IssueMailReset(ctx, tx, u.UUID, m.d.ResetLifetime); err != nil {
			return err
		}
		return trail.Add(ctx, tx, trail.Entry{Action: "password reset requested", Subject: &u.UUID, Tenant: &u.TenantUUID})
	})
	if err != nil {
		return err
	}
	m.d.Wake()
	err = m.sent(kindReset, m.d.Driver.SendPasswordReset(ctx, mail.Letter{Username: u.Username, Address: recipient, Token: secret, UserUUID: u.UUID, Link: r.Link}))
	if err != nil {
		m.d.Log.ErrorContext(ctx, "a reset mail could not be sent", "user_uuid", u.UUID, "error", err)
	}
	return nil
}

// NewPassword sets or removes the password of a user.
type NewPassword struct {
	// User is the uuid as it was sent.
	User string
	// Password is nil to remove it: no login with a password any more.
	Password *string
	// Scope is the tenant of an administrator, who may do this to users of it and below it; nil for a mailed token.
	Scope *uuid.UUID
	// MailSession is the session of a mailed token, which is used up by this; nil for an administrator.
	MailSession *uuid.UUID
}

// ResetPassword sets or removes a password without the old one, ends all sessions of the user, refresh tokens apart, and
// all reset mails that are on the way (identity.md section 9). Errors: fault.Unauthenticated with the error id
// "unauthorized" when the mailed token has been used meanwhile; fault.NotFound; for a password that is set also
// fault.Unauthenticated for a user without a login and fault.NotAllowed for one whose password is not ours.
func (m *Mails) ResetPassword(ctx context.Context, p NewPassword) error {
	unknown := fault.UnknownUser(p.User)
	if p.Password == nil {
		unknown.Details = map[string]any{"uuid": p.User, "password": nil}
	}
	user, err := uuid.Parse(p.User)
	if err != nil || len(p.User) != len(user.String()) {
		return unknown
	}
	var hash *string
	if p.Password != nil {
		h, err := m.d.Users.hasher.Hash(ctx, *p.Password)
		if err != nil {
			return hashFailed(err)
		}
		hash = &h
	}
	err = db.InTx(ctx, m.d.Pool, func(tx pgx.Tx) error {
		u, err := m.q.MailResetLock(ctx, tx, db.MailResetLockParams{UUID: user, Scope: p.Scope})
		if errors.Is(err, pgx.ErrNoRows) {
			return unknown
		}
		if err != nil {
			return fmt.Errorf("lock user: %w", err)
		}
		switch {
		case hash == nil:
		case !u.HasLogin:
			return fault.AuthenticationFailed()
		case managedElsewhere(u.Method):
			return PasswordManagedExternally(user)
		}
		return m.resetIn(ctx, tx, user, hash, p.MailSession)
	})
	if err != nil {
		return err
	}
	m.d.Wake()
	return nil
}

func (m *Mails) resetIn(ctx context.Context, tx pgx.Tx, user uuid.UUID, hash *string, mailed *uuid.UUID) error {
	ended, err := m.d.Users.sessions.RevokeResetsIn(ctx, tx, user)
	if err != nil {
		return err
	}
	if mailed != nil && !slices.Contains(ended, *mailed) { // another request was faster with it
		return fault.Modern(fault.Unauthenticated, "unauthorized", "", "Unauthorized", nil)
	}
	return m.d.Users.SetPasswordIn(ctx, tx, user, hash)
}
