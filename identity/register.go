package identity

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/xivo-auth/xivo-auth/db"
	"github.com/xivo-auth/xivo-auth/fault"
	"github.com/xivo-auth/xivo-auth/mail"
	"github.com/xivo-auth/xivo-auth/trail"
)

// Registration is somebody who registers.
type Registration struct {
	Username, Password  string
	Firstname, Lastname *string
	EmailAddress        string
	Link                Link
	// Client is the address that the request came from.
	Client string
}

// retryMails is what a client is told to wait when there were too many mails.
const retryMails = 10 * time.Minute

// Register makes a tenant, its first user with an unconfirmed address, and sends the mail that confirms it, all or nothing:
// the mail has been accepted before anything is there for others to see (identity.md section 8). Errors: fault.Exhausted
// above the limit of mails, fault.Conflict for a login in use, whatever keeps the mail from being sent.
func (m *Mails) Register(ctx context.Context, r *Registration) (User, error) {
	hash, err := m.d.Users.hasher.Hash(ctx, r.Password)
	if err != nil {
		return User{}, hashFailed(err)
	}
	if over, err := m.limited(ctx, kindConfirmation, r.EmailAddress, r.Client); err != nil {
		return User{}, err
	} else if over {
		f := fault.Historic(fault.Exhausted, "Too many mails, try again later")
		f.RetryAfter = retryMails
		return User{}, f
	}
	select {
	case m.registrations <- struct{}{}:
		defer func() { <-m.registrations }()
	case <-ctx.Done():
		return User{}, fmt.Errorf("wait for other registrations: %w", ctx.Err())
	}
	var made User
	err = db.InTx(ctx, m.d.Pool, func(tx pgx.Tx) (err error) {
		made, err = m.registerIn(ctx, tx, r, hash)
		return err
	})
	if err != nil {
		return User{}, err
	}
	m.d.Wake()
	return made, nil
}

func (m *Mails) registerIn(ctx context.Context, tx pgx.Tx, r *Registration, hash string) (User, error) {
	top, err := m.q.TenantTop(ctx, tx)
	if err != nil {
		return User{}, fmt.Errorf("find the top tenant: %w", err)
	}
	tenant, err := m.d.Tenants.CreateIn(ctx, tx, top, NewTenant{TenantChange: TenantChange{Name: &r.Username, Method: methodNative}})
	if err != nil {
		return User{}, err
	}
	made, err := m.d.Users.CreateIn(ctx, tx, tenant.UUID, NewUser{Username: &r.Username, Firstname: r.Firstname, Lastname: r.Lastname,
		Purpose: PurposeUser, Method: methodDefault, Enabled: true, PasswordHash: &hash, EmailAddress: &r.EmailAddress})
	if err != nil {
		return User{}, err
	}
	email := made.Emails[0].UUID
	secret, err := m.d.Tokens.IssueMailConfirm(ctx, tx, made.UUID, email, m.d.ConfirmLifetime)
	if err != nil {
		return User{}, err
	}
	if err := trail.Add(ctx, tx, trail.Entry{Action: "user registered", Subject: &made.UUID, Tenant: &tenant.UUID}); err != nil {
		return User{}, err
	}
	// The last thing before the commit.
	err = m.sent(kindConfirmation, m.d.Driver.SendConfirmation(ctx, mail.Letter{Username: &r.Username, Address: r.EmailAddress, Token: secret, EmailUUID: email, Link: r.Link}))
	return made, err
}
