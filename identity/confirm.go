package identity

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/xivo-auth/xivo-auth/db"
	"github.com/xivo-auth/xivo-auth/fault"
	"github.com/xivo-auth/xivo-auth/mail"
	"github.com/xivo-auth/xivo-auth/trail"
)

// ConfirmationRequest asks for a mail to confirm an address.
type ConfirmationRequest struct {
	// Scope is the tenant of the caller: the user is in it or below it.
	Scope       uuid.UUID
	User, Email uuid.UUID
	Link        Link
	// Client is the address that the request came from.
	Client string
}

// RequestConfirmation sends a mail with a token that may confirm an address (identity.md section 11); the token is there
// before the mail goes out. Above the limit of mails nothing happens. Errors: fault.NotFound for the user, then for the
// address; fault.Conflict for one that is confirmed; whatever keeps the mail from being sent.
func (m *Mails) RequestConfirmation(ctx context.Context, r *ConfirmationRequest) error {
	var e db.MailAddressRow
	err := db.Retry(ctx, func() (err error) {
		e, err = m.q.MailAddress(ctx, m.d.Pool, db.MailAddressParams{UserUUID: r.User, EmailUUID: r.Email, Scope: r.Scope})
		return err
	})
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return fault.UnknownUser(r.User.String())
	case err != nil:
		return fmt.Errorf("find address: %w", err)
	case e.Address == nil || e.Confirmed == nil:
		return unknownEmail(r.Email)
	case *e.Confirmed:
		return fault.Modern(fault.Conflict, "conflict", "emails", `This email already confirmed: "`+r.Email.String()+`"`, map[string]any{"uuid": r.Email.String()})
	}
	if over, err := m.limited(ctx, kindConfirmation, *e.Address, r.Client); over || err != nil {
		return err
	}
	var secret string
	err = db.InTx(ctx, m.d.Pool, func(tx pgx.Tx) (err error) {
		if secret, err = m.d.Tokens.IssueMailConfirm(ctx, tx, r.User, r.Email, m.d.ConfirmLifetime); err != nil {
			return err
		}
		return trail.Add(ctx, tx, trail.Entry{Action: "email confirmation requested", Subject: &r.User, Tenant: &e.TenantUUID,
			Details: map[string]any{"email_uuid": r.Email}})
	})
	if err != nil {
		return err
	}
	m.d.Wake()
	return m.sent(kindConfirmation, m.d.Driver.SendConfirmation(ctx, mail.Letter{Username: e.Username, Address: *e.Address, Token: secret, EmailUUID: r.Email, Link: r.Link}))
}

// Confirm makes an address confirmed, so that it is a login; one that is already stays so. With a scope, the address must be
// of a user in that tenant or below it. fault.NotFound.
func (m *Mails) Confirm(ctx context.Context, scope *uuid.UUID, email uuid.UUID) error {
	return db.InTx(ctx, m.d.Pool, func(tx pgx.Tx) error {
		e, err := m.q.MailConfirm(ctx, tx, db.MailConfirmParams{EmailUUID: email, Scope: scope})
		if errors.Is(err, pgx.ErrNoRows) {
			return unknownEmail(email)
		}
		if err != nil {
			return fmt.Errorf("confirm address: %w", err)
		}
		return trail.Add(ctx, tx, trail.Entry{Action: "email confirmed", Subject: &e.UserUUID, Tenant: &e.TenantUUID,
			Details: map[string]any{"email_uuid": email}})
	})
}

// Confirmable is the error that Confirm would give, without an effect.
func (m *Mails) Confirmable(ctx context.Context, scope *uuid.UUID, email uuid.UUID) error {
	var there bool
	err := db.Retry(ctx, func() (err error) {
		there, err = m.q.MailConfirmable(ctx, m.d.Pool, db.MailConfirmableParams{EmailUUID: email, Scope: scope})
		return err
	})
	if err != nil {
		return fmt.Errorf("find address: %w", err)
	}
	if !there {
		return unknownEmail(email)
	}
	return nil
}

func unknownEmail(email uuid.UUID) error {
	return fault.Modern(fault.NotFound, "unknown-email", "emails", `No such email: "`+email.String()+`"`, map[string]any{"uuid": email.String()})
}
